"""What of the people here needs a look, as rows of the inbox: the second person whom one alone let in, and what was done as an emergency."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from gateway.store import principals
from gateway.store.emergencies import recent
from gateway.views.inbox_row import Action, InboxKind, InboxRow


def unacknowledged(connection: Connection) -> Iterator[InboxRow]:
    for one in principals.listed(connection):
        if one.exempt and not one.disabled:
            yield InboxRow(
                kind=InboxKind.SECOND_PERSON,
                subject=one.id,
                partner=None,
                since=one.created,
                count=1,
                says=f"{one.name} was made known here by one person alone, and may be the other of two with that person.",
                if_nobody_acts="Two names may be one person.",
                actions=[
                    Action(
                        does="say that you know both, as a third person",
                        route=f"POST /v1/principals/{one.id}/acknowledge",
                        command=f"aeo-gateway principal acknowledge {one.id}",
                    )
                ],
            )


def emergencies(connection: Connection, at: datetime) -> Iterator[InboxRow]:
    """Of the last month; they go by themselves, and stay in the journal."""
    for when, name, reason in recent(connection, at):
        yield InboxRow(
            kind=InboxKind.EMERGENCY,
            subject=f"{name} {when.isoformat()}",
            partner=None,
            since=when,
            count=1,
            says=f"Something was done at the machine of the database as {name}: {reason}",
            if_nobody_acts="Nobody knows who it was, and it counts.",
            actions=[
                Action(does="see what", route="GET /v1/journal?kind=emergency", command="aeo-gateway journal show --kind emergency")
            ],
        )
