"""Sequence numbers, per partner, direction and class: how the loss of a message is noticed."""

from __future__ import annotations

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, update

from gateway.core.model import Kind, Priority, priority_of
from gateway.store.prepared import Prepared
from gateway.store.tables import message, sequence

_SEQUENCE = and_(
    sequence.c.partner == bindparam("of"), sequence.c.direction == bindparam("way"), sequence.c.priority == bindparam("urgency")
)
_LAST_SEEN, _SAW = Prepared(select(sequence.c.last).where(_SEQUENCE)), Prepared(update(sequence).where(_SEQUENCE))


def take_next(connection: Connection, partner: str, priority: Priority) -> int:
    """The next number of ours in this class, taken."""
    where = and_(sequence.c.partner == partner, sequence.c.direction == "out", sequence.c.priority == priority.value)
    moved = connection.execute(
        update(sequence).where(where).values(last=sequence.c.last + 1).returning(sequence.c.last)
    ).scalar_one_or_none()
    if moved is None:
        connection.execute(insert(sequence).values(partner=partner, direction="out", priority=priority.value, last=1))
        return 1
    return int(moved)


def saw(connection: Connection, partner: str, priority: Priority, number: int) -> tuple[int, int] | None:
    """Notes an incoming number; returns the closed range that is missing before it, when this number opens a new gap."""
    where = {"of": partner, "way": "in", "urgency": priority.value}
    seen = _LAST_SEEN.row(connection, **where)
    last = seen[0] if seen else 0
    if seen is None:
        connection.execute(insert(sequence).values(partner=partner, direction="in", priority=priority.value, last=number))
    elif number <= last:
        return None
    else:
        _SAW.count(connection, last=number, **where)
    first = last + 1
    return (first, number - 1) if number > first else None


def recount(connection: Connection, partner: str) -> None:
    """Has incoming numbers go on from the highest that still stands. What is annulled took none: a thief who counted to a million must
    not make everything his victim says afterwards look old, and what the victim truly said under those numbers is missing with us."""
    standing = (message.c.partner == partner) & message.c.voided.is_(None) & (message.c.sequence > 0)
    query = select(message.c.kind, func.max(message.c.sequence)).where(standing).group_by(message.c.kind)
    highest: dict[Priority, int] = {}
    for kind, number in connection.execute(query):
        priority = priority_of(Kind(kind))
        highest[priority] = max(number, highest.get(priority, 0))
    connection.execute(delete(sequence).where(sequence.c.partner == partner, sequence.c.direction == "in"))
    for priority, last in highest.items():
        connection.execute(insert(sequence).values(partner=partner, direction="in", priority=priority.value, last=last))
