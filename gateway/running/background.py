"""What goes on in the background while a node serves, under supervision.

A task is one step, done again and again: at once while the step says that there is more, otherwise after its pause. A step that fails is
told once, tried again after growing pauses, and never ends the task or any other; when it works again that is told too. Each task has
a heartbeat, the moment at which it last ended a step well, and all of them end within a stated time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

log = logging.getLogger(__name__)

#: The first pause after a fault where a task's own is longer, and the longest where it is shorter.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=5)
#: How long all tasks together may take to end.
ENDS_WITHIN = timedelta(seconds=10)


async def _nothing_left() -> None:
    """What a task without anything of its own does at its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """``step`` does one round; True: there is more to do at once. ``every`` is the pause after a round.

    Without a round that ended well for ``late`` something is wrong with it; where it is ``vital``, the node is then not ready. ``end`` is
    done when the task ends, whatever it then did.
    """

    name: str
    step: Callable[[], Awaitable[bool | None]]
    every: timedelta
    late: timedelta
    vital: bool = False
    end: Callable[[], Awaitable[None]] = _nothing_left


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How one task goes. ``age`` is the time since it last ended a round well (or began), ``problem`` what it failed by since then."""

    name: str
    age: timedelta
    late: bool
    vital: bool
    failures: int
    problem: str | None


@dataclass(slots=True)
class _Course:
    """One task under way. Moments are of this process's steady clock."""

    task: Task
    beat: float = field(default_factory=time.monotonic)
    failures: int = 0
    problem: str | None = None

    async def run(self) -> None:
        try:
            while True:
                await asyncio.sleep(await self._round())
        finally:
            await self.task.end()

    async def _round(self) -> float:
        """Does what there is to do; the seconds to wait then."""
        try:
            while await self.task.step():
                self._well()
        except Exception as error:  # noqa: BLE001 - whatever a step fails by must not end the task; it is logged
            return self._failed(error)
        self._well()
        return self.task.every.total_seconds()

    def _well(self) -> None:
        if self.failures:
            log.info("%s works again after %d failures", self.task.name, self.failures)
        self.beat, self.failures, self.problem = time.monotonic(), 0, None

    def _failed(self, error: Exception) -> float:
        problem = f"{type(error).__name__}: {error}"
        self.failures += 1
        if problem != self.problem:
            log.error("%s failed and will try again: %s", self.task.name, problem, exc_info=error)
        elif self.failures & (self.failures - 1) == 0:
            log.error("%s failed %d times by the same: %s", self.task.name, self.failures, problem)
        self.problem = problem
        pause: timedelta = min(self.task.every, FIRST_PAUSE) * 2 ** min(self.failures - 1, 20)
        return min(pause, max(self.task.every, LONGEST_PAUSE)).total_seconds()


class Background:
    """The tasks of one node."""

    def __init__(self) -> None:
        self._courses: list[_Course] = []
        self._running: dict[asyncio.Task[None], str] = {}

    def start(self, tasks: Iterable[Task]) -> None:
        """Begins them; on the running event loop."""
        for task in tasks:
            course = _Course(task)
            self._courses.append(course)
            self._running[asyncio.create_task(course.run(), name=task.name)] = task.name

    def heartbeats(self) -> list[Heartbeat]:
        """How each task goes, in the order in which they began."""
        now = time.monotonic()
        beats = [(course, timedelta(seconds=now - course.beat)) for course in self._courses]
        return [Heartbeat(one.task.name, age, age > one.task.late, one.task.vital, one.failures, one.problem) for one, age in beats]

    async def stop(self, within: timedelta = ENDS_WITHIN) -> list[str]:
        """Ends them all; returns the names of those that did not end ``within`` the time, which are then left to the process's end."""
        for task in self._running:
            task.cancel()
        if not self._running:
            return []
        ended, left = await asyncio.wait(self._running, timeout=within.total_seconds())
        for task in ended:
            if not task.cancelled() and (error := task.exception()):
                log.error("%s ended by a fault", self._running[task], exc_info=error)
        names = [self._running[task] for task in left]
        for name in names:
            log.error("%s did not end within %.0f s", name, within.total_seconds())
        return names
