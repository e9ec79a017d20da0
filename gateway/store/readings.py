"""Who looked at what is kept of an operator or an enterprise: reading is audited like deciding, for persons. What a system asks for is in
the log of requests, a line each."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from gateway.core.access import Actor, PrincipalKind
from gateway.store import journal


def note(connection: Connection, who: Actor, what: Literal["operator", "enterprise", "told"], subject: str, at: datetime) -> None:
    """Journals that a person read this; nothing for a system."""
    if who.kind is not PrincipalKind.SYSTEM:
        journal.append(connection, "read", subject, {"read": what, "who": who.name, "by": who.noted}, at=at)
