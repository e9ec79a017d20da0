"""How many codes a client may ask of a node per second: a token bucket each, in this node's memory. So n nodes together allow n times as
much (choice: shared buckets would put the database in the way of every answer)."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil

from gateway.core.errors import Code, Refusal

#: A bucket holds a second's worth, but never less than the largest request, which could otherwise never be made.
LARGEST = 3_000


class TooMany(Refusal):
    """TOO_MANY_REQUESTS, with what is left to the client: ``rate`` are the headers that say so."""

    def __init__(self, detail: str, rate: dict[str, str], wait: int) -> None:
        super().__init__(Code.TOO_MANY_REQUESTS, detail, facts={"retry_after": str(wait)})
        self.rate = rate


class Limiter:
    """``rate`` is in codes per second. Buckets of clients that come back later than it takes to refill are simply full."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._capacity = float(max(rate, LARGEST))
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, client: str, codes: int) -> None:
        """Charges ``codes``. Raises ``Refusal`` TOO_MANY_REQUESTS that says in how many seconds there will be enough."""
        wait = self.wait(client, codes)
        if wait:
            detail = f"This client may ask {self._rate} codes per second of each node."
            raise TooMany(detail, self.headers(client), int(wait) + 1)

    def headers(self, client: str) -> dict[str, str]:
        """How many codes are left to a client, and in how many seconds its bucket is full again (draft-ietf-httpapi-ratelimit-headers). The
        policy is the whole bucket and the time in which it fills."""
        left = self._left(client, self._clock())
        policy = f'"codes";q={self._capacity:.0f};w={ceil(self._capacity / self._rate)}'
        return {"RateLimit-Policy": policy, "RateLimit": f'"codes";r={int(left)};t={ceil((self._capacity - left) / self._rate)}'}

    def wait(self, client: str, codes: int) -> float:
        """Charges ``codes`` and returns 0; or charges nothing and returns the seconds until there will be enough."""
        now = self._clock()
        left = self._left(client, now)
        short = codes - left
        if short > 0:
            return short / self._rate
        self._buckets[client] = (left - codes, now)
        return 0.0

    def _left(self, client: str, now: float) -> float:
        left, seen = self._buckets.get(client, (self._capacity, now))
        return min(self._capacity, left + (now - seen) * self._rate)
