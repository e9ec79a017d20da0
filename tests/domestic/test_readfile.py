"""Files as people make them: encodings, headings, cells and formulas; and a report no spreadsheet can be tricked by."""

from __future__ import annotations

import csv
import json
import random
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Code, Refusal
from gateway.domestic.readfile import HEADINGS, MAX_LINE, Row, read, read_json, read_ndjson, write_report
from gateway.domestic.record import FIELDS, MAX_TEXT, Record, decode
from gateway.wire.sheet.sheet import defused
from tests.rig.bounds import within
from tests.rig.enterprises import made, write

ROW = made(1)[0][0]
FULL = {
    **ROW,
    "ground": "certification",
    "tier": "advanced-certified",
    "measure_status": "active",
    "certified_on": "2026-05-01",
    "recertify_by": "2031-05-01",
}


def told(rows: list[Row]) -> list[tuple[int, str | None, str | None, Code]]:
    return [
        (line, fault.field, fault.value, fault.code) for line, found in rows if not isinstance(found, Record) for fault in found
    ]


def table(path: Path, *rows: list[object], heading: list[str] | None = None) -> Path:
    """A workbook or CSV of ``rows`` under ``heading`` (by default every field)."""
    lines: list[list[object]] = [list(heading or FIELDS), *rows]
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for line in lines:
            book.worksheets[0].append(line)
        book.save(path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(lines)
    return path


def cells(**other: object) -> list[object]:
    return [{**FULL, **other}[name] for name in FIELDS]


# ---------------------------------------------------------------- all four forms


@pytest.mark.long
@pytest.mark.parametrize("ending", ["csv", pytest.param("xlsx", marks=pytest.mark.judge), "ndjson"])
def test_ten_thousand_with_thirty_faulty(tmp_path: Path, ending: str) -> None:
    rows, wrong = made(10_000, faulty=30)
    path = tmp_path / f"enterprises.{ending}"
    write(rows, path)
    with within(5):
        found = list(read(path))
    first = 1 if ending == "ndjson" else 2
    assert [line for line, _ in found] == list(range(first, first + 10_000))
    assert [(line - first, field) for line, field, _, _ in told(found)] == sorted(wrong.items())
    assert write_report(found, tmp_path / "report.csv") == 30


def test_every_form_reads_the_same(tmp_path: Path) -> None:
    rows, _ = made(50)
    for ending in ("csv", "xlsx", "ndjson"):
        write(rows, tmp_path / f"e.{ending}")
    as_csv = [found for _, found in read(tmp_path / "e.csv")]
    assert as_csv == [found for _, found in read(tmp_path / "e.xlsx")] == [found for _, found in read(tmp_path / "e.ndjson")]
    assert as_csv == [found for _, found in read_json(json.dumps(rows).encode())]
    (tmp_path / "e.json").write_text(json.dumps(rows))
    assert as_csv == [found for _, found in read(tmp_path / "e.json")]


def test_the_same_seed_makes_the_same_enterprises() -> None:
    assert made(100, faulty=5, seed=7) == made(100, faulty=5, seed=7) != made(100, faulty=5, seed=8)


def test_an_unknown_ending(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"\.ods"):
        read(tmp_path / "e.ods")


# ---------------------------------------------------------------- CSV


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_as_spreadsheets_save_it(tmp_path: Path, delimiter: str, encoding: str) -> None:
    path = tmp_path / "e.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([["", ""], list(FIELDS), [], cells(), ["", " ", ""]])
    assert list(read(path)) == [(4, decode(FULL, 4))]


def test_chinese_and_loosely_written_headings(tmp_path: Path) -> None:
    chinese = table(tmp_path / "zh.csv", cells(), heading=list(HEADINGS))
    loose = table(tmp_path / "en.csv", cells(), heading=[name.upper().replace("_", " ") for name in FIELDS])
    assert [found for _, found in read(chinese)] == [found for _, found in read(loose)] == [decode(FULL, 2)]
    assert set(HEADINGS.values()) == set(FIELDS)


def test_headings_that_are_not_those_expected(tmp_path: Path) -> None:
    path = table(tmp_path / "e.csv", cells(), heading=["USCC", "uscc", "colour", *list(FIELDS)[3:]])
    with pytest.raises(Refusal) as caught:
        list(read(path))
    assert caught.value.line == 1
    for words in ("unknown: colour", "missing: name_zh", "twice: uscc"):
        assert words in caught.value.detail
    assert all(name in caught.value.remedy for name in (*FIELDS, *HEADINGS))


def test_lines_are_where_a_row_begins(tmp_path: Path) -> None:
    path = table(tmp_path / "e.csv", cells(address="Nowhere Road\nMade-Up City"), cells(uscc="x"))
    assert [(line, field, code) for line, field, _, code in told(list(read(path)))] == [
        (2, "address", Code.CHARACTERS),
        (4, "uscc", Code.FIELD_INVALID),
    ]


def test_another_encoding_is_said_and_never_guessed(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    with path.open("w", encoding="gb18030", newline="") as file:
        csv.writer(file).writerows([list(FIELDS), cells()])
    with pytest.raises(Refusal, match="not UTF-8"):
        list(read(path))
    assert list(read(path, encoding="gb18030")) == [(2, decode(FULL, 2))]


def test_broken_csv(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text(",".join(FIELDS) + '\n"a"b,c\n')
    with pytest.raises(Refusal, match="not CSV") as caught:
        list(read(path))
    assert caught.value.line == 2


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("")
    with pytest.raises(Refusal, match="empty"):
        list(read(tmp_path / "e.csv"))


def test_more_cells_than_headings(tmp_path: Path) -> None:
    assert told(list(read(table(tmp_path / "e.csv", [*cells(), "more"])))) == [(2, None, None, Code.FIELD_UNEXPECTED)]


# ---------------------------------------------------------------- XLSX


def test_dates_as_text_or_cells(tmp_path: Path) -> None:
    path = table(
        tmp_path / "e.xlsx",
        cells(tier_since=datetime.fromisoformat("2026-05-01"), measure_since=date(2026, 5, 1), certified_on="2026年5月1日"),
    )
    assert list(read(path)) == [(2, decode({**FULL, "tier_since": "2026-05-01", "measure_since": "2026/5/1"}, 2))]


def test_a_formula_is_no_value(tmp_path: Path) -> None:
    path = table(tmp_path / "e.xlsx", cells(name_zh='=CONCATENATE("a","b")'))
    assert told(list(read(path))) == [(2, "name_zh", '=CONCATENATE("a","b")', Code.FIELD_INVALID)]


def test_numbers_where_text_is_meant(tmp_path: Path) -> None:
    path = table(
        tmp_path / "e.xlsx",
        cells(customs_code=9900000000),
        cells(uscc=919999990000000000),
        cells(customs_code=True),
        cells(tier_since=46143),
    )
    found = list(read(path))
    assert isinstance(found[0][1], Record)
    assert found[0][1].customs_code == "9900000000"
    assert [(line, field, code) for line, field, _, code in told(found)] == [
        (3, "uscc", Code.FIELD_INVALID),
        (4, "customs_code", Code.FIELD_INVALID),
        (5, "tier_since", Code.FIELD_INVALID),
    ]


def test_a_time_of_day_is_no_day(tmp_path: Path) -> None:
    path = table(tmp_path / "e.xlsx", cells(tier_since=datetime.fromisoformat("2026-05-01T13:30")))
    assert [field for _, field, _, _ in told(list(read(path)))] == ["tier_since"]


def test_no_workbook(tmp_path: Path) -> None:
    path = tmp_path / "e.xlsx"
    path.write_bytes(b"uscc,name\n")
    with pytest.raises(Refusal, match="cannot be read"):
        list(read(path))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(Refusal, match="cannot be read"):
        list(read(path))


@pytest.mark.filterwarnings("ignore::UserWarning")  # openpyxl warns of what it drops
def test_a_broken_workbook_is_refused_and_never_trips(tmp_path: Path) -> None:
    """Bytes changed or cut anywhere: rows, faults of rows, or one refusal; nothing of the library's own comes out."""
    good, bad = table(tmp_path / "good.xlsx", *[cells()] * 5), tmp_path / "bad.xlsx"
    chance = random.Random(1)
    with zipfile.ZipFile(good) as source:
        parts = {part.filename: source.read(part) for part in source.infolist()}
    refused = 0
    for turn in range(150):
        name = chance.choice(sorted(parts))
        body = bytearray(parts[name])
        at = chance.randrange(len(body))
        if turn % 3:
            body[at] = chance.randrange(256)
        else:
            del body[at:]
        with zipfile.ZipFile(bad, "w") as target:
            for part, content in parts.items():
                target.writestr(part, bytes(body) if part == name else content)
        try:
            list(read(bad))
        except Refusal:
            refused += 1
    assert refused > 30


@pytest.mark.parametrize(
    "before_root", [b'<!DOCTYPE worksheet [<!ENTITY a "b">]>', b"<!-- " + b"x" * 5000 + b" --><!DOCTYPE worksheet>"]
)
def test_entities_in_a_workbook(tmp_path: Path, before_root: bytes) -> None:
    good, bad = table(tmp_path / "good.xlsx", cells()), tmp_path / "bad.xlsx"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        for part in source.infolist():
            body = source.read(part)
            target.writestr(part, before_root + body if part.filename.endswith("sheet1.xml") else body)
    with pytest.raises(Refusal) as caught:
        list(read(bad))
    assert caught.value.code is Code.XML_DOCTYPE


def test_a_workbook_that_unpacks_to_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path / "e.xlsx", cells())
    monkeypatch.setattr("gateway.wire.sheet.book.MAX_UNPACKED", 100)
    with pytest.raises(Refusal, match="unpacks to more"):
        list(read(path))


# ---------------------------------------------------------------- JSON


def test_ndjson_faults_are_named_and_reading_goes_on(tmp_path: Path) -> None:
    good = json.dumps(FULL).encode()
    lines = [
        b"",
        good,
        b"{",
        b"[]",
        b'{"uscc": "a", "uscc": "b"}',
        b"\xff",
        b"[" * 30_000,
        b"{}" + b" " * MAX_LINE + b"{}",
        b'{"a": null}',
        good,
    ]
    found = list(read_ndjson(lines))
    assert [line for line, _ in found] == list(range(2, 11))
    assert [line for line, what in found if isinstance(what, Record)] == [2, 10]
    codes = {line: code for line, _, _, code in told(found)[:6]}
    assert codes == {
        3: Code.DATA_INVALID,
        4: Code.DATA_INVALID,
        5: Code.FIELD_REPEATED,
        6: Code.DATA_INVALID,
        7: Code.DATA_INVALID,
        8: Code.DATA_INVALID,
    }
    path = tmp_path / "e.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + good)
    assert list(read(path)) == [(1, decode(FULL, 1))]


@pytest.mark.parametrize("body", [b"{}", b"x", b'"text"', b"[" * 100_000])
def test_json_that_is_no_array(body: bytes) -> None:
    with pytest.raises(Refusal):
        list(read_json(body))


def test_json_too_large_to_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.domestic.readfile.MAX_JSON", 10)
    with pytest.raises(Refusal, match="not read whole"):
        list(read_json(b"[" + b" " * 20 + b"]"))


# ---------------------------------------------------------------- one record


def faults(**other: object) -> list[tuple[str | None, Code]]:
    found = decode({**FULL, **other}, 7)
    assert not isinstance(found, Record)
    assert all(fault.line == 7 and fault.detail and fault.remedy for fault in found)
    return [(fault.field, fault.code) for fault in found]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("uscc", "91999999000000000A", Code.FIELD_INVALID),
        ("uscc", "91999999000000000g", Code.CHARACTERS),
        ("uscc", "９1999999000000000G", Code.CHARACTERS),
        ("uscc", "9199999900000000IG", Code.CHARACTERS),
        ("uscc", "919999990000000000G", Code.FIELD_INVALID),
        ("uscc", None, Code.FIELD_MISSING),
        ("customs_code", "99000000O0", Code.FIELD_INVALID),
        ("customs_code", "９９00000000", Code.FIELD_INVALID),
        ("customs_code", "99000000000", Code.FIELD_INVALID),
        ("name_zh", "   ", Code.FIELD_MISSING),
        ("name_en", "a\u202eb", Code.CHARACTERS),
        ("name_en", "a\x00b", Code.CHARACTERS),
        ("name_en", "a\ud800b", Code.CHARACTERS),
        ("name_en", "x" * (MAX_TEXT + 1), Code.FIELD_INVALID),
        ("name_en", {"en": "x"}, Code.FIELD_INVALID),
        ("tier", "Advanced Certified", Code.CODE_UNKNOWN),
        ("tier_since", "2021-10-31", Code.DATA_INVALID),
        ("measure_since", "01.05.2026", Code.FIELD_INVALID),
        ("measure_status", "paused", Code.CODE_UNKNOWN),
        ("ground", "because", Code.CODE_UNKNOWN),
        ("consent", "everyone", Code.CODE_UNKNOWN),
        ("consent", "XX -XX", Code.FIELD_INVALID),
        ("consent", ["XX", 1], Code.CODE_UNKNOWN),
        ("consent_since", "2026-02-29", Code.FIELD_INVALID),
        ("consent_since", "", Code.FIELD_MISSING),
        ("consent", None, Code.FIELD_MISSING),
        ("certified_on", "9999-12-31", Code.DATE_RANGE),
        ("recertify_by", "2026-04-30", Code.PERIOD_REVERSED),
        ("colour", "red", Code.FIELD_UNEXPECTED),
    ],
)
def test_each_fault_names_its_field(field: str, value: object, code: Code) -> None:
    assert faults(**{field: value}) == [(field, code)]


def test_all_faults_of_a_row_are_named_at_once() -> None:
    assert {field for field, _ in faults(uscc="1", tier="x", colour="red", name_zh=None)} == {"uscc", "tier", "colour", "name_zh"}


def test_a_wrong_check_character_is_told_with_the_right_one() -> None:
    found = decode({**FULL, "uscc": "91999999000000000A"}, 1)
    assert not isinstance(found, Record)
    assert "ask for G" in found[0].detail


def test_names_keep_every_script() -> None:
    found = decode({**FULL, "name_zh": " 虚构\u3000样例（中国）𠮷公司 ", "name_en": "Café №1 “Ünïque”"}, 1)
    assert isinstance(found, Record)
    assert found.name_zh == "虚构\u3000样例（中国）𠮷公司"


@pytest.mark.parametrize(
    ("text", "meant"),
    [("all", ("all",)), ("none", ()), ("XX；YY、XX", ("XX", "YY")), (["all", "-XX"], ("-XX", "all")), ([], ())],
)
def test_consent(text: object, meant: object) -> None:
    found = decode({**FULL, "consent": text}, 1)
    assert isinstance(found, Record)
    assert found.consent == meant


# ---------------------------------------------------------------- the report


@given(st.text())
def test_no_cell_is_a_formula(text: str) -> None:
    cell = defused(text)
    assert cell.endswith(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


def test_the_report_holds_every_fault_and_no_formula(tmp_path: Path) -> None:
    path = table(tmp_path / "e.csv", cells(), cells(name_zh="=HYPERLINK(1)"), cells(tier="@SUM(1)", uscc="-1"))
    assert write_report(read(path), tmp_path / "report.csv") == 3
    with (tmp_path / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        report = list(csv.DictReader(file))
    assert [(row["line"], row["field"], row["value"], row["code"]) for row in report] == [
        ("3", "name_zh", "'=HYPERLINK(1)", "field-invalid"),
        ("4", "uscc", "'-1", "field-invalid"),
        ("4", "tier", "'@SUM(1)", "code-unknown"),
    ]
    assert all(row["reason"] and row["remedy"] for row in report)
