"""The feed from a terminal: what a file claims of itself, what the command line adds, and what is then shown; and what production asks for."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import common, domestic
from gateway.core.errors import Refusal
from gateway.domestic.record import FIELDS
from gateway.operate import preflight
from gateway.settings import Settings, SettingsFault, from_environment
from gateway.store.database import Database
from tests.rig.enterprises import made, row

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on an empty database; wide enough that no line is folded."""
    monkeypatch.setenv("AEO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AEO_DATABASE", database_url)
    monkeypatch.setattr(common.console, "width", 400)

    def command(*words: object, code: int = 0) -> Result:
        result = CliRunner().invoke(domestic.app, [str(word) for word in words], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return command


def csv_file(path: Path, *header: str) -> Path:
    values = made(1)[0][0]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{line}\n" for line in header)
        csv.writer(file).writerows([list(FIELDS), [values[name] for name in FIELDS]])
    return path


def shown(run: Run) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(run("feed", "--json").stdout)
    return said


def test_a_file_with_a_header_and_what_is_shown_of_it(run: Run, tmp_path: Path) -> None:
    assert "The feed has not said anything yet." in run("feed").stdout
    file = csv_file(tmp_path / "feed.csv", "# complete: all", "# as-of: 2026-04-01")
    said = run("import", file).stdout
    assert "1 taken" in said
    assert "The feed claims to name every enterprise of: all; an unknown party is warned of." in said
    assert "It is as of 2026-04-01T00:00:00+08:00, as it stated last; no limit is set (AEO_DOMESTIC_STOP_AFTER)." in said
    assert run("feed").stdout.splitlines() == said.splitlines()[-2:]
    stands = shown(run)
    assert (stands["complete"], stands["as_of"], stands["stated"], stands["too_old"]) == (
        ["all"],
        "2026-03-31T16:00:00Z",
        True,
        False,
    )


def test_what_the_command_line_adds(run: Run, tmp_path: Path) -> None:
    file = csv_file(tmp_path / "feed.csv", "# as-of: 2026-04-01")
    done = json.loads(run("import", file, "--complete", "discredited, seriously-discredited", "--json").stdout)
    assert done["claim"] == {"complete": ["discredited", "seriously-discredited"], "as_of": "2026-03-31T16:00:00Z"}
    said = run("import", file, "--as-of", "2026-04-01T00:00:00+08:00").stdout
    assert "1 repeated" in said
    assert "of: discredited, seriously-discredited; of an unknown party nothing is said." in said
    run("import", csv_file(tmp_path / "none.csv"), "--complete", "none")
    assert shown(run)["complete"] == []
    assert "claims to be complete of no tier" in run("feed").stdout


def test_a_feed_that_states_nothing_is_as_of_its_last_record(run: Run, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    done = json.loads(run("import", csv_file(tmp_path / "feed.csv"), "--json").stdout)
    assert "claim" not in done
    stands = shown(run)
    assert stands["stated"] is False
    assert before <= datetime.fromisoformat(stands["as_of"]) <= datetime.now(UTC)
    assert "when its last record came, for it never stated an as-of" in run("feed").stdout


def test_past_its_limit_it_is_said_in_red(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("import", csv_file(tmp_path / "feed.csv"), "--as-of", "2026-04-01")
    monkeypatch.setenv("AEO_DOMESTIC_STOP_AFTER", "86400")
    assert "nobody is known by it past 86400 seconds; that is past." in run("feed").stdout
    assert (shown(run)["limit"], shown(run)["too_old"]) == (86_400, True)


@pytest.mark.parametrize(
    ("header", "options", "says"),
    [
        ("# complete: everyone", (), "all, none, or tiers"),
        ("# as-of: 2026-04-31", (), "2026-11-30"),
        ("# as-off: 2026-04-01", (), "# as-of:"),
        ("# complete: all", ("--complete", "none"), "Say it in one place"),
        ("# complete: all", ("--as-of", "tomorrow"), "2026-11-30"),
        ("# as-of: 2099-01-01", (), "compare the clocks"),
        ("", ("--as-of", (datetime.now(UTC) + timedelta(hours=1)).isoformat()), "compare the clocks"),
    ],
)
def test_what_cannot_be_read_takes_nothing_in(header: str, options: tuple[str, ...], says: str, run: Run, tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        run("import", csv_file(tmp_path / "feed.csv", header), *options)
    assert says in caught.value.remedy
    assert caught.value.field
    assert caught.value.value
    assert "The feed has not said anything yet." in run("feed").stdout


def test_rows_that_are_refused_leave_the_claim_as_it_is(run: Run, tmp_path: Path) -> None:
    """A fault of the feed, and named: whoever is in such a row is unknown here, and warned of."""
    lines = [{"complete": "all"}, row(1), row(2, tier="AA")]
    file = tmp_path / "feed.ndjson"
    file.write_text("\n".join(json.dumps(one) for one in lines), "utf-8")
    run("import", file, code=1)
    assert shown(run)["complete"] == ["all"]


# ---------------------------------------------------------------- the setting


def test_production_asks_how_old_the_feed_may_be(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    database.migrate()

    def complaints(**chosen: object) -> str:
        settings = Settings.model_validate({"home": tmp_path, "mode": "production", **chosen})
        with pytest.raises(SettingsFault) as caught:
            preflight.check(database, settings, datetime.now(UTC))
        return str(caught.value)

    assert "AEO_DOMESTIC_STOP_AFTER is empty: give the age in seconds (172800 is two days)" in complaints()
    assert "AEO_DOMESTIC_STOP_AFTER" not in complaints(domestic_stop_after="172800")
    database.close()


def test_it_is_seconds_or_nothing() -> None:
    assert from_environment({}).domestic_stop_after is None
    assert from_environment({"AEO_DOMESTIC_STOP_AFTER": ""}).domestic_stop_after is None
    assert from_environment({"AEO_DOMESTIC_STOP_AFTER": "86400"}).domestic_stop_after == timedelta(days=1)
    for wrong in ("0", "-1", "soon", "inf", "nan", "2 days", "1e12"):
        with pytest.raises(SettingsFault) as caught:
            from_environment({"AEO_DOMESTIC_STOP_AFTER": wrong})
        (fault,) = caught.value.faults
        assert fault.startswith("AEO_DOMESTIC_STOP_AFTER: Give ")
        assert repr(wrong) in fault
