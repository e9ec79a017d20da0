"""The journal as a person reads it: its latest entries, with what each says."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, select

from gateway.store.tables import entry


def latest(
    connection: Connection, *, kind: str | None = None, partner: str | None = None, subject: str | None = None, most: int = 50
) -> list[dict[str, Any]]:
    """The latest entries of this kind, partner and subject, newest first. ``position`` None: not sealed yet."""
    query = select(entry).order_by(entry.c.id.desc()).limit(most)
    for column, wanted in ((entry.c.kind, kind), (entry.c.partner, partner), (entry.c.subject, subject)):
        if wanted is not None:
            query = query.where(column == wanted)
    return [{"position": row.position, **msgspec.json.decode(row.body)} for row in connection.execute(query)]
