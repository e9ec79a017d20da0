"""A prepared statement does what SQLAlchemy's execution of it does, in a transaction and when it fails too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import bindparam, exc, func, insert, literal, or_, select, update

from gateway.store.database import Database
from gateway.store.prepared import Prepared, run
from gateway.store.tables import partner, statement

AT = datetime(2026, 6, 15, 4, 30, 0, 123_456, tzinfo=UTC)
SAID: dict[str, Any] = {
    "partner": "SG",
    "tin": "SGAEO1",
    "message_id": "m-1",
    "received": AT,
    "held": True,
    "derived": False,
    "voided": None,
    "body": b"\x00\xff",
}
KEEP = Prepared(insert(statement).returning(statement.c.id))
CHANGE = Prepared(update(statement).where(statement.c.id == bindparam("row"), statement.c.held))
ALL = select(statement).where(or_(statement.c.partner == bindparam("of"), statement.c.tin == "nobody")).order_by(statement.c.id)


def test_rows_are_what_sqlalchemy_reads(database: Database) -> None:
    with database.write.begin() as connection:
        assert [len(KEEP.rows(connection, **SAID | {"tin": f"SGAEO{n}"})) for n in range(3)] == [1, 1, 1]
        assert Prepared(insert(statement)).count(connection, **SAID) == 1
        prepared = Prepared(ALL)
        for of in ("SG", "KR", "SG"):
            assert prepared.rows(connection, of=of) == [tuple(row) for row in connection.execute(ALL, {"of": of})]
        first = prepared.row(connection, of="SG")
        assert first is not None
        assert {AT, True, False, None, b"\x00\xff"} <= set(first)
        assert prepared.row(connection, of="KR") is None


def test_the_same_statement_writes_other_columns_another_time(database: Database) -> None:
    with database.write.begin() as connection:
        ((row,),) = KEEP.rows(connection, **SAID)
        assert CHANGE.count(connection, row=row, released=AT) == 1
        assert CHANGE.count(connection, row=row, voided=AT, held=False) == 1
        assert CHANGE.count(connection, row=row, voided=None) == 0
        kept = connection.execute(select(statement.c.released, statement.c.voided, statement.c.held)).one()
        assert tuple(kept) == (AT, AT, False)


def test_what_the_database_refuses_is_raised_as_sqlalchemy_raises_it(database: Database) -> None:
    with pytest.raises(exc.IntegrityError), database.write.begin() as connection:
        Prepared(insert(partner)).count(connection, iso="SG", state="active", digest="0" * 64, changed=None)
    with database.write.begin() as connection, pytest.raises(exc.DBAPIError) as caught:
        run(connection, "SELECT nothing FROM nowhere")
    assert not caught.value.connection_invalidated


def test_reading_is_one_view_from_its_first_statement_on(database: Database) -> None:
    count = Prepared(select(func.count()).select_from(statement))
    with database.reading() as connection:
        assert count.row(connection) == (0,)
        with database.write.begin() as other:
            KEEP.rows(other, **SAID)
        assert count.row(connection) == (0,)
    with database.reading() as connection:
        assert count.row(connection) == (1,)


def test_a_lost_connection_is_known_to_be_lost(database: Database) -> None:
    if database.sqlite:
        return  # there is none to lose
    one = Prepared(select(literal(1)))
    with database.write.connect() as connection:
        (pid,) = Prepared(select(func.pg_backend_pid())).row(connection) or ()
        with database.read.connect() as other:
            other.execute(select(func.pg_terminate_backend(pid)))
        with pytest.raises(exc.OperationalError) as caught:
            one.row(connection)
        assert caught.value.connection_invalidated
    with database.write.connect() as connection:
        assert one.row(connection) == (1,)


def test_an_in_of_any_length_is_not_prepared(database: Database) -> None:
    with database.reading() as connection, pytest.raises(AssertionError, match="any length"):
        Prepared(select(statement.c.id).where(statement.c.tin.in_(["A", "B"]))).rows(connection)
