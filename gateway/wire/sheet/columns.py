"""How the columns of one partner's spreadsheet hold statements: each heading with what stands under it, as holes of annotated samples.

The same holes read and write. Cells of a workbook have types; only a date stands for a date, and a number never for a code, because
its leading zeros are gone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

import msgspec

from gateway.core.errors import Code, Refusal
from gateway.core.model import Standing, Statement
from gateway.wire.dialect.composed import Form
from gateway.wire.dialect.faults import Fault
from gateway.wire.dialect.load import code_lists
from gateway.wire.dialect.template import DAYS, FIELDS, Hole, Missing, Template, TemplateFault
from gateway.wire.dialect.values import INT
from gateway.wire.dialect.vocabulary import Vocabulary

MAX_TEXT = 500

#: Fields that are words for people: line breaks and rows of blanks in them are layout.
_PROSE = frozenset({"name", "name_local", "address", "office", "role"})
_ERRORS = frozenset({"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"})
_SHORTENED = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.ASCII)
#: Invisible characters that words are written with, in Persian and in languages of India.
_JOINERS = "\u200c\u200d"


class ColumnFault(NamedTuple):
    """What is wrong with a mapping: ``key`` is its place under ``sheet``."""

    key: str
    problem: str
    remedy: str


def plain(heading: object) -> str:
    """A heading as it is compared: case, width, line breaks and invisible characters do not tell headings apart."""
    text = unicodedata.normalize("NFKC", "" if heading is None else str(heading))
    return " ".join("".join(c for c in text if unicodedata.category(c) != "Cf").split()).casefold()


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    template: Template
    codes: tuple[str, ...]

    def read(self, cell: object, record: dict[str, Any]) -> None:
        """Raises ``Refusal``, ValueError or LookupError."""
        if cell is None:
            if self.template.holes and not self.template.optional:
                raise Refusal(Code.FIELD_MISSING, "The cell is blank.", remedy="Fill it in.")
            return
        only = self.template.holes[0] if self.template.single else None
        if isinstance(cell, datetime):
            record[self._key(only)] = _day(cell)
        else:
            self.template.reader()(self._written(cell, only), record)

    def _key(self, only: Hole | None) -> str:
        if only is None or only.value.gives not in ("date", "moment"):
            # A spreadsheet program turns "3-12" into a day of March.
            raise Refusal(Code.FIELD_INVALID, "The cell holds a date.", remedy="Format the column as text before filling it in.")
        return only.key

    def _written(self, cell: object, only: Hole | None) -> str:
        if isinstance(cell, bool) or not isinstance(cell, str | int | float):
            what = "yes or no" if isinstance(cell, bool) else "a time" if isinstance(cell, time | timedelta) else "a formula"
            raise Refusal(Code.FIELD_INVALID, f"The cell holds {what}.", remedy="Write a plain value.")
        if isinstance(cell, int | float):
            if only is None or only.value.shape != INT.shape or (isinstance(cell, float) and not cell.is_integer()):
                dated = only is not None and only.value.gives != "text"
                raise Refusal(
                    Code.FIELD_INVALID,
                    "The cell holds a number"
                    + (", and a date is expected." if dated else "; leading zeros of a code are lost in one."),
                    remedy=f"Format the column as {'a date' if dated else 'text before filling it in'}.",
                )
            return str(int(cell))
        return _legible(cell, prose=only is not None and only.key in _PROSE)


def _day(cell: datetime) -> date:
    if cell.time() != time():
        raise Refusal(Code.FIELD_INVALID, "The cell holds a time of day.", remedy="Give a day.")
    return cell.date()


def _legible(text: str, *, prose: bool) -> str:
    text = " ".join(text.split()) if prose else text.strip()
    if text.startswith("="):
        raise Refusal(Code.FIELD_INVALID, "The cell holds a formula.", remedy="Paste it as a value.")
    if text in _ERRORS:
        raise Refusal(Code.FIELD_INVALID, "The cell holds an error of the spreadsheet.", remedy="Fill in the value.")
    if _SHORTENED.fullmatch(text):
        raise Refusal(Code.FIELD_INVALID, "The spreadsheet program shortened a long number.", remedy="Format the column as text.")
    hidden = next((c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp") and c not in _JOINERS), None)
    if hidden:
        raise Refusal(Code.CHARACTERS, f"The cell holds an invisible character, U+{ord(hidden):04X}.", remedy="Type it anew.")
    if len(text) > MAX_TEXT:
        raise Refusal(Code.FIELD_INVALID, f"The text is longer than {MAX_TEXT} characters.", remedy="Shorten it; nothing is cut.")
    return text


class Columns:
    """One mapping, compiled. ``always`` are fields that every row has though no column holds them (``standing = "valid"``).

    ``every``: a mapped column must be in the file even where its cells may be blank; a column that is gone would be lost silently.
    """

    def __init__(
        self,
        columns: Iterable[tuple[str, str]],
        codes: Mapping[str, Mapping[str, str]],
        parts: Mapping[str, str],
        always: Mapping[str, str],
        *,
        every: bool = True,
        stored: bool = False,
    ) -> None:
        """What is wrong with the mapping stands in ``faults``; it is used only where there are none. ``stored``: see ``Vocabulary``."""
        self.faults: list[ColumnFault] = []
        self._every = every
        lists: list[Fault] = []
        known = code_lists(codes, lists)
        self.faults += [ColumnFault(fault.key, fault.problem, fault.remedy) for fault in lists]
        vocabulary = Vocabulary(known, {}, stored=stored)
        try:
            vocabulary = Vocabulary(known, parts, stored=stored)
        except TemplateFault as fault:
            self.faults.append(ColumnFault("parts", fault.problem, fault.remedy))
        self._by_heading = {plain(column.heading): column for column in self._compiled(columns, vocabulary)}
        self._always: dict[str, Any] = {}
        for name, word in always.items():
            if name not in FIELDS - {"tin", "granted", "expires", "effective", "decided"}:
                self.faults.append(ColumnFault(f"always.{name}", "No row can always have this.", "Name standing, level or role."))
            elif name == "standing" and word not in set(Standing) - {Standing.DELISTED}:
                self.faults.append(ColumnFault("always.standing", f"{word!r} is no standing.", "Write valid."))
            else:
                self._always[name] = Standing(word) if name == "standing" else word
        keys = [key for column in self._by_heading.values() for key in column.template.keys]
        self._forms = [form for form in (Form(name, form, keys) for name, form in vocabulary.forms.items()) if form.in_parts]
        self._complain(keys)

    def _compiled(self, columns: Iterable[tuple[str, str]], vocabulary: Vocabulary) -> Iterator[_Column]:
        seen: set[str] = set()
        for number, (heading, text) in enumerate(columns):
            key = f"columns[{number}]"
            if plain(heading) in seen or not plain(heading):
                self.faults.append(ColumnFault(key, "The heading is blank or stands twice.", "Name each heading once."))
            seen.add(plain(heading))
            try:
                template = vocabulary.template(text)
            except TemplateFault as fault:
                self.faults.append(ColumnFault(key, f"{fault.problem[:1].upper()}{fault.problem[1:]}.", fault.remedy))
                continue
            if any(hole.partition("#")[0] not in FIELDS for hole in template.keys):
                self.faults.append(ColumnFault(key, "A row holds only fields of a statement.", "Name one, such as {name}?."))
            lists = [codes for name, codes in vocabulary.codes.items() if re.search(rf"\|{re.escape(name)}\b", text)]
            yield _Column(heading, template, tuple(code for codes in lists for code in codes.words))

    def _complain(self, keys: list[str]) -> None:
        whole = [key.partition("#")[0] for key in keys] + list(self._always)
        for name in ("tin", "standing"):
            if name not in whole and not any(fault.key.startswith("columns") for fault in self.faults):
                remedy = (
                    'Give the column of the code holds = "{tin}".'
                    if name == "tin"
                    else 'Map one to {standing|standing}, or say always = { standing = "valid" }.'
                )
                self.faults.append(ColumnFault("columns", f"No column holds {name}.", remedy))
        for key in sorted({key for key in keys if keys.count(key) > 1} | (self._always.keys() & set(keys))):
            self.faults.append(
                ColumnFault("columns", f"{{{key}}} is said twice.", "Keep one; a column that holds nothing is read past.")
            )

    @property
    def headings(self) -> list[str]:
        """Every heading, in the order in which they are written."""
        return [column.heading for column in self._by_heading.values()]

    def heading_of(self, field: str) -> str:
        """The heading under which a field stands; its own name where none does."""
        found = (one.heading for one in self._by_heading.values() if field in {key.partition("#")[0] for key in one.template.keys})
        return next(found, field)

    # ---------------------------------------------------------------- reading

    def fit(self, cells: Sequence[object]) -> tuple[list[str], list[str], list[str]]:
        """How far a row is the row of headings: what of it is unknown, missing and there twice."""
        there = [plain(cell) for cell in cells]
        unknown = [str(cell) for cell, name in zip(cells, there, strict=True) if name and name not in self._by_heading]
        missing = [column.heading for name, column in self._by_heading.items() if name not in there and self._needed(column)]
        twice = [column.heading for name, column in self._by_heading.items() if there.count(name) > 1]
        return unknown, missing, twice

    def _needed(self, column: _Column) -> bool:
        return self._every or (bool(column.template.holes) and not column.template.optional)

    def under(self, cells: Sequence[object]) -> dict[int, str]:
        """Which heading stands over which cell that is read."""
        found = {index: self._by_heading.get(plain(cell)) for index, cell in enumerate(cells)}
        return {index: column.heading for index, column in found.items() if column and column.template.texts != ("",)}

    def read(self, row: Mapping[str, object], line: int) -> Statement | tuple[Refusal, ...]:
        """One row by heading: what it says, or everything that is wrong with it."""
        record = dict(self._always)
        faults: list[Refusal] = []
        for heading, cell in row.items():
            try:
                self._by_heading[plain(heading)].read(cell, record)
            except (Refusal, ValueError, LookupError) as error:
                faults.append(self._refused(error, heading, cell, line))
        if faults:
            return tuple(faults)
        try:
            for form in self._forms:
                form.join(record)
            if "tin" not in record or "standing" not in record:
                raise Refusal(Code.FIELD_MISSING, f"The {'standing' if 'tin' in record else 'code'} is missing.")
        except Refusal as refusal:
            return (refusal.but(line=line),)
        return Statement(**record)

    def _refused(self, error: Exception, heading: str, cell: object, line: int) -> Refusal:
        if isinstance(error, Refusal):
            return error.but(field=heading, value=None if cell is None else str(cell), line=line)
        if isinstance(error, LookupError):
            known = ", ".join(self._by_heading[plain(heading)].codes)
            return Refusal(
                Code.CODE_UNKNOWN,
                "The code is not in the agreed list.",
                field=heading,
                value=str(cell),
                line=line,
                remedy=f"Known are: {known}. Have it corrected, or add it under [sheet.codes].",
            )
        said = str(error.args[0])
        return Refusal(Code.FIELD_INVALID, f"{said[:1].upper()}{said[1:]}.", field=heading, value=str(cell), line=line)

    # ---------------------------------------------------------------- writing

    def write(self, statement: Statement) -> list[str]:
        """One row under ``headings``. What nobody said stays blank. Raises ``Refusal`` for what the columns have no code or place for."""
        said = {name: value for name, value in msgspec.structs.asdict(statement).items() if value is not None}
        for name, word in self._always.items():
            if said.pop(name, word) != word:
                raise Refusal(
                    Code.CODE_UNKNOWN, f"The columns always say {name} {word}.", field=name, value=str(getattr(statement, name))
                )
        cells = [self._cell(column, said) for column in self._by_heading.values()]
        if "tin" not in self.says or "standing" not in self.says:
            raise Refusal(
                Code.FIELD_MISSING, "The columns have no place for a code as we issue it.", remedy="Map one column to {tin}."
            )
        return cells

    @property
    def says(self) -> frozenset[str]:
        """The fields that a row of ours has a place for. A code in parts is the partner's own form; ours is written whole."""
        singles = (column.template.keys[0].partition("#")[0] for column in self._by_heading.values() if column.template.single)
        return frozenset(singles) | self._always.keys()

    def _cell(self, column: _Column, said: Mapping[str, Any]) -> str:
        template = column.template
        if not template.holes:
            return template.texts[0]
        if template.single and template.keys[0].startswith("tin#"):
            return str(said["tin"])
        try:
            return template.writer()(dict(said)) or ""
        except Missing:
            return ""
        except (ValueError, LookupError) as error:
            key = template.keys[0]
            code = Code.CODE_UNKNOWN if isinstance(error, LookupError) else Code.FIELD_INVALID
            raise Refusal(code, f"The column {column.heading!r} cannot say it.", field=key, value=str(said.get(key))) from None


_REQUIRED = {"tin": "{tin}", "standing": "{standing|standing}"}
#: Our own names for a field as headings: how a partner's file is read, and ours written, until somebody maps its columns.
PLAIN = tuple(
    (name, _REQUIRED.get(name, f"{{{name}|date}}?" if name in DAYS else f"{{{name}}}?")) for name in Statement.__struct_fields__
)
STANDINGS = {standing.value: standing.value for standing in Standing if standing is not Standing.DELISTED}
