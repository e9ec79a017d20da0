"""What is to be sent: written in the transaction that causes it, one queue per partner, one message in flight.

A courier leases the head of a queue by moving its ``due`` into the future and counting the attempt up; only the holder of that
attempt may complete it. A dead courier's message falls due again when the lease ends: that is the only way to a second send.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, exists, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.core.model import Environment, Header, Kind, Picture, Priority, priority_of
from gateway.store.tables import outbox, outbox_subject, sequence

_RANK = {Priority.URGENT: 0, Priority.NORMAL: 1, Priority.BULK: 2}
_pack = msgspec.msgpack.Encoder().encode
_header = msgspec.msgpack.Decoder(Header).decode

#: Kinds that take a sequence number: those whose loss must be noticed.
COUNTED = (Kind.LIST, Kind.UPDATE, Kind.NOTICE)


class Leased(msgspec.Struct, frozen=True):
    """One message in one courier's hands. ``body`` is None until the first try signs it."""

    id: int
    partner: str
    attempt: int
    header: Header
    payload: str
    body: bytes | None
    digest: str | None
    created: datetime
    expires: datetime
    bundle: str


class Queued(msgspec.Struct, frozen=True):
    """A queued message, and the operators that superseded messages spoke of besides: the caller must tell of them again."""

    id: int
    orphans: frozenset[str]


def enqueue(
    connection: Connection,
    *,
    partner: str,
    sender: str,
    environment: Environment,
    message_id: str,
    kind: Kind,
    payload: str,
    at: datetime,
    retry_for: timedelta,
    bundle: str,
    dialect: tuple[str, str] | None = None,
    refers_to: str | None = None,
    picture: Picture | None = None,
    about: Iterable[str] = (),
) -> Queued:
    """Queues one message.

    Never-tried messages of the same partner about any operator in ``about`` are superseded: a queued "valid" must not arrive
    after an urgent "suspended". One that was tried may have arrived, so it goes on: it is older, and its receiver can tell.
    The sequence number is given at the first try, so that superseding leaves no gap.
    """
    subjects = sorted(set(about))
    orphans = _supersede(connection, partner, subjects, at) if subjects else frozenset()
    header = Header(
        id=message_id,
        kind=kind,
        sender=sender,
        receiver=partner,
        environment=environment,
        created=at,
        refers_to=refers_to,
        dialect=dialect[0] if dialect else None,
        version=dialect[1] if dialect else None,
        picture=picture,
    )
    row = connection.execute(
        insert(outbox)
        .values(
            partner=partner,
            message_id=message_id,
            kind=kind.value,
            rank=_RANK[priority_of(kind)],
            header=_pack(header),
            payload=payload,
            state="queued",
            attempt=0,
            due=at,
            created=at,
            expires=at + retry_for,
            bundle=bundle,
        )
        .returning(outbox.c.id)
    )
    queued = int(row.scalar_one())
    if subjects:
        connection.execute(insert(outbox_subject), [{"outbox": queued, "tin": tin} for tin in subjects])
    return Queued(queued, orphans)


def _supersede(connection: Connection, partner: str, subjects: list[str], at: datetime) -> frozenset[str]:
    # A list speaks of everybody and stays: its own order (as_of) already yields to what is issued later.
    about = exists().where(outbox_subject.c.outbox == outbox.c.id, outbox_subject.c.tin.in_(subjects))
    gone = connection.execute(
        update(outbox)
        .where(
            outbox.c.partner == partner,
            outbox.c.state == "queued",
            outbox.c.attempt == 0,
            outbox.c.kind.in_(("update", "notice")),
            about,
        )
        .values(state="superseded", finished=at)
        .returning(outbox.c.id)
    ).scalars()
    spoken = connection.execute(select(outbox_subject.c.tin).where(outbox_subject.c.outbox.in_(list(gone)))).scalars()
    return frozenset(spoken) - frozenset(subjects)


def _next_number(connection: Connection, partner: str, priority: Priority) -> int:
    where = and_(sequence.c.partner == partner, sequence.c.direction == "out", sequence.c.priority == priority.value)
    moved = connection.execute(
        update(sequence).where(where).values(last=sequence.c.last + 1).returning(sequence.c.last)
    ).scalar_one_or_none()
    if moved is None:
        connection.execute(insert(sequence).values(partner=partner, direction="out", priority=priority.value, last=1))
        return 1
    return int(moved)


def saw_number(connection: Connection, partner: str, priority: Priority, number: int) -> tuple[int, int] | None:
    """Notes an incoming number; returns the closed range that is missing before it, when this number opens a new gap."""
    insert_for = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    where = and_(sequence.c.partner == partner, sequence.c.direction == "in", sequence.c.priority == priority.value)
    last = connection.execute(select(sequence.c.last).where(where)).scalar_one_or_none()
    if last is not None and number <= last:
        return None
    row = insert_for(sequence).values(partner=partner, direction="in", priority=priority.value, last=number)
    connection.execute(row.on_conflict_do_update(index_elements=["partner", "direction", "priority"], set_={"last": number}))
    first = 1 if last is None else last + 1
    return (first, number - 1) if number > first else None


def lease(connection: Connection, partner: str, *, now: datetime, until: datetime) -> Leased | None:
    """Takes the most urgent due message of one partner, or None: nothing is due, or one is already in flight."""
    in_flight = connection.execute(
        select(outbox.c.id).where(outbox.c.partner == partner, outbox.c.state == "sending", outbox.c.due > now).limit(1)
    ).first()
    if in_flight:
        return None
    row = connection.execute(
        select(outbox)
        .where(outbox.c.partner == partner, outbox.c.state.in_(("queued", "sending")), outbox.c.due <= now)
        .order_by(outbox.c.rank, outbox.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    connection.execute(update(outbox).where(outbox.c.id == row.id).values(state="sending", attempt=row.attempt + 1, due=until))
    return Leased(
        row.id,
        row.partner,
        row.attempt + 1,
        _header(row.header),
        row.payload,
        row.body,
        row.digest,
        row.created,
        row.expires,
        row.bundle,
    )


def number(connection: Connection, leased: Leased) -> Header:
    """The header for the first try: from here on it has its place in the sequence of its class."""
    header = leased.header
    if header.kind not in COUNTED or header.sequence:
        return header
    header = msgspec.structs.replace(header, sequence=_next_number(connection, leased.partner, priority_of(header.kind)))
    connection.execute(update(outbox).where(_fence(leased)).values(header=_pack(header)))
    return header


def signed(connection: Connection, leased: Leased, body: bytes, digest: str) -> None:
    """Keeps the bytes before they are first sent: every further try sends these very bytes."""
    connection.execute(update(outbox).where(_fence(leased)).values(body=body, digest=digest))


def _fence(leased: Leased) -> ColumnElement[bool]:
    return and_(outbox.c.id == leased.id, outbox.c.attempt == leased.attempt, outbox.c.state == "sending")


def finish(
    connection: Connection, leased: Leased, state: str, *, at: datetime, answer: bytes | None = None, problem: str | None = None
) -> bool:
    """Ends it as delivered, dead or expired; False when the attempt was no longer this courier's."""
    done = connection.execute(update(outbox).where(_fence(leased)).values(state=state, finished=at, answer=answer, problem=problem))
    return done.rowcount == 1


def postpone(connection: Connection, leased: Leased, due: datetime, problem: str) -> bool:
    """Puts it back for a later try."""
    done = connection.execute(update(outbox).where(_fence(leased)).values(state="queued", due=due, problem=problem))
    return done.rowcount == 1


def waiting(connection: Connection, now: datetime) -> list[str]:
    """The partners that have something due."""
    return list(
        connection.execute(
            select(outbox.c.partner)
            .where(outbox.c.state.in_(("queued", "sending")), outbox.c.due <= now)
            .distinct()
            .order_by(outbox.c.partner)
        ).scalars()
    )


def sent(connection: Connection, partner: str, message_id: str) -> tuple[int, str | None] | None:
    """(row id, digest of what was sent) of one of our messages to this partner."""
    row = connection.execute(
        select(outbox.c.id, outbox.c.digest).where(outbox.c.partner == partner, outbox.c.message_id == message_id)
    ).first()
    return None if row is None else (row.id, row.digest)


def settle(connection: Connection, row: int, state: str, *, at: datetime, problem: str | None = None) -> bool:
    """Ends a message by what its receiver said on its own account; False when it had ended already."""
    open_ = (
        outbox.c.state.in_(("queued", "sending", "expired", "dead"))
        if state == "delivered"
        else outbox.c.state.in_(("queued", "sending"))
    )
    done = connection.execute(update(outbox).where(outbox.c.id == row, open_).values(state=state, finished=at, problem=problem))
    return done.rowcount == 1


def again(connection: Connection, *, now: datetime, retry_for: timedelta, ids: Iterable[int]) -> int:
    """Queues delivered, dead or expired messages once more, with the same id and bytes; returns how many."""
    done = connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(list(ids)), outbox.c.state.in_(("delivered", "dead", "expired")))
        .values(state="queued", due=now, expires=now + retry_for, finished=None, problem=None)
    )
    return done.rowcount


def numbered(connection: Connection, partner: str, priority: Priority, first: int, last: int) -> list[int]:
    """Row ids of our messages of one class whose sequence number lies in the closed range."""
    rows = connection.execute(
        select(outbox.c.id, outbox.c.header).where(outbox.c.partner == partner, outbox.c.rank == _RANK[priority])
    )
    return [row.id for row in rows if first <= _header(row.header).sequence <= last]


def depth(connection: Connection) -> dict[tuple[str, str], int]:
    """How many messages each partner has in each state."""
    rows = connection.execute(select(outbox.c.partner, outbox.c.state, func.count()).group_by(outbox.c.partner, outbox.c.state))
    return {(row[0], row[1]): row[2] for row in rows}


def last_queued(connection: Connection, partner: str, kind: Kind) -> datetime | None:
    """When a message of this kind was last queued for this partner."""
    return connection.execute(
        select(outbox.c.created)
        .where(outbox.c.partner == partner, outbox.c.kind == kind.value)
        .order_by(outbox.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
