"""Workbooks (XLSX): opened under limits, never evaluated. Cells come as openpyxl types them; a formula comes as its text.

What a streaming reader passes over is looked at apart: merged cells, hidden rows and columns, cells far off. openpyxl takes a quarter of a
second to import, so it is where a workbook is, and not where any command starts.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

from lxml import etree

from gateway.core.errors import Code, Refusal

#: Number of the row, from 1, and its cells.
Cells = tuple[int, Sequence[object]]

#: Bytes and XML elements of all parts together: each element costs memory when a part is parsed, however few bytes it takes.
MAX_UNPACKED, MAX_ELEMENTS = 256 << 20, 6_000_000
#: Rows and columns of one sheet. A cell farther off is refused: each row would be filled up to it.
MAX_ROWS, MAX_COLUMNS = 200_000, 256


_ENCODING = re.compile(rb"""encoding\s*=\s*["']([^"']*)""")
_EBCDIC = b"\x4c\x6f\xa7\x94"  # <?xm


class Merged(NamedTuple):
    """Cells shown as one, of which only the first holds a value. Rows and columns count from 1, both ends included."""

    first: int
    last: int
    left: int
    right: int
    where: str


class Looks(NamedTuple):
    """What a person sees of a sheet and its values do not show."""

    merged: tuple[Merged, ...]
    hidden_rows: tuple[int, ...]
    hidden_columns: bool


@contextmanager
def opened(file: Path | BinaryIO) -> Iterator[Any]:
    """The workbook. Raises ``Refusal`` (DATA_INVALID, XML_DOCTYPE) for what cannot be read, also while it is being read."""
    import openpyxl

    try:
        _look_into(file)
        with closing(openpyxl.load_workbook(file, read_only=True, keep_links=False)) as book:
            yield book
    except Refusal:
        raise
    except Exception as error:  # noqa: BLE001 - openpyxl lets out whatever a broken part trips over
        raise Refusal(
            Code.DATA_INVALID,
            f"The workbook cannot be read: {error}.",
            remedy="Save it again with a spreadsheet program as .xlsx, without a password, or send CSV.",
        ) from None


def rows(sheet: Any) -> Iterator[Cells]:
    """Every row of a sheet, blank ones too."""
    sheet.reset_dimensions()  # some programs write a wrong extent, and rows beyond it would be lost
    yield from enumerate(sheet.iter_rows(values_only=True), 1)


def chosen(book: Any, name: str | None) -> tuple[Any, list[str]]:
    """The sheet called ``name``, or the only one in sight that holds anything; and what of the workbook is not read, in sentences."""
    filled = [sheet for sheet in book.worksheets if any(cell not in (None, "") for _, cells in rows(sheet) for cell in cells)]
    seen = [sheet for sheet in filled if sheet.sheet_state == "visible"]
    found = seen if name is None else [sheet for sheet in seen if sheet.title == name]
    if len(found) != 1:
        titles = ", ".join(repr(sheet.title) for sheet in seen) or "none"
        wanted = "one sheet" if name is None else f"the sheet {name!r}"
        raise Refusal(
            Code.DATA_INVALID,
            f"The workbook is to have {wanted} in sight that holds anything; it has {titles}.",
            remedy='Say which under [sheet]: worksheet = "...".' if name is None else "Correct worksheet under [sheet].",
        )
    left = [sheet for sheet in filled if sheet is not found[0]]
    return found[0], [
        f"The {'' if sheet.sheet_state == 'visible' else 'hidden '}sheet {sheet.title!r} was not read." for sheet in left
    ]


def looks(sheet: Any) -> Looks:
    """Raises ``Refusal`` (DATA_INVALID) where the sheet is larger than any list."""
    from openpyxl.utils import range_boundaries

    merged: list[Merged] = []
    hidden: list[int] = []
    columns, number = False, 0
    with sheet.parent._archive.open(sheet._worksheet_path) as part:  # openpyxl shows neither for a sheet it streams
        for _, element in etree.iterparse(part, tag=("{*}row", "{*}mergeCell", "{*}col"), resolve_entities=False, no_network=True):
            match etree.QName(element).localname:
                case "row":
                    number = int(element.get("r", number + 1))
                    _bound(number, element)
                    if element.get("hidden") in ("1", "true"):
                        hidden.append(number)
                case "col":
                    columns = columns or element.get("hidden") in ("1", "true")
                case _:
                    where = element.get("ref", "")
                    left, first, right, last = range_boundaries(where)
                    merged.append(Merged(first, last, left, right, where))
            _forget(element)
    return Looks(tuple(sorted(merged)), tuple(hidden), columns)


def _bound(number: int, row: Any) -> None:
    from openpyxl.utils.cell import column_index_from_string, coordinate_from_string

    filled = [cell for cell in row if len(cell)]
    last = row[-1].get("r") if len(row) else None
    width = column_index_from_string(coordinate_from_string(last)[0]) if last else len(row)
    if max(width, len(row)) > MAX_COLUMNS or (filled and number > MAX_ROWS):
        raise Refusal(
            Code.DATA_INVALID,
            f"Row {number} lies beyond the {MAX_ROWS:,} rows and {MAX_COLUMNS} columns that are read.",
            line=number,
            remedy="Delete what lies to the right of the list and below it, or split the list.",
        )


def _forget(element: Any) -> None:
    """Frees what was looked at, so that the size of a sheet costs no memory."""
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]


def _look_into(file: Path | BinaryIO) -> None:
    """A workbook is a zip of XML: refuse one that unpacks to a bomb, carries entities or macros before anything parses it.

    Which part is parsed, the workbook itself says, by any name; so every part is looked at, and as bytes: no encoding hides a tag.
    """
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        if sum(part.file_size for part in parts) > MAX_UNPACKED:
            raise Refusal(
                Code.DATA_INVALID, f"The workbook unpacks to more than {MAX_UNPACKED >> 20} MiB.", remedy="Split it, or send CSV."
            )
        if any(part.filename.lower().endswith("vbaproject.bin") for part in parts):
            raise Refusal(Code.DATA_INVALID, "The workbook holds macros.", remedy="Save it as .xlsx, without macros.")
        left = MAX_ELEMENTS
        for part in parts:
            with archive.open(part) as stream:
                left = _scan(stream, left)


def _scan(stream: IO[bytes], left: int) -> int:
    """How many elements may still come after this part. Raises ``Refusal`` for too many, a document type or a strange encoding.

    In UTF-8, UTF-16 and UTF-32 a tag is its ASCII with zero bytes between, so those are left out. Text of a picture may be taken for a
    tag, once in some hundred bytes; that is far from the limit.
    """
    before, first = b"", True
    while read := stream.read(1 << 18):
        chunk = read.replace(b"\0", b"")
        if first and _foreign(chunk):
            raise Refusal(
                Code.DATA_INVALID,
                "A part of the workbook is neither UTF-8 nor UTF-16.",
                remedy="Save it again with a spreadsheet program.",
            )
        left -= chunk.count(b"<") - chunk.count(b"</")
        if left < 0:
            raise Refusal(
                Code.DATA_INVALID, f"The workbook holds more than {MAX_ELEMENTS:,} elements.", remedy="Split it, or send CSV."
            )
        if b"<!DOCTYPE" in before + chunk:
            raise Refusal(
                Code.XML_DOCTYPE,
                "The workbook holds a document type declaration.",
                remedy="Save it again with a spreadsheet program.",
            )
        before, first = chunk[-8:], False
    return left


def _foreign(chunk: bytes) -> bool:
    """Whether a part that begins so is XML and neither UTF-8 nor UTF-16, which is all that a workbook may be (ECMA-376-2, 8.1.4): in
    EBCDIC or UTF-7 a tag has other bytes."""
    start = chunk.lstrip(b"\xef\xbb\xbf\xff\xfe")
    if not start.startswith(b"<?xml"):
        return start.startswith(_EBCDIC)
    declaration, closed, _ = start.partition(b">")
    named = _ENCODING.search(declaration)
    return not closed or (named is not None and named[1].upper() not in (b"UTF-8", b"UTF-16"))
