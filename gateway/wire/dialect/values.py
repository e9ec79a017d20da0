"""Filters: what stands after ``|`` in a hole. Each is a pair of inverse functions between a document's text and a value.

Both directions raise ``LookupError`` for what is not in a code list and ``ValueError``, with a sentence, for any other wrong form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.core.model import Standing
from gateway.core.moments import as_example, by_form, calendar_day, instant, offset

LONGEST_TIN = 35


class Value(NamedTuple):
    """``gives`` names what the value is: text, date, moment (a date or a datetime), datetime or int.

    ``shape`` is the regular expression of its text where the text's end can be told from the text alone, else None.
    ``words`` are the values it can write, where they are a closed list. ``nothing`` is the text that says that there is no value.
    """

    read: Callable[[str], Any]
    write: Callable[[Any], str]
    gives: str = "text"
    shape: str | None = None
    words: tuple[str, ...] = ()
    nothing: str | None = None


class Codes(NamedTuple):
    """One code list, both ways: the partner's code to our word, and our word to the code to write."""

    words: Mapping[str, str]
    code: Mapping[str, str]


def as_is(text: str) -> str:
    return text


TEXT = Value(as_is, as_is)


def _with_example(rule: str, text: str, fits: Callable[[str], object]) -> str:
    example = as_example(text, fits)
    return f"{rule}; {example}" if example else rule


def _is_date(text: str) -> bool:
    return len(text) == 10 and text[4] == "-" and text[7] == "-"


# The days of a list repeat a thousandfold, hence the caches.
@lru_cache(4096)
def _read_date(text: str) -> date:
    if not _is_date(text):
        raise ValueError(_with_example("a date is written YYYY-MM-DD", text, _is_date))
    return calendar_day(text)


@lru_cache(4096)
def _write_date(value: date) -> str:
    if type(value) is not date:
        raise ValueError("a day can be said here, not a moment")
    return value.isoformat()


_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


def _read_datetime(text: str) -> datetime:
    if not _MOMENT.fullmatch(text):
        raise ValueError(_with_example("a moment is written YYYY-MM-DDThh:mm:ss with Z or an offset", text, _MOMENT.fullmatch))
    return instant(text)


def _write_datetime(value: datetime) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("a moment with its time zone is needed here, not a day")
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _read_moment(text: str) -> date:
    return _read_datetime(text) if "T" in text else _read_date(text)


def _write_moment(value: date) -> str:
    return _write_datetime(value) if isinstance(value, datetime) else value.isoformat()


_DATE = r"\d{4}-\d\d-\d\d"
DATE = Value(_read_date, _write_date, "date", _DATE)
DATETIME = Value(_read_datetime, _write_datetime, "datetime", _MOMENT.pattern)
MOMENT = Value(_read_moment, _write_moment, "moment", f"{_DATE}(?:T{_MOMENT.pattern.partition('T')[2]})?")


def _read_int(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise ValueError("a whole number in digits is expected")
    return int(text)


INT = Value(_read_int, str, "int", r"\d{1,9}")


def dates(pattern: str) -> Value:
    """Days written by ``pattern``: ``dd``, ``MM`` and ``yyyy`` once each, strokes, points, hyphens, blanks and 年月日 as they stand."""
    pieces = re.split("(dd|MM|yyyy)", pattern)
    if sorted(pieces[1::2]) != ["MM", "dd", "yyyy"] or not set("".join(pieces[::2])) <= set("-/. 年月日"):
        raise ValueError(f"{pattern!r} is no date pattern; it has dd, MM and yyyy once each")
    expression = "".join(f"(?P<{piece}>\\d{{{len(piece)}}})" if odd else re.escape(piece) for odd, piece in _alternating(pieces))
    form = "".join(
        {"dd": "{0.day:02}", "MM": "{0.month:02}", "yyyy": "{0.year:04}"}[piece] if odd else piece
        for odd, piece in _alternating(pieces)
    )
    match = re.compile(expression, re.ASCII).fullmatch

    @lru_cache(4096)
    def read(text: str) -> date:
        found = match(text)
        if found is None:
            raise ValueError(f"a date is written {pattern}")
        return date(int(found["yyyy"]), int(found["MM"]), int(found["dd"]))

    @lru_cache(4096)
    def write(value: date) -> str:
        if type(value) is not date:
            raise ValueError("a day can be said here, not a moment")
        return form.format(value)

    return Value(read, write, "date", re.sub(r"\?P<\w+>", "?:", expression))


_CLOCK = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


def moments(argument: str) -> Value:
    """Moments written by a pattern of ``yyyy MM dd HH mm ss``, once each, in the zone that follows it and is not written:
    ``yyyyMMddHHmmss+08:00``. What is finer than a second cannot be said; it is left out."""
    form, zone = argument[:-6], argument[-6:]
    pieces = re.split("(yyyy|MM|dd|HH|mm|ss)", form)
    if (
        not re.fullmatch(r"[+-]\d\d:\d\d", zone)
        or sorted(pieces[1::2]) != sorted(_CLOCK)
        or not set("".join(pieces[::2])) <= set("-/. T:年月日时分秒")
    ):
        raise ValueError(f"{argument!r} is no pattern of a moment, such as yyyyMMddHHmmss+08:00")
    theirs = offset(zone)
    python = "".join(_CLOCK[piece] if odd else piece for odd, piece in _alternating(pieces))
    expression = "".join(rf"\d{{{len(piece)}}}" if odd else re.escape(piece) for odd, piece in _alternating(pieces))
    match = re.compile(expression, re.ASCII).fullmatch

    def read(text: str) -> datetime:
        if not match(text):
            raise ValueError(f"a moment is written {form}")
        return by_form(text, python, theirs)

    def write(value: datetime) -> str:
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise ValueError("a moment with its time zone is needed here, not a day")
        return value.astimezone(theirs).strftime(python)

    return Value(read, write, "datetime", expression)


def bare(prefix: str) -> Value:
    """Codes of ``prefix`` written without it where a digit follows; every other code as it stands."""
    if not (prefix.isascii() and prefix.isalpha()):
        raise ValueError(f"{prefix!r} is not the letters that codes begin with")

    def read(text: str) -> str:
        if text[:1].isdigit():
            return prefix + text
        if text.startswith(prefix) and text[len(prefix) :][:1].isdigit():
            raise ValueError(f"{prefix} is not written before a code here")
        return text

    def write(value: str) -> str:
        rest = value.removeprefix(prefix)
        if rest == value and not value[:1].isdigit():
            return value
        if rest == value or not rest[:1].isdigit():
            raise ValueError(f"only codes of {prefix} that go on with a digit, and codes of others, can be said here")
        return rest

    return Value(read, write)


def none(value: Value, text: str) -> Value:
    """``value``, with ``text`` written where there is none, and read as none."""
    if value.words and text in map(value.write, value.words):
        raise ValueError(f"{text!r} is a code that means something")
    read, write = value.read, value.write

    def written(said: Any) -> str:
        if (found := write(said)) == text:
            raise ValueError(f"{text!r} says that there is nothing")
        return found

    return value._replace(read=lambda found: None if found == text else read(found), write=written, nothing=text)


def _alternating(pieces: list[str]) -> list[tuple[bool, str]]:
    return [(index % 2 == 1, piece) for index, piece in enumerate(pieces)]


def pad(width: int) -> Value:
    """Text filled up with blanks on the right to exactly ``width`` characters."""

    def read(text: str) -> str:
        if len(text) != width:
            raise ValueError(f"exactly {width} characters are expected, filled up with blanks")
        return text.rstrip(" ")

    def write(value: str) -> str:
        if len(value) > width or value.endswith(" "):
            raise ValueError(f"more than {width} characters, or a blank at the end, cannot be said here")
        return value.ljust(width)

    return Value(read, write, shape=f".{{{width}}}")


def listed(codes: Codes, numbers: bool = False) -> Value:
    """A code list. With ``numbers`` codes compare as whole numbers, so that 4 and 04 are one."""
    words = dict(codes.words)
    if not numbers:
        shape = "|".join(re.escape(code) for code in sorted(words, key=len, reverse=True))
        return Value(words.__getitem__, codes.code.__getitem__, shape=f"(?:{shape})", words=tuple(codes.code))
    by_number = {_read_int(code): word for code, word in words.items()}
    if len(by_number) < len(words):
        raise ValueError("two of its codes are the same number")
    return Value(
        lambda text: words[text] if text in words else by_number[_read_int(text)],
        codes.code.__getitem__,
        shape=r"\d{1,9}",
        words=tuple(codes.code),
    )


def chain(first: Value, then: Value) -> Value:
    """``first`` nearest to the value, ``then`` nearest to the text: ``{level|level|pad:4}``."""
    return first._replace(
        read=lambda text: first.read(then.read(text)), write=lambda value: then.write(first.write(value)), shape=then.shape
    )


def standings(codes: Codes) -> Codes:
    """The same list with its words as ``Standing``. A partner never says ``delisted``: that is derived."""
    for word in codes.words.values():
        if word not in set(Standing) - {Standing.DELISTED}:
            raise ValueError(f"{word!r} is no standing that can be said")
    return codes._replace(words={code: Standing(word) for code, word in codes.words.items()})
