"""What a local copy is kept in step from: operators in the order of their codes, and those that the journal names after a position.

``operator.entry`` is the entry that *last* changed an operator. So one that changed twice shows at its later change only, and one that
changed again while others were read shows at an entry that is still to be read, or waits for its number. Whoever goes on until nothing is
left of either, in one and the same view, has missed nobody (``Changes.whole``). Nothing here is held between two views: each is short.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, func, select

from gateway.store.bulk import chunks
from gateway.store.switches import Switch, of_operators
from gateway.store.tables import entry, operator

#: Entries, and operators that they name, of one look at the journal.
ENTRIES, MOST = 2_000, 2_000
#: Operators of one look at their table.
PAGE = 500


class Held(NamedTuple):
    """One operator as the view holds it: its timeline is packed, its stops are ours, the oldest first."""

    tin: str
    partner: str
    timeline: bytes
    stops: Sequence[Switch]


class Changes(NamedTuple):
    """Operators that entries name, in the order of these, each once. ``reached``: everything named before this position is among them.
    ``whole``: and so is everything else that this view holds. ``large`` is an entry that names more than one look takes; then nothing else
    is said, and its operators are to be asked for (``operators``). ``size`` is how many entries were sealed."""

    held: Sequence[Held]
    reached: int
    size: int
    whole: bool
    large: int | None = None


def size(connection: Connection) -> int:
    """How many entries are sealed."""
    last = connection.execute(select(func.max(entry.c.position))).scalar_one()
    return 0 if last is None else int(last) + 1


def leaf_before(connection: Connection, position: int) -> bytes | None:
    """The leaf of the entry before ``position``: it is of this history and of no other. None: the journal does not reach so far."""
    leaf: bytes | None = connection.execute(select(entry.c.leaf).where(entry.c.position == position - 1)).scalar_one_or_none()
    return leaf


def operators(connection: Connection, after: str, named_by: int | None = None) -> list[Held]:
    """A page of operators in the order of their codes, from behind ``after`` on; only those that an entry changed last, where it is given."""
    query = select(operator).where(operator.c.tin > after).order_by(operator.c.tin).limit(PAGE)
    if named_by is not None:
        # By the order of codes, and not by the index of entries, which would be sorted anew for every page.
        query = query.where(operator.c.entry + 0 == named_by)
    return _held(connection, connection.execute(query).all())


def changes(connection: Connection, position: int) -> Changes:
    """What the journal names from ``position`` on."""
    found = connection.execute(_ENTRIES.where(entry.c.position >= position).order_by(entry.c.position)).all()
    taken, room = _fitting(connection, found, MOST)
    if found and not taken:
        return Changes((), found[0].position + 1, size(connection), whole=False, large=found[0].id)
    reached = taken[-1].position + 1 if taken else position
    whole = len(taken) == len(found) < ENTRIES
    if whole:
        # What has no number yet is named again once it has; but without it an operator that changes all the time would be late.
        waiting = connection.execute(_ENTRIES.where(entry.c.position.is_(None)).order_by(entry.c.id)).all()
        more, _ = _fitting(connection, waiting, room)
        whole = len(more) == len(waiting) < ENTRIES
        taken += more
    return Changes(_named(connection, taken), reached, size(connection), whole)


_ENTRIES: Select[Any] = select(entry.c.position, entry.c.id, entry.c.kind, entry.c.subject).limit(ENTRIES)


def _fitting(connection: Connection, entries: Sequence[Row[Any]], room: int) -> tuple[list[Row[Any]], int]:
    """The first entries that name no more operators than there is room for, and what room is left."""
    counts: dict[int, int] = {}
    for batch in chunks(one.id for one in entries):
        query = select(operator.c.entry, func.count()).where(operator.c.entry.in_(batch)).group_by(operator.c.entry)
        counts |= {row[0]: row[1] for row in connection.execute(query)}
    taken: list[Row[Any]] = []
    for one in entries:
        if counts.get(one.id, 0) > room:
            break
        room -= counts.get(one.id, 0)
        taken.append(one)
    return taken, room


def _named(connection: Connection, entries: Sequence[Row[Any]]) -> list[Held]:
    """The operators that entries changed last, or that a switch of ours is about."""
    place = {one.id: number for number, one in enumerate(entries)}
    switched = {one.subject: number for number, one in enumerate(entries) if one.kind == "switch"}
    rows = {
        row.tin: row for batch in chunks(place) for row in connection.execute(select(operator).where(operator.c.entry.in_(batch)))
    }
    for batch in chunks(switched):
        rows |= {row.tin: row for row in connection.execute(select(operator).where(operator.c.tin.in_(batch)))}
    ordered = sorted(rows.values(), key=lambda row: (max(place.get(row.entry, -1), switched.get(row.tin, -1)), row.tin))
    return _held(connection, ordered)


def _held(connection: Connection, rows: Iterable[Row[Any]]) -> list[Held]:
    rows = list(rows)
    stops: Mapping[str, list[Switch]] = defaultdict(list)
    for batch in chunks(row.tin for row in rows):
        for stop in of_operators(connection, batch):
            stops[stop.subject].append(stop)
    return [Held(row.tin, row.partner, row.timeline, stops[row.tin]) for row in rows]
