"""Houses, once on each database. The schema is made once a session and copied: making it anew for each test takes longer than the test."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.store.database import Database
from tests.exchange.desk import Desk, row
from tests.exchange.house import House, through_lines


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "gateway.db"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    name = f"template_{uuid.uuid4().hex}"
    _admin(postgres, f"CREATE DATABASE {name}")
    _migrate(_named(postgres, name))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the newest schema and nothing in it, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('sqlite_template'), tmp_path / 'gateway.db')}"
        return
    server, name = request.getfixturevalue("postgres"), f"t{uuid.uuid4().hex}"
    _admin(server, f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('postgres_template')}")
    yield _named(server, name)
    _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A node and two partners in boxes."""
    made = House(database, tmp_path / "home")
    through_lines(made, monkeypatch)
    yield made
    made.close()


def _migrate(url: str) -> None:
    opened = Database(url)
    opened.migrate()
    opened.close()


def _admin(server: str, statement: str) -> None:
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(statement)
    admin.dispose()


def _named(server: str, name: str) -> str:
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    """Two partners that have heard their first list, which names enterprise 1."""
    made = Desk(database, tmp_path, ["SG", "HK"])
    made.feed(row(1))
    for iso in ("SG", "HK"):
        assert made.deliver(iso, "accepted") == [("list", [("valid", "9900000001")])]
    return made
