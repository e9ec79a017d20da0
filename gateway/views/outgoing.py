"""Our own messages as a person looks for them who keeps the exchange going: what is on its way, what failed, and partners left alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select

from gateway.store import circuits
from gateway.store.outbox import FAILED, OPEN
from gateway.store.tables import outbox
from gateway.store.tables import partner as partners

#: Whatever has not arrived: still on its way, or for a person to look at.
UNDELIVERED = (*OPEN, *FAILED)
#: Of every partner: said so, the few that did not arrive are found by index, and not by reading the millions that did.
OF_ANYBODY = outbox.c.partner.in_(select(partners.c.iso))


class OutgoingMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One of our messages: how often it was tried, until when it is, and what went wrong last."""

    message_id: str
    partner: str
    kind: str
    state: str
    attempt: int
    created: datetime
    expires: datetime
    problem: str | None


class OpenCircuit(msgspec.Struct, frozen=True, kw_only=True):
    """A partner that is left alone ``until`` then, because so many tries in a row failed, the last of them by ``problem``."""

    partner: str
    failures: int
    until: datetime
    problem: str | None


def outgoing(
    connection: Connection,
    *,
    partner: str | None = None,
    states: Sequence[str] = UNDELIVERED,
    after: int | None = None,
    most: int = 50,
) -> tuple[list[OutgoingMessage], int | None]:
    """Our messages in these states, the latest first, before the row ``after``; and after which row the next ones are, if any."""
    columns = [outbox.c[name] for name in OutgoingMessage.__struct_fields__]
    query = select(outbox.c.id, *columns).where(outbox.c.state.in_(states)).order_by(outbox.c.id.desc()).limit(most + 1)
    if partner is not None:
        query = query.where(outbox.c.partner == partner)
    elif {*states} <= {*UNDELIVERED}:
        query = query.where(OF_ANYBODY)
    if after is not None:
        query = query.where(outbox.c.id < after)
    rows = connection.execute(query).all()
    shown = rows[:most]
    said = [OutgoingMessage(**{name: getattr(row, name) for name in OutgoingMessage.__struct_fields__}) for row in shown]
    return said, shown[-1].id if len(rows) > most else None


def left_alone(connection: Connection, partner: str | None = None) -> list[OpenCircuit]:
    """Partners whose last tries failed."""
    return [
        OpenCircuit(partner=iso, failures=failures, until=until, problem=problem)
        for iso, (failures, until, problem) in circuits.broken(connection).items()
        if partner in (None, iso)
    ]
