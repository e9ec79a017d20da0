"""Messages as they came and as they were claimed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from gateway.core.errors import Refusal
from gateway.core.model import Header
from gateway.store.tables import intake, message, outbox

_header = msgspec.msgpack.Decoder(Header).decode


def keep(connection: Connection, body: bytes, *, remote: str, received: datetime) -> int:
    """Keeps the bytes before anybody judges them; returns the intake id."""
    row = connection.execute(
        insert(intake).values(received=received, remote=remote, size=len(body), body=body, outcome="pending").returning(intake.c.id)
    )
    return int(row.scalar_one())


def close(
    connection: Connection,
    kept: int,
    outcome: str,
    *,
    partner: str | None,
    answer: bytes | None = None,
    refusal: Refusal | None = None,
) -> None:
    """Writes down how an intake ended. The bytes of an accepted one are the claimed message's from then on."""
    values: dict[str, Any] = {"outcome": outcome, "partner": partner, "answer": answer}
    if outcome in ("accepted", "duplicate"):
        values |= {"body": b"", "answer": None}
    if refusal is not None:
        values |= {"code": str(refusal.code), "detail": refusal.detail, "facts": json.dumps(refusal.facts, ensure_ascii=False)}
    connection.execute(update(intake).where(intake.c.id == kept).values(values))


def crowd_out(connection: Connection, quota: int) -> None:
    """Lets the oldest quarantined bytes go once they pass ``quota`` bytes, so that a stranger cannot fill the disk."""
    strangers = intake.c.outcome == "quarantined"
    excess = int(connection.execute(select(func.coalesce(func.sum(intake.c.size), 0)).where(strangers)).scalar_one()) - quota
    if excess <= 0:
        return
    leaving = []
    for row in connection.execute(select(intake.c.id, intake.c.size).where(strangers).order_by(intake.c.received)):
        leaving.append(row.id)
        excess -= row.size
        if excess <= 0:
            break
    connection.execute(update(intake).where(intake.c.id.in_(leaving)).values(body=b"", size=0))


def pending(connection: Connection) -> list[tuple[int, datetime, str, bytes]]:
    """Intakes whose judgement was interrupted: they are judged again."""
    rows = connection.execute(select(intake).where(intake.c.outcome == "pending").order_by(intake.c.id))
    return [(row.id, row.received, row.remote, row.body) for row in rows]


def claimed(connection: Connection, partner: str, message_id: str) -> tuple[str, bytes] | None:
    """(digest, stored answer) of a message already claimed."""
    row = connection.execute(
        select(message.c.digest, message.c.answer).where(message.c.partner == partner, message.c.message_id == message_id)
    ).first()
    return None if row is None else (row.digest, row.answer)


def claim(
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
) -> None:
    """Claims the id of a received message."""
    connection.execute(
        insert(message).values(
            partner=header.sender,
            message_id=header.id,
            kind=header.kind.value,
            digest=digest,
            fingerprint=fingerprint,
            bundle=bundle,
            refers_to=header.refers_to,
            created=header.created,
            received=received,
            statements=statements,
            body=body,
            answer=answer,
        )
    )


def listed(connection: Connection, *, partner: str | None = None, most: int = 50) -> list[dict[str, Any]]:
    """The latest messages both ways, newest first, with what became of each. Refused intakes are among them."""
    came = select(message).order_by(message.c.received.desc()).limit(most)
    went = select(outbox).order_by(outbox.c.id.desc()).limit(most)
    refused = select(intake).where(intake.c.outcome.not_in(("accepted", "duplicate"))).order_by(intake.c.id.desc()).limit(most)
    if partner is not None:
        came, went, refused = (
            came.where(message.c.partner == partner),
            went.where(outbox.c.partner == partner),
            refused.where(intake.c.partner == partner),
        )
    rows = [
        {
            "direction": "in",
            "at": row.received,
            "partner": row.partner,
            "kind": row.kind,
            "id": row.message_id,
            "state": "accepted",
            "statements": row.statements,
        }
        for row in connection.execute(came)
    ]
    rows += [
        {
            "direction": "out",
            "at": row.created,
            "partner": row.partner,
            "kind": row.kind,
            "id": row.message_id,
            "state": row.state,
            "problem": row.problem,
        }
        for row in connection.execute(went)
    ]
    rows += [
        {
            "direction": "in",
            "at": row.received,
            "partner": row.partner,
            "kind": None,
            "id": f"intake-{row.id}",
            "state": row.outcome,
            "problem": row.code,
        }
        for row in connection.execute(refused)
    ]
    rows.sort(key=lambda row: row["at"], reverse=True)
    return rows[:most]


def shown(connection: Connection, message_id: str) -> dict[str, Any] | None:
    """One message whole: as received, as sent, or as refused (``intake-N``)."""
    if message_id.startswith("intake-") and message_id[7:].isdigit():
        row = connection.execute(select(intake).where(intake.c.id == int(message_id[7:]))).first()
        if row is None:
            return None
        return {
            "direction": "in",
            "id": message_id,
            "partner": row.partner,
            "state": row.outcome,
            "received": row.received,
            "remote": row.remote,
            "code": row.code,
            "detail": row.detail,
            "facts": json.loads(row.facts) if row.facts else {},
            "body": row.body.decode("utf-8", "backslashreplace"),
            "answer": (row.answer or b"").decode(),
        }
    row = connection.execute(select(message).where(message.c.message_id == message_id)).first()
    if row is not None:
        return {
            "direction": "in",
            "id": row.message_id,
            "partner": row.partner,
            "kind": row.kind,
            "state": "accepted",
            "created": row.created,
            "received": row.received,
            "digest": row.digest,
            "certificate": row.fingerprint,
            "partner_data": row.bundle,
            "refers_to": row.refers_to,
            "statements": row.statements,
            "body": (row.body or b"").decode(),
            "answer": row.answer.decode(),
        }
    row = connection.execute(select(outbox).where(outbox.c.message_id == message_id)).first()
    if row is None:
        return None
    header = _header(row.header)
    return {
        "direction": "out",
        "id": row.message_id,
        "partner": row.partner,
        "kind": row.kind,
        "state": row.state,
        "created": row.created,
        "finished": row.finished,
        "attempts": row.attempt,
        "sequence": header.sequence,
        "digest": row.digest,
        "partner_data": row.bundle,
        "refers_to": header.refers_to,
        "problem": row.problem,
        "body": (row.body or row.payload.encode()).decode(),
        "answer": (row.answer or b"").decode(),
    }
