"""One partner's spreadsheet, both ways: the file a partner mails into statements, and ours for it into a file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from typing import NamedTuple

from gateway.core.errors import Code, Refusal
from gateway.core.model import Statement
from gateway.wire.sheet import book, text
from gateway.wire.sheet.book import Cells, Looks
from gateway.wire.sheet.columns import Columns

#: What begins a formula in one program or another.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
#: How many row numbers a note names.
_NAMED = 20


class Unmapped(Refusal):
    """The headings are not those mapped. ``headings`` are those of the row that comes nearest."""

    headings: tuple[str, ...] = ()


class SheetReading(NamedTuple):
    """What a file says, row by row; every fault of every row that says nothing (``Refusal.line`` is the row); and what of the file was
    not read, or read though nobody sees it, in sentences."""

    rows: tuple[tuple[int, Statement], ...]
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """``worksheet`` names the one that is read of a workbook; None: the only one in sight. ``encoding`` and ``separator`` are of CSV
    (None: as its first line shows). From a row that begins with ``end`` on nothing is read."""

    columns: Columns
    worksheet: str | None = None
    encoding: str = "utf-8"
    separator: str | None = None
    end: str | None = None

    def read(self, name: str, body: bytes) -> SheetReading:
        """``name`` tells the kind of file by its ending. Raises ``Refusal`` where the file as a whole cannot be read: DATA_INVALID,
        XML_DOCTYPE."""
        if _kind(name) == ".csv":
            return self._statements(list(text.rows(text.text(body, self.encoding), self.separator)), Looks((), (), False), [])
        with book.opened(BytesIO(body)) as workbook:
            looked = {sheet.title: book.looks(sheet) for sheet in workbook.worksheets}  # first: a sheet may be all width
            sheet, notes = book.chosen(workbook, self.worksheet)
            rows = list(book.rows(sheet))
        return self._statements(rows, looked[sheet.title], notes)

    def write(self, name: str, statements: Iterable[Statement]) -> bytes:
        """The file for a partner, every cell text and none a formula. Raises ``Refusal`` as ``Columns.write`` does."""
        rows = [[defused(cell) for cell in row] for row in (self.columns.headings, *map(self.columns.write, statements))]
        return self._as_csv(rows) if _kind(name) == ".csv" else _as_xlsx(rows, self.worksheet)

    # ---------------------------------------------------------------- reading

    def _statements(self, rows: Sequence[Cells], looks: Looks, notes: list[str]) -> SheetReading:
        filled = [(number, cells) for number, cells in ((number, _trimmed(cells)) for number, cells in rows) if cells]
        at = self._heading(filled)
        number, heading = filled[at]
        if at:
            notes.append(f"Above the headings in row {number}, {_counted([row for row, _ in filled[:at]])} not read.")
        below = filled[at + 1 :]
        end = next((index for index, (_, cells) in enumerate(below) if self._ends(cells)), len(below))
        if end < len(below):
            notes.append(f"From {self.end!r} on, {_counted([row for row, _ in below[end:]])} not read.")
        below = below[:end]
        notes += _unseen(looks, [row for row, _ in below])
        said: list[tuple[int, Statement]] = []
        refused: list[Refusal] = []
        covered = _covered(looks, [row for row, _ in below])
        under, named = self.columns.under(heading), {index for index, cell in enumerate(heading) if cell is not None}
        for row, cells in below:
            found = self._row(row, cells, named, under, covered.get(row, ()))
            if isinstance(found, Statement):
                said.append((row, found))
            else:
                refused += found
        return SheetReading(tuple(said), tuple(refused), tuple(notes))

    def _heading(self, filled: Sequence[Cells]) -> int:
        """The first row that holds every heading; what is above it is a title."""
        fits = [self.columns.fit(cells) for _, cells in filled[:100]]
        for index, (unknown, missing, twice) in enumerate(fits):
            if not (unknown or missing or twice):
                return index
        if not fits:
            raise Refusal(Code.DATA_INVALID, "The file is empty.", remedy=f"Its columns are {', '.join(self.columns.headings)}.")
        # The row that comes nearest, else the first that is no title: whoever reads this has the file before him.
        index = min(range(len(fits)), key=lambda one: (len(fits[one][1]), len(_trimmed(filled[one][1])) < 2, one))
        said = [
            f"{word}: {', '.join(map(repr, found))}"
            for word, found in zip(("unknown", "missing", "twice"), fits[index], strict=True)
            if found
        ]
        unmapped = Unmapped(
            Code.DATA_INVALID,
            f"The headings are not those mapped; {'; '.join(said)}.",
            line=filled[index][0],
            remedy="Say under [sheet] of the partner's site.toml what each column holds (partners/README.md), and activate the partner.",
        )
        unmapped.headings = tuple(" ".join(str(cell).split()) for cell in filled[index][1] if cell is not None)
        raise unmapped

    def _ends(self, cells: Sequence[object]) -> bool:
        first = next((str(cell).strip() for cell in cells if cell is not None), "")
        return self.end is not None and first.startswith(self.end)

    def _row(
        self, row: int, cells: Sequence[object], named: set[int], under: dict[int, str], covered: Sequence[book.Merged]
    ) -> Statement | Sequence[Refusal]:
        for one in covered:
            if any(one.left <= index + 1 <= one.right for index in under):
                remedy = "Take the merging away and fill in every cell."
                return (Refusal(Code.FIELD_INVALID, "The cell is merged with others.", field=one.where, line=row, remedy=remedy),)
        remedy = "Give the column a heading, or remove the cell."
        stray = [
            Refusal(Code.FIELD_UNEXPECTED, "The cell has no heading.", value=str(cell), line=row, remedy=remedy)
            for index, cell in enumerate(cells)
            if index not in named and cell is not None
        ]
        found = self.columns.read({name: cells[index] if index < len(cells) else None for index, name in under.items()}, row)
        return found if not stray else stray if isinstance(found, Statement) else [*found, *stray]

    # ---------------------------------------------------------------- writing

    def _as_csv(self, rows: Iterable[Sequence[str]]) -> bytes:
        written = StringIO(newline="")
        csv.writer(written, delimiter=self.separator or ",").writerows(rows)
        encoding = "utf-8-sig" if self.encoding == "utf-8" else self.encoding  # with its mark, so that a spreadsheet shows Chinese
        try:
            return written.getvalue().encode(encoding)
        except UnicodeEncodeError as error:
            lost = error.object[error.start]
            raise Refusal(
                Code.DATA_INVALID, f"{lost!r} cannot be written in {encoding}.", remedy='Write .xlsx, or choose encoding = "utf-8".'
            ) from None


def _as_xlsx(rows: Iterable[Sequence[str]], title: str | None) -> bytes:
    from openpyxl import Workbook

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet(title or "AEO")
    for row in rows:
        sheet.append(row)
    packed = BytesIO()
    workbook.save(packed)
    return packed.getvalue()


def defused(cell: str | None) -> str:
    """``cell`` as no spreadsheet takes it for a formula: an apostrophe before what would begin one."""
    cell = cell or ""
    return f"'{cell}" if cell.lstrip(" ").startswith(_FORMULA) else cell


def _kind(name: str) -> str:
    ending = name[name.rfind(".") :].lower() if "." in name else ""
    if ending not in (".csv", ".xlsx"):
        raise Refusal(
            Code.DATA_INVALID, f"Files ending in {ending or 'nothing'} are not read.", remedy="Give one that ends in .xlsx or .csv."
        )
    return ending


def _trimmed(cells: Sequence[object]) -> list[object]:
    found = [None if isinstance(cell, str) and not cell.strip() else cell for cell in cells]
    while found and found[-1] is None:
        found.pop()
    return found


def _counted(rows: Sequence[int]) -> str:
    return f"{len(rows)} {'row was' if len(rows) == 1 else 'rows were'}"


def _unseen(looks: Looks, rows: Sequence[int]) -> Iterator[str]:
    hidden = sorted(set(looks.hidden_rows) & set(rows))
    if hidden:
        more = f" and {len(hidden) - _NAMED} more" if len(hidden) > _NAMED else ""
        yield f"Rows hidden in the sheet were read too: {', '.join(map(str, hidden[:_NAMED]))}{more}."
    if looks.hidden_columns:
        yield "Columns hidden in the sheet were read too."


def _covered(looks: Looks, rows: Sequence[int]) -> dict[int, list[book.Merged]]:
    """The merged cells that touch each row."""
    found: dict[int, list[book.Merged]] = {}
    coming, open_ = list(reversed(looks.merged)), list[book.Merged]()
    for row in rows:
        while coming and coming[-1].first <= row:
            open_.append(coming.pop())
        open_ = [one for one in open_ if one.last >= row]
        if open_:
            found[row] = open_
    return found
