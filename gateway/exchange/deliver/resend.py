"""Sending again what has ended: for a partner that missed it, or at a person's word.

The same bytes under the same id as long as its receiver would take them; after that (too old, or signed by a certificate that has
ended) something newer says what it said: for news and lists a complete list as of now, because old news under a new date would
overrule what was said since; for everything else the same content in a new message.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from gateway.core.access import Actor
from gateway.core.model import Kind
from gateway.exchange.tell import feed
from gateway.node.context import Context, new_id
from gateway.store import journal, outbox, queries, sent
from gateway.store.active import ActivePartner
from gateway.store.sent import Ended

_NEWS = (Kind.LIST, Kind.UPDATE, Kind.NOTICE)


def resend(connection: Connection, node: Context, live: ActivePartner, ended: Sequence[Ended], at: datetime) -> None:
    """Queues these messages, all of one partner, once more, or what stands for them now."""
    binding = live.arrangement.binding
    there = [one for one in ended if one.pruned is None]
    fresh = [one for one in there if one.created + binding.accept_for > at and (one.good_until is None or one.good_until > at)]
    outbox.again(connection, [one.id for one in fresh], now=at, retry_for=binding.retry_for)
    stale = [one for one in ended if one not in fresh]
    reissue(connection, node, live, stale, at)


def reissue(connection: Connection, node: Context, live: ActivePartner, stale: Sequence[Ended], at: datetime) -> None:
    """Queues what stands for these messages now. They themselves are not sent again."""
    outbox.reissued(connection, [one.id for one in stale], at)
    if any(one.kind in _NEWS for one in stale):
        feed.full_list(connection, node, live, at)
    for one in stale:
        if one.kind in _NEWS:
            continue
        header, payload = sent.content(connection, one.id)
        fresh_id, accept_for = new_id(), live.arrangement.binding.accept_for
        if header.kind is Kind.QUERY:
            queries.asked_again(connection, header.receiver, one.message_id, fresh_id, at=at, accept_for=accept_for)
        outbox.enqueue(
            connection,
            partner=header.receiver,
            sender=header.sender,
            environment=header.environment,
            message_id=fresh_id,
            kind=header.kind,
            payload=payload,
            at=at,
            retry_for=live.arrangement.binding.retry_for,
            bundle=live.bundle.digest,
            dialect=(header.dialect, header.version) if header.dialect and header.version else None,
            refers_to=header.refers_to or one.message_id,
            picture=header.picture,
            codes=sent.codes(connection, one.id),
        )


def by_hand(
    connection: Connection, node: Context, message_ids: Sequence[str], *, who: Actor, reason: str, at: datetime
) -> list[str]:
    """A person has ended messages sent again; returns the ids of those that could be. Who and why are journalled."""
    done: list[str] = []
    for iso, live in node.partners.all().items():
        chosen = sent.ended(connection, iso, sent.named(message_ids))
        if chosen:
            with node.partners.problems.apart(iso, "resending", connection) as part:
                resend(connection, node, live, chosen, at)
            done += [one.message_id for one in chosen] if part.fault is None else []
    for message_id in done:
        journal.append(
            connection, "decision", message_id, {"decision": "resend", "who": who.name, "by": who.noted, "reason": reason}, at=at
        )
    return done
