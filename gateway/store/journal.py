"""The journal: what happened, appended in the causing transaction, numbered and sealed afterwards in one order."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection, insert

from gateway.store.tables import entry

_encode = msgspec.json.Encoder(order="sorted").encode


def append(connection: Connection, kind: str, subject: str, body: dict[str, object], *, at: datetime, partner: str | None = None) -> int:
    """Adds one entry and returns its id. The body is canonical JSON: its bytes are the leaf, so they are never rewritten."""
    row = connection.execute(
        insert(entry).values(at=at, kind=kind, partner=partner, subject=subject, body=_encode({"kind": kind, "at": at, "partner": partner, "subject": subject, **body})).returning(entry.c.id)
    )
    return int(row.scalar_one())
