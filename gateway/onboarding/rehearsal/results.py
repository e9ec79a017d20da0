"""What a rehearsal found: observations within steps (``points`` in its JSON), with every message that was exchanged for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from time import perf_counter
from typing import TypeVar

import httpx
import msgspec

from gateway.core.errors import Refusal
from gateway.net import Unreachable

S = TypeVar("S")


class Observation(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    expected: str
    found: str
    ok: bool


class Exchanged(msgspec.Struct, frozen=True):
    """One message and what answered it. ``status`` is HTTP's; 0 where the connection was broken on purpose."""

    sent_by: str
    kind: str
    id: str
    body: str
    status: int
    answer: str
    answer_body: str


class RehearsalStep(msgspec.Struct, frozen=True):
    """One step: the sentence that says what should happen, and what did."""

    name: str
    says: str
    points: tuple[Observation, ...]
    messages: tuple[Exchanged, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """A step that looked at nothing has not passed."""
        return bool(self.points) and all(one.ok for one in self.points)


class Rehearsal(msgspec.Struct, frozen=True):
    """``digest`` is of the partner data that was rehearsed: only that very data may be activated on the strength of it."""

    iso: str
    name: str
    digest: str
    dialect: str
    against: str
    began: datetime
    steps: tuple[RehearsalStep, ...]

    @property
    def passed(self) -> bool:
        return bool(self.steps) and all(step.passed for step in self.steps)


def same(what: str, expected: object, found: object) -> Observation:
    """Found as expected, to the letter."""
    return Observation(what, str(expected), str(found), str(expected) == str(found))


def among(what: str, expected: tuple[str, ...], found: str) -> Observation:
    """Any of several outcomes is right."""
    return Observation(what, " or ".join(expected), found, found in expected)


def walk(step: Callable[[S], Iterator[Observation]], session: S, messages: list[Exchanged]) -> RehearsalStep:
    """Walks one step; what breaks off is an observation that failed, never the end of the rehearsal."""
    messages.clear()
    began = perf_counter()
    observed: list[Observation] = []
    try:
        observed.extend(step(session))
    except (Refusal, Unreachable, httpx.HTTPError, OSError, LookupError, ValueError, TimeoutError) as problem:
        observed.append(Observation("the step goes on to its end", "yes", f"no: {problem or type(problem).__name__}", ok=False))
    says = " ".join((step.__doc__ or "").split())
    return RehearsalStep(step.__name__.replace("_", " "), says, tuple(observed), tuple(messages), perf_counter() - began)
