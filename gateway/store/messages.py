"""Messages as they came and as they were claimed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from gateway.core.errors import Refusal
from gateway.core.model import Header
from gateway.store.bulk import chunks
from gateway.store.prepared import Prepared
from gateway.store.tables import intake, message

_KEEP = Prepared(insert(intake).returning(intake.c.id))
_CLOSE = Prepared(update(intake).where(intake.c.id == bindparam("kept"), intake.c.outcome == "pending"))
_CLAIM = Prepared(insert(message))
_CLAIMED = Prepared(
    select(message.c.digest, message.c.answer).where(
        message.c.partner == bindparam("partner"), message.c.message_id == bindparam("message_id")
    )
)

#: Stands for a certificate where nobody signed: two people transcribed what came by mail.
NOBODY = ""


class Kept(msgspec.Struct, frozen=True):
    """What came, before anybody judged it. ``identity`` is the partner that TLS proved, if one did; ``binding``
    how it travelled."""

    id: int
    received: datetime
    remote: str
    identity: str | None
    binding: str
    body: bytes


def keep(
    connection: Connection, body: bytes, *, remote: str, identity: str | None, received: datetime, binding: str = "https"
) -> int:
    """Keeps the bytes before they are judged; returns the intake id."""
    values = {"received": received, "remote": remote, "identity": identity, "binding": binding, "size": len(body), "body": body}
    ((given,),) = _KEEP.rows(connection, outcome="pending", tries=1, **values)
    return int(given)


def close(
    connection: Connection,
    kept: int,
    outcome: str,
    *,
    partner: str | None,
    answer: bytes | None = None,
    refusal: Refusal | None = None,
) -> bool:
    """Writes down how an intake ended; False when it had ended already (two nodes may judge what a third one left).

    The bytes of an accepted one are the claimed message's from then on.
    """
    values: dict[str, Any] = {"outcome": outcome, "partner": partner, "answer": answer}
    if outcome in ("accepted", "duplicate"):
        values |= {"body": b"", "answer": None}
    if refusal is not None:
        values |= {"code": str(refusal.code), "detail": refusal.detail, "facts": json.dumps(refusal.facts, ensure_ascii=False)}
    return _CLOSE.count(connection, kept=kept, **values) == 1


def crowd_out(connection: Connection, most_bytes: int, most_rows: int) -> None:
    """Lets the oldest of what nobody proved go, so that a stranger cannot fill the disk: its bytes past ``most_bytes`` bytes of such
    messages, itself past ``most_rows`` of them."""
    strangers = intake.c.outcome == "quarantined"
    counted = select(func.count(), func.coalesce(func.sum(intake.c.size), 0), func.max(intake.c.id)).where(strangers)
    rows, held, last = connection.execute(counted).one()
    if rows > most_rows:
        # A tenth at once, so that not every further stranger costs a look at all of them.
        oldest = select(intake.c.id).where(strangers).order_by(intake.c.id).limit(rows - most_rows + most_rows // 10)
        connection.execute(delete(intake).where(intake.c.id.in_(oldest.scalar_subquery())))
    if held <= most_bytes:
        return
    leaving: list[int] = []
    excess = held - most_bytes
    sizes = select(intake.c.id, intake.c.size).where(strangers, intake.c.size > 0, intake.c.id < last).order_by(intake.c.id)
    for row in connection.execute(sizes):
        leaving.append(row.id)
        excess -= row.size
        if excess <= 0:
            break
    for batch in chunks(leaving):
        connection.execute(update(intake).where(intake.c.id.in_(batch)).values(body=b"", size=0))


def pending(connection: Connection, before: datetime) -> list[int]:
    """Intakes that came before a moment and are not judged: what judged them was interrupted, or is slow."""
    query = select(intake.c.id).where(intake.c.outcome == "pending", intake.c.received < before).order_by(intake.c.id)
    return list(connection.execute(query).scalars())


def take_up(connection: Connection, kept: int, most_tries: int) -> Kept | None:
    """An intake to be judged once more; None where it ended meanwhile. One that failed ``most_tries`` times is left to a person."""
    open_ = (intake.c.id == kept) & (intake.c.outcome == "pending")
    connection.execute(update(intake).where(open_, intake.c.tries >= most_tries).values(outcome="failed"))
    row = connection.execute(update(intake).where(open_).values(tries=intake.c.tries + 1).returning(intake)).first()
    return None if row is None else Kept(row.id, row.received, row.remote, row.identity, row.binding, row.body)


def kept(connection: Connection, intake_id: int) -> Kept:
    """One intake whole."""
    row = connection.execute(select(intake).where(intake.c.id == intake_id)).one()
    return Kept(row.id, row.received, row.remote, row.identity, row.binding, row.body)


def claimed(connection: Connection, partner: str, message_id: str) -> tuple[str, bytes] | None:
    """(digest, stored answer) of a message already claimed."""
    row = _CLAIMED.row(connection, partner=partner, message_id=message_id)
    return None if row is None else (row[0], row[1])


def claim_id(
    connection: Connection,
    header: Header,
    *,
    digest: str,
    fingerprint: str,
    bundle: str,
    received: datetime,
    statements: int,
    body: bytes,
    answer: bytes,
    epoch: int = 0,
) -> None:
    """Claims the id of a received message. ``epoch`` is the numbering epoch of its ``sequence``."""
    _CLAIM.count(
        connection,
        partner=header.sender,
        message_id=header.id,
        kind=header.kind.value,
        digest=digest,
        fingerprint=fingerprint,
        bundle=bundle,
        refers_to=header.refers_to,
        created=header.created,
        received=received,
        sequence=header.sequence,
        epoch=epoch,
        statements=statements,
        body=body,
        answer=answer,
    )


def answered_with(connection: Connection, partner: str, message_id: str) -> str | None:
    """The id of our message that a pull was answered with."""
    return connection.execute(
        select(message.c.refers_to).where(message.c.partner == partner, message.c.message_id == message_id)
    ).scalar_one_or_none()


def answer_with(connection: Connection, partner: str, message_id: str, given: str) -> None:
    """Notes which of our messages a pull is answered with."""
    connection.execute(
        update(message).where(message.c.partner == partner, message.c.message_id == message_id).values(refers_to=given)
    )
