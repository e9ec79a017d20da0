"""Two people at a terminal: who proposed, what still waits, and what ended when the gateway was upgraded."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway import app as wiring
from gateway.cli import common
from gateway.cli.main import app
from gateway.core.model import Kind, Picture
from gateway.settings import Settings
from gateway.store import proposals
from gateway.store.database import Database
from gateway.trust.keys import Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from tests.rig.enterprises import DOWNGRADED, UNFORESEEN, row
from tests.rig.gateway import GatewayFixture
from tests.rig.people import terminal_of
from tests.rig.telling import TellingFixture
from tests.store.test_migrations import at_release_0_1_0, fill_with_proposals

pytestmark = pytest.mark.long

Say = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def say(home: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Has somebody say a command, in a home where two people are asked for; what it prints."""
    monkeypatch.setenv("AEO_HOME", str(home))
    monkeypatch.setenv("AEO_TWO_PEOPLE", "true")
    monkeypatch.setattr(common.console, "width", 400)

    def command(*words: object, who: str = "alice") -> str:
        with closing(Database(f"sqlite:///{home / 'gateway.db'}")) as database:
            monkeypatch.setenv("AEO_TOKEN_FILE", str(terminal_of(who, home, database)))
        result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    return command


@pytest.fixture
def database(home: Path) -> Any:
    opened = Database(f"sqlite:///{home / 'gateway.db'}")
    opened.migrate()
    yield opened
    opened.close()


def test_two_people_release_a_held_list(say: Say, home: Path, database: Database) -> None:
    gateway = GatewayFixture(home, database=database)
    gateway.threshold("SG", 2)
    made = gateway.boxes["SG"].invent(9, 1)
    for said in (made[:6], made[3:]):
        gateway.send(gateway.boxes["SG"].message(Kind.LIST, said, picture=Picture(as_of=gateway.now)))
        gateway.later(days=1)
    words = "Proposed by alice. It comes in force when a second person releases the very same list."
    assert say("list", "release", 2, "--reason", "I telephoned.") == words
    assert say("list", "release", 2, "--reason", "I telephoned.", who="ALICE") == words
    held = say("list", "held")
    assert f"SG list-2: {words}" in held
    assert "(I telephoned.)" in held
    assert say("list", "release", 2, "--reason", "So did I.", who="bob").startswith("List 2 counts.")
    assert say("list", "held") == "No list waits for a person."
    gateway.close()


def test_two_people_let_gains_through(say: Say, home: Path, database: Database) -> None:
    telling = TellingFixture(home, [], database)
    telling.feed(row(1))
    telling.feed(row(1, **DOWNGRADED))
    record = telling.feed(row(1, **UNFORESEEN)).flagged[0].record
    words = "Proposed by alice. It comes in force when a second person confirms the very same record."
    assert say("domestic", "confirm", record) == words
    assert f"record-{record}: {words}" in say("domestic", "held")
    assert "its gains hold" in say("domestic", "confirm", record, who="bob")


@pytest.fixture
def upgraded(home: Path) -> Database:
    """A home that had open proposals of release 0.1.0, and whose database is of this one now."""
    home.mkdir()
    with at_release_0_1_0(url := f"sqlite:///{home / 'gateway.db'}") as connection:
        fill_with_proposals(connection)
    opened = Database(url)
    opened.migrate()
    return opened


def test_what_ended_at_the_upgrade_is_shown(say: Say, home: Path, upgraded: Database) -> None:
    TellingFixture(home, ["SG"], upgraded)
    upgraded.close()
    assert f"message m-1 - alice, 2026-06-01 04:00 ended {datetime.now(UTC):%Y-%m-%d}" in (voids := say("void", "list"))
    assert proposals.UPGRADED in voids
    assert "bob, 2026-06-01 04:00" in voids
    one, other = json.loads(say("void", "list", "--json"))
    assert {"ended", "ended_because"}.isdisjoint(one), "the others are as they were"
    assert (other["confirmed"], other["ended_because"]) == (None, proposals.UPGRADED)
    files = say("partner", "transcribed")
    assert f"discarded: {proposals.UPGRADED} alice -" in files
    assert [row.get("ended_because") for row in json.loads(say("partner", "transcribed", "--json"))] == [
        None,
        None,
        proposals.UPGRADED,
    ]
    partners = say("partner", "list")
    for iso, digest, who in (("**", "b" * 64, "Alice"), ("SG", "c" * 64, "alice"), ("SG", "c" * 64, "Alice")):
        said = f"{iso} {digest}: proposed by {who}, 2026-06-01 04:00 UTC (a reason), and ended: {proposals.UPGRADED}."
        assert said in partners


def test_a_node_says_what_ended_at_the_upgrade_for_a_month(
    home: Path, upgraded: Database, caplog: pytest.LogCaptureFixture
) -> None:
    upgraded.close()
    now = datetime.now(UTC)
    settings = Settings.model_validate({"home": home})
    create_file_key(settings.keys, "gateway", "ecdsa-p256-sha256", Subject("gateway"), Purpose.DEMO, "", 365, now=now)

    def started(at: datetime) -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.WARNING, wiring.__name__):
            wiring.build(settings, lambda: at).close()
        return [record.getMessage() for record in caplog.records if proposals.UPGRADED in record.getMessage()]

    assert started(now)[:2] == [
        f"what alice proposed of SG void-1 ended: it was {proposals.UPGRADED}",
        f"what alice proposed of SG transcription-1 ended: it was {proposals.UPGRADED}",
    ]
    assert len(started(now + timedelta(days=29))) == 5
    assert started(now + timedelta(days=31)) == []
