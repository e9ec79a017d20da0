"""One request: resolved, looked at, connected, asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urljoin

import httpx

from gateway.net.addresses import Resolver, destinations, target_of
from gateway.net.guard import Guard, Response, Unreachable, UnreachableReason
from gateway.net.line import Line, opened
from gateway.net.names import system_resolver


async def post(
    url: str, body: bytes, *, headers: Mapping[str, str], guard: Guard, resolver: Resolver = system_resolver
) -> Response:
    """The answer, whatever its status but a redirect. Raises ``Unreachable``; whether the body arrived is then not known."""
    async with within(guard):
        line, answer = await once("POST", url, body, headers, guard, resolver)
        line.close()
        return not_redirected(url, answer)


async def get(
    url: str, *, headers: Mapping[str, str] | None = None, guard: Guard, resolver: Resolver = system_resolver
) -> Response:
    """The answer, whatever its status. Raises ``Unreachable``."""
    async with within(guard):
        for left in range(guard.redirects, -1, -1):
            line, answer = await once("GET", url, b"", headers or {}, guard, resolver)
            line.close()
            target = _redirect(url, answer)
            if target is None or left == 0:
                break
            url = target
        return not_redirected(url, answer)


@asynccontextmanager
async def within(guard: Guard) -> AsyncIterator[None]:
    """What the guard's time bounds. Raises ``Unreachable`` TIMEOUT."""
    bound = guard.timeout.total_seconds()
    try:
        async with asyncio.timeout(bound):
            yield
    except TimeoutError:
        raise Unreachable(UnreachableReason.TIMEOUT, f"no complete answer within {bound:g} s") from None


async def once(
    method: str, url: str, body: bytes, headers: Mapping[str, str], guard: Guard, resolver: Resolver
) -> tuple[Line, Response]:
    """The answer, and the line on which it came, which is whoever asked's to close. Raises ``Unreachable``."""
    target = target_of(url)
    places = await destinations(target, guard, resolver)
    line = await _first(target, places, guard, resolver)
    try:
        return line, await line.exchange(method, target, body, headers, guard)
    except BaseException:
        line.close()
        raise


async def _first(target: httpx.URL, places: Sequence[str], guard: Guard, resolver: Resolver) -> Line:
    """To the first place that can be connected to: the next one is tried only as long as nothing was sent, or a message could arrive
    twice."""
    for place in places[:-1]:
        try:
            return await opened(target, place, guard, resolver)
        except Unreachable as failed:
            if failed.reason is not UnreachableReason.CONNECTION:
                raise
    return await opened(target, places[-1], guard, resolver)


def not_redirected(url: str, answer: Response) -> Response:
    """Raises ``Unreachable`` REDIRECT."""
    target = _redirect(url, answer)
    if target is not None:
        raise Unreachable(UnreachableReason.REDIRECT, f"answered {answer.status}, redirecting to {target[:200]}")
    return answer


def _redirect(url: str, answer: Response) -> str | None:
    if answer.status not in (301, 302, 303, 307, 308):
        return None
    try:
        return urljoin(url, answer.headers.get("location", ""))
    except ValueError as error:
        raise Unreachable(UnreachableReason.URL, f"redirected to no URL: {error}") from error
