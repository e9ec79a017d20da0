"""In how many ways a text can be read, which is what a backtracking matcher may have to try.

An expression becomes an automaton whose states are its characters (V. M. Glushkov, 1961), each repetition written out. A matcher
that fails tries every way into every state, so the steps of a text are the number of ways into each state after each character,
times what can come next. These numbers are followed together, for all texts at once, from the start: a set of states, each with
its number of ways, is met again and again, so the search ends. Where it goes on and on, or where the steps outgrow
``STEPS_A_CHARACTER`` by more than ``STEPS_BESIDES``, the expression is refused with the text that shows it.

So exponential ambiguity (EDA), polynomial ambiguity of any degree (IDA; N. Weideman and others, Analyzing Matching Time Behavior of
Backtracking Regular Expression Matchers by Using Ambiguity of NFA, 2016) and the same in expressions whose texts are all short,
``(A|A)(A|A)...``, of which automata without end say nothing, are one case. What is accepted takes linear time.
"""

from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from gateway.wire.pattern.chars import Chars
from gateway.wire.pattern.syntax import Either, Joined, Node, Repeated

#: What reading a text may take: so many steps a character, and so many besides. Two ranges of 17 digits side by side take 36.
STEPS_A_CHARACTER, STEPS_BESIDES = 64, 1_000
#: States of one expression, its repetitions written out.
MOST_STATES = 2_000
#: More optional repetitions than this are taken as without bound: there are then more ways than there were, never fewer.
MOST_OPTIONAL = 64
#: Steps of judging one expression, about 1 µs each.
MOST_EFFORT = 20_000

#: States, and the number of ways into each.
Ways = dict[int, int]
_Place = tuple[tuple[int, int], ...]
_START = -1


class TooInvolved(Exception):
    """Judging would take too long; ``effort`` is what it took."""

    def __init__(self, why: str, effort: int) -> None:
        self.effort = effort
        super().__init__(why)


class Tries(NamedTuple):
    """``example`` is a text that takes more than ``most`` steps, None where there is none."""

    example: str | None
    most: int
    effort: int


class _Part(NamedTuple):
    """A part of an expression: in how many ways it is empty, begins and ends."""

    empty: int
    first: Ways
    last: Ways


def tries(node: Node) -> Tries:
    """Raises ``TooInvolved``."""
    return _Automaton(node).search()


class _Automaton:
    def __init__(self, node: Node) -> None:
        self._effort = 0
        self._chars: list[Chars] = []
        self._follow: dict[int, Ways] = {}
        whole = self._part(node)
        self._follow[_START] = whole.first
        ends = {**whole.last, _START: whole.empty}
        #: What a matcher tries in a state: each character that can come next, and the end.
        self._branches = {state: max(1, sum(after.values()) + ends.get(state, 0)) for state, after in self._follow.items()}

    def _spend(self, effort: int) -> None:
        self._effort += effort
        if self._effort > MOST_EFFORT:
            raise TooInvolved("it has too many states that a text may be in at once", self._effort)

    # ---------------------------------------------------------------- the automaton

    def _part(self, node: Node) -> _Part:
        match node:
            case Chars():
                return self._state(node)
            case Joined(parts):
                whole = _Part(1, {}, {})
                for part in parts:
                    whole = self._then(whole, self._part(part))
                return whole
            case Either(options):
                found = [self._part(option) for option in options]
                return _Part(sum(one.empty for one in found), _merged(*(o.first for o in found)), _merged(*(o.last for o in found)))
            case Repeated(inner, least, most):
                return self._repeated(inner, least, most)

    def _state(self, characters: Chars) -> _Part:
        if len(self._chars) == MOST_STATES:
            raise TooInvolved(f"its repetitions multiply to more than {MOST_STATES:,} characters", self._effort)
        self._spend(1)
        state = len(self._chars)
        self._chars.append(characters)
        self._follow[state] = {}
        return _Part(0, {state: 1}, {state: 1})

    def _then(self, one: _Part, other: _Part) -> _Part:
        self._link(one.last, other.first)
        self._spend(len(one.first) * (one.empty > 0) + len(other.last) * (other.empty > 0))
        first = _merged(one.first, _times(other.first, one.empty)) if one.empty else one.first
        last = _merged(other.last, _times(one.last, other.empty)) if other.empty else other.last
        return _Part(one.empty * other.empty, first, last)

    def _link(self, last: Ways, first: Ways) -> None:
        self._spend(len(last) * len(first))
        for state, ways in last.items():
            follow = self._follow[state]
            for after, more in first.items():
                follow[after] = follow.get(after, 0) + ways * more

    def _repeated(self, inner: Node, least: int, most: int | None) -> _Part:
        whole = _Part(1, {}, {})
        for _ in range(least):
            whole = self._then(whole, self._part(inner))
            self._spend(1)
        if most is None or most - least > MOST_OPTIONAL:
            one = self._part(inner)
            self._link(one.last, one.first)
            # A matcher tries an empty turn once, and then goes on to what follows.
            return self._then(whole, _Part(1 + one.empty, one.first, _times(one.last, 1 + one.empty)))
        rest = _Part(1, {}, {})
        for _ in range(max(0, most - least)):
            one = self._then(self._part(inner), rest)
            rest = one._replace(empty=1 + one.empty)
        return self._then(whole, rest)

    # ---------------------------------------------------------------- the search

    def search(self) -> Tries:
        masks, points = _masks(self._chars)
        start: _Place = ((_START, 1),)
        #: By how much the steps of some text that leads there outgrow what is allowed, at most; and that text.
        over = {start: self._branches[_START] - STEPS_BESIDES}
        texts = {start: ""}
        waiting = deque([start])
        if over[start] > 0:
            return Tries("", STEPS_BESIDES, self._effort)
        while waiting:
            place = waiting.popleft()
            for mask, ways in self._moves(place, masks):
                self._spend(len(ways))
                after = tuple(sorted(ways.items()))
                more = over[place] - STEPS_A_CHARACTER + sum(number * self._branches[state] for state, number in after)
                if after in over and over[after] >= more:
                    continue
                text = texts[place] + _one_of(mask, points)
                if more > 0:
                    return Tries(text, STEPS_BESIDES + STEPS_A_CHARACTER * len(text), self._effort)
                over[after], texts[after] = more, text
                waiting.append(after)
        return Tries(None, 0, self._effort)

    def _moves(self, place: _Place, masks: list[int]) -> Iterator[tuple[int, Ways]]:
        """Every set of characters that leads from ``place`` to the same states in as many ways each."""
        by_mask: dict[int, Ways] = {}
        for state, number in place:
            self._spend(len(self._follow[state]))
            for after, more in self._follow[state].items():
                reached = by_mask.setdefault(masks[after], {})
                reached[after] = reached.get(after, 0) + number * more
        apart: list[tuple[int, Ways]] = []
        for mask, reached in by_mask.items():
            self._spend(len(apart))
            split: list[tuple[int, Ways]] = []
            left = mask
            for other, ways in apart:
                if common := other & mask:
                    split.append((common, ways | reached))
                if alone := other & ~mask:
                    split.append((alone, ways))
                left &= ~other
            if left:
                split.append((left, reached))
            apart = split
        yield from apart


def _one_of(mask: int, points: list[int]) -> str:
    """A character that ``mask`` stands for, one that can be shown where there is any."""
    shown = bisect(points, ord("0")) - 1
    mask = (mask >> shown << shown if shown > 0 else 0) or mask
    at = (mask & -mask).bit_length() - 1
    return chr(max(points[at], min(ord("0"), points[at + 1] - 1)))


def _merged(*those: Ways) -> Ways:
    """Their states are apart: each state belongs to one part."""
    return {state: ways for one in those for state, ways in one.items()}


def _times(those: Ways, number: int) -> Ways:
    return those if number == 1 else {state: ways * number for state, ways in those.items()}


def _masks(those: list[Chars]) -> tuple[list[int], list[int]]:
    """Each set of characters as bits: one bit for each stretch of code points that no set divides; and where each begins."""
    points = sorted({point for one in set(those) for low, high in one.ranges for point in (low, high + 1)})
    index = {point: at for at, point in enumerate(points)}
    known: dict[Chars, int] = {}
    for one in those:
        if one not in known:
            known[one] = sum((1 << index[high + 1]) - (1 << index[low]) for low, high in one.ranges)
    return [known[one] for one in those], points
