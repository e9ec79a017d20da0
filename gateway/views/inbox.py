"""What needs a person, in one list: whatever waits for a decision, failed, or will do harm if nobody looks at it.

Each row says what happens if nobody acts, and what settles it: the route and the command that do the same. Many messages that failed
alike are one row, for one decision settles them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, func, select

from gateway.node.context import Context, connected, day_of
from gateway.store import circuits
from gateway.store.listings import last_complete
from gateway.store.outbox import FAILED, OPEN
from gateway.store.problems import recorded
from gateway.store.tables import REHEARSED, entry, outbox
from gateway.trust.endings import Alert
from gateway.views import decisions, enterprises, persons
from gateway.views.inbox_row import Action, InboxKind, InboxRow
from gateway.views.outgoing import OF_ANYBODY

#: How far ahead deadlines of our own enterprises are looked for: time enough to act, and not a list of the year (choice).
AHEAD = timedelta(days=14)
#: Seconds since 1970 that nobody lives to see: places count back from there.
_LAST = 10**11


class Inbox(msgspec.Struct, frozen=True, kw_only=True):
    """What needs a person, the newest first; ``counts`` are by kind, of all rows and not only of this page. Of Chinese enterprises (held gains,
    deadlines) only whoever may read domestic data sees anything. ``next`` is given as ``after`` for the rows that follow."""

    rows: Sequence[InboxRow]
    counts: Mapping[InboxKind, int]
    next: str | None


def place(row: InboxRow) -> str:
    """Where a row stands in the order, as a text that sorts so: the newest first, then by kind and subject."""
    return f"{_LAST - (int(row.since.timestamp()) if row.since else 0):012d} {row.kind} {row.subject}"


def page(rows: Iterable[InboxRow], *, kind: InboxKind | None, partner: str | None, after: str | None, most: int) -> Inbox:
    """Those of one kind and partner that stand after a place."""
    chosen = sorted((one for one in rows if kind in (None, one.kind) and partner in (None, one.partner)), key=place)
    following = [one for one in chosen if after is None or place(one) > after]
    shown = following[:most]
    counts = dict(sorted(Counter(one.kind for one in chosen).items()))
    return Inbox(rows=shown, counts=counts, next=place(shown[-1]) if len(following) > most else None)


def inbox(
    connection: Connection, node: Context, alerts: Iterable[Alert], at: datetime, *, domestic: bool, whole: bool
) -> list[InboxRow]:
    """Everything, in no order. ``alerts`` is what ends soon; ``domestic``: whether Chinese enterprises may be spoken of; ``whole``: whether it is said by
    what something fails."""
    rows = [
        *decisions.waiting_lists(connection),
        *decisions.waiting_proposals(connection, domestic=domestic),
        *_dead_letters(connection),
    ]
    rows += [*_unreachable(connection), *_old_data(connection, node, at), *map(_ending, _unsucceeded(alerts))]
    rows += [*_rehearsals(connection), *_faults(connection, node, whole=whole)]
    rows += [*persons.unacknowledged(connection), *persons.emergencies(connection, at)]
    if domestic:
        rows += [*decisions.waiting_gains(connection), *_deadlines(connection, at)]
    return rows


def _dead_letters(connection: Connection) -> Iterator[InboxRow]:
    columns = (outbox.c.partner, outbox.c.state, func.count().label("number"), func.min(outbox.c.created).label("since"))
    query = select(*columns).where(OF_ANYBODY, outbox.c.state.in_(FAILED)).group_by(outbox.c.partner, outbox.c.state)
    ended = {"dead": "refused or given up", "expired": "past their time"}
    for row in connection.execute(query.order_by(outbox.c.partner, outbox.c.state)):
        iso = row.partner
        yield InboxRow(
            kind=InboxKind.DEAD_LETTERS,
            subject=f"{iso} {row.state}",
            partner=iso,
            since=row.since,
            count=row.number,
            says=f"{row.number} messages to {iso} are {ended[row.state]}.",
            if_nobody_acts=f"{iso} does not hear what they say.",
            actions=[
                Action(
                    does="look at them", route=f"GET /v1/outbox?partner={iso}", command=f"aeo-gateway outbox list --partner {iso}"
                ),
                Action(
                    does="send them again",
                    route="POST /v1/outbox/resend",
                    command=f"aeo-gateway outbox resend --failed --partner {iso}",
                ),
            ],
        )


def _unreachable(connection: Connection) -> Iterator[InboxRow]:
    for iso, (failures, _, problem) in circuits.broken(connection).items():
        waiting = (outbox.c.partner == iso) & outbox.c.state.in_(OPEN)
        waits = connection.execute(
            select(func.count().label("number"), func.min(outbox.c.created).label("since")).where(waiting)
        ).one()
        yield InboxRow(
            kind=InboxKind.UNREACHABLE,
            subject=iso,
            partner=iso,
            since=waits.since,
            count=waits.number,
            says=f"{failures} tries in a row to reach {iso} failed, the last by: {problem or 'nothing that was said'}",
            if_nobody_acts=f"It is tried again by itself; until then {iso} hears nothing, and what waits too long expires.",
            actions=[
                Action(
                    does="see what waits", route=f"GET /v1/outbox?partner={iso}", command=f"aeo-gateway outbox list --partner {iso}"
                ),
                Action(
                    does="ask its endpoint",
                    route=f"GET /v1/partners/{iso}/check?online=true",
                    command=f"aeo-gateway partner check {iso} --online",
                ),
            ],
        )


def _old_data(connection: Connection, node: Context, at: datetime) -> Iterator[InboxRow]:
    """Of active partners whose arrangement is in force: no list yet though they are connected, or one older than answers say nothing of."""
    lists, day = last_complete(connection), day_of(at)
    for iso, live in sorted(node.partners.all().items()):
        found: tuple[datetime | None, str, str] | None = None
        with node.partners.problems.apart(iso, "showing"):
            terms = live.arrangement
            warn, stop = terms.warn_after.on(day).value, terms.stop_after.on(day).value
            heard = max((as_of for (partner, _), as_of in lists.items() if partner == iso), default=None)
            if live.state == "active" and terms.in_force.on(day).value:
                if heard is not None and stop is not None and at - heard > stop:
                    found = (
                        heard,
                        f"The last list of {iso} is too old to answer by.",
                        "Answers about its operators are undetermined.",
                    )
                elif heard is not None and warn is not None and at - heard > warn:
                    ends = (
                        f" from {heard + stop:%Y-%m-%d %H:%M} UTC on they are undetermined" if stop else " they go on as they are"
                    )
                    found = heard, f"The last list of {iso} is old.", f"Answers about its operators say so;{ends}."
                elif heard is None and connected(live):
                    found = None, f"{iso} is connected and has sent no list yet.", "Nobody of it is eligible."
        if found is not None:
            yield InboxRow(
                kind=InboxKind.OLD_DATA,
                subject=iso,
                partner=iso,
                since=found[0],
                count=1,
                says=found[1],
                if_nobody_acts=found[2],
                actions=[
                    Action(
                        does="see its terms and who to ask",
                        route=f"GET /v1/partners/{iso}",
                        command=f"aeo-gateway partner show {iso}",
                    )
                ],
            )


def _unsucceeded(alerts: Iterable[Alert]) -> Iterator[Alert]:
    """What is followed by another ends without harm."""
    return (one for one in alerts if not one.ending.succeeded)


def _ending(alert: Alert) -> InboxRow:
    one = alert.ending
    ours, of_partner = one.kind == "our-key", one.kind in ("certificate", "authority")
    when = "ended" if alert.left <= timedelta() else "ends"
    harm = (
        "Partners no longer understand what we sign."
        if ours
        else f"What {one.owner} signs can no longer be relied on, and is refused."
    )
    act = (
        Action(does="make the next key", route=f"POST /v1/keys/{one.owner}/rotate", command=f"aeo-gateway key rotate {one.owner}")
        if ours
        else Action(
            does="see its certificates",
            route=f"GET /v1/partners/{one.owner}/certificates",
            command=f"aeo-gateway partner check {one.owner}",
        )
        if of_partner
        else Action(does="see what ends", route="GET /v1/warnings", command="aeo-gateway warnings")
    )
    return InboxRow(
        kind=InboxKind.ENDING,
        subject=f"{one.kind} {one.owner} {one.name}",
        partner=one.owner if of_partner else None,
        since=one.ends - timedelta(days=alert.days),
        count=1,
        says=f"{one.kind} {one.owner} {one.name} {when} at {one.ends:%Y-%m-%d %H:%M} UTC.",
        if_nobody_acts=harm if ours or of_partner else "Whether a certificate is revoked can then not be told.",
        actions=[act],
    )


def _rehearsals(connection: Connection) -> Iterator[InboxRow]:
    """Of each partner the last one, where that did not pass."""
    latest = select(func.max(entry.c.id)).where(REHEARSED).group_by(entry.c.partner)
    for row in connection.execute(select(entry).where(entry.c.id.in_(latest)).order_by(entry.c.id)):
        said = msgspec.json.decode(row.body)
        if not said["passed"]:
            failed = [name for name, passed in said["steps"].items() if not passed]
            yield InboxRow(
                kind=InboxKind.FAILED_REHEARSAL,
                subject=row.subject,
                partner=row.partner,
                since=row.at,
                count=len(failed),
                says=f"The last rehearsal of {row.partner} did not pass: {', '.join(failed)}.",
                if_nobody_acts="That data is not activated in production.",
                actions=[
                    Action(
                        does="try it again",
                        route=f"POST /v1/partners/{row.partner}/rehearse",
                        command=f"aeo-gateway partner rehearse {row.partner}",
                    )
                ],
            )


def _deadlines(connection: Connection, at: datetime) -> Iterator[InboxRow]:
    for one in enterprises.deadlines(connection, day_of(at), AHEAD):
        yield InboxRow(
            kind=InboxKind.DEADLINE,
            subject=f"{one.uscc} {one.due.value}",
            partner=None,
            since=None,
            count=1,
            says=f"{one.due.value} of {one.uscc} is due by {one.day}: {one.why}",
            if_nobody_acts="What the law says of the day holds from then on, whether or not the feed follows.",
            actions=[
                Action(
                    does="see how it stands",
                    route=f"GET /v1/domestic/enterprises/{one.uscc}",
                    command=f"aeo-gateway domestic show {one.uscc}",
                )
            ],
        )


def _faults(connection: Connection, node: Context, *, whole: bool) -> Iterator[InboxRow]:
    for one in node.partners.problems.merged(recorded(connection)):
        yield InboxRow(
            kind=InboxKind.PARTNER_FAULT,
            subject=f"{one.partner} {one.what}",
            partner=one.partner,
            since=one.since,
            count=1,
            says=f"{one.what} of {one.partner} does not work" + (f": {one.problem}" if whole else "."),
            if_nobody_acts="It is tried again by itself, and fails again until what is wrong is mended; no other partner is concerned.",
            actions=[
                Action(
                    does="look at its data",
                    route=f"GET /v1/partners/{one.partner}/check",
                    command=f"aeo-gateway partner check {one.partner}",
                )
            ],
        )
