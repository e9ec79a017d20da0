"""Sequence numbers, per partner, direction and class: how the loss of a message is noticed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, update

from gateway.core.model import Kind, Priority, priority_of
from gateway.store.prepared import Prepared
from gateway.store.tables import message, sequence

_SEQUENCE = and_(
    sequence.c.partner == bindparam("of"), sequence.c.direction == bindparam("way"), sequence.c.priority == bindparam("urgency")
)
_LAST_SEEN = Prepared(select(sequence.c.last, sequence.c.epoch, sequence.c.began).where(_SEQUENCE))
_SAW = Prepared(update(sequence).where(_SEQUENCE))


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


class Seen(NamedTuple):
    """What an incoming number means: its numbering epoch, the closed range that is missing before it where it opens a new gap, and whether
    its sender began anew with it."""

    epoch: int
    missing: tuple[int, int] | None = None
    anew: bool = False


#: A message made this long before an epoch began, by its sender's clock, is a straggler of the one before.
_STRAGGLER = timedelta(minutes=5)


def saw(connection: Connection, partner: str, priority: Priority, number: int, message_id: str, created: datetime) -> Seen:
    """Notes an incoming number of a message that is not claimed yet.

    A number that another message had already means that its sender began anew (a restore of its own): a new epoch, in which numbers go on
    from there and what is missing before it is asked for (SEMANTICS: What is told abroad).
    """
    where = {"of": partner, "way": "in", "urgency": priority.value}
    seen = _LAST_SEEN.row(connection, **where)
    if seen is None:
        connection.execute(
            insert(sequence).values(partner=partner, direction="in", priority=priority.value, last=number, epoch=0, began=created)
        )
        return Seen(0, (1, number - 1) if number > 1 else None)
    last, epoch, began = seen
    if epoch and began is not None and created < began - _STRAGGLER:
        return Seen(epoch - 1)
    if number <= last:
        if not _used(connection, partner, priority, number, epoch, message_id):
            return Seen(epoch)
        _SAW.count(connection, last=number, epoch=epoch + 1, began=created, **where)
        return Seen(epoch + 1, (1, number - 1) if number > 1 else None, anew=True)
    _SAW.count(connection, last=number, epoch=epoch, began=began, **where)
    return Seen(epoch, (last + 1, number - 1) if number > last + 1 else None)


def _used(connection: Connection, partner: str, priority: Priority, number: int, epoch: int, message_id: str) -> bool:
    """Whether another message of this class and epoch had this number."""
    kinds = [kind.value for kind in Kind if priority_of(kind) is priority]
    there = select(message.c.id).where(
        message.c.partner == partner,
        message.c.sequence == number,
        message.c.epoch == epoch,
        message.c.kind.in_(kinds),
        message.c.voided.is_(None),
        message.c.message_id != message_id,
    )
    return connection.execute(there.limit(1)).first() is not None


def recount(connection: Connection, partner: str) -> None:
    """Has incoming numbers go on from the highest that still stands. What is annulled took none: a thief who counted to a million must
    not make everything his victim says afterwards look old, and what the victim truly said under those numbers is missing with us."""
    standing = (message.c.partner == partner) & message.c.voided.is_(None) & (message.c.sequence > 0)
    columns = select(message.c.kind, message.c.epoch, func.max(message.c.sequence), func.min(message.c.created))
    highest: dict[Priority, tuple[int, int, datetime]] = {}
    for kind, epoch, number, began in connection.execute(columns.where(standing).group_by(message.c.kind, message.c.epoch)):
        priority = priority_of(Kind(kind))
        highest[priority] = max((epoch, number, began), highest.get(priority, (-1, 0, began)))
    connection.execute(delete(sequence).where(sequence.c.partner == partner, sequence.c.direction == "in"))
    for priority, (epoch, last, began) in highest.items():
        values = {"partner": partner, "direction": "in", "priority": priority.value, "last": last, "epoch": epoch, "began": began}
        connection.execute(insert(sequence).values(values))
