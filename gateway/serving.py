"""The one HTTP server: an ASGI application on a listening socket, over HTTP/1.1 and nothing else.

Granian reads the lines on threads of its own; the application runs in the event loop of whoever serves, so that what a node does in the
background and the signals that end it stay the node's own. An ``Upgrade``, such as ``h2c`` of Java's HTTP client, is not taken up, and
trailers are let fall. Nobody holds a line for long, and it is held to that in four places:

- hyper, inside granian: a head has ``HEAD_WITHIN`` and ``HEAD_LINES`` lines, what is said with the pieces of a body 16 KiB
- ``web/http/head.py``, before any route: the ``HEAD`` bytes of a head, and what may stand in it once
- ``web/http/body.py``: the size of a body, its slowest rate, and how many an address may have on their way
- the kernel: who takes in nothing of an answer is cut off after ``UNREAD``
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined] # it is what its listening socket is made of
from granian.server import embed

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

#: Bytes of a head, all its lines together, and how many lines it may have (hyper's own limit): what has more is answered 431.
HEAD, HEAD_LINES = 64 * 1024, 100
#: In which time a head must be whole. A line without a request has no longer either: hyper has one clock for both.
HEAD_WITHIN = timedelta(seconds=10)
#: Lines at once; who comes then waits until another ends.
LINES = 4_096
#: For how long somebody may take in nothing of what is sent to him, and how many bytes of it the system keeps meanwhile.
UNREAD, KEPT = timedelta(seconds=30), 256 * 1024
#: Granian would name itself.
NAME = (b"server", b"aeo-gateway")
#: What was asked before the end has so long to be answered. What then is still at work is called off, and then the lines are closed.
ENDS_WITHIN, CALLED_OFF_WITHIN = timedelta(seconds=5), timedelta(seconds=1)
#: Who is called off is told to come again.
COME_AGAIN = ((b"retry-after", b"30"), (b"content-length", b"0"))
#: Where the application leaves, in the scope, the headers that go with any answer at all.
GIVEN_BACK = "given_back"
_THREADS = "/proc/self/task"


def bind(host: str, port: int) -> socket.socket:
    """A socket for ``serve``, that does not listen yet: who calls a node that is not up should try another. 0 is any port. Raises
    ``OSError`` where that cannot be."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


class Server:
    """Serves ``application`` once. ``ending`` is called when it is told to end, for whoever waits for something from a caller."""

    def __init__(self, application: App, ending: Callable[[], object] | None = None) -> None:
        self._application, self._ending = application, ending
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._at_work: set[asyncio.Task[Any]] = set()

    async def serve(self, listener: socket.socket, *signals: int) -> None:
        """Until it is told to end, by ``stop`` or one of ``signals``: then nobody new is let in, and every line is closed when what was
        asked on it is answered, or its time is over."""
        self._loop = asyncio.get_running_loop()
        for number in signals:
            self._loop.add_signal_handler(number, self._told.set)
        listener.listen(LINES)
        before = _native_threads()
        granian = _Granian(self._answer, listener)
        serving = asyncio.create_task(granian.serve())
        told = asyncio.create_task(self._told.wait())
        await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        self._told.set()
        if self._ending is not None:
            self._ending()
        granian.stop()  # type: ignore[no-untyped-call]
        if not await _done({serving}, ENDS_WITHIN):
            self._call_off()
            if not await _done({serving}, CALLED_OFF_WITHIN):
                log.warning("%d lines were still open and are closed", sum(map(_close, _lines(listener.getsockname()[1]))))
        self._call_off()  # whose callers are gone already
        await _done(self._at_work, CALLED_OFF_WITHIN)
        await serving
        # What of granian still runs when the interpreter ends panics.
        ends = self._loop.time() + CALLED_OFF_WITHIN.total_seconds()
        while _native_threads() - before and self._loop.time() < ends:
            await asyncio.sleep(0.01)

    def stop(self) -> None:
        """Tells it to end, from any thread."""
        if self._loop is None:
            self._told.set()
        else:
            with suppress(RuntimeError):  # the loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._told.set)

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        begun = False

        def named(message: Message) -> Awaitable[None]:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [*message.get("headers", ()), NAME]
            return send(message)

        self._at_work.add(task)
        try:
            await self._application(scope, receive, named)
        except asyncio.CancelledError:
            if not self._told.is_set():
                raise
            if not begun:
                await named({"type": "http.response.start", "status": 503, "headers": (*COME_AGAIN, *scope.get(GIVEN_BACK, ()))})
                await send({"type": "http.response.body"})
        finally:
            self._at_work.discard(task)

    def _call_off(self) -> None:
        for task in self._at_work:
            task.cancel()


class _Granian(embed.Server):
    """One worker on a socket that is ours: its own would let a second process listen on the same port without a word."""

    def __init__(self, application: App, listener: socket.socket) -> None:
        super().__init__(
            application,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            backlog=LINES,
            backpressure=_at_once(),
            http1_settings=HTTP1Settings(
                header_read_timeout=HEAD_WITHIN // timedelta(milliseconds=1),
                max_buffer_size=HEAD,
            ),
            log_level=LogLevels.error,
            log_dictconfig={
                "incremental": True,
                "formatters": {},
                "handlers": {},
                "loggers": {},
            },  # the log is the caller's to set up
        )
        self._listener = listener

    def _init_shared_socket(self) -> None:
        listener = self._listener
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KEPT)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD // timedelta(milliseconds=1))
        # What it is given it closes.
        self._shd = SocketHolder(os.dup(listener.fileno()), False, self.backlog)  # type: ignore[assignment, call-arg]


async def _done(tasks: set[asyncio.Task[Any]], within: timedelta) -> bool:
    return not tasks or not (await asyncio.wait(tasks, timeout=within.total_seconds()))[1]


def _native_threads() -> set[str]:
    """The threads that are none of Python's; none are known where the system does not list them."""
    listed = set(os.listdir(_THREADS)) if os.path.isdir(_THREADS) else set[str]()  # noqa: PTH112, PTH208 - names are all that is asked for
    return listed - {str(thread.native_id) for thread in threading.enumerate()}


def _at_once() -> int:
    """How many lines there may be: a process that has used up its file descriptors can open no database and no key."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 2 * LINES if hard == resource.RLIM_INFINITY else min(hard, 2 * LINES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < 2 * LINES:
        log.warning("with at most %d open files there are no more than %d lines at once", most, most // 2)
    return most // 2


def _lines(port: int) -> Iterator[socket.socket]:
    """What callers have open at a port of this process: granian gives nobody a hold of its lines."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - names are all that is asked for
        try:
            copy = os.dup(int(name))
        except OSError:
            continue
        try:
            line = socket.socket(fileno=copy)
        except OSError:
            os.close(copy)
            continue
        with line:
            if line.family in (socket.AF_INET, socket.AF_INET6) and line.getsockname()[1] == port:
                yield line


def _close(line: socket.socket) -> bool:
    try:
        line.getpeername()
        line.shutdown(socket.SHUT_RDWR)
    except OSError:  # it is closed already, or is where we listen
        return False
    return True
