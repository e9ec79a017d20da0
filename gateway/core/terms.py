"""A value by date, with how we know it: a fact with its source, an unknown, or a setting of this installation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Generic, Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Provenance:
    """How we know. ``source`` is present for a fact, and only there. ``note`` is for people."""

    kind: Literal["fact", "unknown", "setting"]
    source: str | None = None
    note: str | None = None


UNSTATED = Provenance("unknown", note="nothing is stated for this date")


@dataclass(frozen=True, slots=True)
class Dated(Generic[T]):
    """A value from ``since`` on (that day included, in China's calendar) until the next step. ``None`` as value: unknown."""

    since: date
    value: T | None
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Term(Generic[T]):
    """A value over time; steps ascend by ``since`` without repeats (the loader checks)."""

    steps: tuple[Dated[T], ...] = ()

    def on(self, day: date) -> Dated[T]:
        """The step in force on ``day``; before the first step nothing is known, which is not the same as no."""
        found: Dated[T] = Dated(date.min, None, UNSTATED)
        for step in self.steps:
            if step.since > day:
                break
            found = step
        return found

    def changes_after(self, day: date) -> date | None:
        """The first day after ``day`` on which this term steps, or None."""
        return next((step.since for step in self.steps if step.since > day), None)


@dataclass(frozen=True, slots=True)
class Words:
    """One phrase for people, in English and Simplified Chinese."""

    en: str
    zh: str
