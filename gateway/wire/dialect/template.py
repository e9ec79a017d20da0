"""The words of samples: what a hole may name, and what an attribute or a leaf holds. See schemas/README.md for what a person writes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.core.model import Statement
from gateway.wire.dialect import values as v
from gateway.wire.pattern import Dialect, judge
from gateway.wire.xml import plain_code

FIELDS = frozenset(Statement.__struct_fields__)
#: What a document may say about itself, and what kinds of value that is. ``fault`` and ``fault_code`` are for answers that are none.
MESSAGE = {
    "id": ("text",),
    "issued": ("datetime", "date"),
    "as_of": ("datetime", "date"),
    "sender": ("text",),
    "receiver": ("text",),
    "status": ("text",),
    "fault": ("text",),
    "fault_code": ("text",),
    "part": ("int",),
    "parts": ("int",),
}
DAYS = {"granted": ("date",), "expires": ("date",), "decided": ("date",), "effective": ("date", "moment", "datetime")}

COUNT = "@count"
#: An attribute that is read past and never written.
ANY = "{@any}?"


class Missing(Exception):
    """A required value that is not there; its argument is the hole's name."""


class TemplateFault(Exception):
    """A fault in a sample: the problem, and the remedy."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Hole:
    """``key`` is the hole's name as written: ``tin``, ``number#serial``, ``message.id``, ``query.tin``, ``signatory.name``, ``@count``."""

    key: str
    value: v.Value


@dataclass(frozen=True, slots=True)
class Template:
    """What an attribute or a leaf holds: literal text and holes by turns (text first and last, both possibly empty).

    ``ignored``: whatever an attribute holds is read past, and it is never written.
    """

    texts: tuple[str, ...]
    holes: tuple[Hole, ...] = ()
    optional: bool = False
    ignored: bool = False

    @property
    def literal(self) -> str | None:
        return None if self.holes or self.ignored else self.texts[0]

    @property
    def single(self) -> bool:
        """One hole and nothing else."""
        return self.texts == ("", "")

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(hole.key for hole in self.holes)

    def reader(self) -> Callable[[str, dict[str, Any]], None]:
        """Text into a record. Raises ValueError or LookupError with ``key`` as the second argument where one hole is at fault."""
        if self.ignored:
            return lambda _text, _record: None
        if not self.holes:
            expected = self.texts[0]

            def guard(text: str, _: dict[str, Any]) -> None:
                if text != expected:
                    raise ValueError(f"only {expected!r} can stand here")

            return guard
        if self.single:
            (hole,) = self.holes
            key, convert = hole.key, hole.value.read

            def single(text: str, record: dict[str, Any]) -> None:
                record[key] = convert(text)

            return single
        match = self._expression().fullmatch
        form = "".join(f"{text}{{{key}}}" for text, key in zip(self.texts, self.keys, strict=False)) + self.texts[-1]

        def mixed(text: str, record: dict[str, Any]) -> None:
            found = match(text)
            if found is None:
                raise ValueError(f"the form is {form}")
            for hole, piece in zip(self.holes, found.groups(), strict=True):
                record[hole.key] = hole.value.read(piece)

        return mixed

    def writer(self) -> Callable[[dict[str, Any]], str | None]:
        """A record into text with every hole filled, draining it. None: an optional text of which nothing is there.

        Raises ``Missing``, ValueError or LookupError.
        """
        match = self._expression().fullmatch
        writes = [(hole.key, hole.value.write) for hole in self.holes]
        form = "%s".join(text.replace("%", "%%") for text in self.texts)

        def mixed(record: dict[str, Any]) -> str | None:
            values = [record.pop(key, None) for key, _ in writes]
            if None in values:
                if self.optional and values.count(None) == len(values):
                    return None
                raise Missing(writes[values.index(None)][0])
            pieces = tuple([write(value) for (_, write), value in zip(writes, values, strict=True)])
            text = form % pieces
            found = match(text)
            if found is None or found.groups() != pieces:
                raise ValueError(f"{text!r} could not be taken apart again")
            return text

        return mixed

    @property
    def runs_away(self) -> str | None:
        """Why reading it could take too long for some text, as of code lists that overlap side by side; a lone hole's cannot."""
        return None if self.single or not self.holes else judge(self._form(), Dialect.PYTHON).problem

    def _expression(self) -> re.Pattern[str]:
        return re.compile(self._form(), re.ASCII | re.DOTALL)

    def _form(self) -> str:
        """An open hole ends where the first character of the next literal stands, and never holds it."""
        expression = re.escape(self.texts[0])
        for hole, after in zip(self.holes, self.texts[1:], strict=True):
            until = f"[^{re.escape(after[0])}]+" if after else ".+"
            expression += f"({hole.value.shape or until})" + re.escape(after)
        return expression


def checked(code: str, key: str) -> str:
    """A code as issued, if a person can tell it from every other: look-alike and invisible characters are refused here."""
    if len(code) <= v.LONGEST_TIN and code.isascii() and code.isalnum():
        return code
    if key == "tin" and len(code) > v.LONGEST_TIN:
        raise ValueError(f"more than {v.LONGEST_TIN} characters are no identifier")
    return plain_code(code, key)
