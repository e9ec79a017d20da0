"""Connections that are kept: at most one for each partner, as long as nothing has changed that it rests on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from gateway.net.addresses import Resolver, target_of
from gateway.net.client import not_redirected, once, within
from gateway.net.guard import ClosedUnanswered, Guard, Response
from gateway.net.line import Line
from gateway.net.names import Names
from gateway.net.tls import Stamp, stamp_of

#: How long an unused line is kept (choice): shorter than servers and the networks between usually do.
IDLE = 30.0
#: How long one is kept at all (choice), so that a name that leads elsewhere by now is followed.
KEPT = 600.0


class _RestsOn(NamedTuple):
    """Whatever decided where a line leads and who is at its ends."""

    url: str
    guard: Guard
    files: Stamp

    @classmethod
    def of(cls, url: str, guard: Guard) -> _RestsOn:
        plain = replace(guard, timeout=timedelta(), resolving=timedelta(), max_bytes=0)
        return cls(url, plain, stamp_of(guard.identity))


class _Kept(NamedTuple):
    line: Line
    rests_on: _RestsOn
    opened: float
    used: float

    def stands(self, now: float) -> bool:
        return self.line.usable and now < self.used + IDLE and now < self.opened + KEPT


class Lines:
    """Lines by whose they are. A line belongs to one request at a time, and to the loop in which it was opened.

    Names are looked up apart from everybody else's.
    """

    def __init__(self, resolver: Resolver | None = None) -> None:
        self._resolver = resolver or Names()
        self._kept: dict[str, _Kept] = {}

    async def post(self, whose: str, url: str, body: bytes, *, headers: Mapping[str, str], guard: Guard) -> Response:
        """Like ``net.post``, on the line that is kept for ``whose`` if it still stands. Where that one is closed before any byte of an
        answer, the same is asked at once on a new one, so the receiver may have it twice."""
        async with within(guard):
            rests_on = _RestsOn.of(url, guard)
            line, opened = self._take(whose, rests_on)
            answer: Response | None = None
            if line is not None:
                with suppress(ClosedUnanswered), _closed_on_failure(line):
                    answer = await line.exchange("POST", target_of(url), body, headers, guard)
            if line is None or answer is None:
                opened = time.monotonic()
                line, answer = await once("POST", url, body, headers, guard, self._resolver)
            self._put(whose, _Kept(line, rests_on, opened, time.monotonic()))
            return not_redirected(url, answer)

    def end_old(self) -> None:
        """Closes what nobody has used for a while."""
        now = time.monotonic()
        for whose, kept in list(self._kept.items()):
            if not kept.stands(now):
                del self._kept[whose]
                kept.line.close()

    def close(self) -> None:
        """Closes every line. Lines that are in use end with their request."""
        kept, self._kept = self._kept, {}
        for one in kept.values():
            one.line.close()

    def _take(self, whose: str, rests_on: _RestsOn) -> tuple[Line | None, float]:
        """The line that is kept, if it may be used for this, and when it was opened."""
        kept = self._kept.pop(whose, None)
        if kept is None:
            return None, 0.0
        if kept.rests_on == rests_on and kept.stands(time.monotonic()):
            return kept.line, kept.opened
        kept.line.close()
        return None, 0.0

    def _put(self, whose: str, kept: _Kept) -> None:
        if not kept.line.usable:
            kept.line.close()
            return
        before = self._kept.get(whose)
        self._kept[whose] = kept
        if before is not None:
            before.line.close()


@contextmanager
def _closed_on_failure(line: Line) -> Iterator[None]:
    try:
        yield
    except BaseException:
        line.close()
        raise
