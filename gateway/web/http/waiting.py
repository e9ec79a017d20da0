"""Callers that wait for news of the journal. Nobody asks the database for them: whoever follows the journal wakes them all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from gateway.core.errors import Code, Refusal

#: How many requests for a copy one token may have open at once (choice: one for each machine of clearance, and who lost a line has another).
AT_ONCE = 8


class Waiting:
    """Those of one node; used on its event loop alone. ``open`` counts by token; ``closed``: the node ends, and nobody waits any more."""

    def __init__(self) -> None:
        self.closed = False
        self._news = asyncio.Event()
        self.open = Counter[str]()

    @contextmanager
    def place(self, token: str) -> Iterator[None]:
        """A place for one request of a token. Raises ``Refusal`` TOO_MANY_REQUESTS where it has too many open already."""
        if self.open[token] >= AT_ONCE:
            detail = f"{AT_ONCE} other requests for a copy are open under this token."
            raise Refusal(
                Code.TOO_MANY_REQUESTS, detail, facts={"retry_after": "1"}, remedy="End those, or wait as Retry-After says."
            )
        self.open[token] += 1
        try:
            yield
        finally:
            self.open[token] -= 1
            if not self.open[token]:
                del self.open[token]

    async def until(self, there: Callable[[], bool], seconds: float) -> None:
        """Waits until it is there, for at most so many seconds and until the node ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not there() and not self.closed:
                    await self._news.wait()

    def wake(self) -> None:
        """There is news: whoever waits looks again."""
        self._news.set()
        self._news = asyncio.Event()

    def close(self) -> None:
        """The node ends."""
        self.closed = True
        self.wake()
