"""What each partner was last told about each Chinese enterprise, under which code, and what proves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from gateway.core.model import Statement
from gateway.store import packing
from gateway.store.statements import chunks
from gateway.store.tables import belief, outbox


class Belief(msgspec.Struct, frozen=True):
    """``since``: when it was queued. ``received``: when a receipt proved its arrival. ``outcome``: what the partner's result says."""

    partner: str
    uscc: str
    statement: Statement
    message_id: str
    state: str
    since: datetime
    received: datetime | None
    outcome: str | None
    outcome_message: str | None


def told(
    connection: Connection, *, partner: str | None = None, usccs: Iterable[str] | None = None, tins: Iterable[str] | None = None
) -> list[Belief]:
    """What partners (or one) believe about these enterprises or codes, in the order of partner and code."""
    query = select(belief, outbox.c.message_id, outbox.c.state).join(outbox, outbox.c.id == belief.c.outbox)
    if partner is not None:
        query = query.where(belief.c.partner == partner)
    query = query.order_by(belief.c.partner, belief.c.tin)
    queries = [query]
    if usccs is not None:
        queries = [query.where(belief.c.uscc.in_(batch)) for batch in chunks(usccs)]
    elif tins is not None:
        queries = [query.where(belief.c.tin.in_(batch)) for batch in chunks(tins)]
    return [
        Belief(
            row.partner,
            row.uscc,
            packing.statement(row.body),
            row.message_id,
            row.state,
            row.since,
            row.received,
            row.outcome,
            row.outcome_message,
        )
        for one in queries
        for row in connection.execute(one)
    ]


def tell(connection: Connection, partner: str, about: Iterable[tuple[str, Statement]], row: int, at: datetime) -> None:
    """Notes what the queued message ``row`` tells: (uscc, statement) pairs."""
    for batch in chunks(about, 5_000):
        known = set(
            connection.execute(
                select(belief.c.tin).where(belief.c.partner == partner, belief.c.tin.in_([one.tin for _, one in batch]))
            ).scalars()
        )
        rows = [{"uscc": uscc, "t": one.tin, "body": packing.pack(one), "outbox": row, "since": at} for uscc, one in batch]
        changed = [one for one in rows if one["t"] in known]
        fresh = [
            {**{k: v for k, v in one.items() if k != "t"}, "tin": one["t"], "partner": partner}
            for one in rows
            if one["t"] not in known
        ]
        if changed:
            connection.execute(
                update(belief)
                .where(belief.c.partner == partner, belief.c.tin == bindparam("t"))
                .values(received=None, outcome=None, outcome_message=None),
                changed,
            )
        if fresh:
            connection.execute(insert(belief), fresh)


def arrived(connection: Connection, row: int, at: datetime) -> None:
    """A receipt proved that the message ``row`` arrived."""
    connection.execute(update(belief).where(belief.c.outbox == row, belief.c.received.is_(None)).values(received=at))


def accepted(connection: Connection, row: int, outcomes: Mapping[str, str], message_id: str) -> None:
    """The partner's result says what became of each record of the message ``row``."""
    rows = [{"t": tin, "outcome": outcome, "outcome_message": message_id} for tin, outcome in outcomes.items()]
    if rows:
        connection.execute(update(belief).where(belief.c.outbox == row, belief.c.tin == bindparam("t")), rows)
