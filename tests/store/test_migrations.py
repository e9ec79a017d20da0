"""The migrations make the tables that the code speaks to, on both databases, and lose nothing of what was there."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.store import database as store
from gateway.store.database import Database
from gateway.store.tables import fact, message, metadata

MIGRATIONS = Path(store.__file__).parent / "migrations"


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    return empty_database_url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as opened:
        opened.migrate()
        yield opened


def test_migrated_schema_is_what_the_tables_say(database: Database) -> None:
    with database.write.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.write.begin() as connection:
        for table in metadata.sorted_tables:
            _insert(connection, table.name)
    before = _everything(database)
    assert {name: len(rows) for name, (_, rows) in before.items()} == dict.fromkeys([*metadata.tables, "alembic_version"], 1)
    written = _written(database)
    database.migrate()
    assert written == []
    assert _everything(database) == before


def test_nodes_that_start_together_migrate_once(database_url: str) -> None:
    nodes = [Database(database_url) for _ in range(3)]
    written = [_written(node) for node in nodes]
    together = threading.Barrier(len(nodes))

    def start(node: Database) -> None:
        together.wait(30)
        node.migrate()

    with ThreadPoolExecutor(len(nodes)) as pool:
        for one in [pool.submit(start, node) for node in nodes]:
            one.result(60)
    revised = [[one for one in mine if re.match("(INSERT INTO|UPDATE) alembic_version", one)] for mine in written]
    assert sorted(map(len, revised)) == [0, 0, len(list((MIGRATIONS / "versions").glob("*.py")))]
    assert [bool(mine) for mine in written] == [bool(mine) for mine in revised]  # who came later wrote nothing at all
    with nodes[0].write.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    for node in nodes:
        node.close()


def test_an_installation_of_the_first_schema_keeps_what_it_has(database_url: str) -> None:
    first = Database(database_url)
    first.migrate("0001")
    body = b"<x:Exchange><x:Header><x:Sequence>7</x:Sequence></x:Header><x:Payload><Sequence>9</Sequence></x:Payload></x:Exchange>"
    with first.write.begin() as connection:
        for number, held in enumerate((body, None, b"<x:Exchange/>")):
            _insert(connection, "message", partner="SG", message_id=f"m{number}", kind="notice", body=held)
        _insert(connection, "fact", digest="9f" * 32, kind="crl", der=b"crl")
    first.close()

    now = Database(database_url)
    now.migrate()
    with now.write.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        kept = connection.execute(select(message).order_by(message.c.id)).all()
        stored = connection.execute(select(fact.c.stored)).scalar_one()
    now.close()
    assert [(row.message_id, row.sequence, row.body, row.pruned) for row in kept] == [
        ("m0", 7, body, None),
        ("m1", 0, None, None),
        ("m2", 0, b"<x:Exchange/>", None),
    ]
    assert abs(datetime.now(UTC) - stored) < timedelta(minutes=5)


def _written(database: Database) -> list[str]:
    """What ``database`` is told from now on, by its writing side, that is no question; it goes on growing."""
    found: list[str] = []

    @sa.event.listens_for(database.write, "before_cursor_execute")
    def note(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if not re.match(r"\s*(BEGIN|SELECT|PRAGMA)\b", statement):
            found.append(statement)

    return found


def _everything(database: Database) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    """Of every table how it is made and what it holds."""
    found = {}
    with database.write.connect() as connection:
        there = sa.MetaData()
        there.reflect(connection)
        for name, table in there.tables.items():
            made = [str(CreateTable(table)), *sorted(str(CreateIndex(index)) for index in table.indexes)]
            found[name] = made, [tuple(row) for row in connection.execute(select(table))]
    return found


def _insert(connection: Connection, name: str, **values: Any) -> None:
    """A row of the table as it is in the database now; what is not given and may not be missing is made up."""
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    made_up: dict[str, Any] = {
        column.name: b"" if isinstance(column.type, sa.LargeBinary) else "x" if isinstance(column.type, sa.String) else 1
        for column in table.columns
        if not column.nullable and not (column.name == "id" and isinstance(column.type, sa.Integer))
    }
    connection.execute(table.insert().values(made_up | values))
