"""An installation of release 0.1.0 opens with the code of now: nothing of it is lost, it says what it said, and what it left open can be
ended (``release-0.1.0/README.md`` says what it holds, and how it was made)."""

from __future__ import annotations

import asyncio
import io
import json
import lzma
import sys
import tarfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from starlette.testclient import TestClient
from typer.main import get_command
from typer.testing import CliRunner

from gateway import app
from gateway.cli import main
from gateway.exchange.receive import receive
from gateway.partners import open_law
from gateway.settings import Settings
from gateway.store import journal
from gateway.store import partners as stored
from gateway.store.active import ActivePartners
from gateway.store.database import Database
from gateway.store.tables import bundle, metadata
from gateway.web.site import create_app
from tests.rig.people import terminal_of
from tests.rig.volume import one_in

RELEASE = Path(__file__).parent / "release-0.1.0"
EXPECTED: dict[str, Any] = json.loads((RELEASE / "expected.json").read_text("utf-8"))
ENGINES = ["sqlite", "postgresql"]
#: Both installations are made in one process: each takes seconds to open.
pytestmark = [pytest.mark.xdist_group("release-0.1.0"), pytest.mark.process]

Step = dict[str, Any]


# ---------------------------------------------------------------- as it was written out


def _unpacked(name: str) -> bytes:
    return lzma.decompress((RELEASE / f"{name}.xz").read_bytes())


@contextmanager
def _written_out(engine: str, place: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Path, str]]:
    """The home and the database as the old release left them; no code of now has touched them."""
    home = place / "home"
    with tarfile.open(fileobj=io.BytesIO(_unpacked("home.tar"))) as tar:
        tar.extractall(home, filter="data")
    if engine == "sqlite":
        (home / "gateway.db").write_bytes(_unpacked("gateway.db"))
        yield home, f"sqlite:///{home / 'gateway.db'}"
        return
    base, name = sa.make_url(request.getfixturevalue("postgres")), f"t{uuid.uuid4().hex}"
    admin = sa.create_engine(base, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    url = base.set(database=name)
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(plain, autocommit=True)) as loading:
        loading.execute(_unpacked("postgresql.sql"))
    yield home, url.render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


def _lines(url: str) -> dict[str, list[str]]:
    """Of each table of then that is there with its columns of then: its rows, one a line."""
    engine, there = sa.create_engine(url), sa.MetaData()
    there.reflect(engine)
    found: dict[str, list[str]] = {}
    with engine.connect() as connection:
        for name, then in EXPECTED["tables"].items():
            table = there.tables.get(name)
            if table is not None and set(then["columns"]) <= set(table.columns.keys()):
                rows = connection.execute(sa.select(*(table.c[column] for column in then["columns"])))
                found[name] = sorted(
                    json.dumps([one.hex() if isinstance(one, bytes) else one for one in row], ensure_ascii=False) for row in rows
                )
    engine.dispose()
    return found


def _content(lines: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    """Of each table of then: how many rows it has, and the SHA-256 of what stands in the columns of then, whatever their order."""
    return {
        name: {
            "columns": EXPECTED["tables"][name]["columns"],
            "rows": len(rows),
            "sha256": sha256("\n".join(rows).encode()).hexdigest(),
        }
        for name, rows in lines.items()
    }


# ---------------------------------------------------------------- the code of now


class Clock:
    """Everybody's, a command's too."""

    def __init__(self) -> None:
        self.now = datetime.fromisoformat(EXPECTED["end"])

    def __call__(self) -> datetime:
        return self.now


class Installation:
    """The old installation, opened. Whatever these tests know of the code's names stands here; everything else goes by commands and
    routes, as people and programs use them. Where it ``decides``, a terminal is a person's; then, a name was typed."""

    decides = False

    def __init__(self, home: Path, url: str, patch: pytest.MonkeyPatch) -> None:
        self.home, self.url, self._clock = home, url, Clock()
        self.before = _lines(url)
        self.database = Database(url)
        self.database.migrate()
        # Questions are of many moments; what is known would be too old to answer from at most of them.
        settings = Settings.model_validate({"home": home, "database": url, "current_within": timedelta(days=3650)})
        self._environment = {"AEO_HOME": str(home), "AEO_DATABASE": url, "AEO_MODE": "demo"}
        self._environment |= {f"AEO_{name.upper()}": str(home / "shipped" / name) for name in ("partners", "schemas")}
        self._gateway = app.build(settings, self._clock)
        self._client = TestClient(create_app(self._gateway.service))
        self._client.__enter__()  # one event loop for all requests, as a server has
        assert [*get_command(main.app).commands.values()], "one imported later would keep this clock for ever"  # type: ignore[attr-defined]
        for name, module in list(sys.modules.items()):
            if name.startswith("gateway.") and hasattr(module, "utc_now"):
                patch.setattr(module, "utc_now", self._clock)

    def close(self) -> None:
        self._client.__exit__()
        self._gateway.close()
        self.database.close()

    def unlike_the_tables(self) -> list[Any]:
        """In what its schema is not the one of now."""
        with self.database.write.connect() as connection:
            return list(compare_metadata(MigrationContext.configure(connection), metadata))

    def bundles(self) -> dict[str, list[str]]:
        """The digest of every version of partner data and law, as it is once that was opened."""
        found: dict[str, list[str]] = {}
        known = ActivePartners()
        with self.database.reading() as connection:
            for row in connection.execute(sa.select(bundle.c.iso, bundle.c.digest).order_by(bundle.c.iso, bundle.c.stored)).all():
                law = row.iso == stored.LAW
                content = stored.content(connection, row.digest)
                digest = open_law(content.content).digest if law else known.opened(connection, row.digest).digest
                found.setdefault(row.iso, []).append(digest)
        return found

    def in_force(self) -> dict[str, dict[str, str]]:
        with self.database.reading() as connection:
            return {iso: {"state": state, "digest": digest} for iso, state, digest in stored.in_force(connection)}

    def law(self) -> str | None:
        with self.database.reading() as connection:
            return stored.in_force_now(connection, stored.LAW)

    def sealed(self) -> dict[str, Any]:
        with self.database.reading() as connection:
            last = journal.latest(connection)
        assert last is not None
        return {"size": last.size, "root": last.root, "sealed": last.sealed.isoformat()}

    def perform(self, step: Step) -> Step:
        """Does what one step says at its moment; what comes of it."""
        self._clock.now = datetime.fromisoformat(step["now"])
        if "ask" in step:
            method, path = step["ask"]
            done = self._ask(method, path, step["token"], step.get("json"))
        elif "command" in step:
            done = self._command(step)
        elif "message" in step:
            answer = self._client.post(
                "/exchange",
                content=(self.home / "messages" / step["message"]).read_bytes(),
                headers={"Content-Type": "application/xml"},
            )
            done = {"status": answer.status_code, "same": sha256(answer.content).hexdigest()}
        else:
            done = {"judge": asyncio.run(receive.judge_again(self._gateway.node, self._clock.now))}
        asyncio.run(self._gateway.follower.step())
        return done

    def answer(self, moment: str, asked: str, language: str) -> Any:
        self._clock.now = datetime.fromisoformat(moment)
        return self._ask("GET", f"/v1/eligibility?{asked}&lang={language}", "clearance")["says"]

    def _ask(self, method: str, path: str, token: str, given: Any = None) -> Step:
        headers = {"Authorization": f"Bearer {EXPECTED['tokens'][token]['secret']}"}
        answer = self._client.request(method, path, headers=headers, json=given)
        return {"status": answer.status_code, "says": answer.json() if "json" in answer.headers["content-type"] else None}

    def _command(self, step: Step) -> Step:
        argv = [word.replace("{home}", str(self.home)) for word in step["command"]]
        who = step.get("as", "li.wei")
        if "--as" in argv:  # names were typed then; now a terminal is a person's
            at = argv.index("--as")
            who = argv[at + 1]
            del argv[at : at + 2]
        env = {**self._environment, **step.get("environment", {})}
        if self.decides:
            env["AEO_TOKEN_FILE"] = str(terminal_of(who, self.home, self.database))
        result = CliRunner().invoke(main.app, argv, env=env)
        said = json.loads(result.stdout) if "--json" in argv and result.stdout else None
        return {"exit": int(result.exit_code), "says": said}


@pytest.fixture(scope="module", params=ENGINES)
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Opened once on each database; nothing that is done to it changes more than when a token was last used."""
    with _written_out(request.param, tmp_path_factory.mktemp("old"), request) as (home, url), pytest.MonkeyPatch.context() as patch:
        opened = Installation(home, url, patch)
        yield opened
        opened.close()


@pytest.fixture(params=ENGINES)
def fresh(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """One that may be changed."""
    with _written_out(request.param, tmp_path, request) as (home, url):
        opened = Installation(home, url, monkeypatch)
        opened.decides = True
        yield opened
        opened.close()


# ---------------------------------------------------------------- what is said now, and what was said then


def differences(then: Any, now: Any, where: str = "") -> Iterator[str]:
    """What was said and is said no longer, or otherwise. A later release may say more: an object may have got members, but a list is a
    statement as a whole, and must not have got longer."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name, value in then.items():
            if name in now:
                yield from differences(value, now[name], f"{where}.{name}")
            else:
                yield f"{where}.{name} was {value!r} and is not said"
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, (value, other) in enumerate(zip(then, now, strict=True)):
            yield from differences(value, other, f"{where}[{number}]")
    elif then != now or type(then) is not type(now):
        yield f"{where} was {then!r} and is {now!r}"


def told_apart(steps: list[Step], perform: Callable[[Step], Step]) -> list[str]:
    """Of each step what does not come out as it did then."""
    found: list[str] = []
    for step in steps:
        then = {name: step[name] for name in ("status", "exit", "says", "same", "judge") if name in step}
        what = " ".join(step.get("ask") or step.get("command") or [step.get("message", "judging again")])
        found += (f"{what}: {one}" for one in differences(then, perform(step)))
    return found


def test_the_comparison_finds_what_is_gone_changed_or_added_to_a_list() -> None:
    then = {"a": 1, "b": [{"c": None}], "d": "x", "e": True}
    assert list(differences(then, {**then, "more": 1, "b": [{"c": None, "more": 2}]})) == []
    for now in ({"a": 1}, {**then, "a": 2}, {**then, "b": []}, {**then, "b": [{}, {}]}, {**then, "d": None}, {**then, "e": 1}):
        assert list(differences(then, now)), now


# ---------------------------------------------------------------- nothing is lost


def test_it_is_what_was_written_out(installation: Installation) -> None:
    assert list(differences(EXPECTED["tables"], _content(installation.before))) == []


def test_migrating_keeps_every_row_and_every_value(fresh: Installation) -> None:
    """But for what follows from the statements and is folded anew by the rules of now, and the one spreadsheet that waited for a second
    person: what was proposed under a typed name ends."""
    now = _lines(fresh.url)
    gone = {name: len(set(rows) - set(now[name])) for name, rows in fresh.before.items()}
    folded = gone.pop("operator")
    assert {name: count for name, count in gone.items() if count} == {"transcription": 1}
    assert len(now["operator"]) == len(fresh.before["operator"])
    assert folded > 0
    added = {name for name, rows in now.items() if len(rows) != len(fresh.before[name])}
    assert added == {"entry", "lease"}, "the journal says what ended and what was folded anew, and who did it once"


def test_it_has_the_schema_of_now(installation: Installation) -> None:
    assert installation.unlike_the_tables() == []


def test_every_bundle_opens_and_keeps_its_digest(installation: Installation) -> None:
    assert installation.bundles() == EXPECTED["bundles"]


def test_what_was_in_force_is_in_force(installation: Installation) -> None:
    assert (installation.in_force(), installation.law()) == (EXPECTED["in_force"], EXPECTED["law"])


def test_the_journal_ends_where_it_was_sealed(installation: Installation) -> None:
    assert installation.sealed() == EXPECTED["journal"]


# ---------------------------------------------------------------- it says what it said


def test_commands_and_routes_say_what_they_said(installation: Installation) -> None:
    assert told_apart(EXPECTED["says"], installation.perform) == []


@pytest.mark.parametrize("language", one_in(2, ["en", "zh"]))
def test_every_question_is_answered_as_it_was(installation: Installation, language: str) -> None:
    found = [
        f"{one['asked']} at {one['now']}: {said}"
        for one in EXPECTED["answers"]
        for said in differences(one[language], installation.answer(one["now"], one["asked"], language))
    ]
    assert found == []


# ---------------------------------------------------------------- what it left open can be ended


def test_what_was_left_open_is_ended_and_what_partners_send_next_comes_in(fresh: Installation) -> None:
    """Steps in their order: a message that was kept is judged, parts and receipts come in, second people agree, and each is answered for."""
    assert told_apart(EXPECTED["ends"], fresh.perform) == []
