"""The migrations make the tables that the code speaks to, on both databases, and lose nothing of what was there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select

from gateway.store.database import Database
from gateway.store.tables import fact, message, metadata


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
    database.migrate()


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


def _insert(connection: Connection, name: str, **values: Any) -> None:
    """A row of the table as it is in the database now; what is not given and may not be missing is made up."""
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    made_up: dict[str, Any] = {
        column.name: b"" if isinstance(column.type, sa.LargeBinary) else 0 if isinstance(column.type, sa.Integer) else "x"
        for column in table.columns
        if not column.nullable and not column.primary_key
    }
    connection.execute(table.insert().values(made_up | values))
