"""What tests share: a database of either kind, and what is built on one (``tests/rig``)."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadGroupScheduling

from gateway.store.database import SQLITE, Database
from tests.rig import databases
from tests.rig.enterprises import row
from tests.rig.gateway import GatewayFixture
from tests.rig.machine import REPO
from tests.rig.telling import TellingFixture
from tests.rig.volume import ALL, times
from tests.rig.web import WebFixture

# With CI set hypothesis looks at the same examples every time; here at others each time, on a machine that may be busy.
settings.register_profile(
    "search", max_examples=times(100), deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("search")


# Nobody loses power in these processes; those that they start wait for the disk.
SQLITE["synchronous"] = "OFF"


class Scheduling(LoadGroupScheduling):  # type: ignore[misc] # xdist has no types
    """Files that name an ``xdist_group`` stay on one worker: what their tests share is dear.

    xdist 3.8 by itself no longer sees any group since pytest 9.2: it marks tests by an attribute that pytest does not read any more.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if _names_a_group(file) else str(super()._split_scope(nodeid))


@cache
def _names_a_group(file: str) -> bool:
    return "pytest.mark.xdist_group(" in (REPO / file).read_text("utf-8")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    return Scheduling(config, log) if config.getoption("dist") == "loadgroup" else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick", action="store_true", help="only what needs no process, no PostgreSQL and no node, and takes no seconds"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes longest comes first, or a worker is left with it when the others have nothing to do. Both parts stay in random order."""
    if ALL not in os.environ:
        later = [item for item in items if item.get_closest_marker("judge")]
        config.hook.pytest_deselected(items=later)
        items[:] = [item for item in items if not item.get_closest_marker("judge")]
    items.sort(key=_is_short)
    if config.getoption("quick"):
        slow = [item for item in items if not _is_quick(item)]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if _is_quick(item)]


def _is_short(item: pytest.Item) -> int:
    return 0 if item.get_closest_marker("xdist_group") else 1 if item.get_closest_marker("long") else 2


#: Fixtures that build a whole node: a tenth of a second each, of which `make quick` has no thousand.
NODES = {"web", "gateway", "telling", "browser", "demonstrated"}


def _is_quick(item: pytest.Item) -> bool:
    marked = any(item.iter_markers("process")) or any(item.iter_markers("long"))
    parameters = getattr(item, "callspec", None)
    postgres = "postgresql" in (parameters.params.values() if parameters else ()) or "postgres" in getattr(item, "fixturenames", ())
    return not marked and not postgres and NODES.isdisjoint(getattr(item, "fixturenames", ()))


#: Tests below these show how far core/ and wire/ are covered. All others run what these have run, and would take half as long again under
#: coverage's tracer, which is told of every line of everything.
TRACED = tuple(
    str(REPO / "tests" / room)
    for room in (
        *("core", "wire", "partners", "trust", "exchange/receive", "exchange/offline", "exchange/lists", "onboarding/test_"),
        *("operate/test_retention", "clearance/test_parties", "web/api/test_records", "test_moments"),
    )
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """A quick test that starts a process all the same fails, and says where."""
    _trace(item.config, str(item.path).startswith(TRACED))
    watched[0] = item.config.getoption("quick")
    try:
        return (yield)
    finally:
        watched[0] = False


def _trace(config: pytest.Config, wanted: bool) -> None:
    plugin = config.pluginmanager.getplugin("_cov")
    coverage = plugin and plugin.cov_controller
    if coverage and coverage.started != wanted:
        (coverage.resume if wanted else coverage.pause)()


watched = [False]


def _no_process(event: str, _: object) -> None:
    if watched[0] and event in ("subprocess.Popen", "os.posix_spawn", "os.fork", "os.forkpty", "os.system"):
        raise AssertionError("a test of `make quick` starts a process: mark it with pytest.mark.process")


sys.addaudithook(_no_process)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Whoever wants the same order again finds it at the end."""
    if (seed := config.getoption("randomly_seed", None)) is not None:
        terminalreporter.write_line(f"This order again: --randomly-seed={seed}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL, started for this session.

    Not below pytest's own folders: those are closed to everybody but root, and PostgreSQL does not run as root.
    """
    with (
        tempfile.TemporaryDirectory(prefix="aeo-postgres-", ignore_cleanup_errors=True) as folder,
        databases.postgres_server(Path(folder)) as server,
    ):
        yield databases.hurried(server)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "gateway.db"
    databases.migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    """The name of a database with the newest schema, to be copied."""
    return str(sa.make_url(databases.migrate(databases.create(postgres))).database)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the newest schema and nothing in it, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('sqlite_template'), tmp_path / 'gateway.db')}"
    else:
        server = request.getfixturevalue("postgres")
        url = databases.create(server, request.getfixturevalue("postgres_template"))
        yield url
        databases.drop(server, url)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a single table, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'gateway.db'}"
    else:
        server = request.getfixturevalue("postgres")
        url = databases.create(server)
        yield url
        databases.drop(server, url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as opened:
        yield opened


@pytest.fixture
def gateway(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GatewayFixture]:
    """A node and two partners in boxes."""
    with GatewayFixture(tmp_path / "home", database=database) as made:
        made.over_links(monkeypatch)
        yield made


@pytest.fixture
def telling(database: Database, tmp_path: Path) -> Iterator[TellingFixture]:
    """Two partners that have heard their first list, which names enterprise 1."""
    with TellingFixture(tmp_path, database=database) as made:
        made.feed(row(1))
        for iso in made.boxes:
            assert made.deliver(iso, "accepted") == [("list", [("valid", "9900000001")])]
        yield made


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebFixture]:
    """A node with two partners and nobody listed yet."""
    with WebFixture(tmp_path) as made:
        yield made
