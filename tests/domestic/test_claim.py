"""What a feed claims of itself: read from the header of every form of file, or beside it; refused with line, value and remedy."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from gateway.core.errors import Code, Refusal
from gateway.core.home import Tier
from gateway.core.question import Feed
from gateway.domestic import claim
from gateway.domestic.claim import NOTHING, Claim, FeedStatus
from gateway.domestic.readfile import read, read_json, read_ndjson
from gateway.domestic.record import FIELDS, Record, decode
from tests.rig.enterprises import made

ROW = made(1)[0][0]
CELLS = [ROW[name] for name in FIELDS]
DAY = datetime(2026, 11, 29, 16, tzinfo=UTC)  # 2026-11-30 begins in China
BOTH = Claim(complete=("discredited", "seriously-discredited"), as_of=DAY)


def table(path: Path, *above: Sequence[object], delimiter: str = ",") -> Path:
    """A file whose header is ``above`` its headings and one row."""
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for line in (*above, list(FIELDS), CELLS):
            book.worksheets[0].append(list(line))
        book.save(path)
        return path
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        file.writelines(f"{one[0]}\n" for one in above)
        csv.writer(file, delimiter=delimiter).writerows([list(FIELDS), CELLS])
    return path


def taken(path: Path, line: int) -> Claim:
    """What its header claims; the row below it is read at its line."""
    found = read(path)
    assert [(at, isinstance(one, Record)) for at, one in found] == [(line, True)]
    return found.claim


# ---------------------------------------------------------------- tables


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("complete", "as_of"),
    [
        ("# complete: discredited, seriously-discredited", "# as-of: 2026-11-30"),
        ("#Complete:Discredited;Seriously Discredited", "#as of: 2026/11/30"),
        ("＃覆盖：失信企业、严重失信企业", "＃数据截止：2026年11月30日"),
        ('"# complete: seriously-discredited,discredited"', "# as-of: 2026-11-30T00:00:00+08:00"),
        ("# complete: discredited, discredited, seriously_discredited", "# As_Of: 2026-11-29T16:00:00Z"),
    ],
)
def test_lines_before_the_headings(tmp_path: Path, delimiter: str, complete: str, as_of: str) -> None:
    assert taken(table(tmp_path / "e.csv", [complete], [as_of], delimiter=delimiter), 4) == BOTH
    assert taken(table(tmp_path / "o.csv", [as_of], [""], ["#"], [complete], delimiter=delimiter), 6) == BOTH


def test_a_header_as_a_spreadsheet_saves_it_as_csv(tmp_path: Path) -> None:
    """Filled up to the width of the table, and quoted where it holds the separator."""
    path = tmp_path / "e.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rest = [""] * (len(FIELDS) - 1)
        csv.writer(file).writerows([["# complete: discredited, seriously-discredited", *rest], ["# as-of: 2026-11-30", *rest]])
        csv.writer(file).writerows([list(FIELDS), CELLS])
    assert taken(path, 4) == BOTH


@pytest.mark.parametrize(
    "above",
    [
        [["# complete: discredited, seriously-discredited"], ["# as-of: 2026-11-30"]],
        [["# complete", "discredited", "seriously-discredited"], ["# as-of", datetime(2026, 11, 30)]],  # noqa: DTZ001 - as cells are
        [["＃覆盖", "失信企业、严重失信企业"], [None], ["＃数据截止：", date(2026, 11, 30)]],
    ],
)
def test_the_first_rows_of_a_workbook(tmp_path: Path, above: Sequence[Sequence[object]]) -> None:
    assert taken(table(tmp_path / "e.xlsx", *above), 2 + len(above)) == BOTH


def test_a_file_without_a_header_claims_nothing(tmp_path: Path) -> None:
    for ending in ("csv", "xlsx"):
        claimed = taken(table(tmp_path / f"e.{ending}"), 2)
        assert claimed == NOTHING
        assert not claimed.states


def test_a_file_may_state_its_claim_and_name_nobody(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text(f"# complete: all\n# as-of: 2026-11-30\n{','.join(FIELDS)}\n", "utf-8")
    found = read(path)
    assert list(found) == []
    assert found.claim == Claim(complete=("all",), as_of=DAY)


# ---------------------------------------------------------------- JSON


@pytest.mark.parametrize(
    "header",
    [
        {"complete": ["discredited", "seriously-discredited"], "as_of": "2026-11-30"},
        {"complete": "discredited, seriously-discredited", "as_of": "2026-11-30T00:00:00+08:00"},
        {"as-of": "2026-11-29T16:00:00Z", "complete": ["Seriously Discredited", "discredited"]},
        {"覆盖": ["失信企业", "严重失信企业"], "数据截止": "2026-11-30"},
    ],
)
def test_a_first_object_that_is_no_record(tmp_path: Path, header: dict[str, object]) -> None:
    as_array, lines = json.dumps([header, ROW]).encode(), [b"", json.dumps(header).encode(), json.dumps(ROW).encode()]
    for found, at in ((read_json(as_array), 2), (read_ndjson(lines), 3)):
        assert list(found) == [(at, decode(ROW, at))]
        assert found.claim == BOTH
    for name, body in (("e.json", as_array), ("e.ndjson", b"\xef\xbb\xbf" + b"\n".join(lines[1:]))):
        (tmp_path / name).write_bytes(body)
        assert taken(tmp_path / name, 2) == BOTH


def test_a_record_is_no_header_and_a_header_is_first() -> None:
    mixed = read_json(json.dumps([{**ROW, "complete": "all"}, {"complete": "all"}]).encode())
    faults = [one for _, found in mixed if not isinstance(found, Record) for one in found]
    assert (faults[0].field, faults[0].code, faults[0].line) == ("complete", Code.FIELD_UNEXPECTED, 1)
    assert [one for one in faults[1:] if one.field == "complete" and one.line == 2]
    assert mixed.claim == NOTHING


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"complete": "all"}, Claim(complete=("all",))),
        ({"complete": ["all"]}, Claim(complete=("all",))),
        ({"complete": "全部"}, Claim(complete=("all",))),
        ({"complete": "ALL, discredited"}, Claim(complete=("all",))),
        ({"complete": []}, Claim(complete=())),
        ({"complete": "none"}, Claim(complete=())),
        ({"complete": "无"}, Claim(complete=())),
        ({"complete": None, "as_of": "2026-11-30"}, Claim(as_of=DAY)),
        ({"complete": list(reversed(Tier))}, Claim(complete=tuple(Tier))),
        ({}, NOTHING),
    ],
)
def test_what_may_be_claimed(said: dict[str, object], meant: Claim) -> None:
    assert claim.read_claim(said) == meant


# ---------------------------------------------------------------- refused, and nothing is taken


BAD: list[tuple[str, str, str | None, str, str, str]] = [
    # the line, field, value as read, code, what it says, what to do
    ("# complete: everyone", "complete", "everyone", "code-unknown", "names no tier", "all, none, or tiers"),
    ("# complete: discredited, aa", "complete", "aa", "code-unknown", "names no tier", "seriously-discredited"),
    (
        "# complete: discredited seriously-discredited",
        "complete",
        "discredited seriously-discredited",
        "code-unknown",
        "tier",
        "commas",
    ),
    ("# complete: none, discredited", "complete", "none, discredited", "field-invalid", "None and something", "all, none"),
    ("# complete:", "complete", "", "code-unknown", "names no tier", "all, none"),
    ("# as-of: yesterday", "as_of", "yesterday", "field-invalid", "not a date", "2026-11-30"),
    ("# as-of: 2026-02-30", "as_of", "2026-02-30", "field-invalid", "no such day", "2026-11-30"),
    ("# as-of: 2026-11-30T18:00:00", "as_of", "2026-11-30T18:00:00", "field-invalid", "not a date", "with its zone"),
    ("# as-of: 30.11.2026", "as_of", "30.11.2026", "field-invalid", "not a date", "2026-11-30"),
    ("# as-of: 1926-11-30", "as_of", "1926-11-30", "date-range", "between 1980 and 2100", "2026-11-30"),
    ("# as-of: 9999-12-31T23:59:59-12:00", "as_of", "9999-12-31T23:59:59-12:00", "field-invalid", "not a date", "with its zone"),
    ("# as-off: 2026-11-30", "as-off", "2026-11-30", "field-unexpected", "as-off", "# as-of:"),
    ("# exported on Monday", "exported on Monday", None, "field-unexpected", "exported on Monday", "# complete:"),
]


@pytest.mark.parametrize(("line", "field", "value", "code", "says", "remedy"), BAD, ids=[one[0] for one in BAD])
def test_a_bad_line_names_itself_its_value_and_what_to_do(
    tmp_path: Path, line: str, field: str, value: str | None, code: str, says: str, remedy: str
) -> None:
    with pytest.raises(Refusal) as caught:
        list(read(table(tmp_path / "e.csv", [""], [line], delimiter=";")))
    refusal = caught.value
    assert (str(refusal.code), refusal.field, refusal.value, refusal.line) == (code, field, value, 2)
    assert says in refusal.detail
    assert remedy in refusal.remedy


def test_a_bad_row_of_a_workbook_is_named_too(tmp_path: Path) -> None:
    for cells in (["# as-of", datetime(2026, 11, 30, 13, 30)], ["# complete", 7], ["# complete", "all", datetime(2026, 1, 1)]):  # noqa: DTZ001
        with pytest.raises(Refusal) as caught:
            list(read(table(tmp_path / "e.xlsx", [None], cells)))
        assert caught.value.line == 2
        assert str(cells[-1]) in (caught.value.value or "")


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ({"complete": "everyone"}, "complete"),
        ({"complete": ["discredited", 7]}, "complete"),
        ({"complete": True}, "complete"),
        ({"as_of": 20261130}, "as_of"),
        ({"as_of": {"day": 1}}, "as_of"),
        ({"complete": "all", "as_off": "2026-11-30"}, "as_off"),
        ({"as_of": "2026-11-30", "as-of": "2026-11-30"}, "as_of"),
    ],
)
def test_a_bad_first_object_is_named_with_its_line(header: dict[str, object], field: str) -> None:
    for found in (
        read_json(json.dumps([header, ROW]).encode()),
        read_ndjson([json.dumps(header).encode(), json.dumps(ROW).encode()]),
    ):
        with pytest.raises(Refusal) as caught:
            list(found)
        assert (caught.value.field, caught.value.line) == (field, 1)
        assert caught.value.remedy


def test_a_header_that_says_a_thing_twice(tmp_path: Path) -> None:
    same = table(tmp_path / "same.csv", ["# complete: all"], ["# 覆盖: 全部"])
    assert taken(same, 4) == Claim(complete=("all",))
    for lines in (["# complete: all", "# complete: none"], ["# as-of: 2026-11-30", "# as-of: 2026-11-29"]):
        with pytest.raises(Refusal, match=r"The feed says .*, and line 2 says") as caught:
            list(read(table(tmp_path / "e.csv", *[[one] for one in lines])))
        assert (caught.value.code, caught.value.line) == (Code.FIELD_REPEATED, 2)
    with pytest.raises(Refusal) as caught:
        list(read_ndjson([b'{"complete": "all", "complete": "none"}', json.dumps(ROW).encode()]))
    assert (caught.value.code, caught.value.field, caught.value.line) == (Code.FIELD_REPEATED, "complete", 1)


def test_a_file_and_what_is_said_beside_it() -> None:
    everything, day = Claim(complete=("all",)), Claim(as_of=DAY)
    assert claim.both(everything, day, "the address") == Claim(complete=("all",), as_of=DAY)
    assert claim.both(BOTH, BOTH, "the address") == BOTH
    assert claim.both(Claim(complete=()), NOTHING, "the address") == Claim(complete=())
    with pytest.raises(Refusal, match="The feed says all, and the address says none") as caught:
        claim.both(everything, Claim(complete=()), "the address")
    assert (caught.value.field, caught.value.value) == ("complete", "none")


def test_nothing_is_as_of_a_moment_to_come() -> None:
    skew = timedelta(minutes=5)
    claim.not_ahead(Claim(as_of=DAY), DAY - skew, skew)
    claim.not_ahead(Claim(complete=("all",)), DAY, skew)
    with pytest.raises(Refusal, match="still to come") as caught:
        claim.not_ahead(Claim(as_of=DAY), DAY - skew - timedelta(seconds=1), skew)
    assert (caught.value.field, caught.value.value) == ("as_of", "2026-11-30T00:00:00+08:00")
    assert "compare the clocks" in caught.value.remedy


# ---------------------------------------------------------------- what it then covers


FIVE = ("advanced-certified", "certified", "general-compliance", "discredited", "seriously-discredited")


@pytest.mark.parametrize(
    ("complete", "day", "covered"),
    [
        (("all",), date(2026, 6, 1), True),
        (("all",), date(2021, 10, 31), True),
        (FIVE, date(2026, 4, 1), True),
        (FIVE, date(2026, 3, 31), False),  # Order 251 had a tier that is not among them
        (("advanced-certified", "regular", "discredited"), date(2026, 3, 31), True),
        (("advanced-certified", "regular", "discredited"), date(2026, 4, 1), False),
        (("advanced-certified", "regular", "discredited"), date(2021, 10, 31), False),  # no tiers are known by date
        (("discredited", "seriously-discredited"), date(2026, 6, 1), False),
        ((), date(2026, 6, 1), False),
    ],
)
def test_every_tier_of_the_order_in_force_that_day(complete: tuple[str, ...], day: date, covered: bool) -> None:
    assert FeedStatus(complete=complete, as_of=DAY).on(day, None) == Feed(as_of=DAY, complete=covered)
    assert not FeedStatus(complete=complete).on(day, None).complete


def test_the_limit_is_in_whole_seconds() -> None:
    assert FeedStatus().on(date(2026, 6, 1), timedelta(days=2)) == Feed(limit=172_800)


# ---------------------------------------------------------------- words of a row


@pytest.mark.parametrize(
    ("word", "meant"), [("部分暂停", "partially-suspended"), ("暂停", "suspended"), ("正常", "active"), ("整改", "rectifying")]
)
def test_measure_statuses_in_chinese(word: str, meant: str) -> None:
    row: dict[str, Any] = {**ROW, "tier": "advanced-certified"}
    assert decode({**row, "measure_status": word}, 1) == decode({**row, "measure_status": meant}, 1)


def test_a_word_that_is_neither_is_refused_with_those_that_are() -> None:
    found = decode({**ROW, "measure_status": "部分"}, 1)
    assert not isinstance(found, Record)
    assert all(word in found[0].remedy for word in ("partially-suspended", "部分暂停", "rectifying", "整改"))
