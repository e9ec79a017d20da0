"""Sequence numbers, per partner, direction and class: how the loss of a message is noticed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, insert, select, update

from gateway.core.model import Kind, Priority, priority_of
from gateway.store.prepared import Prepared
from gateway.store.tables import message, sequence

_SEQUENCE = and_(
    sequence.c.partner == bindparam("of"), sequence.c.direction == bindparam("way"), sequence.c.priority == bindparam("urgency")
)
_LAST_SEEN = Prepared(select(sequence.c.last, sequence.c.epoch, sequence.c.began, sequence.c.latest).where(_SEQUENCE))
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
    its sender began anew with it. ``before``: the sender's clock went back; that moment, which its own shows earlier, is numbered before."""

    epoch: int
    missing: tuple[int, int] | None = None
    anew: bool = False
    before: datetime | None = None


#: So far apart moments and numbers may disagree without any clock having gone back: a sender may number in several threads.
_STEADY = timedelta(seconds=1)


def saw(connection: Connection, partner: str, priority: Priority, number: int, message_id: str, created: datetime) -> Seen:
    """Notes an incoming number of a message that is not claimed yet.

    A number that another message had already means that its sender began anew (a restore of its own): a new epoch, in which numbers go on
    from there and what is missing before it is asked for (exchange/RULES.md, Numbers).
    """
    where = {"of": partner, "way": "in", "urgency": priority.value}
    seen = _LAST_SEEN.row(connection, **where)
    if seen is None:
        first = {"direction": "in", "priority": priority.value, "last": number, "epoch": 0, "began": created, "latest": created}
        connection.execute(insert(sequence).values(partner=partner, **first))
        return Seen(0, (1, number - 1) if number > 1 else None)
    last, epoch, began, latest = seen
    if (
        began is not None
        and created < began
        and (before := _straggles(connection, partner, priority, number, epoch, created)) is not None
    ):
        return Seen(before)
    if number <= last:
        if not _used(connection, partner, priority, number, epoch, message_id):
            return Seen(epoch, before=_disagrees(connection, partner, priority, number, epoch, created))
        _SAW.count(connection, last=number, epoch=epoch + 1, began=created, latest=created, **where)
        return Seen(epoch + 1, (1, number - 1) if number > 1 else None, anew=True)
    back = latest is not None and created < latest - _STEADY
    _SAW.count(connection, last=number, epoch=epoch, began=began, latest=max(created, latest or created), **where)
    return Seen(epoch, (last + 1, number - 1) if number > last + 1 else None, before=latest if back else None)


def _straggles(connection: Connection, partner: str, priority: Priority, number: int, epoch: int, created: datetime) -> int | None:
    """The earlier epoch to which a message belongs that was made before this one began: that in which nobody had its number."""
    for earlier in range(epoch - 1, -1, -1):
        ours = _of_class(partner, priority, earlier)
        began = connection.execute(select(message.c.created).where(*ours).order_by(message.c.id).limit(1)).scalar_one_or_none()
        if earlier and (began is None or created < began):
            continue
        return None if _used(connection, partner, priority, number, earlier, "") else earlier
    return None


def _disagrees(
    connection: Connection, partner: str, priority: Priority, number: int, epoch: int, created: datetime
) -> datetime | None:
    """The moment of a message whose number says that it came before what its clock says it came after, beside one that came late."""
    lower = (message.c.sequence < number) & (message.c.created > created + _STEADY)
    higher = (message.c.sequence > number) & (message.c.created < created - _STEADY)
    found = select(message.c.created).where(*_of_class(partner, priority, epoch), lower | higher)
    return connection.execute(found.order_by(message.c.sequence).limit(1)).scalar_one_or_none()


def _of_class(partner: str, priority: Priority, epoch: int) -> tuple[ColumnElement[bool], ...]:
    """The numbered messages of one class and epoch that still stand."""
    kinds = [kind.value for kind in Kind if priority_of(kind) is priority]
    numbered = (message.c.sequence > 0) & message.c.voided.is_(None)
    return message.c.partner == partner, message.c.epoch == epoch, message.c.kind.in_(kinds), numbered


def _used(connection: Connection, partner: str, priority: Priority, number: int, epoch: int, message_id: str) -> bool:
    """Whether another message of this class and epoch had this number."""
    there = select(message.c.id).where(
        *_of_class(partner, priority, epoch), message.c.sequence == number, message.c.message_id != message_id
    )
    return connection.execute(there.limit(1)).first() is not None


def recount(connection: Connection, partner: str) -> None:
    """Has incoming numbers go on from the highest that still stands. What is annulled took none: a thief who counted to a million must
    not make everything his victim says afterwards look old, and what the victim truly said under those numbers is missing with us."""
    connection.execute(delete(sequence).where(sequence.c.partner == partner, sequence.c.direction == "in"))
    for priority in Priority:
        kinds = [kind.value for kind in Kind if priority_of(kind) is priority]
        standing = (
            (message.c.partner == partner) & message.c.voided.is_(None) & (message.c.sequence > 0) & message.c.kind.in_(kinds)
        )
        epoch = connection.execute(select(func.max(message.c.epoch)).where(standing)).scalar_one()
        if epoch is None:
            continue
        ours = _of_class(partner, priority, epoch)
        last, latest = connection.execute(select(func.max(message.c.sequence), func.max(message.c.created)).where(*ours)).one()
        began = connection.execute(select(message.c.created).where(*ours).order_by(message.c.id).limit(1)).scalar_one()
        values = {"last": last, "epoch": epoch, "began": began, "latest": latest}
        connection.execute(insert(sequence).values(partner=partner, direction="in", priority=priority.value, **values))
