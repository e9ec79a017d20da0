"""What people type where a code belongs, and which codes it can be read as (core/RULES.md, Reading a declared code).

The usual slips are folded and reported; anything else is malformed, and its character is named. Nothing here is for messages:
in messages nothing is folded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from itertools import islice
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Protocol

import msgspec

from gateway.core.arrangement import Arrangement
from gateway.core.home import own_number

#: No code is longer (docs/domain.md, Codes); a longer one is refused, never cut.
LONGEST = 35

#: Full-width forms, the usual slip of a Chinese input method, and the ideographic space.
_NARROW = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
#: Only ASCII: ``str.upper`` would turn look-alikes such as the dotless i into letters.
_UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)
_BLANKS = " \t\r\n"
#: What is pasted where a blank is meant: the tab, the blanks of Unicode (its category Zs, such as U+00A0 and the thin ones) and the mark
#: that some programs begin a file with.
_BLANK_LIKE = re.compile("[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\ufeff]")
_WRAPPED = re.compile(r"(AEO *)?<([^<>]*)>")
_FOREIGN = re.compile(r"[^A-Z0-9 /.-]")
#: What stands between the groups of a number, as typed or as a word processor makes it of a hyphen: dashes, the minus, small forms.
_HYPHENS = re.compile("[-\u2010-\u2015\u2212\ufe58\ufe63]")


class Slip(StrEnum):
    """What was folded."""

    WIDTH = "full-width"
    CASE = "lower-case"
    BLANKS = "blanks"
    BRACKETS = "brackets"
    PREFIX = "prefix"
    HYPHENS = "hyphens"
    COUNTRY = "country"


class CodeRegistry(Protocol):
    """What there is to recognise a code by."""

    def arrangement_for(self, code: str) -> Arrangement | None:
        """The arrangement one of whose members has ``code``'s leading letters; None: no partner has them."""
        ...

    def known(self, code: str) -> bool:
        """Whether a partner ever stated exactly this code."""
        ...


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """A declared text and the codes it can be read as.

    One reading: the code meant; ``arrangement`` is its partner's, None: no partner's. Two: ambiguous. None, and no fault: no
    overseas party was declared. ``fault`` says why the text cannot be a code: ``character`` and ``position`` (from 1), or ``length``.
    """

    text: str
    readings: tuple[str, ...] = ()
    slips: tuple[Slip, ...] = ()
    fault: dict[str, str] | None = None
    arrangement: Arrangement | None = None

    @property
    def code(self) -> str | None:
        """The code meant, where there is exactly one reading."""
        return self.readings[0] if len(self.readings) == 1 else None

    @property
    def folded(self) -> bool:
        """Whether the code meant is not the text as it was typed."""
        return bool(self.slips)


def resolve(text: str, registry: CodeRegistry, on: date) -> Declared:
    """Read ``text`` as it was declared on the day ``on``.

    1. A code known exactly as typed is that code.
    2. Nothing, or ``NO``: no overseas party (Announcement 2018/131).
    3. The usual slips are folded; a character that is none of them, or too great a length, is a fault.
    4. ``AEO`` before a code (once: not again inside brackets that it stands before) is dropped only if exactly one reading is left: of
       the readings with and without it, those known to the registry count; if none is, those that fit a confirmed code form. If neither
       does, it is dropped: that ``AEO`` begins somebody's own code must be known, or it could be anybody's.
    """
    if registry.known(text):
        return Declared(text=text, readings=(text,), arrangement=registry.arrangement_for(text))

    body, slips = _fold(text)
    if body in ("", "NO"):
        return Declared(text=text)

    if foreign := _FOREIGN.search(body):
        return Declared(text=text, slips=slips, fault=_named(text, body, foreign.start()))

    whole = _spelled(body, registry)
    readings = [whole]
    if whole.startswith("AEO") and whole != "AEO" and Slip.PREFIX not in slips:
        readings = _likeliest([whole, _spelled(body[3:], registry)], registry, on)
    if len(readings) > 1:
        return Declared(text=text, readings=tuple(readings), slips=slips)

    (code,) = readings
    if len(code) > LONGEST:
        return Declared(text=text, slips=slips, fault={"length": str(len(code)), "longest": str(LONGEST)})
    if code != whole:
        slips += (Slip.PREFIX,)
    if code not in body and Slip.BLANKS not in slips:
        slips += (Slip.BLANKS,)
    return Declared(text=text, readings=(code,), slips=slips, arrangement=registry.arrangement_for(code))


def read_party(text: str) -> tuple[str, tuple[Slip, ...]]:
    """The number of a domestic party as it was meant, and which slips were folded: those of a code, blanks and hyphens within, and
    ``AEO``, the country (``CN``) or both before the ten digits or the eighteen characters. Whether there is such an enterprise is not
    asked: a number that is nobody's stays one."""
    body, slips = _fold(text)
    found: list[Slip] = [slip for slip in slips if slip is not Slip.PREFIX]
    joined = _HYPHENS.sub("", body)
    close = "".join(joined.split())
    if joined != body:
        found.append(Slip.HYPHENS)
    if close != joined and Slip.BLANKS not in found:
        found.append(Slip.BLANKS)
    number, country = own_number(close)
    if country:
        found.append(Slip.COUNTRY)
    elif number != close or Slip.PREFIX in slips:
        found.append(Slip.PREFIX)
    return number, tuple(found)


def spellings(text: str) -> set[str]:
    """Every code that ``text`` may mean once its slips are folded, ``""`` for no party: to compare a manifest with its declaration."""
    body, _ = _fold(text)
    if body in ("", "NO"):
        return {""}
    spaced = {" ".join(one.split()) for one in (body, body.removeprefix("AEO"))}
    return {text} | spaced | {one.replace(" ", "") for one in spaced}


def storable(text: str) -> bool:
    """Whether a message could ever have stated ``text`` as a code, for whoever has to ask a database for it."""
    return 0 < len(text) <= LONGEST and text.isprintable()


def near(code: str, registry: CodeRegistry, limit: int = 3) -> list[str]:
    """At most ``limit`` known codes that one slip of a key away from ``code``: another, a missing or a doubled character, or two
    exchanged. They are suggestions to a person; nothing is ever granted by them."""
    return list(islice((other for other in dict.fromkeys(one_slip_away(code)) if registry.known(other)), limit))


def _fold(text: str) -> tuple[str, tuple[Slip, ...]]:
    """``text`` without its usual slips, and which there were. Inner blanks stay: some codes have them."""
    blanked = _BLANK_LIKE.sub(" ", text)
    narrow = blanked.translate(_NARROW)
    upper = narrow.translate(_UPPER)
    body = upper.strip(_BLANKS)
    wrapped = _WRAPPED.fullmatch(body)
    if wrapped:
        body = wrapped[2].strip(_BLANKS)
    found = {
        Slip.WIDTH: narrow != blanked,
        Slip.CASE: upper != narrow,
        Slip.BLANKS: blanked != text or upper != upper.strip(_BLANKS) or bool(wrapped and wrapped[2] != body),
        Slip.BRACKETS: bool(wrapped),
        Slip.PREFIX: bool(wrapped and wrapped[1]),
    }
    return body, tuple(slip for slip, made in found.items() if made)


def _named(text: str, body: str, at: int) -> dict[str, str]:
    """The fault of a character that no code has. Look-alikes, invisible characters, other scripts' digits and wildcards are not
    guessed at: a guess would grant to somebody who was not named."""
    at += _BLANK_LIKE.sub(" ", text).translate(_NARROW).translate(_UPPER).index(body)
    return {"character": f"U+{ord(text[at]):04X} {unicodedata.name(text[at], '')}".rstrip(), "position": str(at + 1)}


def _spelled(body: str, registry: CodeRegistry) -> str:
    """With its inner blanks if it is known with them (EU AEO numbers), otherwise without."""
    spaced = " ".join(body.split())
    return spaced if registry.known(spaced) else spaced.replace(" ", "")


def _likeliest(readings: list[str], registry: CodeRegistry, on: date) -> list[str]:
    def fits(code: str) -> bool:
        arrangement = registry.arrangement_for(code)
        form = arrangement.code.on(on).value if arrangement else None
        return bool(form and form.confirmed and form.matches(code))

    for test in (registry.known, fits):
        if left := [code for code in readings if test(code)]:
            return left
    return readings[-1:]


def one_slip_away(code: str) -> Iterator[str]:
    """Every text that one slip of a key makes of ``code``, some more than once."""
    alphabet = digits + ascii_uppercase
    for at in range(len(code) + 1):
        before, after = code[:at], code[at:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        if after:
            yield from (before + character + after[1:] for character in alphabet)
            yield before + after[1:]
        yield from (before + character + after for character in alphabet)
