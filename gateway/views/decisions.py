"""What waits for a person's decision, as rows of the inbox: held lists, held gains, and what takes a second person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from sqlalchemy import Connection, select

from gateway.core.four_eyes import Decision
from gateway.exchange.tell import feed
from gateway.store import proposals
from gateway.store.listings import held_lists
from gateway.store.proposals import Proposal
from gateway.store.tables import listing
from gateway.views.inbox_row import Action, InboxKind, InboxRow


def waiting_lists(connection: Connection) -> Iterator[InboxRow]:
    changed = {
        row.id: row.changed for row in connection.execute(select(listing.c.id, listing.c.changed).where(listing.c.state == "held"))
    }
    for one in held_lists(connection):
        yield InboxRow(
            kind=InboxKind.HELD_LIST,
            subject=f"list-{one.id}",
            partner=one.partner,
            since=changed.get(one.id),
            count=one.granting + one.omitting,
            says=f"A list of {one.partner} would grant {one.granting} operators and no longer names {one.omitting}: more than passes by itself.",
            if_nobody_acts="Its grants grant nothing, and whom it omits keeps benefits with a warning.",
            actions=[
                Action(does="let it count", route=f"POST /v1/lists/{one.id}/release", command=f"aeo-gateway list release {one.id}"),
                Action(does="set it aside", route=f"POST /v1/lists/{one.id}/drop", command=f"aeo-gateway list drop {one.id}"),
            ],
        )


def waiting_gains(connection: Connection) -> Iterator[InboxRow]:
    for one in feed.waiting(connection):
        confirm = f"POST /v1/domestic/held/{one.id}/confirm"
        yield InboxRow(
            kind=InboxKind.HELD_GAIN,
            subject=f"record-{one.id}",
            partner=None,
            since=one.recorded,
            count=1,
            says=f"No rule foresaw the gains of {one.record.uscc}: {one.note}",
            if_nobody_acts="Its losses hold; no partner hears of its gains.",
            actions=[Action(does="let its gains through", route=confirm, command=f"aeo-gateway domestic confirm {one.id}")],
        )


def waiting_proposals(connection: Connection, *, domestic: bool) -> Iterator[InboxRow]:
    for one in proposals.open_now(connection, *Decision):
        if domestic or one.decision is not Decision.GAINS:
            yield InboxRow(
                kind=InboxKind.PROPOSAL,
                subject=one.subject,
                partner=None if one.decision is Decision.LAW else one.partner,
                since=one.proposed,
                count=1,
                says=f"{one.decision.value}: {one.sentence}" + (f" {one.reason}" if one.reason else ""),
                if_nobody_acts="Nothing of it is done.",
                actions=[_second(one)],
            )


def _second(one: Proposal) -> Action:
    route: str | None
    match one.decision:
        case Decision.ANNULMENT:
            route, command = f"POST /v1/voids/{one.number}/confirm", f"aeo-gateway void confirm {one.number}"
        case Decision.TRANSCRIPTION:
            route, command = f"POST /v1/spreadsheets/{one.number}/confirm", f"aeo-gateway partner confirm {one.number}"
        case Decision.LIST_RELEASE:
            route, command = f"POST /v1/lists/{one.number}/release", f"aeo-gateway list release {one.number}"
        case Decision.LIST_DROP:
            route, command = f"POST /v1/lists/{one.number}/drop", f"aeo-gateway list drop {one.number}"
        case Decision.GAINS:
            route, command = f"POST /v1/domestic/held/{one.number}/confirm", f"aeo-gateway domestic confirm {one.number}"
        case Decision.ACTIVATION:
            route, command = f"POST /v1/partners/{one.partner}/activate", f"aeo-gateway partner activate {one.partner}"
        case Decision.LAW:
            route, command = None, "aeo-gateway partner activate --law"
        case Decision.KEYS:  # the reason names the command
            route, command = None, f"aeo-gateway {one.reason}"
        case Decision.RETENTION:
            route, command = None, "aeo-gateway retention set"
        case Decision.ROLES:
            route, command = None, "aeo-gateway principal"
        case _:
            assert_never(one.decision)
    return Action(does="agree, as a second person", route=route, command=command)
