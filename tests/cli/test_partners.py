"""What ``aeo-gateway partner`` shows of the shipped partners, before anything is activated."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.common import console, settings
from gateway.cli.main import app
from gateway.core.arrangement import Measure
from gateway.partners import PartnerFaults, open_law
from gateway.store import partners
from gateway.store.database import Database
from gateway.store.problems import Problems
from tests.rig.shipped import activate, shipped

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def nothing_activated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(console, "width", 240)


def say(*arguments: str) -> str:
    told = CliRunner().invoke(app, ["partner", *arguments])
    assert told.exit_code == 0
    return told.output


def row(iso: str) -> str:
    return next(line for line in say("list").splitlines() if line.startswith(iso))


def listed(iso: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = json.loads(say("list", "--json"))
    return next(one for one in rows if one["iso"] == iso)


def test_a_start_that_is_not_known_is_not_shown() -> None:
    """The United Kingdom: in force by 2024-10-28 at the latest, and since when nobody has told us (the table's corrections)."""
    assert "yes, since ?" in row("GB")
    assert "2024-10-28" not in row("GB")
    known = listed("GB")
    assert (known["in_force"], known["in_force_since"], known["in_force_by"]) == (True, None, "2024-10-28")
    lines = [line for line in say("show", "GB").splitlines() if "2024-10-28" in line]
    assert len(lines) == 1
    assert "by 2024-10-28  yes, since when is not known" in lines[0]


def test_a_start_that_is_known_is_shown_as_one() -> None:
    assert "2013-03-15" in row("SG")
    known = listed("SG")
    assert (known["in_force_since"], known["in_force_by"]) == ("2013-03-15", None)
    assert "by 2013" not in say("show", "SG")
    unknown = listed("IR")
    assert (unknown["in_force"], unknown["in_force_since"], unknown["in_force_by"]) == (None, None, None)


def test_any_level_is_told_from_a_filter_that_is_not_known() -> None:
    assert listed("AE")["levels"] == "any"
    assert listed("KR")["levels"] is None
    assert listed("SG")["levels"] == ["STP-Plus"]
    shown = say("show", "AE")
    assert "any level of the programme" in shown
    assert "fact GACC Announcement 2022/16. Whoever the programme certified." in shown


def test_what_is_only_likely_is_said_beside_the_fact() -> None:
    assert "D, I, E, L " in row("KR")
    assert "so R is likely and not granted" in " ".join(say("show", "KR").split())


def test_what_an_installation_calls_a_measure_is_activated_with_the_law(tmp_path: Path) -> None:
    site = tmp_path / "home" / "site"
    site.mkdir(parents=True)
    own = """[measures.I]\nclearance_code = [{ from = 2026-01-01, value = "A01", setting = "Clearance's own code." }]\n"""
    (site / "common.toml").write_text(own, "utf-8")
    assert "activated" in say("activate", "--law", "--reason", "the first")
    with closing(Database(f"sqlite:///{tmp_path / 'home' / 'gateway.db'}")) as database, database.reading() as connection:
        digest = partners.in_force_now(connection, partners.LAW)
        assert digest is not None
        law = open_law(partners.content(connection, digest).content)
    assert law.measures[Measure.I].clearance_code.on(date(2026, 6, 15)).value == "A01"
    (site / "common.tml").write_text(own, "utf-8")
    told = CliRunner().invoke(app, ["partner", "activate", "--law", "--reason", "misnamed"])
    assert isinstance(told.exception, PartnerFaults)
    assert "Nothing reads this file" in str(told.exception)


def test_what_does_not_work_with_one_partner_is_shown_as_its_own(tmp_path: Path) -> None:
    with closing(Database(settings().database_url)) as database:
        database.migrate()
        with database.write.begin() as connection:
            activate(connection, [shipped("SG"), shipped("HK")], datetime(2026, 6, 15, tzinfo=UTC))
        problems = Problems(lambda: datetime(2026, 6, 15, 4, tzinfo=UTC))
        problems.failed("SG", "telling", ValueError("its [dialect] is gone"))
        problems.note(database)
    told = say("list")
    assert "! SG: telling does not work since 2026-06-15 04:00 UTC: ValueError: its [dialect] is gone" in told
    assert "! HK" not in told
    assert "its [dialect] is gone" in say("show", "SG")
    assert "does not work" not in say("show", "HK")
    assert [one["what"] for one in listed("SG")["problems"]] == ["telling"]
    assert (listed("HK")["problems"], listed("HK")["envelope"]) == ([], 2)
