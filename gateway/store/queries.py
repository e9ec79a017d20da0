"""Our own queries to partners: which are open, and what answered them; and how often partners ask about our operators."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.core.home import HOME_ZONE
from gateway.core.protocol import QueryOutcome
from gateway.store.prepared import Prepared
from gateway.store.tables import query, query_load, query_message

_DENIED = Prepared(
    select(query.c.tin, query.c.as_of, query.c.answered_by)
    .where(
        query.c.partner == bindparam("iso"),
        query.c.as_of > bindparam("moment"),
        query.c.outcome == QueryOutcome.NOT_AN_AEO.value,
    )
    .order_by(query.c.as_of, query.c.id)
)


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """One query of ours about the code ``tin``. It may be answered once, until before ``expires``."""

    id: int
    partner: str
    tin: str
    asked: datetime
    expires: datetime
    closed: datetime | None
    outcome: QueryOutcome | None
    as_of: datetime | None
    answered_by: str | None


def asked(connection: Connection, partner: str, tin: str, message_id: str, *, at: datetime, accept_for: timedelta) -> None:
    """Notes a query of ours, sent under this id."""
    values = {"partner": partner, "tin": tin, "asked": at, "expires": at + accept_for}
    identity = connection.execute(insert(query).values(values).returning(query.c.id)).scalar_one()
    connection.execute(insert(query_message).values(partner=partner, message_id=message_id, query=identity))


def asked_again(connection: Connection, partner: str, before: str, message_id: str, *, at: datetime, accept_for: timedelta) -> None:
    """Notes that the query sent under the id ``before`` is sent under another; an answer may name either."""
    here = (query_message.c.partner == partner) & (query_message.c.message_id == before)
    identity = connection.execute(select(query_message.c.query).where(here)).scalar_one_or_none()
    if identity is not None:
        connection.execute(insert(query_message).values(partner=partner, message_id=message_id, query=identity))
        connection.execute(update(query).where(query.c.id == identity).values(expires=at + accept_for))


def find(connection: Connection, partner: str, message_id: str) -> Query | None:
    """The query that was sent to this partner under this id."""
    here = (query_message.c.partner == partner) & (query_message.c.message_id == message_id)
    row = connection.execute(select(query).join(query_message, query_message.c.query == query.c.id).where(here)).first()
    return None if row is None else Query(**{**row._mapping, "outcome": QueryOutcome(row.outcome) if row.outcome else None})


def close(
    connection: Connection,
    identity: int,
    outcome: QueryOutcome,
    answered_by: str | None,
    at: datetime,
    *,
    as_of: datetime | None = None,
) -> None:
    """Its first answer is recorded; no other is taken. ``as_of``: the moment that it pictures."""
    values = {"closed": at, "outcome": outcome.value, "answered_by": answered_by, "as_of": as_of}
    connection.execute(update(query).where(query.c.id == identity, query.c.closed.is_(None)).values(values))


def denied_since(connection: Connection, partner: str, moment: datetime) -> list[tuple[str, datetime, str]]:
    """(code, as of when, in which message) of every "not an AEO" that pictures a later moment, the earliest first."""
    return [(tin, as_of, message_id) for tin, as_of, message_id in _DENIED.rows(connection, iso=partner, moment=moment)]


def load(connection: Connection, partner: str, at: datetime) -> tuple[int, int]:
    """(queries, those of them to which nothing could be said) of a partner on the day at home."""
    here = (query_load.c.partner == partner) & (query_load.c.day == _day(at))
    row = connection.execute(select(query_load.c.asked, query_load.c.unanswered).where(here)).first()
    return (0, 0) if row is None else (row.asked, row.unanswered)


def count(connection: Connection, partner: str, at: datetime, *, answered: bool) -> None:
    """Counts one query of a partner."""
    insert_for = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    put = insert_for(query_load).values(partner=partner, day=_day(at), asked=1, unanswered=0 if answered else 1)
    more = {name: query_load.c[name] + put.excluded[name] for name in ("asked", "unanswered")}
    connection.execute(put.on_conflict_do_update(index_elements=[query_load.c.partner, query_load.c.day], set_=more))


def _day(moment: datetime) -> int:
    return moment.astimezone(HOME_ZONE).date().toordinal()
