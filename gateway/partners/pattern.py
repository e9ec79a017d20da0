"""Code patterns: a small regular language whose every sentence is short and whose matching cannot run away.

Literals, character classes, counted repetition of *one* of them, and groups with alternatives, between ``^`` and ``$``. There is no
``*``, no repetition of a group, no look-around and no back-reference, so a hostile partner file cannot stall the gateway.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: Codes are stored as issued, at most an..35 (FACTS: Codes).
LONGEST = 35
#: Each variable repetition multiplies what a matcher may have to try.
MOST_VARIABLE = 2

_TOKEN = re.compile(
    r"(?P<atom>[0-9A-Za-z/ ]|\[(?:[0-9A-Za-z/ ](?:-[0-9A-Za-z])?)+\])(?:\{(?P<low>\d{1,2})(?:,(?P<high>\d{1,2}))?\})?"
    r"|(?P<open>\((?:\?P<[a-z]+>)?)|(?P<close>\))|(?P<bar>\|)"
)


class Width(NamedTuple):
    """The fewest and the most characters a pattern matches."""

    least: int
    most: int


def width_of(pattern: str) -> Width:
    """The width of ``pattern``; ValueError, with a sentence for people, if it is not of the language or matches too much."""
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise ValueError("a pattern begins with ^ and ends with $")
    if pattern.count(",") > MOST_VARIABLE:
        raise ValueError(f"a pattern has at most {MOST_VARIABLE} repetitions of variable length")
    # One list for each open group: the widths of its alternatives, the one being read last.
    stack: list[list[Width]] = [[Width(0, 0)]]
    at, end = 1, len(pattern) - 1
    while at < end:
        token = _TOKEN.match(pattern, at, end)
        if token is None:
            raise ValueError(f"at character {at + 1}: only literals, classes, counted repetition of one of them, and groups")
        at = token.end()
        if token["open"]:
            stack.append([Width(0, 0)])
        elif token["bar"]:
            stack[-1].append(Width(0, 0))
        elif token["close"]:
            if len(stack) == 1:
                raise ValueError(f"at character {at}: no group is open")
            _extend(stack[-2], _widest(stack.pop()))
        else:
            low = int(token["low"] or 1)
            _extend(stack[-1], Width(low, int(token["high"] or low)))
    if len(stack) > 1:
        raise ValueError("a group is not closed")
    width = _widest(stack[0])
    if not 0 < width.least <= width.most <= LONGEST:
        raise ValueError(f"matches codes of {width.least} to {width.most} characters; 1 to {LONGEST} are possible")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(str(error)) from None
    return width


def _extend(branches: list[Width], by: Width) -> None:
    branches[-1] = Width(branches[-1].least + by.least, branches[-1].most + by.most)


def _widest(branches: list[Width]) -> Width:
    return Width(min(b.least for b in branches), max(b.most for b in branches))
