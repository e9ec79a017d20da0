"""Turns: how many messages of one sender are worked on at once.

All are judged on one event loop, recorded by one writer and, where they are large, worked on by one process. Without turns whoever sends
on a thousand lines has everybody behind him wait for a thousand messages; with them, for a few.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from gateway.web.http.body import SMALL

#: How many small and how many large messages of one sender are worked on at once: while it is alone, as many as share a transaction of
#: the writer; while others send too, as many as nobody notices (choice).
ALONE, AMONG_OTHERS = {False: 64, True: 4}, {False: 2, True: 1}
#: For how many seconds after its last message a sender counts among the others.
LATELY = 5.0


@dataclass(slots=True)
class Turns:
    """Those of one node. A sender is an address, or a partner that proved a certificate."""

    clock: Callable[[], float] = time.monotonic
    _heard: dict[str, float] = field(default_factory=dict)
    #: Those that somebody has or waits for.
    _places: WeakValueDictionary[tuple[str, bool, int], asyncio.Semaphore] = field(default_factory=WeakValueDictionary)

    @asynccontextmanager
    async def turn(self, sender: str, size: int) -> AsyncIterator[None]:
        """Waits for it, in the order in which this sender's messages came."""
        large = size > SMALL
        async with self._place(sender, large, ALONE[large]):
            if self._alone(sender):
                yield
                return
            async with self._place(sender, large, AMONG_OTHERS[large]):
                yield

    def _place(self, sender: str, large: bool, most: int) -> asyncio.Semaphore:
        return self._places.setdefault((sender, large, most), asyncio.Semaphore(most))

    def _alone(self, sender: str) -> bool:
        """Notes that it sends, last of all; those that did not lately are forgotten."""
        now = self.clock()
        self._heard.pop(sender, None)
        self._heard[sender] = now
        while now - next(iter(self._heard.values())) > LATELY:
            del self._heard[next(iter(self._heard))]
        return len(self._heard) == 1
