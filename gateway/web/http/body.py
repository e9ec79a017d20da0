"""Bodies, counted while they come in: what a Content-Length says is not what comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.requests import ClientDisconnect

from gateway.core.errors import Code, Refusal

#: A body that is not complete by then is given up: nobody holds a connection open by a byte a minute.
PATIENCE = 60.0

#: Up to this many bytes a body is small.
SMALL = 64 * 1024


@dataclass(slots=True)
class Room:
    """How many bytes of bodies may be held at once, by everybody together, and how many are."""

    limit: int
    used: int = 0

    def full(self, size: int, more: int = 0) -> bool:
        """Whether there is no room for ``more`` bytes of a body of this size. A quarter is kept for small ones (choice): a suspension
        must get in while everybody sends lists."""
        return self.used + more > (self.limit if size <= SMALL else self.limit - self.limit // 4)


@asynccontextmanager
async def whole(request: Request, limit: int, room: Room) -> AsyncIterator[bytes]:
    """The whole body, for as long as the block needs it. Raises ``Refusal``: BODY_ENCODED, BODY_TOO_LARGE, BODY_INCOMPLETE, BUSY."""
    encoding = ", ".join(request.headers.getlist("content-encoding"))
    if encoding.lower() not in ("", "identity"):
        raise Refusal(Code.BODY_ENCODED, field="Content-Encoding", value=encoding)
    length = request.headers.get("content-length", "")
    announced = int(length) if length.isdecimal() else 0
    if announced > limit:
        raise _too_large(limit)
    if room.full(announced, announced):
        # Said before it is sent, and not to everybody in the middle.
        raise Refusal(Code.BUSY)
    parts: list[bytes] = []
    size = 0
    try:
        try:
            async with asyncio.timeout(PATIENCE):
                async for part in request.stream():
                    size += len(part)
                    room.used += len(part)
                    if size > limit:
                        raise _too_large(limit)
                    if room.full(max(size, announced)):
                        raise Refusal(Code.BUSY)
                    parts.append(part)
        except (ClientDisconnect, TimeoutError):
            raise Refusal(Code.BODY_INCOMPLETE) from None
        body = b"".join(parts)
        parts.clear()  # or it would be held twice
        yield body  # outside of that: a timeout of ours is no fault of the sender's
    finally:
        room.used -= size


def media_type(request: Request) -> tuple[str, str]:
    """The media type and its charset, in lower case; both empty where none is given. What is said twice is given as it stands, and so
    is nothing that anybody accepts: two readers would not agree on which of the two holds."""
    kind, *parameters = ", ".join(request.headers.getlist("content-type")).lower().split(";")
    named = (parameter.strip().partition("=") for parameter in parameters)
    return kind.strip(), ", ".join(value.strip('"') for name, _, value in named if name == "charset")


def _too_large(limit: int) -> Refusal:
    return Refusal(Code.BODY_TOO_LARGE, f"The body is larger than {limit} bytes.")
