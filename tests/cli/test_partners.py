"""What ``aeo-gateway partner`` shows of the shipped partners, before anything is activated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.common import console
from gateway.cli.main import app


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
