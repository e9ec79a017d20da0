"""Spreadsheets as partners mail them: mapped columns, typed cells, encodings, and what of a workbook must not slip through."""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, get_args

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from gateway.core.errors import Code, Refusal
from gateway.core.model import Standing, Statement
from gateway.partners.shape import SheetShape
from gateway.partners.values import Encoding
from gateway.wire.sheet import Columns, Sheet, SheetReading, book
from gateway.wire.sheet.columns import PLAIN, STANDINGS
from gateway.wire.sheet.sheet import defused
from tests.rig.bounds import within
from tests.rig.machine import REAL_DATA
from tests.rig.volume import times

COLUMNS = {
    "AEO Code": "{tin}",
    "Company": "{name}",
    "Grade": "{level|level}?",
    "Status": "{standing|standing}",
    "Valid from": "{granted|date:dd/MM/yyyy}?",
    "Valid to": "{expires|date:dd/MM/yyyy}?",
    "Certificate": "{number}?",
    "Remarks": "",
}
CODES = {"standing": {"Active": "valid", "On hold": "suspended", "Out": "revoked"}, "level": {"G": "gold", "S": "silver"}}
MAPPING: dict[str, Any] = {"columns": COLUMNS, "codes": CODES, "parts": {}, "always": {}}
HEADINGS: list[object] = list(COLUMNS)
ROW: list[object] = [
    "XA000001",
    "Made-Up Ltd",
    "G",
    "Active",
    date(2024, 1, 31),
    datetime.combine(date(2027, 1, 31), time()),
    "C-01",
    "call back",
]
SAID = Statement(
    tin="XA000001",
    name="Made-Up Ltd",
    level="gold",
    standing=Standing.VALID,
    granted=date(2024, 1, 31),
    expires=date(2027, 1, 31),
    number="C-01",
)


def mapped(other: dict[str, Any]) -> Columns:
    said = MAPPING | other
    return Columns(**(said | {"columns": said["columns"].items()}))


def columns(**other: Any) -> Columns:
    made = mapped(other)
    assert made.faults == []
    return made


def faults(**other: Any) -> list[tuple[str, str]]:
    made = mapped(other)
    assert all(fault.remedy for fault in made.faults)
    return [(fault.key, fault.problem) for fault in made.faults]


def workbook(*rows: Sequence[object], change: Callable[[Any], object] = lambda _: None) -> bytes:
    made = openpyxl.Workbook()
    for row in rows:
        made.worksheets[0].append(list(row))
    change(made)
    packed = io.BytesIO()
    made.save(packed)
    return packed.getvalue()


def text(*rows: Sequence[object], encoding: str = "utf-8", separator: str = ",") -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=separator).writerows(rows)
    return written.getvalue().encode(encoding)


def read(body: bytes, name: str = "a.xlsx", **other: Any) -> SheetReading:
    return Sheet(columns(), **other).read(name, body)


def at(place: str, cell: object) -> list[object]:
    """A good row with one other cell."""
    return [cell if heading == place else good for heading, good in zip(HEADINGS, ROW, strict=True)]


def told(reading: SheetReading) -> list[tuple[int | None, str | None, str | None, Code]]:
    return [(one.line, one.field, one.value, one.code) for one in reading.refused]


# ---------------------------------------------------------------- a mapping


def test_a_good_row() -> None:
    assert read(workbook(HEADINGS, ROW)) == SheetReading(((2, SAID),), (), ())


def test_headings_are_told_apart_by_words_only() -> None:
    loosely = ["  aeo\ncode", "COMPANY", "Ｇｒａｄｅ", "sta\u200btus", "valid  FROM", "Valid to ", "certificate", "remarks"]
    assert read(workbook(loosely, ROW)).rows == ((2, SAID),)


def test_a_title_is_above_the_headings_and_a_footer_below_the_list() -> None:
    rows: list[list[object]] = [["List of AEOs"], [], HEADINGS, ROW, ["Total", 1], ["Signed by nobody"]]
    reading = read(workbook(*rows), end="Total")
    assert reading.rows == ((4, SAID),)
    assert reading.notes == ("Above the headings in row 3, 1 row was not read.", "From 'Total' on, 2 rows were not read.")
    assert [one[0] for one in told(read(workbook(*rows)))] == [5, 5, 6, 6], "without an end the footer is refused, cell by cell"


@pytest.mark.parametrize(
    ("headings", "words"),
    [
        ([*HEADINGS, "Colour"], "unknown: 'Colour'"),
        (HEADINGS[:5], "missing: 'Valid to', 'Certificate', 'Remarks'"),
        ([*HEADINGS, "status"], "twice: 'Status'"),
    ],
)
def test_headings_that_are_not_those_mapped(headings: list[object], words: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(workbook(["A title"], headings, ROW))
    assert (caught.value.code, caught.value.line) == (Code.DATA_INVALID, 2)
    assert words in caught.value.detail


def test_an_empty_file() -> None:
    for name, body in (("a.csv", b""), ("a.csv", b"\n\n"), ("a.xlsx", workbook([None]))):
        with pytest.raises(Refusal):
            read(body, name)


def test_without_a_mapping_headings_are_our_own_names() -> None:
    sheet = Sheet(Columns(PLAIN, {"standing": STANDINGS}, {}, {}, every=False))
    reading = sheet.read("a.csv", text(["TIN", "Standing", "Expires"], ["XA000001", "suspended", "2027-01-31"]))
    assert reading.rows == ((2, Statement(tin="XA000001", standing=Standing.SUSPENDED, expires=date(2027, 1, 31))),)


def test_a_code_in_parts_and_a_standing_that_no_column_says() -> None:
    mapping = {"No.": "{tin#serial}", "Firm": "{name}"}
    made = columns(columns=mapping, parts={"tin": "XA{serial}"}, always={"standing": "valid", "level": "gold"})
    reading = Sheet(made).read("a.csv", text(["No.", "Firm"], ["000001", "Made-Up Ltd"], ["", "Nobody"]))
    assert reading.rows == ((2, Statement(tin="XA000001", name="Made-Up Ltd", standing=Standing.VALID, level="gold")),)
    assert told(reading) == [(3, "No.", None, Code.FIELD_MISSING)]


def test_a_part_may_be_blank_and_then_there_is_no_code() -> None:
    made = columns(columns={"No.": "{tin#serial}?"}, parts={"tin": "XA{serial}"}, always={"standing": "valid"})
    reading = Sheet(made).read("a.csv", text(["No.", "x"][:1], ["1"], ['""'], ["000001" + "0" * 40]))
    assert [one.tin for _, one in reading.rows] == ["XA1", 'XA""']
    assert [one.code for one in reading.refused] == [Code.FIELD_INVALID]


def test_codes_that_compare_as_numbers_are_read_from_numbers() -> None:
    made = columns(
        columns={"Code": "{tin}", "S": "{standing|standing:int}"}, codes={"standing": {"01": "valid", "02": "suspended"}}
    )
    reading = Sheet(made).read("a.xlsx", workbook(["Code", "S"], ["XA1", 1], ["XA2", 2.0], ["XA3", "02"], ["XA4", 2.5], ["XA5", 3]))
    assert [one.standing for _, one in reading.rows] == [Standing.VALID, Standing.SUSPENDED, Standing.SUSPENDED]
    assert [(line, code) for line, _, _, code in told(reading)] == [(5, Code.FIELD_INVALID), (6, Code.CODE_UNKNOWN)]


@pytest.mark.parametrize(
    ("other", "key", "problem"),
    [
        ({"columns": COLUMNS | {"Extra": "{colour}"}}, "columns[8]", "No field fills {colour}."),
        ({"columns": COLUMNS | {"Extra": "{message.id}"}}, "columns[8]", "A row holds only fields"),
        ({"columns": COLUMNS | {"status ": "{role}?"}}, "columns[8]", "The heading is blank or stands twice."),
        ({"columns": COLUMNS | {"Again": "{name}?"}}, "columns", "{name} is said twice."),
        ({"columns": {"Code": "{tin}"}}, "columns", "No column holds standing."),
        ({"columns": {"Status": "{standing|standing}"}}, "columns", "No column holds tin."),
        ({"columns": COLUMNS | {"Status": "{standing}"}}, "columns[3]", "{standing} has no code list."),
        ({"codes": CODES | {"level": {"G": "gold", "Gold": "gold"}}}, "codes.level.Gold", "'G' and 'Gold' both stand for 'gold'."),
        ({"parts": {"colour": "{a}"}}, "parts", "'colour' is no field"),
        ({"always": {"standing": "valid"}}, "columns", "{standing} is said twice."),
        ({"always": {"standing": "delisted"}}, "always.standing", "'delisted' is no standing."),
        ({"always": {"tin": "XA1"}}, "always.tin", "No row can always have this."),
    ],
)
def test_a_mapping_that_cannot_be(other: dict[str, Any], key: str, problem: str) -> None:
    assert any(place == key and said.startswith(problem) for place, said in faults(**other)), faults(**other)


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize(
    ("place", "cell", "code", "words"),
    [
        ("AEO Code", None, Code.FIELD_MISSING, "blank"),
        ("AEO Code", 12345678, Code.FIELD_INVALID, "leading zeros"),
        ("AEO Code", "XA00\u200b0001", Code.CHARACTERS, "U+200B"),
        ("AEO Code", "XA00000１", Code.CHARACTERS, "U+FF11"),
        ("AEO Code", "ХА000001", Code.CHARACTERS, "CYRILLIC"),
        ("AEO Code", "X" * 36, Code.FIELD_INVALID, "35 characters"),
        ("AEO Code", "1.23457E+11", Code.FIELD_INVALID, "shortened"),
        ("AEO Code", date(2026, 3, 12), Code.FIELD_INVALID, "date"),
        ("Company", "=HYPERLINK(A1)", Code.FIELD_INVALID, "formula"),
        ("Company", "#N/A", Code.FIELD_INVALID, "error"),
        ("Company", "a\u202eb", Code.CHARACTERS, "U+202E"),
        ("Company", "a" * 501, Code.FIELD_INVALID, "longer"),
        ("Company", True, Code.FIELD_INVALID, "yes or no"),
        ("Company", time(8), Code.FIELD_INVALID, "a time"),
        ("Company", timedelta(hours=30), Code.FIELD_INVALID, "a time"),
        ("Status", "active", Code.CODE_UNKNOWN, "agreed list"),
        ("Status", 1, Code.FIELD_INVALID, "number"),
        ("Valid to", 46022, Code.FIELD_INVALID, "a date is expected"),
        ("Valid to", "2027-01-31", Code.FIELD_INVALID, "dd/MM/yyyy"),
        ("Valid to", "31/02/2027", Code.FIELD_INVALID, "ay"),
        ("Valid to", datetime.combine(date(2027, 1, 31), time(8)), Code.FIELD_INVALID, "time of day"),
        ("Certificate", 1001, Code.FIELD_INVALID, "number"),
        ("Certificate", 1e308, Code.FIELD_INVALID, "number"),
    ],
)
def test_an_odd_cell_refuses_its_row_and_no_other(place: str, cell: object, code: Code, words: str) -> None:
    reading = read(workbook(HEADINGS, at(place, cell), at("AEO Code", "XA000002")))
    assert [row for row, _ in reading.rows] == [3]
    (one,) = reading.refused
    assert (one.line, one.field, one.code) == (2, place, code)
    assert words in one.detail
    assert one.remedy


def test_every_fault_of_a_row_is_named() -> None:
    reading = read(workbook(HEADINGS, ["XA 1 ", None, "Gold", "?", "x", "y", "=1", "read past", "stray"]))
    assert {one.field for one in reading.refused} == {"Company", "Grade", "Status", "Valid from", "Valid to", "Certificate", None}


def test_a_cell_without_a_heading_is_refused_beside_and_between() -> None:
    between: list[object] = [*HEADINGS[:2], None, *HEADINGS[2:]]
    reading = read(workbook(between, [*ROW[:2], "?", *ROW[2:]], [*ROW[:2], None, *ROW[2:]], [*ROW[:2], None, *ROW[2:], "?"]))
    assert [row for row, _ in reading.rows] == [3]
    assert told(reading) == [(2, None, "?", Code.FIELD_UNEXPECTED), (4, None, "?", Code.FIELD_UNEXPECTED)]


def test_layout_of_words_is_not_what_they_say_and_joiners_of_a_script_are() -> None:
    reading = read(workbook(HEADINGS, at("Company", "  Made-Up\n  Ltd "), at("Company", "شرکت\u200cها")))
    assert [one.name for _, one in reading.rows] == ["Made-Up Ltd", "شرکت\u200cها"]


def test_dates_count_from_1904_where_the_workbook_says_so() -> None:
    def old(made: Any) -> None:
        made.epoch = CALENDAR_MAC_1904

    assert read(workbook(HEADINGS, ROW, change=old)).rows == ((2, SAID),)


def test_an_array_formula() -> None:
    def formula(made: Any) -> None:
        made.worksheets[0]["B2"] = openpyxl.worksheet.formula.ArrayFormula("B2", "=A2")

    assert [one.detail for one in read(workbook(HEADINGS, ROW, change=formula)).refused] == ["The cell holds a formula."]


# ---------------------------------------------------------------- workbooks


def test_merged_cells_refuse_the_rows_they_touch() -> None:
    def merge(made: Any) -> None:
        made.worksheets[0].merge_cells("A1:H1")  # a title
        made.worksheets[0].merge_cells("F4:F5")
        made.worksheets[0].merge_cells("H6:H7")  # remarks are read past

    rows: list[list[object]] = [["A title"], HEADINGS, *(at("AEO Code", f"XA00000{number}") for number in range(6))]
    reading = read(workbook(*rows, change=merge))
    assert [row for row, _ in reading.rows] == [3, 6, 7, 8]
    assert told(reading) == [(4, "F4:F5", None, Code.FIELD_INVALID), (5, "F4:F5", None, Code.FIELD_INVALID)]


def test_hidden_rows_and_columns_are_read_and_said() -> None:
    def hide(made: Any) -> None:
        for row in (3, *range(5, 30)):
            made.worksheets[0].row_dimensions[row].hidden = True
        made.worksheets[0].column_dimensions["F"].hidden = True

    rows = [at("AEO Code", f"XA0000{number:02}") for number in range(30)]
    reading = read(workbook(HEADINGS, *rows, change=hide))
    assert len(reading.rows) == 30
    assert reading.notes[0].startswith("Rows hidden in the sheet were read too: 3, 5, 6")
    assert reading.notes[0].endswith("and 6 more.")
    assert reading.notes[1] == "Columns hidden in the sheet were read too."


def second(title: str, state: str = "visible") -> Callable[[Any], None]:
    def add(made: Any) -> None:
        sheet = made.create_sheet(title)
        sheet.append(["something"])
        sheet.sheet_state = state

    return add


def test_the_only_sheet_in_sight_is_read_and_a_hidden_one_is_said() -> None:
    reading = read(workbook(HEADINGS, ROW, change=second("Old", "veryHidden")))
    assert (reading.rows, reading.notes) == (((2, SAID),), ("The hidden sheet 'Old' was not read.",))
    assert read(workbook(HEADINGS, ROW, change=lambda made: made.create_sheet("Sheet2"))).notes == (), "an empty one"


def test_of_several_sheets_one_is_named() -> None:
    body = workbook(HEADINGS, ROW, change=second("Notes"))
    with pytest.raises(Refusal, match="'Sheet', 'Notes'"):
        read(body)
    assert read(body, worksheet="Sheet").notes == ("The sheet 'Notes' was not read.",)
    with pytest.raises(Refusal, match="the sheet 'Other'"):
        read(body, worksheet="Other")
    with pytest.raises(Refusal):
        read(workbook(HEADINGS, ROW, change=second("Old", "hidden")), worksheet="Old")


@pytest.mark.parametrize(("cell", "place"), [("XFD2", "Row 2"), ("A1048576", "Row 1048576")], ids=["far to the right", "far below"])
def test_a_cell_far_off(cell: str, place: str) -> None:
    def far(made: Any) -> None:
        made.worksheets[0][cell] = "x"

    with pytest.raises(Refusal, match=f"{place} lies beyond"):
        read(workbook(HEADINGS, ROW, change=far))


def rezipped(body: bytes, change: Callable[[str, bytes], bytes], **more: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as source, zipfile.ZipFile(packed, "w") as target:
        for part in source.infolist():
            target.writestr(part.filename, change(part.filename, source.read(part)))
        for name, content in more.items():
            target.writestr(name, content)
    return packed.getvalue()


def test_macros(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal, match="macros"):
        read(rezipped(workbook(HEADINGS, ROW), lambda _, part: part, **{"xl/vbaProject.bin": b"x"}))


def test_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "MAX_UNPACKED", 1000)
    with pytest.raises(Refusal, match="unpacks to more"):
        read(workbook(HEADINGS, ROW))


def test_elements_that_cost_memory_and_no_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    def many(name: str, part: bytes) -> bytes:
        return part.replace(b"</row>", b"<x/>" * 500 + b"</row>", 1) if "sheet1" in name else part

    monkeypatch.setattr(book, "MAX_ELEMENTS", 500)
    with pytest.raises(Refusal, match="more than 500 elements"):
        read(rezipped(workbook(HEADINGS, ROW), many))


DOCTYPE = '<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("xl/theme/odd.bin", DOCTYPE.format(encoding="UTF-8").encode()),
        ("no-ending", DOCTYPE.format(encoding="UTF-8").encode()),
        ("xl/far.xml", b"<a/>" + b" " * 5_000_000 + b"<!DOCTYPE a>"),
        ("xl/between.xml", b" " * ((1 << 18) - 4) + b"<!DOCTYPE a>"),
        *((f"xl/{one}.xml", DOCTYPE.format(encoding="UTF-16").encode(one)) for one in ("utf-16", "utf-16-le", "utf-16-be")),
        *((f"xl/{one}.xml", "<!DOCTYPE a><a/>".encode(one)) for one in ("utf-32", "utf-32-le", "utf-32-be")),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_document_type_in_any_part(name: str, content: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read(rezipped(workbook(HEADINGS, ROW), lambda _, part: part, **{name: content}))
    assert caught.value.code is Code.XML_DOCTYPE


@pytest.mark.parametrize("encoding", ["UTF-7", "cp037", "ISO-8859-1", "UTF-32", "ISO-10646-UCS-4"])
def test_an_encoding_that_no_workbook_has(encoding: str) -> None:
    spoken = "utf-8" if encoding == "ISO-10646-UCS-4" else encoding
    content = DOCTYPE.format(encoding=encoding).encode(spoken)
    with pytest.raises(Refusal, match="neither UTF-8 nor UTF-16"):
        read(rezipped(workbook(HEADINGS, ROW), lambda _, part: part, **{"xl/odd.dat": content}))


def test_pictures_and_other_bytes_are_no_reason() -> None:
    bytes_of_any_kind = bytes(range(256)) * 4_000
    assert read(rezipped(workbook(HEADINGS, ROW), lambda _, part: part, **{"xl/media/image1.png": bytes_of_any_kind})).rows == (
        (2, SAID),
    )


@pytest.mark.parametrize("file", sorted(REAL_DATA.glob("found/sheet-*.xlsx")), ids=lambda file: file.stem)
def test_workbooks_that_came_through(file: Path) -> None:
    with within(3), pytest.raises(Refusal) as caught:
        read(file.read_bytes())
    assert caught.value.code is (Code.XML_DOCTYPE if "doctype" in file.stem else Code.DATA_INVALID)


def test_codes_that_could_be_cut_in_too_many_ways() -> None:
    """Where one code ends and the next begins, a matcher finds out by trying."""
    grades = {"A" * times: f"grade {times}" for times in range(1, 13)}
    holes = "{name|g}{level|g}{number|g}{tin|g}!"
    found = faults(columns={"All": holes, "Status": "{standing|standing}"}, codes={**CODES, "g": grades})
    assert any("too many ways" in problem for _, problem in found), found
    assert not any("too many ways" in problem for _, problem in faults(columns={"All": "{level|level}-{tin}"}))


def test_a_broken_reference_and_what_is_no_workbook() -> None:
    broken = rezipped(workbook(HEADINGS, ROW), lambda name, part: part.replace(b'r="1"', b'r="one"') if "sheet1" in name else part)
    for body in (broken, b"PK\x03\x04", b"\xd0\xcf\x11\xe0 an old or encrypted one", b"", text(HEADINGS, ROW)):
        with pytest.raises(Refusal, match="cannot be read") as caught:
            read(body)
        assert "password" in caught.value.remedy


@pytest.mark.parametrize("name", ["a.xls", "a.xlsm", "a", "a.xlsx.pdf"])
def test_other_files(name: str) -> None:
    with pytest.raises(Refusal, match="are not read"):
        read(b"", name)


# ---------------------------------------------------------------- CSV

AS_TEXT: list[object] = ["XA000001", "示例 Ltd", "G", "Active", "31/01/2024", "31/01/2027", "C-01", ""]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_csv_as_programs_save_it(encoding: str, separator: str) -> None:
    body = text(["A title"], HEADINGS, AS_TEXT, encoding=encoding, separator=separator)
    reading = Sheet(columns(), encoding=encoding if encoding == "gb18030" else "utf-8").read("A.CSV", body)
    assert [one.name for _, one in reading.rows] == ["示例 Ltd"]


@pytest.mark.parametrize(
    "body",
    [
        text(HEADINGS, AS_TEXT, encoding="gb18030"),
        text(HEADINGS, AS_TEXT, encoding="utf-16-le"),
        workbook(HEADINGS, ROW),
        b'AEO Code,Company\n"XA000001,x\n',
        b"AEO Code,Company\n\x00,x\n",
    ],
    ids=["gbk", "utf-16 without its mark", "a workbook", "a quote left open", "a zero byte"],
)
def test_csv_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read(body, "a.csv")
    assert caught.value.code is Code.DATA_INVALID


def test_a_separator_that_is_said_counts() -> None:
    body = text(HEADINGS, AS_TEXT, separator="|")
    assert len(read(body, "a.csv", separator="|").rows) == 1


# ---------------------------------------------------------------- ours

WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")), min_size=1, max_size=40
).map(lambda words: " ".join(words.split()))
DAYS = st.none() | st.dates(date(1990, 1, 1), date(2099, 12, 31))
STATEMENTS = st.builds(
    Statement,
    tin=st.from_regex(r"AEOCN[0-9]{10}", fullmatch=True),
    name=WORDS.filter(lambda words: bool(words) and defused(words) == words and "E+" not in words and not words.startswith("#")),
    standing=st.sampled_from([Standing.VALID, Standing.SUSPENDED, Standing.REVOKED]),
    level=st.sampled_from([None, "gold", "silver"]),
    granted=DAYS,
    expires=DAYS,
    number=st.none() | st.from_regex(r"[A-Z][0-9]{1,9}", fullmatch=True),
)


@pytest.mark.long
@given(st.lists(STATEMENTS, min_size=1, max_size=5), st.sampled_from(["a.csv", "a.xlsx"]))
@settings(max_examples=times(60), deadline=None)
@example([Statement(tin="AEOCN1234567890", name='a "b", c; d', standing=Standing.VALID)], "a.csv")
def test_what_is_written_reads_the_same(statements: list[Statement], name: str) -> None:
    sheet = Sheet(columns(), worksheet="AEO")
    reading = sheet.read(name, sheet.write(name, statements))
    assert reading.refused == ()
    assert [one for _, one in reading.rows] == statements


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t=", "＝", " ="])
@pytest.mark.parametrize("name", ["a.csv", "a.xlsx"])
def test_nothing_written_is_a_formula(name: str, begins: str) -> None:
    body = Sheet(columns()).write(name, [Statement(tin="AEOCN1234567890", name=f"{begins}cmd|x", standing=Standing.VALID)])
    if name == "a.csv":
        (cell,) = [row[1] for row in csv.reader(body.decode("utf-8-sig").splitlines())][1:]
    else:
        made = openpyxl.load_workbook(io.BytesIO(body)).worksheets[0]["B2"]
        assert made.data_type == "s"
        cell = made.value
    assert cell.startswith("'")


def test_what_the_columns_cannot_say() -> None:
    made = columns()
    assert made.says == {"tin", "name", "level", "standing", "granted", "expires", "number"}
    for statement, code in (
        (Statement(tin="AEOCN1234567890", standing=Standing.ANNULLED), Code.CODE_UNKNOWN),
        (
            Statement(tin="AEOCN1234567890", standing=Standing.VALID, granted=datetime.combine(date(2026, 1, 1), time())),
            Code.FIELD_INVALID,
        ),
    ):
        with pytest.raises(Refusal) as caught:
            made.write(statement)
        assert caught.value.code is code


def test_ours_in_columns_that_hold_codes_in_parts_and_say_one_standing() -> None:
    mapping = {"Country": "XA", "No.": "{tin#serial}", "Firm": "{name}"}
    made = columns(columns=mapping, parts={"tin": "XA{serial}"}, always={"standing": "valid"})
    valid = Statement(tin="AEOCN1234567890", standing=Standing.VALID)
    assert made.write(valid) == ["XA", "AEOCN1234567890", ""], "our code is not of the partner's form, and is written whole"
    with pytest.raises(Refusal, match="always say standing valid"):
        made.write(Statement(tin="AEOCN1234567890", standing=Standing.SUSPENDED))


def test_columns_with_no_place_for_a_code_of_ours() -> None:
    made = columns(
        columns={"Code": "{tin#a}/{tin#b}", "Firm": "{name}?"}, parts={"tin": "XA{a|pad:2}{b}"}, always={"standing": "valid"}
    )
    with pytest.raises(Refusal, match="no place for a code"):
        made.write(Statement(tin="AEOCN1234567890", standing=Standing.VALID))


@pytest.mark.parametrize("name", get_args(Encoding))
def test_every_encoding_on_offer_is_one(name: str) -> None:
    assert codecs.lookup(name)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("GBK", "gb18030"),
        ("gb2312", "gb18030"),
        ("GB 18030", "gb18030"),
        ("cp936", "gb18030"),
        ("UTF8", "utf-8"),
        ("windows-874", "cp874"),
    ],
)
def test_an_encoding_by_its_other_names(said: str, read: str) -> None:
    assert SheetShape.model_validate({"columns": ({"heading": "a"},), "encoding": said}).encoding == read


def test_a_text_that_an_encoding_cannot_hold() -> None:
    sheet = Sheet(columns(), encoding="windows-1252")
    with pytest.raises(Refusal, match="cannot be written in windows-1252"):
        sheet.write("a.csv", [Statement(tin="AEOCN1234567890", name="示例", standing=Standing.VALID)])
