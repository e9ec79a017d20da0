"""What was done at the machine of the database by nobody in particular: in the journal for good, and told everywhere for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from gateway.core.access import Actor
from gateway.store import journal
from gateway.store.tables import EMERGENCIES, entry

#: For how long everybody is told (choice).
TOLD_FOR = timedelta(days=30)


class Emergency(NamedTuple):
    """When, as whom on that machine, and why."""

    at: datetime
    name: str
    reason: str


def note(connection: Connection, who: Actor, command: str, at: datetime) -> Emergency:
    """Journals it before anything is done."""
    said: dict[str, object] = {"reason": who.because, "command": command, "by": who.noted}
    journal.append(connection, "emergency", who.name, said, at=at)
    return Emergency(at, who.name, who.because)


def recent(connection: Connection, now: datetime) -> list[Emergency]:
    """Those that everybody is told of, the newest first."""
    query = select(entry.c.at, entry.c.subject, entry.c.body).where(EMERGENCIES, entry.c.at >= now - TOLD_FOR)
    rows = connection.execute(query.order_by(entry.c.id.desc()))
    return [Emergency(row.at, row.subject, str(msgspec.json.decode(row.body)["reason"])) for row in rows]
