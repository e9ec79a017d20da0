"""Sets of characters as ranges of code points."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from sys import maxunicode


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of these ``ranges``: both ends included, in order, none touching the next."""

    ranges: tuple[tuple[int, int], ...]

    @property
    def only(self) -> int | None:
        """The one code point, if there is but one."""
        return self.ranges[0][0] if len(self.ranges) == 1 and self.ranges[0][0] == self.ranges[0][1] else None


def _joined(those: Iterable[tuple[int, int]]) -> Chars:
    found: list[tuple[int, int]] = []
    for low, high in sorted(those):
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return Chars(tuple(found))


def of(characters: str) -> Chars:
    return _joined((ord(one), ord(one)) for one in characters)


def ranges(ends: str) -> Chars:
    """``"azAZ"``: from a to z, and from A to Z."""
    return _joined((ord(low), ord(high)) for low, high in zip(ends[::2], ends[1::2], strict=True))


def union(*those: Chars) -> Chars:
    return _joined(one for each in those for one in each.ranges)


def complement(those: Chars) -> Chars:
    found, at = [], 0
    for low, high in those.ranges:
        if at < low:
            found.append((at, low - 1))
        at = high + 1
    if at <= maxunicode:
        found.append((at, maxunicode))
    return Chars(tuple(found))


def without(those: Chars, less: Chars) -> Chars:
    return complement(union(complement(those), less))


NONE, ANY = Chars(()), Chars(((0, maxunicode),))

#: Where characters are assigned: planes 0 to 3 up to the last ideograph, and the tags of plane 14. What lies beyond is unassigned, but
#: for private use in planes 15 and 16.
_ASSIGNED = chain(range(0x33480), range(0xE0000, 0xE0200))
_BEYOND = {
    "Cn": ((0x33480, 0xDFFFF), (0xE0200, 0xEFFFF), (0xFFFFE, 0xFFFFF), (0x10FFFE, 0x10FFFF)),
    "Co": ((0xF0000, 0xFFFFD), (0x100000, 0x10FFFD)),
}


@cache
def _categories() -> Mapping[str, Chars]:
    """By the name of one or two letters."""
    found: dict[str, list[tuple[int, int]]] = {name: list(beyond) for name, beyond in _BEYOND.items()}
    start, name, last = 0, "Cc", -1
    for point in chain(_ASSIGNED, (maxunicode + 1,)):
        here = unicodedata.category(chr(point)) if point <= maxunicode else ""
        if here != name or point != last + 1:
            found.setdefault(name, []).append((start, last))
            start, name = point, here
        last = point
    for major in {name[0] for name in found}:
        found[major] = [one for name, those in found.items() if name[0] == major for one in those]
    return {name: _joined(those) for name, those in found.items()}


def category(name: str) -> Chars:
    """The characters of a Unicode category, such as ``L`` or ``Nd``. Raises ``LookupError``."""
    return _categories()[name]


@lru_cache(512)
def block(name: str) -> Chars:
    """The characters of a block of Unicode as XSD names it, such as ``IsCyrillic``. Raises ``LookupError``."""
    from elementpath.regex import RegexError, unicode_subset  # dear, and hardly any pattern names a block

    try:
        found = unicode_subset(name).codepoints
    except RegexError:
        raise LookupError(name) from None
    return _joined((one, one) if isinstance(one, int) else (one[0], one[1] - 1) for one in found)
