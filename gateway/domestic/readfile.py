"""The domestic feed as a file: CSV, XLSX, NDJSON or JSON, read row by row; and the report of what was refused.

A fault of a row is yielded with its line and reading goes on. A fault of the file as a whole (no such columns, not a workbook, not
UTF-8, a header that cannot be read) is raised as a `Refusal`, before the first row where it can be.

What a feed claims of itself (``claim.py``) stands in its header: in lines before the headings of a table that begin with ``#``, or in
a first JSON object that is no record, having no USCC.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeGuard

from gateway.core.errors import Code, Refusal
from gateway.domestic import claim
from gateway.domestic.claim import NOTHING, Claim
from gateway.domestic.record import FIELDS, Faults, Record, decode
from gateway.wire.sheet import book, text
from gateway.wire.sheet.book import Cells
from gateway.wire.sheet.sheet import defused

#: Line (or row) of the file, from 1, and what stands there.
Row = tuple[int, Record | Faults]


class FeedRows(Iterator[Row]):
    """The rows of a feed, to be gone through once. ``claim`` is what its header states; it is known when the first row is, or the end."""

    def __init__(self, found: Iterator[Row | Claim]) -> None:
        self._found, self.claim = found, NOTHING

    def __next__(self) -> Row:
        for one in self._found:
            if not isinstance(one, Claim):
                return one
            self.claim = one
        raise StopIteration


#: Column headings in Chinese. They name columns of this file, not terms of the law.
HEADINGS = {
    "统一社会信用代码": "uscc",
    "海关编码": "customs_code",
    "中文名称": "name_zh",
    "英文名称": "name_en",
    "地址": "address",
    "信用等级": "tier",
    "等级生效日期": "tier_since",
    "措施状态": "measure_status",
    "措施生效日期": "measure_since",
    "事由": "ground",
    "同意": "consent",
    "同意日期": "consent_since",
    "认证日期": "certified_on",
    "重新认证日期": "recertify_by",
}

MAX_JSON = 64 << 20
MAX_LINE = 64 << 10


def read(path: Path, encoding: str = "utf-8-sig") -> FeedRows:
    """Every row of ``path`` by its ending. ``encoding`` is that of a CSV file and is never guessed (``gb18030`` must be said)."""
    readers: dict[str, Callable[[], FeedRows]] = {
        ".csv": lambda: FeedRows(_read_csv(path, encoding)),
        ".xlsx": lambda: FeedRows(_read_xlsx(path)),
        ".ndjson": lambda: read_ndjson(_lines(path)),
        ".jsonl": lambda: read_ndjson(_lines(path)),
        ".json": lambda: read_json(path.read_bytes()),
    }
    if (reader := readers.get(path.suffix.lower())) is None:
        raise Refusal(
            Code.DATA_INVALID,
            f"Files ending in {path.suffix or 'nothing'} are not read.",
            remedy=f"Give one of: {', '.join(readers)}.",
        )
    return reader()


# ---------------------------------------------------------------- JSON


def read_ndjson(lines: Iterable[bytes]) -> FeedRows:
    """One JSON object a line; blank lines are passed over."""
    return FeedRows(_read_ndjson(lines))


def read_json(body: bytes) -> FeedRows:
    """One array of objects; lines are counted as its items, from 1."""
    return FeedRows(_read_json(body))


def _read_ndjson(lines: Iterable[bytes]) -> Iterator[Row | Claim]:
    filled = ((number, stripped) for number, line in enumerate(lines, 1) if (stripped := line.strip()))
    for place, (number, line) in enumerate(filled):
        value = _object(line, number)
        if place == 0 and _is_header(value):
            yield claim.read_claim(value, number)
        else:
            yield number, value if isinstance(value, tuple) else _decode_value(value, number)


def _read_json(body: bytes) -> Iterator[Row | Claim]:
    if len(body) > MAX_JSON:
        raise Refusal(
            Code.DATA_INVALID,
            f"JSON of more than {MAX_JSON >> 20} MiB is not read whole.",
            remedy="Send NDJSON: one object a line.",
        )
    rows = _parse(body)
    if not isinstance(rows, list):
        raise Refusal(Code.DATA_INVALID, "An array of enterprises is expected.", remedy="Send [ {...}, {...} ], or NDJSON.")
    for number, row in enumerate(rows, 1):
        yield claim.read_claim(row, number) if number == 1 and _is_header(row) else (number, _decode_value(row, number))


def _is_header(value: object) -> TypeGuard[dict[str, object]]:
    """Whether the first object states something of the feed, and not of an enterprise."""
    return isinstance(value, dict) and "uscc" not in value and any(map(claim.named, value))


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from (line.removeprefix(b"\xef\xbb\xbf") for line in file)


def _object(line: bytes, number: int) -> object | Faults:
    if len(line) > MAX_LINE:
        return (Refusal(Code.DATA_INVALID, f"The line is longer than {MAX_LINE >> 10} KiB.", line=number),)
    try:
        return _parse(line)
    except Refusal as refusal:
        refusal.line = number
        if claim.named(refusal.field):  # no record has such a field: it is the header that says it twice
            raise
        return (refusal,)


def _decode_value(value: object, number: int) -> Record | Faults:
    if isinstance(value, dict):
        return decode(value, number)
    return (Refusal(Code.DATA_INVALID, "A JSON object is expected.", line=number, remedy="One object an enterprise."),)


def _parse(body: bytes) -> object:
    try:
        return json.loads(body.decode(), object_pairs_hook=_once)
    except UnicodeDecodeError:
        raise Refusal(Code.DATA_INVALID, "The text is not UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise Refusal(Code.DATA_INVALID, f"This is not JSON: {error}.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that stands twice would silently mean its last value."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, _ in pairs if [n for n, _ in pairs].count(name) > 1)
        raise Refusal(Code.FIELD_REPEATED, "A field stands twice.", field=twice)
    return found


# ---------------------------------------------------------------- tables


def _read_csv(path: Path, encoding: str) -> Iterator[Row | Claim]:
    with path.open(encoding=encoding, newline="") as file:
        yield from _table(text.rows(file, aside=lambda line: line.lstrip('\ufeff \t"').startswith(claim.MARKS)))


def _read_xlsx(path: Path) -> Iterator[Row | Claim]:
    with book.opened(path) as workbook:
        yield from _table(book.rows(workbook.worksheets[0]))


def _table(rows: Iterator[Cells]) -> Iterator[Row | Claim]:
    """Rows under a heading, which is the first row that is neither blank nor of the header."""
    columns: list[str] = []
    header = NOTHING
    for number, cells in rows:
        cells = [None if isinstance(cell, str) and not cell.strip() else cell for cell in cells]
        while cells and cells[-1] is None:
            cells.pop()
        if not cells:
            continue
        if not columns and str(cells[0] or "").lstrip("\ufeff \t").startswith(claim.MARKS):
            header = claim.both(header, claim.read_line(cells, number), f"line {number}", number)
        elif not columns:
            columns = _columns(cells, number)
            yield header
        else:
            yield number, _decode_cells(columns, cells, number)
    if not columns:
        raise Refusal(Code.DATA_INVALID, "The file is empty.", remedy=f"The first row names the columns: {', '.join(FIELDS)}.")


def _columns(cells: Sequence[object], number: int) -> list[str]:
    names = [str(cell or "").strip().lstrip("\ufeff") for cell in cells]
    columns = [HEADINGS.get(name, name.lower().replace(" ", "_")) for name in names]
    unknown = [name or "(blank)" for name, column in zip(names, columns, strict=True) if column not in FIELDS]
    missing = [name for name, field in FIELDS.items() if field.required and name not in columns]
    twice = sorted({column for column in columns if columns.count(column) > 1 and column in FIELDS})
    said = [
        f"{word}: {', '.join(found)}" for word, found in (("unknown", unknown), ("missing", missing), ("twice", twice)) if found
    ]
    if said:
        raise Refusal(
            Code.DATA_INVALID,
            f"The headings are not those expected; {'; '.join(said)}.",
            line=number,
            remedy=f"The columns are: {', '.join(FIELDS)}; or in Chinese: {'、'.join(HEADINGS)}.",
        )
    return columns


def _decode_cells(columns: list[str], cells: Sequence[object], number: int) -> Record | Faults:
    if len(cells) > len(columns):
        return (Refusal(Code.FIELD_UNEXPECTED, f"The row has {len(cells)} cells under {len(columns)} headings.", line=number),)
    row = dict(zip(columns, cells, strict=False))
    formulas = tuple(
        Refusal(Code.FIELD_INVALID, "The cell holds a formula.", field=name, value=cell, line=number, remedy="Paste it as a value.")
        for name, cell in row.items()
        if isinstance(cell, str) and cell.startswith("=")
    )
    return formulas or decode(row, number)


# ---------------------------------------------------------------- the report


class Fault(Protocol):
    """What a report says of a fault; a ``Refusal`` is one."""

    @property
    def field(self) -> str | None: ...
    @property
    def value(self) -> str | None: ...
    @property
    def code(self) -> object: ...
    @property
    def detail(self) -> str: ...
    @property
    def remedy(self) -> str: ...


def write_report(rows: Iterable[tuple[int, Record | Iterable[Fault]]], path: Path) -> int:
    """Write one line per fault of ``rows`` as CSV (UTF-8 with BOM, so that a spreadsheet shows Chinese); returns how many."""
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("line", "field", "value", "code", "reason", "remedy"))
        for line, found in rows:
            for fault in () if isinstance(found, Record) else found:
                writer.writerow(map(defused, (str(line), fault.field, fault.value, str(fault.code), fault.detail, fault.remedy)))
                count += 1
    return count
