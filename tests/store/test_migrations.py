"""The migrations make the tables that the code speaks to, on both databases."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway.store.database import Database
from gateway.store.tables import metadata


def test_migrated_schema_is_what_the_tables_say(database: Database) -> None:
    with database.write.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    database.migrate()
