"""A partner not connected yet, as two people in a customs administration do it from a terminal, on a home of their own."""

from __future__ import annotations

import csv
import json
import os
import shutil
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.core.errors import Code, Refusal
from gateway.partners import load_all
from gateway.settings import ROOT
from gateway.store import partners as stored
from gateway.store.database import Database
from tests.rig.enterprises import made, write
from tests.rig.people import person, terminal_of

pytestmark = pytest.mark.long

SITE = """
[sheet]
end = "Total"
columns = [
    { heading = "Nr." },
    { heading = "UEN", holds = "{tin}" },
    { heading = "Company", holds = "{name}" },
    { heading = "Tier", holds = "{level|level}" },
    { heading = "Status", holds = "{standing|standing}" },
    { heading = "Valid until", holds = "{expires|date:dd/MM/yyyy}?" },
]

[sheet.codes.standing]
"Active" = "valid"
"On hold" = "suspended"

[sheet.codes.level]
"Plus" = "STP-Plus"
"Basic" = "STP"
"""
HEADINGS = ["Nr.", "UEN", "Company", "Tier", "Status", "Valid until"]
CODES = [f"SG12345678901{number}" for number in range(5)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which Singapore's data is in force, with its spreadsheet mapped."""
    shutil.copytree(ROOT / "partners" / "sg", tmp_path / "partners" / "sg")
    shutil.copy(ROOT / "partners" / "common.toml", tmp_path / "partners")
    site = tmp_path / "home" / "site" / "sg"
    site.mkdir(parents=True)
    (site / "site.toml").write_text(SITE, "utf-8")
    monkeypatch.setenv("AEO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AEO_PARTNERS", str(tmp_path / "partners"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    loaded = load_all(tmp_path / "partners", ROOT / "schemas", tmp_path / "home" / "site")
    database = Database(f"sqlite:///{tmp_path / 'home' / 'gateway.db'}")
    database.migrate()
    with database.write.begin() as connection:
        put = [(stored.LAW, loaded.law.digest, loaded.law_content), ("SG", loaded["SG"].digest, loaded["SG"].content)]
        for iso, digest, content in put:
            stored.activate(
                connection, iso, digest, content, at=datetime(2026, 1, 1, tzinfo=UTC), who=person("test"), reason="test"
            )
    database.close()
    return tmp_path


def run(*arguments: str) -> Result:
    """The last two may be ``as`` and a name: whose terminal it is."""
    *words, _, name = (*arguments, "as", "alice") if arguments[-2] != "as" else arguments
    home = Path(os.environ["AEO_HOME"])
    with closing(Database(f"sqlite:///{home / 'gateway.db'}")) as database:
        file = terminal_of(name, home, database)
    return CliRunner().invoke(app, words, env={"AEO_TOKEN_FILE": str(file)})


def done(*arguments: str, code: int = 0) -> str:
    result = run(*arguments)
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


def refusal(*arguments: str) -> Refusal:
    found = run(*arguments).exception
    assert isinstance(found, Refusal), found
    return found


def book(file: Path, *rows: list[object]) -> Path:
    made = openpyxl.Workbook()
    sheet = made.worksheets[0]
    for row in (["STP companies"], [], HEADINGS, *rows, ["Total", len(rows)]):
        sheet.append(row)
    sheet.merge_cells("A1:F1")
    made.save(file)
    return file


def good(*codes: str, status: str = "Active") -> list[list[object]]:
    return [[number, code, "Made-Up Pte Ltd", "Plus", status, date(2099, 1, 31)] for number, code in enumerate(codes, 1)]


SAY = ("--reason", "mail of the first")


def test_a_list_with_bad_rows_is_put_right_confirmed_and_counts(place: Path) -> None:
    bad: list[list[object]] = [
        [6, "SG99", "Short", "Plus", "Active", None],
        [7, 123456789012, "Number", "Plus", "Active", None],
        [8, "SG123456789099", "Word", "Gold", "?", "2027-01-01"],
        [9, CODES[0], "Twice", "Plus", "On hold", None],
    ]
    book(place / "stp.xlsx", *good(*CODES), *bad)
    said = done("partner", "transcribe", "SG", "stp.xlsx", "--as-of", "2026-06-01", *SAY, code=1)
    for words in ("5 rows read, 4 refused", "SG99", "leading", "Gold", "Nothing is proposed", "1 row was not read"):
        assert words in said
    assert max(map(len, said.splitlines())) <= 80
    with (place / "stp.refused.csv").open(encoding="utf-8-sig", newline="") as report:
        listed = list(csv.DictReader(report))
    assert [(row["line"], row["field"]) for row in listed] == [
        ("9", "UEN"),
        ("10", "UEN"),
        ("11", "Tier"),
        ("11", "Status"),
        ("11", "Valid until"),
        ("12", "UEN"),
    ]
    assert "No spreadsheet" in done("partner", "transcribed")

    book(place / "stp.xlsx", *good(*CODES))
    assert "Proposed: number 1" in done("partner", "transcribe", "SG", "stp.xlsx", "--as-of", "2026-06-01", *SAY)
    assert "5 would newly be granted" in done("partner", "transcribed", "1")
    assert json.loads(done("eligible", CODES[0], "--json"))["grant"] is False
    assert refusal("partner", "confirm", "1", "as", "Alice").code is Code.DATA_INVALID
    assert "5 accepted" in done("partner", "confirm", "1", "as", "bob")
    one = json.loads(done("eligible", CODES[0], "--on", "2026-06-15", "--direction", "import", "--json"))
    assert one["grant"] is True
    assert [warning["code"] for warning in one["warnings"]] == ["transcribed"]
    assert "typed in" in done("eligible", CODES[0], "--on", "2026-06-15")
    assert "人工录入" in done("eligible", CODES[0], "--on", "2026-06-15", "--lang", "zh")
    (stated,) = json.loads(done("operator", "show", CODES[0], "--json"))
    assert stated["transcribed"] is True


def test_a_suspension_at_once(place: Path) -> None:
    book(place / "list.xlsx", *good(*CODES))
    done("partner", "transcribe", "SG", "list.xlsx", "--as-of", "2026-06-01", *SAY)
    done("partner", "confirm", "1", "as", "bob")
    book(place / "news.xlsx", *good(CODES[1], status="On hold"), [2, "SG99", "Short", "Plus", "Active", None])
    said = json.loads(
        done("partner", "transcribe", "SG", "news.xlsx", "--update", "--as-of", "2026-06-09T08:00:00Z", *SAY, "--json", code=1)
    )
    assert [(one["row"], one["column"], one["code"]) for one in said["refused"]] == [(5, "UEN", "code-form")]
    assert said["would"]["says"] == {"suspended": 1}
    assert json.loads(done("partner", "confirm", "2", "--json", "as", "bob"))["outcomes"] == {"accepted": 1}
    grants = [
        json.loads(done("eligible", code, "--on", "2026-06-15", "--direction", "import", "--json"))["grant"] for code in CODES
    ]
    assert grants == [True, False, True, True, True]


def test_a_wrong_file_is_set_aside_or_annulled(place: Path) -> None:
    book(place / "list.xlsx", *good(*CODES))
    done("partner", "transcribe", "SG", "list.xlsx", "--as-of", "2026-06-01", *SAY)
    assert "set aside" in done("partner", "discard", "1", "--reason", "last year's", "as", "alice")
    assert "discarded by alice" in refusal("partner", "confirm", "1", "as", "bob").detail
    done("partner", "transcribe", "SG", "list.xlsx", "--as-of", "2026-06-01", *SAY)
    done("partner", "confirm", "2", "as", "bob")
    assert "confirmed" in done("partner", "transcribed"), "the word stays whole at 80 columns"
    assert "aeo-gateway void" in str(refusal("partner", "confirm", "2", "as", "carol").remedy)
    (message,) = [one["id"] for one in json.loads(done("message", "list", "--json")) if one["state"] == "transcribed"]
    assert "list.xlsx" in done("message", "show", message)
    assert "Nobody signed" in refusal("evidence", "export", message).detail
    done("partner", "transcribed", "2", "--to", "as-it-came.xlsx")
    assert (place / "as-it-came.xlsx").read_bytes() == (place / "list.xlsx").read_bytes()
    done("void", "propose", "--message", message, "--reason", "last year's", "as", "alice")
    done("void", "confirm", "1", "as", "bob")
    assert json.loads(done("eligible", CODES[0], "--json"))["grant"] is False


def test_our_list_for_it(place: Path) -> None:
    rows, _ = made(3)
    write([row | {"tier": "advanced-certified", "measure_status": "active"} for row in rows], place / "ours.csv")
    run("domestic", "import", "ours.csv")
    said = done("partner", "transcript", "SG", "--to", "to-sg.xlsx")
    assert "without a receipt" in " ".join(said.split())
    (sheet,) = openpyxl.load_workbook(place / "to-sg.xlsx").worksheets
    headings, *lines = sheet.iter_rows(values_only=True)
    assert list(headings) == HEADINGS
    assert lines
    assert all(str(line[1]).startswith("AEOCN") and line[4] == "Active" and line[3] is None for line in lines)
    assert "mailed" in done("message", "list")
    assert "cannot be written" in refusal("partner", "transcript", "SG", "--to", "to-sg.xlsx").detail, (
        "never over one that is there"
    )
    assert len(json.loads(done("message", "list", "--json"))) == 1, "and then nothing was told"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("partner", "transcribe", "ZZ", "list.xlsx", "--as-of", "2026-06-01", *SAY), "No data of ZZ is in force"),
        (("partner", "transcribe", "SG", "list.xlsx", "--as-of", "1 June", *SAY), "neither a day nor a moment"),
        (("partner", "transcribe", "SG", "list.xlsx", "--as-of", "2026-06-01", "--scope", "MY", *SAY), "no member"),
        (("partner", "transcribe", "SG", "list.xlsx", "--as-of", "2026-06-01", "--reason", " "), "reason must be given"),
        (("partner", "transcribe", "SG", "other.xlsx", "--as-of", "2026-06-01", *SAY), "unknown: 'Firm'"),
        (("partner", "transcribe", "SG", "list.ods", "--as-of", "2026-06-01", *SAY), "are not read"),
        (("partner", "confirm", "7"), "No transcription has the number 7"),
        (("partner", "transcribed", "7"), "No transcription has the number 7"),
        (("partner", "transcript", "SG", "--to", "x.csv"), "names no enterprise"),
    ],
)
def test_what_cannot_be_is_said_with_its_remedy(place: Path, arguments: tuple[str, ...], words: str) -> None:
    book(place / "list.xlsx", *good(*CODES))
    book(place / "other.xlsx")
    shutil.copy(place / "list.xlsx", place / "list.ods")
    other = openpyxl.load_workbook(place / "other.xlsx")
    other.worksheets[0]["C3"] = "Firm"
    other.save(place / "other.xlsx")
    found = refusal(*arguments)
    assert words in found.detail
    assert found.remedy


def test_columns_that_nobody_mapped_are_drafted_by_their_headings(place: Path) -> None:
    headings = ["No", "Código OEA", "Razón social", "Estado", "Nivel", "Vencimiento", "Otro nombre", 'With "quotes"']
    made_up = openpyxl.Workbook()
    for row in (["Lista OEA"], headings, [1, CODES[0], "X", "valid", "STP-Plus", "2099-01-31", "Y", "Z"]):
        made_up.worksheets[0].append(row)
    made_up.save(place / "es.xlsx")
    result = run("partner", "transcribe", "SG", "es.xlsx", "--as-of", "2026-06-01", *SAY)
    assert isinstance(result.exception, Refusal)
    drafted = result.output.partition("[sheet]\n")[2]
    assert drafted.count("what does it hold?") == 3, drafted
    (place / "home" / "site" / "sg" / "site.toml").write_text(f"[sheet]\n{drafted}", "utf-8")
    sheet = load_all(place / "partners", ROOT / "schemas", place / "home" / "site")["SG"].sheet
    ((_, said),) = sheet.read("es.xlsx", (place / "es.xlsx").read_bytes()).rows
    assert (said.tin, said.name, said.standing, said.level, said.expires) == (CODES[0], "X", "valid", "STP-Plus", date(2099, 1, 31))
