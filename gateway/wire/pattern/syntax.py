"""Regular expressions as trees: what is common to XSD and to Python's ``re``, and where the two differ.

Understood are literals, classes, escapes, groups, alternatives and repetitions. Not understood, on purpose, is what no finite
automaton can say or what only says how to search: back-references, look-around, anchors inside, lazy and possessive repetitions.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import cache
from typing import NamedTuple

from gateway.wire.pattern import chars
from gateway.wire.pattern.chars import Chars

#: Groups within each other; reading them must not exhaust the stack.
MOST_NESTED = 32
_QUANTIFIER = re.compile(r"[*+?]|\{(\d{1,9})(,(\d{0,9}))?\}", re.ASCII)
_NAMED = re.compile(r"\?P<[A-Za-z_]\w*>|\?:", re.ASCII)


class Dialect(Enum):
    """``XSD``: XML Schema 1.0 part 2, appendix F. ``PYTHON``: ``re`` with the flags ASCII and DOTALL."""

    XSD = "XSD"
    PYTHON = "Python"


class NotUnderstood(ValueError):
    """What is not read, where, in a sentence for people."""


class Joined(NamedTuple):
    """One after the other."""

    parts: tuple[Node, ...]


class Either(NamedTuple):
    """One of them."""

    options: tuple[Node, ...]


class Repeated(NamedTuple):
    """``inner``, ``least`` to ``most`` times; None: without bound."""

    inner: Node
    least: int
    most: int | None


Node = Chars | Joined | Either | Repeated

_SPACE = chars.of(" \t\n\r")
_DOT = {Dialect.XSD: chars.complement(chars.of("\n\r")), Dialect.PYTHON: chars.ANY}
#: What a name begins with, XML 1.0 (fifth edition), 2.3.
_NAME_START = chars.ranges(
    "::AZ__az\xc0\xd6\xd8\xf6\xf8\u02ff\u0370\u037d\u037f\u1fff\u200c\u200d\u2070\u218f\u2c00\u2fef\u3001\ud7ff"
    "\uf900\ufdcf\ufdf0\ufffd\U00010000\U000effff"
)
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}


@cache
def _multiple(letter: str, dialect: Dialect) -> Chars | None:
    """What ``\\s``, ``\\d`` and their like stand for."""
    match letter, dialect:
        case "s", Dialect.XSD:
            return _SPACE
        case "s", Dialect.PYTHON:
            return chars.union(_SPACE, chars.of("\f\v"))
        case "d", Dialect.XSD:
            return chars.category("Nd")
        case "d", Dialect.PYTHON:
            return chars.ranges("09")
        case "w", Dialect.XSD:
            return chars.complement(chars.union(*map(chars.category, "PZC")))
        case "w", Dialect.PYTHON:
            return chars.ranges("09AZaz__")
        case "i", Dialect.XSD:
            return _NAME_START
        case "c", Dialect.XSD:
            return chars.union(_NAME_START, chars.ranges("--..09\xb7\xb7\u0300\u036f\u203f\u2040"))
    return None


def read(pattern: str, dialect: Dialect) -> Node:
    """Raises ``NotUnderstood``. Anchors at both ends are not part of ``pattern``: a whole text is matched."""
    return _Reader(pattern, dialect).whole()


def widths(node: Node) -> tuple[int, int | None]:
    """The fewest and the most characters that ``node`` matches; None: no bound."""
    match node:
        case Chars():
            return 1, 1
        case Repeated(inner, least, most):
            low, high = widths(inner)
            return low * least, None if high is None or most is None else high * most
        case Joined(parts):
            found = [widths(part) for part in parts]
            highs = [high for _, high in found if high is not None]
            return sum(low for low, _ in found), sum(highs) if len(highs) == len(found) else None
        case Either(options):
            found = [widths(option) for option in options]
            highs = [high for _, high in found if high is not None]
            return min(low for low, _ in found), max(highs) if len(highs) == len(found) else None


class _Reader:
    """A recursive descent; ``_at`` is the next character."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self._text, self._dialect, self._at = text, dialect, 0

    def whole(self) -> Node:
        found = self._options(0)
        if self._at < len(self._text):
            raise NotUnderstood(f"at character {self._at + 1}: no group is open")
        return found

    def _options(self, depth: int) -> Node:
        options = [self._sequence(depth)]
        while self._here() == "|":
            self._at += 1
            options.append(self._sequence(depth))
        return options[0] if len(options) == 1 else Either(tuple(options))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self._here() not in ("", "|", ")"):
            parts.append(self._repeated(depth))
        return parts[0] if len(parts) == 1 else Joined(tuple(parts))

    def _repeated(self, depth: int) -> Node:
        atom = self._atom(depth)
        found = _QUANTIFIER.match(self._text, self._at)
        if found is None:
            return atom
        self._at = found.end()
        if self._here() in ("*", "+", "?"):
            raise self._fault("a repetition of a repetition, or a lazy or possessive one")
        if found[0] in "*+?":
            return Repeated(atom, int(found[0] == "+"), 1 if found[0] == "?" else None)
        least = int(found[1])
        return Repeated(atom, least, least if not found[2] else int(found[3]) if found[3] else None)

    def _atom(self, depth: int) -> Node:
        start, character = self._at, self._here()
        self._at += 1
        match character:
            case "(":
                return self._group(start, depth)
            case "[":
                return self._class(depth)
            case ".":
                return _DOT[self._dialect]
            case "\\":
                return self._escape()
            case "*" | "+" | "?" | "{" | "]":
                raise self._fault("nothing that could be repeated or closed", start)
            case "^" | "$" if self._dialect is Dialect.PYTHON:
                raise self._fault("an anchor that is not at an end", start)
        return chars.of(character)

    def _group(self, start: int, depth: int) -> Node:
        if self._here() == "?":
            named = _NAMED.match(self._text, self._at) if self._dialect is Dialect.PYTHON else None
            if named is None:
                raise self._fault("look-around, a reference or another extension")
            self._at = named.end()
        if depth == MOST_NESTED:
            raise self._fault(f"more than {MOST_NESTED} groups within each other", start)
        inner = self._options(depth + 1)
        if self._here() != ")":
            raise NotUnderstood(f"a group is not closed; it begins at character {start + 1}")
        self._at += 1
        return inner

    def _escape(self) -> Chars:
        character = self._here()
        self._at += 1
        if character in _CONTROLS:
            return chars.of(_CONTROLS[character])
        if found := _multiple(character.lower(), self._dialect):
            if character in ("I", "C"):  # beyond ASCII the editions of XML differ in what a name may hold, and so do matchers
                found = chars.without(found, chars.ranges("\x80\U0010ffff"))
            return found if character.islower() else chars.complement(found)
        if character in ("p", "P") and self._dialect is Dialect.XSD:
            return self._category(negative=character == "P")
        if not character or character.isalnum():
            raise self._fault("a back-reference, or an escape that is not known", self._at - 2)
        return chars.of(character)

    def _category(self, *, negative: bool) -> Chars:
        end = self._text.find("}", self._at)
        if self._here() != "{" or end < 0:
            raise self._fault("a category without its braces")
        name, self._at = self._text[self._at + 1 : end], end + 1
        try:
            found = chars.block(name) if name.startswith("Is") else chars.category(name)
        except LookupError:
            raise NotUnderstood(f"there is no category {name[:40]!r}") from None
        return chars.complement(found) if negative else found

    def _class(self, depth: int) -> Chars:
        """After ``[``, up to and with ``]``; in XSD ``-[...]`` before it takes away."""
        if depth == MOST_NESTED:
            raise self._fault("too many classes within each other")
        negative = self._here() == "^"
        self._at += negative
        first, found, less = self._at, chars.NONE, chars.NONE
        while self._here() != "]" or self._at == first:
            if self._dialect is Dialect.XSD and self._text.startswith("-[", self._at) and self._at > first:
                self._at += 2
                less = self._class(depth + 1)
                if self._here() != "]":
                    raise self._fault("something after what is taken away")
                break
            found = chars.union(found, self._range())
        self._at += 1
        found = chars.complement(found) if negative else found
        return chars.without(found, less) if less.ranges else found

    def _range(self) -> Chars:
        low = self._member()
        if self._here() != "-" or self._text[self._at + 1 : self._at + 2] in ("]", "[", ""):
            return low
        self._at += 1
        high = self._member()
        if low.only is None or high.only is None or low.only > high.only:
            raise self._fault("bad character range", self._at - 1)
        return chars.ranges(chr(low.only) + chr(high.only))

    def _member(self) -> Chars:
        character = self._here()
        self._at += 1
        if not character:
            raise NotUnderstood("a class is not closed")
        if character == "[":
            raise self._fault("a bracket in a class that is not escaped", self._at - 1)
        return self._escape() if character == "\\" else chars.of(character)

    def _here(self) -> str:
        return self._text[self._at : self._at + 1]

    def _fault(self, what: str, at: int | None = None) -> NotUnderstood:
        return NotUnderstood(f"at character {(self._at if at is None else at) + 1}: {what}")
