"""Passwords cost what they should, one at a time, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Literal

import pytest
from argon2 import PasswordHasher

from gateway.core.errors import Code, Refusal
from gateway.operate import passwords
from gateway.operate.passwords import LONGEST, QUEUE, Passwords

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Slow(PasswordHasher):
    """Takes until it is let go, and notes how many are at it at once."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.go, self.at_once, self.most, self.checked, self.threads = threading.Event(), 0, 0, 0, set[str]()

    def verify(self, kept: str | bytes, typed: str | bytes) -> Literal[True]:
        self.at_once += 1
        self.most, self.threads = max(self.most, self.at_once), self.threads | {threading.current_thread().name}
        assert self.go.wait(60)
        self.at_once, self.checked = self.at_once - 1, self.checked + 1
        return super().verify(kept, typed)


def test_a_check_takes_300_ms_by_design_and_bounded_memory() -> None:
    """The parameters that took 300 ms of one core of 2024; by RFC 9106 more passes are as good as more memory."""
    assert (passwords.PASSES, passwords.MEMORY, passwords.LANES) == (6, 64 * 1024, 1)
    real = Passwords()
    began = time.process_time()
    kept = asyncio.run(real.hash("correct horse battery"))
    assert time.process_time() - began > 0.05  # on whatever machine: not by mistake as quick as those of the tests
    assert kept.startswith("$argon2id$v=19$m=65536,t=6,p=1$")
    assert not real.outdated(kept)
    assert real.outdated(QUICK.hash("x"))


def test_right_wrong_and_nobodys() -> None:
    quick = Passwords(QUICK)

    async def all_of_them() -> list[bool]:
        kept = await quick.hash("pass e\u0301 word long")
        return [
            await quick.check(kept, "pass \xe9 word long"),  # another keyboard composes it
            await quick.check(kept, "pass e word long"),
            await quick.check(None, "a password that nobody has"),
            await quick.check("no hash", "x"),
            await quick.check(kept, "\ud800" + "x" * 10 * LONGEST),
        ]

    assert asyncio.run(all_of_them()) == [True, False, False, False, False]


@pytest.mark.parametrize(("typed", "page"), [("x" * 11, "short"), ("x" * (LONGEST + 1), "long"), ("", "short")])
def test_only_the_length_is_a_rule(typed: str, page: str) -> None:
    with pytest.raises(Refusal) as refused:
        asyncio.run(Passwords(QUICK).hash(typed))
    assert (refused.value.code, refused.value.facts["page"]) == (Code.DATA_INVALID, page)
    assert asyncio.run(Passwords(QUICK).hash("            "))


def test_one_at_a_time_a_short_queue_and_the_loop_goes_on() -> None:
    slow = Slow()
    busy = Passwords(slow)

    async def stampede() -> tuple[int, int]:
        waiting = [asyncio.create_task(busy.check(None, "x")) for _ in range(QUEUE + 30)]
        turns = 0
        while sum(one.done() for one in waiting) < 30:
            await asyncio.sleep(0)  # the loop goes on while a check is under way
            turns += 1
        full = [one for one in waiting if one.done()]
        assert all(isinstance(one.exception(), Refusal) for one in full)
        refused = full[0].exception()
        assert isinstance(refused, Refusal)
        assert (refused.code, refused.facts["retry_after"]) == (Code.TOO_MANY_REQUESTS, "10")
        slow.go.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert not await busy.check(None, "x")  # and there is room again
        return len(full), turns

    assert asyncio.run(stampede())[0] == 30
    assert slow.most == 1
    assert len(slow.threads) == 1


def test_those_who_go_away_have_nobody_work_for_them() -> None:
    slow = Slow()
    busy = Passwords(slow)

    async def impatient() -> None:
        for _ in range(3):
            waiting = [asyncio.create_task(busy.check(None, "x")) for _ in range(QUEUE)]
            await asyncio.sleep(0)
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        slow.go.set()
        assert not await busy.check(None, "x")

    asyncio.run(impatient())
    assert slow.most == 1
    assert slow.checked <= 4  # of 60: what had begun, and the last
