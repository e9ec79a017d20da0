"""Messages both ways as a person looks at them: what is not delivered, and one of them whole. What finds them is ``search``."""

from __future__ import annotations

import json
import re
from typing import Any

from sqlalchemy import Connection, select

from gateway.core.errors import Code, Refusal
from gateway.store.messages import NOBODY
from gateway.store.outbox import read_header
from gateway.store.tables import intake, message, outbox, transcription

#: How a refused message is called: by the number it was kept under, of no more digits than a database can be asked for.
REFUSED = re.compile(r"intake-([0-9]{1,18})")


def shown(connection: Connection, message_id: str, partner: str | None = None) -> dict[str, Any] | None:
    """One message whole: as received, as sent, or as refused (``intake-N``). Partners choose their ids: raises ``Refusal`` DATA_INVALID where
    several messages have this one, and ``partner`` does not say whose."""
    if refused := REFUSED.fullmatch(message_id):
        row = connection.execute(select(intake).where(intake.c.id == int(refused[1]))).first()
        return None if row is None else _refused_whole(row)
    came, went = (
        connection.execute(
            select(one).where(one.c.message_id == message_id, *([] if partner is None else [one.c.partner == partner]))
        ).all()
        for one in (message, outbox)
    )
    if len(came) + len(went) > 1:
        whose = [f"from {row.partner}" for row in came] + [f"to {row.partner}" for row in went]
        raise Refusal(Code.DATA_INVALID, f"Several messages have this id: {', '.join(whose)}.", field="partner", value=message_id)
    if came:
        return _came_whole(connection, came[0])
    return _went_whole(went[0]) if went else None


def _refused_whole(row: Any) -> dict[str, Any]:
    return {
        "direction": "in",
        "id": f"intake-{row.id}",
        "partner": row.partner,
        "state": row.outcome,
        "received": row.received,
        "remote": row.remote,
        "code": row.code,
        "detail": row.detail,
        "facts": json.loads(row.facts) if row.facts else {},
        "pruned": row.pruned,
        "body": row.body.decode("utf-8", "backslashreplace"),
        "answer": (row.answer or b"").decode(),
    }


def _came_whole(connection: Connection, row: Any) -> dict[str, Any]:
    return {
        "direction": "in",
        "id": row.message_id,
        "partner": row.partner,
        "kind": row.kind,
        "state": state_of(row),
        "created": row.created,
        "received": row.received,
        "voided": row.voided,
        "digest": row.digest,
        "certificate": row.fingerprint,
        "partner_data": row.bundle,
        "refers_to": row.refers_to,
        "statements": row.statements,
        "pruned": row.pruned,
        **_mailed(connection, row),
        "body": _text(row.body),
        "answer": row.answer.decode(),
    }


def _went_whole(row: Any) -> dict[str, Any]:
    header = read_header(row.header)
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
        "pruned": row.pruned,
        "body": _text(row.body or row.payload.encode()),
        "answer": (row.answer or b"").decode(),
    }


def state_of(row: Any) -> str:
    """What became of a message that came in and was taken."""
    return "voided" if row.voided else "transcribed" if row.fingerprint == NOBODY else "accepted"


def _mailed(connection: Connection, row: Any) -> dict[str, Any]:
    """Of a message that was transcribed: from which file, and who did it."""
    if row.fingerprint != NOBODY:
        return {}
    one = connection.execute(select(transcription).where(transcription.c.message_id == row.message_id)).one()
    return {"file": one.file, "proposed_by": one.proposed_by, "confirmed_by": one.decided_by, "reason": one.reason}


def _text(body: bytes | None) -> str:
    """A body as a person reads it; none of a workbook, which is no text."""
    body = body or b""
    return "" if body.startswith(b"PK") else body.decode("utf-8", "backslashreplace")
