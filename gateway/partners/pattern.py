"""Code patterns: a small regular language whose every sentence is short and whose matching cannot run away.

Literals, character classes, counted repetition of *one* of them, and groups with alternatives, between ``^`` and ``$``. There is no
``*``, no repetition of a group, no look-around and no back-reference; and what is left is judged as every pattern is
(``wire.pattern``), so a hostile partner file cannot stall the gateway.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.wire.pattern import Dialect, judge, read, widths

#: Codes are stored as issued, at most an..35 (docs/domain.md, Codes).
LONGEST = 35

_TOKEN = re.compile(
    r"(?:[0-9A-Za-z/ ]|\[(?:[0-9A-Za-z/ ](?:-[0-9A-Za-z])?)+\])(?:\{\d{1,2}(?:,\d{1,2})?\})?|\((?:\?P<[a-z]+>)?|\)|\|", re.ASCII
)


class Width(NamedTuple):
    """The fewest and the most characters a pattern matches."""

    least: int
    most: int


def width_of(pattern: str) -> Width:
    """The width of ``pattern``; ValueError, with a sentence for people, if it is not of the language or matches too much."""
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise ValueError("a pattern begins with ^ and ends with $")
    at, end = 1, len(pattern) - 1
    while at < end:
        token = _TOKEN.match(pattern, at, end)
        if token is None:
            raise ValueError(f"at character {at + 1}: only literals, classes, counted repetition of one of them, and groups")
        at = token.end()
    least, most = widths(read(pattern[1:-1], Dialect.PYTHON))
    if most is None or not 0 < least <= most <= LONGEST:
        raise ValueError(f"matches codes of {least} to {most} characters; 1 to {LONGEST} are possible")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(str(error)) from None
    if problem := judge(pattern[1:-1], Dialect.PYTHON).problem:
        raise ValueError(problem)
    return Width(least, most)
