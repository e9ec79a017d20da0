"""What is to be sent: written in the transaction that causes it, one queue per partner, one message in flight.

A courier leases the head of a queue by moving its ``due`` into the future and counting the attempt up; only the holder of that
attempt may put it back or give it up. A dead courier's message falls due again when the lease ends: that is the only way to a second
send. Due times and leases are of the clock that the nodes share.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BindParameter, ColumnElement, Connection, and_, bindparam, func, insert, or_, select, update

from gateway.core.model import Environment, Header, Kind, Picture, Priority, priority_of
from gateway.store import circuits, sequences
from gateway.store.prepared import Prepared
from gateway.store.tables import line, outbox
from gateway.store.tables import partner as partner_row

RANK = {Priority.URGENT: 0, Priority.NORMAL: 1, Priority.BULK: 2}
_pack = msgspec.msgpack.Encoder().encode
read_header = msgspec.msgpack.Decoder(Header).decode

#: States in which a message still goes its way.
OPEN = ("queued", "sending")
#: What a person has to look at: given up, or past its time.
FAILED = ("dead", "expired")
#: Due whenever anybody looks: no clock of ours can delay a message.
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)
#: Kinds that take a sequence number: those whose loss must be noticed.
COUNTED = (Kind.LIST, Kind.UPDATE, Kind.NOTICE)

_ENQUEUE = Prepared(insert(outbox).returning(outbox.c.id))
_OF: BindParameter[str] = bindparam("of")
_MINE: BindParameter[int] = bindparam("row")
_FLYING = select(outbox).where(outbox.c.partner == _OF, outbox.c.state == "sending", outbox.c.due > bindparam("now")).limit(1)
_HEAD = {
    # One state at a time: the index then gives the head itself, and a queue of thousands costs what a short one does.
    state: select(outbox)
    .where(outbox.c.partner == _OF, outbox.c.state == state, outbox.c.due <= bindparam("now"))
    .order_by(outbox.c.rank, outbox.c.id)
    .limit(1)
    .with_for_update()
    for state in OPEN
}
_TAKE = update(outbox).where(outbox.c.id == _MINE).values(state="sending", attempt=outbox.c.attempt + 1)
_SIGNED = update(outbox).where(outbox.c.id == _MINE, outbox.c.attempt == bindparam("try"), outbox.c.state == "sending")
_EXPIRE = (
    update(outbox)
    .where(
        outbox.c.partner == _OF, outbox.c.state.in_(OPEN), outbox.c.expires <= bindparam("now"), outbox.c.due <= bindparam("now")
    )
    .values(state="expired", finished=bindparam("now"), problem=func.coalesce(outbox.c.problem, "no receipt before it expired"))
    .returning(outbox.c.message_id)
)
_WAITING = (
    select(partner_row.c.iso)
    .where(
        partner_row.c.iso.not_in(select(line.c.partner).where(line.c.until > bindparam("now"))),
        or_(
            *(
                select(outbox.c.id)
                .where(outbox.c.partner == partner_row.c.iso, outbox.c.state == state, outbox.c.due <= bindparam("now"))
                .exists()
                for state in OPEN
            )
        ),
    )
    .order_by(partner_row.c.iso)
)


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
    good_until: datetime | None
    bundle: str


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
    codes: Iterable[str] | None = None,
) -> int:
    """Queues one message, which speaks of the operators ``codes`` (None: of any), and returns its row. The sequence number is given at the first try, so that what is taken back before (a
    queued "valid" must not arrive after an urgent "suspended") leaves no gap."""
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
    values = {
        "partner": partner,
        "message_id": message_id,
        "kind": kind.value,
        "rank": RANK[priority_of(kind)],
        "sequence": 0,
        "header": _pack(header),
        "payload": payload,
        "state": "queued",
        "attempt": 0,
        "due": AT_ONCE,
        "created": at,
        "expires": at + retry_for,
        "bundle": bundle,
        "codes": None if codes is None else "\n".join(codes),
    }
    ((queued,),) = _ENQUEUE.rows(connection, **values)
    return int(queued)


def note_mailed(
    connection: Connection,
    *,
    partner: str,
    sender: str,
    environment: Environment,
    message_id: str,
    file: str,
    body: bytes,
    digest: str,
    picture: Picture,
    bundle: str,
    at: datetime,
) -> int:
    """Notes a complete list that a person mails as a file, and returns its row. Nothing of it is sent, counted or receipted."""
    header = Header(
        id=message_id, kind=Kind.LIST, sender=sender, receiver=partner, environment=environment, created=at, picture=picture
    )
    row = connection.execute(
        insert(outbox)
        .values(
            partner=partner,
            message_id=message_id,
            kind=Kind.LIST.value,
            rank=RANK[Priority.BULK],
            sequence=0,
            header=_pack(header),
            payload=file,
            body=body,
            digest=digest,
            state="mailed",
            attempt=0,
            due=AT_ONCE,
            created=at,
            expires=at,
            finished=at,
            bundle=bundle,
        )
        .returning(outbox.c.id)
    )
    return int(row.scalar_one())


def lease(connection: Connection, partner: str, *, now: datetime, until: datetime, again: bool = False) -> Leased | None:
    """Takes the most urgent due message of one partner, or None: nothing is due, one is in flight, the line is left alone, or
    another node is just taking one. ``again``: the one in flight is given once more, to a partner that comes for it itself.
    """
    if not circuits.acquire(connection, partner, now):
        return None
    queue = {"of": partner, "now": now}
    flying = connection.execute(_FLYING, queue).first()
    if flying is not None:
        return _leased(flying, flying.attempt) if again and flying.body is not None else None
    heads = [row for state in OPEN if (row := connection.execute(_HEAD[state], queue).first()) is not None]
    if not heads:
        return None
    row = min(heads, key=lambda one: (one.rank, one.id))
    connection.execute(_TAKE, {"row": row.id, "due": until})
    return _leased(row, row.attempt + 1)


def _leased(row: Any, attempt: int) -> Leased:
    return Leased(
        row.id,
        row.partner,
        attempt,
        read_header(row.header),
        row.payload,
        row.body,
        row.digest,
        row.created,
        row.expires,
        row.good_until,
        row.bundle,
    )


def number(connection: Connection, leased: Leased) -> Header:
    """The header for the first try: from here on it has its place in the sequence of its class."""
    header = leased.header
    if header.kind not in COUNTED or header.sequence:
        return header
    header = msgspec.structs.replace(header, sequence=sequences.take_next(connection, leased.partner, priority_of(header.kind)))
    connection.execute(update(outbox).where(_fence(leased)).values(header=_pack(header), sequence=header.sequence))
    return header


def signed(connection: Connection, leased: Leased, body: bytes, digest: str, good_until: datetime) -> bool:
    """Keeps the bytes before they are first sent: every further try sends these very bytes. False: the lease was lost meanwhile."""
    kept = {"row": leased.id, "try": leased.attempt, "body": body, "digest": digest, "good_until": good_until}
    return connection.execute(_SIGNED, kept).rowcount == 1


def _fence(leased: Leased) -> ColumnElement[bool]:
    return and_(outbox.c.id == leased.id, outbox.c.attempt == leased.attempt, outbox.c.state == "sending")


def finish(
    connection: Connection, leased: Leased, state: str, *, at: datetime, answer: bytes | None = None, problem: str | None = None
) -> bool:
    """Ends it; False when the attempt was no longer this courier's."""
    done = connection.execute(update(outbox).where(_fence(leased)).values(state=state, finished=at, answer=answer, problem=problem))
    return done.rowcount == 1


def postpone(connection: Connection, leased: Leased, due: datetime, problem: str) -> bool:
    """Puts it back for a later try; False when the attempt was no longer this courier's."""
    done = connection.execute(update(outbox).where(_fence(leased)).values(state="queued", due=due, problem=problem))
    return done.rowcount == 1


def expire(connection: Connection, partner: str, now: datetime) -> list[str]:
    """Ends what nobody holds and is past its time; returns the message ids. They stay, for a person to look at."""
    return list(connection.execute(_EXPIRE, {"of": partner, "now": now}).scalars())


def waiting(connection: Connection, now: datetime) -> list[str]:
    """The partners that have something due and whose line is not left alone."""
    return list(connection.execute(_WAITING, {"now": now}).scalars())


def again(connection: Connection, ids: Iterable[int], *, now: datetime, retry_for: timedelta) -> None:
    """Queues these once more, with the same id and bytes."""
    connection.execute(
        update(outbox)
        .where(outbox.c.id.in_(list(ids)))
        .values(state="queued", due=AT_ONCE, expires=now + retry_for, finished=None, problem=None)
    )


def reissued(connection: Connection, ids: Iterable[int], at: datetime) -> None:
    """These are too old to be sent again; something newer says what they said."""
    connection.execute(update(outbox).where(outbox.c.id.in_(list(ids))).values(state="reissued", finished=at))
