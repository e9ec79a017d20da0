"""The file of the default database, and the clock that all nodes share."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.store.database import Database, database_clock


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
