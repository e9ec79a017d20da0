"""The domestic side from a terminal, on the database itself, beside a gateway that serves or not."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Pool, event
from typer.testing import CliRunner, Result

from gateway.cli import common, domestic
from gateway.core.errors import Refusal
from gateway.domestic.record import FIELDS
from gateway.store import disclosures
from gateway.store.database import Database
from tests.rig.enterprises import DOWNGRADED, RECTIFYING, UNFORESEEN, made, made_uscc, row, write
from tests.rig.telling import TellingFixture

Run = Callable[..., Result]

_told = typer.Typer()
_told.command()(domestic.told)


@pytest.fixture
def run(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on an empty database; wide enough that no table is folded."""
    monkeypatch.setenv("AEO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AEO_DATABASE", database_url)
    monkeypatch.setattr(common.console, "width", 400)

    def command(*words: object, code: int = 0) -> Result:
        app, asked = (_told, words[1:]) if words[0] == "told" else (domestic.app, words)
        result = CliRunner().invoke(app, [str(word) for word in asked], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    return command


def feed(path: Path, *rows: dict[str, Any]) -> Path:
    """A file of these rows, by its ending."""
    if path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    else:
        write([{name: str(one.get(name) or "") for name in FIELDS} for one in rows], path)
    return path


@pytest.mark.long
def test_ten_thousand_with_thirty_faulty_rows(run: Run, tmp_path: Path) -> None:
    rows, wrong = made(10_000, faulty=30)
    file = tmp_path / "feed.csv"
    write(rows, file)
    result = run("import", file, code=1)
    assert "10000 rows: 9970 taken, 0 repeated, 0 not foreseen (0 of them held for a person), 30 refused" in result.stdout
    with (tmp_path / "feed.refused.csv").open(encoding="utf-8-sig", newline="") as lines:
        report = list(csv.DictReader(lines))
    assert [(int(one["line"]) - 2, one["field"]) for one in report] == sorted(wrong.items())
    assert all(one["reason"] and one["remedy"] for one in report)
    assert "9970 repeated" in run("import", file, code=1).stdout


@pytest.mark.parametrize("ending", ["csv", "xlsx", "ndjson", "json"])
def test_every_form_of_file(ending: str, run: Run, tmp_path: Path) -> None:
    done = json.loads(run("import", feed(tmp_path / f"feed.{ending}", row(1), row(2), row(3)), "--json").stdout)
    assert (done["rows"], done["taken"], done["refused"]) == (3, 3, [])
    assert not (tmp_path / "feed.refused.csv").exists()


def test_refused_rows_as_json_and_where_one_wants_them(run: Run, tmp_path: Path) -> None:
    file, wanted = feed(tmp_path / "feed.ndjson", row(1), row(2, customs_code="9900000001"), row(3, tier="=AA")), tmp_path / "r.csv"
    done = json.loads(run("import", file, "--json", "--report", wanted, code=1).stdout)
    assert [(one["line"], one["field"], one["code"]) for one in done["refused"]] == [
        (2, "customs_code", "data-invalid"),
        (3, "tier", "code-unknown"),
    ]
    assert "'=AA" in wanted.read_text("utf-8-sig")


def test_a_file_that_is_no_feed_takes_nothing_in(run: Run, tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_bytes("uscc,name_zh\n1,\xe9".encode("latin-1"))
    with pytest.raises(Refusal, match="data-invalid"):
        run("import", tmp_path / "feed.csv")
    with pytest.raises(Refusal, match=r"\.ods"):
        run("import", feed(tmp_path / "feed.ods", row(1)))
    run("import", tmp_path / "missing.csv", code=2)


def test_an_enterprise_and_what_is_due(run: Run, tmp_path: Path) -> None:
    run("import", feed(tmp_path / "a.ndjson", row(1, consent="all -SG", consent_since="2026-04-01"), row(2)))
    run("import", feed(tmp_path / "b.ndjson", row(1, **RECTIFYING)))
    shown = run("show", "9900000001").stdout
    for words in (made_uscc(1), "虚构样例企业第00001号有限公司", "measures rectifying", "rectification-start", "-SG all"):
        assert words in shown
    assert json.loads(run("show", made_uscc(1), "--json").stdout)["enterprise"]["customs_code"] == "9900000001"
    due = run("deadlines", "--within", 4000).stdout
    assert "rectification" in due
    assert made_uscc(2) in due
    assert [one["due"] for one in json.loads(run("deadlines", "--within", 4000, "--json").stdout)] == [
        "rectification",
        "re-certification",
        "re-certification",
    ]
    with pytest.raises(Refusal, match="not-found"):
        run("show", "nobody")


def test_what_waits_for_a_person(run: Run, tmp_path: Path) -> None:
    run("import", feed(tmp_path / "a.ndjson", row(1)))
    run("import", feed(tmp_path / "b.ndjson", row(1, **DOWNGRADED)))
    said = run("import", feed(tmp_path / "c.ndjson", row(1, **UNFORESEEN))).stdout
    (held,) = json.loads(run("held", "--json").stdout)
    assert f"aeo-gateway domestic confirm {held['id']}" in said
    table = run("held").stdout
    assert made_uscc(1) in table
    assert "advanced-certified since 2026-06-13" in table
    assert "its gains hold. News queued for nobody." in run("confirm", held["id"]).stdout
    assert json.loads(run("held", "--json").stdout) == []
    with pytest.raises(Refusal, match="not-found"):
        run("confirm", held["id"])


def test_what_each_partner_was_told(run: Run, tmp_path: Path, database_url: str) -> None:
    run("import", feed(tmp_path / "a.ndjson", row(2)))
    assert "No partner was told of it." in run("told", made_uscc(2)).stdout
    database = Database(database_url)
    telling = TellingFixture(tmp_path, ["SG", "HK"], database=database)
    telling.feed(row(1))
    telling.deliver("SG", "accepted")
    told = run("told", "9900000001").stdout
    queued, heard = (part.split() for part in told[told.index("HK ") :].split("SG "))
    assert heard[:2] == ["AEOCN9900000001", "valid"]
    with database.reading() as connection:
        (sent,) = disclosures.told(connection, partner="SG", usccs=[made_uscc(1)])
    assert sent.message_id in heard
    assert heard[-2:] == ["accepted:", sent.outcome_message]
    assert queued[-6:] == ["receipt", "-", "(queued)", "no", "result", "yet"]
    as_json = json.loads(run("told", made_uscc(1), "--json").stdout)
    assert [(one["partner"], one["state"], one["outcome"]) for one in as_json["told"]] == [
        ("HK", "queued", None),
        ("SG", "delivered", "accepted"),
    ]
    assert as_json["told"][1]["statement"].keys() == {"tin", "standing", "name"}
    database.close()


def test_a_command_waits_for_its_turn_beside_a_gateway_that_writes(run: Run, tmp_path: Path, database_url: str) -> None:
    """A serving gateway holds what the command needs; the command tries, and is not done before that is let go."""
    tries = threading.Event()

    def checked_out(*_: object) -> None:
        tries.set()

    with closing(Database(database_url)) as database, ThreadPoolExecutor(1) as terminal:
        with database.write.begin() as connection:
            connection.exec_driver_sql("UPDATE enterprise SET changed = changed" if database.sqlite else "LOCK TABLE enterprise")
            event.listen(Pool, "checkout", checked_out)
            said = terminal.submit(run, "import", feed(tmp_path / "a.ndjson", row(1)))
            assert tries.wait(60)
            assert not said.done()
        assert "1 taken" in said.result(60).stdout
    event.remove(Pool, "checkout", checked_out)
