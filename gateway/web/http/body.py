"""Bodies, counted while they come in: what a Content-Length says is not what comes, and a slow line is nobody's to keep open for ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from fastapi import Request
from starlette.requests import ClientDisconnect

from gateway.core.errors import Code, Refusal
from gateway.serving import Message, Receive

#: A body has so many seconds, and one more for each ``RATE`` bytes of it that came: nobody holds a place by a byte a minute (choice: a
#: line of 256 kbit/s).
PATIENCE, RATE = 10.0, 32 * 1024
#: Up to this many bytes a body is small.
SMALL = 64 * 1024
#: How many small and how many large bodies may be on their way from one address (choice).
AT_ONCE = {False: 256, True: 4}
#: In a full room a body gives way to one that comes so many times as fast, once it has had so many seconds (choice: those that come alike
#: do not end each other, and nobody is judged by his first packet).
FASTER, FAIR = 2, 1.0
#: What nobody reads of a request that is answered is let go for at most so many seconds and bytes: closing a line on somebody who still
#: sends can take back the answer he was given (RFC 9112, 9.6).
LINGER, LET_GO = 2.0, 2**20


@dataclass(slots=True)
class Room:
    """How many bytes of bodies may be held at once, by everybody together, and how many are; and which bodies are on their way."""

    limit: int
    used: int = 0
    closed: bool = False
    coming: set[_Body] = field(default_factory=set)
    senders: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def full(self, size: int, more: int = 0) -> bool:
        """Whether there is no room for ``more`` bytes of a body of this size. A quarter is kept for small ones (choice): a suspension
        must get in while everybody sends lists."""
        return self.used + more > (self.limit if size <= SMALL else self.limit - self.limit // 4)

    def refuses(self, size: int, sender: str) -> bool:
        """Whether there is no room for a body of this size, whoever of those on their way gave way to it."""
        return self.full(size, size) and self.full(size, size - sum(body.size for body in self._slow(sender)))

    def make_room(self, comer: _Body) -> bool:
        """Has whoever came slowest give way to what came of a body, where that comes much faster; what is small is taken to come at
        once. A stranger takes nothing from those that are known. False, and nothing done, where it would not be enough."""
        pace = max(comer.size, SMALL) / comer.age() / FASTER
        slow = sorted((body for body in self._slow(comer.sender) if body.pace() < pace), key=_Body.pace, reverse=True)
        if self.full(comer.size, -sum(body.size for body in slow)):
            return False
        while self.full(comer.size):
            slow.pop().give_way()
        return True

    def _slow(self, sender: str) -> list[_Body]:
        return [body for body in self.coming if body.size and body.age() > FAIR and (body.sender or not sender)]

    @contextmanager
    def place(self, sender: str, *, large: bool) -> Iterator[None]:
        """A place for a body on its way from an address. Raises ``Refusal`` BUSY where it has too many already."""
        if self.senders[sender, large] >= AT_ONCE[large]:
            raise Refusal(Code.BUSY, f"{AT_ONCE[large]} other bodies are on their way from this address.")
        self.senders[sender, large] += 1
        try:
            yield
        finally:
            self.senders[sender, large] -= 1
            if not self.senders[sender, large]:
                del self.senders[sender, large]

    def close(self) -> None:
        """The node ends: who is in the middle of a body is told to come again, and who begins one too."""
        self.closed = True
        for body in self.coming:
            body.end()


@asynccontextmanager
async def whole(request: Request, limit: int, room: Room, stranger: str = "") -> AsyncIterator[bytes]:
    """The whole body, for as long as the block needs it. ``stranger`` is the address of a sender that nothing is known of yet. Raises
    ``Refusal``: BODY_ENCODED, BODY_TOO_LARGE, BODY_INCOMPLETE, BUSY."""
    encoding = ", ".join(request.headers.getlist("content-encoding"))
    if encoding.lower() not in ("", "identity"):
        raise Refusal(Code.BODY_ENCODED, field="Content-Encoding", value=encoding)
    length = request.headers.get("content-length", "")
    announced = int(length) if length.isdecimal() else 0
    if announced > limit:
        raise _too_large(limit)
    if room.closed or room.refuses(announced, stranger):
        # Said before it is sent, and not to everybody in the middle.
        raise Refusal(Code.BUSY)
    body = _Body(limit, announced, room, stranger)
    try:
        await body.come(request)
        yield await body.joined()
    finally:
        room.used -= body.size


@dataclass(slots=True, eq=False)
class _Body:
    """What has come of one."""

    limit: int
    announced: int
    room: Room
    sender: str
    size: int = 0
    parts: list[bytes] = field(default_factory=list)
    begun: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    clock: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(PATIENCE))
    gave_way: bool = False

    def age(self) -> float:
        """Seconds, and never none."""
        return max(asyncio.get_running_loop().time() - self.begun, 1e-3)

    def pace(self) -> float:
        """Bytes a second since it began."""
        return self.size / self.age()

    async def come(self, request: Request) -> None:
        try:
            with ExitStack() as places:
                self._take_place(places, large=self.announced > SMALL)
                async with self.clock:
                    self.room.coming.add(self)
                    places.callback(self.room.coming.discard, self)
                    async for part in request.stream():
                        self._add(part, places)
                        self.clock.reschedule(self.begun + PATIENCE + self.size / RATE)
        except ClientDisconnect:
            raise Refusal(Code.BODY_INCOMPLETE) from None
        except TimeoutError:
            self._go_on()
            raise Refusal(Code.BODY_INCOMPLETE, f"It came too slowly: in its time there were {self.size} bytes of it.") from None

    def give_way(self) -> None:
        """What came of it is let go at once, for who comes faster."""
        self.room.used -= self.size
        self.gave_way, self.size = True, 0
        self.parts.clear()
        self.end()

    def end(self) -> None:
        """Nothing more of it is waited for."""
        with suppress(RuntimeError):  # its time was over anyway
            self.clock.reschedule(0)

    def _go_on(self) -> None:
        """Raises ``Refusal`` BUSY where it may not."""
        if self.gave_way:
            raise Refusal(Code.BUSY, "Others came faster, and there was no room for all.")
        if self.room.closed:
            raise Refusal(Code.BUSY)

    def _take_place(self, places: ExitStack, *, large: bool) -> None:
        if self.sender:
            places.enter_context(self.room.place(self.sender, large=large))

    def _add(self, part: bytes, places: ExitStack) -> None:
        self._go_on()
        before, self.size = self.size, self.size + len(part)
        self.room.used += len(part)
        if self.size > self.limit:
            raise _too_large(self.limit)
        # By what came of it: by its first bytes, which are few, it shows how fast it comes.
        if self.room.full(self.size) and not self.room.make_room(self):
            raise Refusal(Code.BUSY)
        if max(before, self.announced) <= SMALL < self.size:  # it did not say how large it is
            self._take_place(places, large=True)
        self.parts.append(part)

    async def joined(self) -> bytes:
        """The whole. Putting the largest together takes as long as a thousand answers, and is not done on the event loop."""
        parts, self.parts = self.parts, []  # or it would be held twice
        return b"".join(parts) if self.size <= SMALL else await asyncio.to_thread(b"".join, parts)


class Rest:
    """``receive`` of a request with a body, and what is left of that."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._left = receive, True

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def let_go(self) -> None:
        """Once the request is answered: what still comes of it is read and thrown away for a while."""
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while self._left and size < LET_GO:
                    size += len((await self()).get("body", b""))


def media_type(request: Request) -> tuple[str, str]:
    """The media type and its charset, in lower case; both empty where none is given. What is said twice is given as it stands, and so
    is nothing that anybody accepts: two readers would not agree on which of the two holds."""
    kind, *parameters = ", ".join(request.headers.getlist("content-type")).lower().split(";")
    named = (parameter.strip().partition("=") for parameter in parameters)
    return kind.strip(), ", ".join(value.strip('"') for name, _, value in named if name == "charset")


def _too_large(limit: int) -> Refusal:
    return Refusal(Code.BODY_TOO_LARGE, f"The body is larger than {limit} bytes.")
