"""Background tasks under supervision: heartbeats, growing pauses, one line a fault, and an end within a stated time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace

import pytest

from gateway.running import background as supervised
from gateway.running.background import Background, Task

SOON = timedelta(milliseconds=1)


def task(step: Callable[[], Awaitable[bool | None]], **said: object) -> Task:
    values: dict[str, object] = {"name": "a task", "every": SOON, "late": timedelta(seconds=30), **said}
    return Task(step=step, **values)  # type: ignore[arg-type]


def run(*tasks: Task, until: Callable[[], object]) -> Background:
    """Runs them until something holds, and ends them."""
    background = Background()

    async def story() -> None:
        background.start(tasks)
        async with asyncio.timeout(30):
            while not until():
                await asyncio.sleep(0.001)
        assert await background.stop() == []

    asyncio.run(story())
    return background


def test_more_is_done_at_once_and_then_it_pauses() -> None:
    rounds: list[float] = []

    async def step() -> bool:
        rounds.append(asyncio.get_running_loop().time())
        return len(rounds) < 3

    run(task(step, every=timedelta(milliseconds=200)), until=lambda: len(rounds) > 3)
    assert rounds[3] - rounds[2] >= 0.2 > rounds[2] - rounds[0]


def test_a_fault_is_told_once_and_tried_again_after_growing_pauses(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    tries: list[float] = []

    async def step() -> None:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) <= 7:
            raise OSError("the disk is full")

    monkeypatch.setattr(supervised, "LONGEST_PAUSE", timedelta(milliseconds=64))
    background = run(task(step), until=lambda: len(tries) > 8)
    pauses = [after - before for before, after in pairwise(tries)]
    assert all(pause >= 0.001 * 2**at for at, pause in enumerate(pauses[:6]))
    told = [record.getMessage() for record in caplog.records if record.name == supervised.__name__]
    assert [line.partition(":")[0] for line in told] == [
        "a task failed and will try again",
        "a task failed 2 times by the same",
        "a task failed 4 times by the same",
        "a task works again after 7 failures",
    ]
    (beat,) = background.heartbeats()
    assert (beat.failures, beat.problem) == (0, None)


def test_pauses_after_faults_never_pass_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def step() -> None:
        raise OSError("never")

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 40:
            raise asyncio.CancelledError

    # Not asyncio's own: on other threads of this process the loops of others sleep.
    monkeypatch.setattr(supervised, "asyncio", SimpleNamespace(sleep=sleep))
    course = supervised._Course(task(step, every=timedelta(milliseconds=200)))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(course.run())
    assert slept == sorted(slept)
    assert (slept[0], slept[-1]) == (0.2, supervised.LONGEST_PAUSE.total_seconds())


def test_a_heartbeat_says_how_long_it_is_since_a_round_ended_well() -> None:
    rounds = 0

    async def fails() -> None:
        nonlocal rounds
        rounds += 1
        raise ValueError("no")

    async def works() -> None:
        return None

    late = timedelta(milliseconds=20)
    background = Background()
    beats = background.heartbeats

    async def story() -> None:
        background.start([task(fails, name="fails", late=late, vital=True), task(works, name="works", late=late * 1_000)])
        async with asyncio.timeout(30):
            while not beats()[0].late:
                await asyncio.sleep(0.001)
        await background.stop()

    asyncio.run(story())
    failing, working = beats()
    assert (failing.name, failing.vital, failing.problem) == ("fails", True, "ValueError: no")
    assert failing.failures == rounds > 0
    assert failing.age > late
    assert (working.late, working.failures, working.problem) == (False, 0, None)


def test_no_fault_of_one_ends_another() -> None:
    done = 0

    async def fails() -> None:
        raise RuntimeError("always")

    async def works() -> None:
        nonlocal done
        done += 1

    run(task(fails), task(works), until=lambda: done > 20)
    assert done > 20


def test_the_end_comes_within_the_time_whatever_a_task_does(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []
    let_go: asyncio.Event

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await let_go.wait()

    async def end() -> None:
        ended.append("cleaned up")

    async def meek() -> None:
        await asyncio.Event().wait()

    async def story() -> None:
        nonlocal let_go
        let_go = asyncio.Event()
        background = Background()
        background.start([task(stubborn, name="stubborn"), task(meek, name="meek", end=end)])
        await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        assert await background.stop(timedelta(milliseconds=50)) == ["stubborn"]
        assert asyncio.get_running_loop().time() - began < 5
        let_go.set()

    asyncio.run(story())
    assert ended == ["cleaned up"]
    assert "stubborn did not end within" in caplog.text
