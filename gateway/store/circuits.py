"""One circuit a partner: after some failed tries in a row it opens, and the partner is left alone for a while. Moments are of the clock
that the nodes share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import BindParameter, Connection, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.tables import line

#: From this many failed tries in a row on a partner's circuit is open: first so long, at most so long.
TOLERATED, OPEN, LONGEST_OPEN = 3, timedelta(seconds=5), timedelta(minutes=5)
_CLOSED = datetime(1970, 1, 1, tzinfo=UTC)

_OF: BindParameter[str] = bindparam("of")
_LINE = select(line.c.until).where(line.c.partner == _OF)
_LOCK_LINE = _LINE.with_for_update(skip_locked=True)
_CLOSE = update(line).where(line.c.partner == _OF, line.c.failures > 0).values(failures=0, until=_CLOSED, problem=None)


def acquire(connection: Connection, partner: str, now: datetime) -> bool:
    """Locks the partner's circuit for this transaction; False while it is open, or another node just holds it. Without the lock two
    couriers could each take one message of one partner."""
    until = connection.execute(_LINE, {"of": partner}).scalar_one_or_none()
    if until is None:
        insert_for = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(insert_for(line).values(partner=partner, failures=0, until=_CLOSED).on_conflict_do_nothing())
    until = connection.execute(_LOCK_LINE, {"of": partner}).scalar_one_or_none()
    return until is not None and until <= now


def trip(connection: Connection, partner: str, *, now: datetime, problem: str) -> int:
    """Counts a try that failed; from ``TOLERATED`` in a row on the circuit is open for a while. Returns the count."""
    row = connection.execute(
        update(line)
        .where(line.c.partner == partner)
        .values(failures=line.c.failures + 1, problem=problem)
        .returning(line.c.failures)
    ).scalar_one()
    if row >= TOLERATED:
        pause = min(LONGEST_OPEN, OPEN * 2 ** min(row - TOLERATED, 10))
        connection.execute(update(line).where(line.c.partner == partner).values(until=now + pause))
    return int(row)


def close(connection: Connection, partner: str) -> None:
    """The partner answered: nothing stands against it."""
    connection.execute(_CLOSE, {"of": partner})


def broken(connection: Connection) -> dict[str, tuple[int, datetime, str]]:
    """partner -> (failures in a row, open until, what went wrong last) of every partner whose last try failed."""
    rows = connection.execute(select(line).where(line.c.failures > 0).order_by(line.c.partner))
    return {row.partner: (row.failures, row.until, row.problem) for row in rows}
