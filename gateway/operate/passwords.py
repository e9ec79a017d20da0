"""Passwords, hashed and checked with argon2 off the event loop, one at a time on each node.

A check takes some 300 ms of one core by design, and 64 MiB: whoever stole the hashes tries three a second. So a stranger at the sign-in
page could have a node do nothing else; here he has one thread of low priority, a short queue, and no more memory than one check.
"""

from __future__ import annotations

import asyncio
import os
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from gateway.core.errors import Code, Refusal

T = TypeVar("T")
#: The one rule of a password (choice, after NIST SP 800-63B, 3.1.1), and a bound of what is hashed; in characters.
SHORTEST, LONGEST = 12, 1_000
#: How many may wait; with a check every 300 ms the last of them waits 6 s.
QUEUE = 20
#: Argon2id (RFC 9106): passes, KiB and lanes. One lane, so that it takes one core.
PASSES, MEMORY, LANES = 6, 64 * 1024, 1
#: How much more willingly its thread gives way than those that answer.
_NICE = 10


class Passwords:
    """Those of one node. ``hasher`` is given by tests that have no time."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher(time_cost=PASSES, memory_cost=MEMORY, parallelism=LANES)
        self._nobody: str | None = None
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "passwords", _give_way)

    async def hash(self, password: str) -> str:
        """What is kept of a password. Raises ``Refusal``: DATA_INVALID, TOO_MANY_REQUESTS where too many wait."""
        chosen = _normal(password)
        if not SHORTEST <= len(chosen) <= LONGEST:
            raise Refusal(
                Code.DATA_INVALID,
                f"A password has at least {SHORTEST} characters; this one has {len(chosen)}.",
                field="password",
                remedy="A few words in a row are long enough, and easy to remember.",
                facts={"page": "short" if len(chosen) < SHORTEST else "long", "least": str(SHORTEST), "most": str(LONGEST)},
            )
        return await self._in_turn(lambda: self._hasher.hash(chosen))

    async def check(self, kept: str | None, password: str) -> bool:
        """Whether this is the password. Where there is none (``kept`` is None) it takes as long, and is not. Raises ``Refusal``
        TOO_MANY_REQUESTS."""
        typed = _normal(password[: LONGEST + 1])
        return await self._in_turn(lambda: self._right(kept, typed))

    def outdated(self, kept: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(kept)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _right(self, kept: str | None, typed: str) -> bool:
        if self._nobody is None:
            self._nobody = self._hasher.hash("a password that nobody has")
        try:
            return self._hasher.verify(kept or self._nobody, typed) and kept is not None
        except (Argon2Error, InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= QUEUE:
            facts = {"retry_after": "10", "page": "busy", "seconds": "10"}
            detail = "Too many sign in at this moment."
            raise Refusal(Code.TOO_MANY_REQUESTS, detail, remedy="Try again in 10 seconds.", facts=facts)
        self._waiting += 1
        done = asyncio.get_running_loop().run_in_executor(self._thread, work)
        # Whoever goes away gives up his place; a check that has begun is ended all the same, and the next one waits for it.
        done.add_done_callback(lambda _: self._leave())
        return await done

    def _leave(self) -> None:
        self._waiting -= 1


def _normal(password: str) -> str:
    """The same password, however a keyboard composes its letters."""
    return unicodedata.normalize("NFC", password.encode("utf-8", "replace").decode())


def _give_way() -> None:
    with suppress(OSError, AttributeError):  # where the system has no priorities of threads
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
