"""Databases as they are: which will do, what is said of the others, and what becomes of sessions that can only read any more."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from gateway.core.errors import Refusal
from gateway.settings import SettingsFault, from_environment
from gateway.store import leases, opening
from gateway.store.database import Database
from tests.rig import databases
from tests.rig.web import WebFixture

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"


def say(server: str, statement: str) -> None:
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(statement)
    admin.dispose()


def mark(connection: Connection) -> bool:
    return leases.first(connection, "a mark", uuid.uuid4().hex, NOW)


@pytest.fixture
def url(postgres: str, postgres_template: str) -> Iterator[str]:
    made = databases.create(postgres, postgres_template)
    yield made
    databases.drop(postgres, made)


@pytest.fixture
def web(url: str, tmp_path: Path) -> Iterator[WebFixture]:
    with closing(Database(url)) as database, WebFixture(tmp_path, database=database) as made:
        yield made


def read_only_now(database: Database) -> None:
    """As after a failover: the idle sessions go on, and can only read."""
    with database.write.connect() as one, database.write.connect() as other:
        for connection in (one, other):
            connection.exec_driver_sql(READ_ONLY)
            connection.commit()


def test_sessions_that_can_only_read_any_more_are_made_anew(web: WebFixture) -> None:
    read_only_now(web.database)
    assert web.node.writer.do(mark), "the job itself is tried again, and nobody hears of it"
    read_only_now(web.database)
    with pytest.raises(DBAPIError), web.database.write.begin() as connection:
        mark(connection)
    with web.database.write.begin() as connection:
        assert mark(connection)


def test_while_nothing_can_be_written_a_node_is_not_ready(web: WebFixture, url: str, postgres: str) -> None:
    assert web.client.get("/readyz").status_code == 200
    name = sa.make_url(url).database
    read_only_now(web.database)
    say(postgres, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert web.client.get("/readyz").status_code == 503
    with pytest.raises(DBAPIError):
        web.node.writer.do(mark)
    assert web.client.get("/readyz").status_code == 503
    say(postgres, f"ALTER DATABASE {name} RESET default_transaction_read_only")
    assert web.client.get("/readyz").status_code == 200
    assert web.node.writer.do(mark)


def test_text_that_is_not_utf8_is_refused(postgres: str) -> None:
    name = f"t{uuid.uuid4().hex}"
    say(postgres, f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    made = sa.make_url(postgres).set(database=name).render_as_string(hide_password=False)
    with closing(Database(made)) as database, pytest.raises(Refusal, match=r"as SQL_ASCII; .* UTF-8"):
        database.migrate()
    databases.drop(postgres, made)


def test_a_pooler_that_keeps_to_itself_what_sessions_are_asked_is_refused(url: str) -> None:
    engine = sa.create_engine(url, connect_args={**opening.CONNECT, "options": ""})
    with engine.connect() as connection, pytest.raises(Refusal, match="pgbouncer"):
        opening.check_server(connection)
    engine.dispose()


def test_a_database_is_of_one_administration(database: Database) -> None:
    for whose in ("CN", "CN"):
        with database.write.begin() as connection:
            opening.claim(connection, whose, NOW)
    with database.write.begin() as connection, pytest.raises(Refusal, match="of the gateway of CN, and AEO_ADMINISTRATION says XA"):
        opening.claim(connection, "XA", NOW)


def test_an_older_program_says_that_the_database_is_newer(database: Database) -> None:
    with database.write.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Refusal, match="newer release than this program"):
        database.migrate()


def test_a_home_that_is_none_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Refusal, match="there is a file of that name"):
            opening.folder(home)
        with pytest.raises(Refusal, match="there is a file of that name"):
            Database(f"sqlite:///{home}/gateway.db")
    opening.folder(tmp_path / "new" / "home")
    with pytest.raises(Refusal, match="cannot be a folder of this installation"):
        opening.folder(Path("/proc/1/aeo-gateway"))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("postgres://aeo:hunter2@db/aeo", "postgresql+psycopg:// where postgres:// stands"),
        ("postgresql://aeo:hunter2@db/aeo", "postgresql+psycopg:// where postgresql:// stands"),
        ("postgresql+psycopg2://aeo:hunter2@db/aeo", "postgresql+psycopg:// where postgresql+psycopg2:// stands"),
        ("mysql://aeo:hunter2@db/aeo", "no other kind will do"),
        ("/var/lib/hunter2.db", "no other kind will do"),
    ],
)
def test_an_address_of_another_kind_is_a_fault_that_tells_no_password(given: str, says: str) -> None:
    with pytest.raises(SettingsFault) as caught:
        from_environment({"AEO_DATABASE": given})
    (fault,) = caught.value.faults
    assert says in fault
    assert "hunter2" not in fault
