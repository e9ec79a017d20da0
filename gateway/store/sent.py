"""Messages of ours that were given away, or given up: what their receivers may speak of, and which of them may be sent again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, select, update

from gateway.core.errors import Code, Refusal
from gateway.core.model import Header, Kind, Priority
from gateway.store.outbox import COUNTED, OPEN, RANK, read_header
from gateway.store.tables import outbox

_ARRIVED = update(outbox).where(
    outbox.c.id == bindparam("row"), outbox.c.state.in_((*OPEN, "expired", "dead")), outbox.c.digest.is_not(None)
)
_GIVEN_UP = update(outbox).where(outbox.c.id == bindparam("row"), outbox.c.state.in_(OPEN), outbox.c.digest.is_not(None))


class Sent(msgspec.Struct, frozen=True):
    """One of our messages as its receiver may speak of it. Without a digest nobody has seen it; without a body it ended long ago."""

    id: int
    kind: Kind
    state: str
    digest: str | None
    body: bytes | None


def find(connection: Connection, partner: str, message_id: str) -> Sent | None:
    """One of our messages to this partner."""
    row = connection.execute(
        select(outbox.c.id, outbox.c.kind, outbox.c.state, outbox.c.digest, outbox.c.body).where(
            outbox.c.partner == partner, outbox.c.message_id == message_id
        )
    ).first()
    return None if row is None else Sent(row.id, Kind(row.kind), row.state, row.digest, row.body)


def codes(connection: Connection, row: int) -> frozenset[str] | None:
    """Of which operators one of our messages speaks; None: nobody noted it, as before there was a place for it."""
    said = connection.execute(select(outbox.c.codes).where(outbox.c.id == row)).scalar_one()
    return None if said is None else frozenset(said.split("\n") if said else ())


def settle(connection: Connection, row: int, state: str, *, at: datetime, answer: bytes, problem: str | None = None) -> bool:
    """Ends a message by what its receiver proved, whoever holds it now; False when it had ended so already.

    A receipt counts whenever it comes: proof of arrival is no less proof because a lease had ended, or because we gave up.
    """
    ends = _ARRIVED if state == "delivered" else _GIVEN_UP
    ended = {"row": row, "state": state, "finished": at, "answer": answer, "problem": problem}
    return connection.execute(ends, ended).rowcount == 1


class Ended(msgspec.Struct, frozen=True):
    """A message that may be sent again, as far as deciding how takes."""

    id: int
    message_id: str
    kind: Kind
    state: str
    created: datetime
    good_until: datetime | None
    pruned: datetime | None = None


def ended(connection: Connection, partner: str, chosen: ColumnElement[bool]) -> list[Ended]:
    """Those of the partner's messages that were delivered, expired or given up, in their order. Of what retention has put away only
    news can be said again: as a complete list."""
    columns = (
        outbox.c.id,
        outbox.c.message_id,
        outbox.c.kind,
        outbox.c.state,
        outbox.c.created,
        outbox.c.good_until,
        outbox.c.pruned,
    )
    chosen &= outbox.c.pruned.is_(None) | outbox.c.kind.in_([kind.value for kind in COUNTED])
    query = select(*columns).where(outbox.c.partner == partner, outbox.c.state.in_(("delivered", "dead", "expired")), chosen)
    return [
        Ended(row.id, row.message_id, Kind(row.kind), row.state, row.created, row.good_until, row.pruned)
        for row in connection.execute(query.order_by(outbox.c.id))
    ]


def numbered(priority: Priority, first: int, last: int) -> ColumnElement[bool]:
    """Messages of one class whose sequence number lies in the closed range."""
    return and_(outbox.c.rank == RANK[priority], outbox.c.sequence.between(first, last))


def named(message_ids: Sequence[str]) -> ColumnElement[bool]:
    return outbox.c.message_id.in_(message_ids)


def ids_in(connection: Connection, states: Sequence[str], partner: str | None = None) -> list[str]:
    """The ids of every message in these states, to one partner or to all."""
    query = select(outbox.c.message_id).where(outbox.c.state.in_(states)).order_by(outbox.c.id)
    return list(connection.execute(query if partner is None else query.where(outbox.c.partner == partner)).scalars())


def content(connection: Connection, row: int) -> tuple[Header, str]:
    """The header and the payload of one message, to issue it anew."""
    found = connection.execute(select(outbox.c.header, outbox.c.payload).where(outbox.c.id == row)).one()
    return read_header(found.header), found.payload


def mailed(connection: Connection, message_id: str) -> tuple[str, bytes]:
    """The name and the bytes of a spreadsheet that was written for a person to mail. Raises ``Refusal`` NOT_FOUND where it is not, or no longer, kept."""
    here = (outbox.c.message_id == message_id) & (outbox.c.state == "mailed")
    row = connection.execute(select(outbox.c.payload, outbox.c.body).where(here)).first()
    if row is None or row.body is None:
        raise Refusal(Code.NOT_FOUND, "No spreadsheet of this message is kept.", field="message_id", value=message_id)
    return row.payload, bytes(row.body)


def depth(connection: Connection) -> dict[tuple[str, str], int]:
    """How many messages each partner has in each state."""
    rows = connection.execute(select(outbox.c.partner, outbox.c.state, func.count()).group_by(outbox.c.partner, outbox.c.state))
    return {(row[0], row[1]): row[2] for row in rows}


def last_queued(connection: Connection, partner: str, kind: Kind) -> datetime | None:
    """When a message of this kind was last queued for this partner; what was mailed as a file was not."""
    return connection.execute(
        select(outbox.c.created)
        .where(outbox.c.partner == partner, outbox.c.kind == kind.value, outbox.c.state != "mailed")
        .order_by(outbox.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
