"""Whoever sends on a thousand lines at once has nobody behind him wait for a thousand messages."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.web.http.body import SMALL
from gateway.web.http.turns import ALONE, AMONG_OTHERS, LATELY, Turns


class Work:
    """Messages under way by sender; each stays until it is released."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns = Turns(lambda: self.now)
        self.begun: list[str] = []
        self.release = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def send(self, sender: str, count: int = 1, size: int = 1) -> list[asyncio.Task[None]]:
        async def one(name: str) -> None:
            async with self.turns.turn(sender, size):
                self.begun.append(name)
                await self.release.wait()

        sent = [asyncio.create_task(one(f"{sender}{number}")) for number in range(count)]
        self.tasks += sent
        await settled()
        return sent

    async def finish(self) -> None:
        self.release.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def settled() -> None:
    """Everybody has come as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def work() -> AsyncIterator[Work]:
    under_way = Work()
    yield under_way
    await under_way.finish()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


@pytest.mark.parametrize("size", [SMALL, SMALL + 1])
def test_among_others_a_sender_has_a_few_turns_and_everybody_else_is_heard_at_once(size: int) -> None:
    async def test() -> None:
        async with work() as under_way:
            await under_way.send("b")
            await under_way.send("a", 500, size)
            assert len(under_way.begun) == 1 + AMONG_OTHERS[size > SMALL]
            await under_way.send("c")
            assert under_way.begun[-1] == "c0"
        assert [name for name in under_way.begun if name[0] == "a"] == [f"a{number}" for number in range(500)], "in their order"

    run(test())


def test_alone_it_has_as_many_as_share_a_transaction() -> None:
    async def test() -> None:
        async with work() as under_way:
            await under_way.send("b")
            under_way.now += LATELY + 1
            await under_way.send("a", 500)
            assert len(under_way.begun) == 1 + ALONE[False], "the other was heard long ago"

    run(test())


def test_large_messages_do_not_take_the_turns_of_small_ones() -> None:
    async def test() -> None:
        async with work() as under_way:
            await under_way.send("b")
            await under_way.send("a", 50, SMALL + 1)
            await under_way.send("a")
            assert len(under_way.begun) == 3

    run(test())


def test_who_gives_up_waiting_leaves_the_turn_to_the_next() -> None:
    async def test() -> None:
        async with work() as under_way:
            await under_way.send("b")
            sent = await under_way.send("a", 20)
            for one in sent[AMONG_OTHERS[False] : -1]:
                one.cancel()
            await settled()
        assert [name for name in under_way.begun if name[0] == "a"] == ["a0", "a1", "a19"]

    run(test())


def test_nothing_is_kept_of_who_is_done() -> None:
    async def test() -> None:
        turns = Turns(iter(range(1_000)).__next__)
        for number in range(100):
            async with turns.turn(str(number), 1):
                assert len(turns._places) > 0
        gc.collect()
        assert not turns._places
        assert len(turns._heard) == LATELY + 1, "a second each"

    run(test())
