"""The file of the default database, and the clock that all nodes share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from gateway.store.database import Database, database_clock
from gateway.store.prepared import run


def test_nobody_else_on_the_machine_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        database = Database(f"sqlite:///{tmp_path / 'home' / 'gateway.db'}")
        database.migrate()
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "home").iterdir()}
        database.close()
    finally:
        os.umask(before)
    assert modes.keys() >= {"gateway.db", "gateway.db-wal"}
    assert set(modes.values()) == {0o600}


def test_the_database_clock_is_the_database_s(database: Database) -> None:
    with database.reading() as connection:
        first, second = database_clock(connection), database_clock(connection)
    assert first <= second, "it goes on within a transaction"
    assert first.tzinfo is not None


def test_its_faults_say_nothing_of_what_was_to_be_written(database: Database) -> None:
    """They are logged, and what was to be written may be a message."""
    mark = "?" if database.sqlite else "%s"

    def prepared(connection: Connection) -> None:
        run(connection, f"INSERT INTO nowhere VALUES ({mark})", ("<secret/>",))

    def usual(connection: Connection) -> None:
        connection.execute(text("INSERT INTO nowhere VALUES (:said)"), {"said": "<secret/>"})

    for fails in (prepared, usual):
        with database.write.connect() as connection, pytest.raises(DBAPIError) as failed:
            fails(connection)
        assert "nowhere" in str(failed.value)
        assert "secret" not in str(failed.value)
