"""What one arrangement and the common law say on one day, looked up once and kept: the answer needs it in microseconds."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any, TypeVar

from gateway.core.arrangement import AnyLevel, Arrangement, CodeForm, Direction, Law, Measure, MeasureScope, Mode
from gateway.core.history import midnight
from gateway.core.home import HOME_ZONE, Tier
from gateway.core.question import Granted
from gateway.core.terms import Dated, Term

T = TypeVar("T")

#: Enough for every arrangement on every day of three months; then the memory starts afresh.
_KEPT = 4_096


@dataclass(frozen=True, slots=True)
class Day:
    """The terms in force on one day. Limits are seconds; ``next_step`` is the moment (epoch seconds) at which any of them steps."""

    in_force: Dated[bool]
    directions: Dated[frozenset[Direction]]
    modes: Dated[frozenset[Mode]]
    levels: Dated[frozenset[str] | AnyLevel]
    measures: Dated[tuple[Measure, ...]]
    code: Dated[CodeForm]
    pattern: re.Pattern[str] | None
    warn_after: int | None
    stop_after: int | None
    prevailing: Dated[frozenset[Tier]]
    suspended_prevails: Dated[bool]
    next_step: int | None
    clearance_codes: dict[Measure, str | None]
    _kept: dict[Hashable, Any] = field(default_factory=dict)

    def kept(self, key: Hashable, find: Callable[[], T]) -> T:
        """What ``find`` gives, found once: it must depend on nothing but this day and ``key``, whose first word is the finder's own."""
        found: T | None = self._kept.get(key)
        if found is None:
            found = self._kept[key] = find()
        return found

    def granted(self, directions: tuple[Direction, ...], prioritised: bool, *, of_operator: bool = False) -> tuple[Granted, ...]:
        """The measures that hold for ``directions``; an event measure only in the time of priority after a disruption. ``of_operator``:
        only those that are the operator's own, whatever becomes of a declaration."""
        key = ("granted", directions, prioritised, of_operator)
        return self.kept(key, lambda: tuple(self._granted(directions, prioritised, of_operator)))

    def _granted(self, directions: tuple[Direction, ...], prioritised: bool, of_operator: bool) -> Iterator[Granted]:
        scopes = {MeasureScope.OPERATOR}
        if not of_operator:
            scopes |= {MeasureScope.DECLARATION} | ({MeasureScope.EVENT} if prioritised else set())
        for measure in self.measures.value or ():
            if measure.scope in scopes:
                yield Granted(
                    measure=measure,
                    scope=measure.scope,
                    clearance_code=self.clearance_codes[measure],
                    source=self.measures.provenance.source,
                    directions=directions,
                )


@lru_cache(maxsize=16)
def _day_of_quarter(quarter: int) -> date:
    return datetime.fromtimestamp(quarter * 900, HOME_ZONE).date()


def home_day(moment: int) -> date:
    """The day at home at ``moment`` (epoch seconds). No zone's day ever began within a quarter of an hour."""
    return _day_of_quarter(moment // 900)


_days: dict[tuple[str, str, date], Day] = {}


def terms_of(arrangement: Arrangement, law: Law, on: date) -> Day:
    """The terms of ``arrangement`` and ``law`` on the day ``on``. Kept by digest; data without one (a draft) is read every time."""
    key = arrangement.digest, law.digest, on
    day = _days.get(key)
    if day is None:
        day = _read(arrangement, law, on)
        if arrangement.digest and law.digest:
            if len(_days) >= _KEPT:
                _days.clear()
            _days[key] = day
    return day


def _read(arrangement: Arrangement, law: Law, on: date) -> Day:
    a = arrangement
    code = a.code.on(on)
    measures = a.measures.on(on)
    words = {measure: law.measures.get(measure) for measure in measures.value or ()}
    warn_after, stop_after = a.warn_after.on(on).value, a.stop_after.on(on).value
    terms: list[Term[Any]] = [a.in_force, a.directions, a.modes, a.levels, a.measures, a.code, a.warn_after, a.stop_after]
    terms += [law.prevailing, law.suspended_prevails, *(word.clearance_code for word in words.values() if word)]
    steps = [step for term in terms if (step := term.changes_after(on))]
    return Day(
        in_force=a.in_force.on(on),
        directions=a.directions.on(on),
        modes=a.modes.on(on),
        levels=a.levels.on(on),
        measures=measures,
        code=code,
        pattern=re.compile(code.value.pattern, re.ASCII) if code.value else None,
        warn_after=int(warn_after.total_seconds()) if warn_after is not None else None,
        stop_after=int(stop_after.total_seconds()) if stop_after is not None else None,
        prevailing=law.prevailing.on(on),
        suspended_prevails=law.suspended_prevails.on(on),
        next_step=midnight(min(steps), HOME_ZONE) if steps else None,
        clearance_codes={measure: word.clearance_code.on(on).value if word else None for measure, word in words.items()},
    )
