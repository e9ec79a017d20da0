"""Looking names up, so that a dead name server delays whoever asked it and nobody else.

The system's resolver cannot be interrupted, so every look-up has a thread of its own, apart from all other threads of the process: it
ends when the resolver gives up, whoever still waits. Two who ask for the same name at once wait for the same thread.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

#: Every address of a name, as a system's resolver gives them. Blocks; raises ``OSError``.
Look = Callable[[str, int], Sequence[str]]
#: Names that may be looked up at once. Each has a thread for as long as its name servers are silent.
MOST = 256


def system(host: str, port: int) -> Sequence[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class Names:
    """A ``Resolver`` that asks ``look`` in threads. Safe to use from several loops."""

    def __init__(self, look: Look = system) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], Future[Sequence[str]]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Raises ``OSError``. Whoever stops waiting leaves the look-up to itself."""
        with suppress(ValueError):
            return [str(ipaddress.ip_address(host))]
        loop = asyncio.get_running_loop()
        waits: asyncio.Future[Sequence[str]] = loop.create_future()

        def tell(done: Future[Sequence[str]]) -> None:
            with suppress(RuntimeError):  # that loop has ended: nobody waits
                loop.call_soon_threadsafe(_settle, waits, done)

        self._asked(host, port).add_done_callback(tell)
        return await waits

    def _asked(self, host: str, port: int) -> Future[Sequence[str]]:
        with self._lock:
            pending = self._pending.get((host, port))
            if pending is not None:
                return pending
            if len(self._pending) >= MOST:
                raise OSError(f"{MOST} names wait for their name servers")
            pending = self._pending[host, port] = Future()
        # A daemon: what no name server answers must not hold up the end of the process.
        threading.Thread(target=self._run, args=(host, port, pending), name=f"name {host}", daemon=True).start()
        return pending

    def _run(self, host: str, port: int, pending: Future[Sequence[str]]) -> None:
        found: Sequence[str] = ()
        problem: Exception | None = None
        try:
            found = self._look(host, port)
        except Exception as error:  # noqa: BLE001 - whoever waits is told, and looks at what it is
            problem = error
        with self._lock:
            del self._pending[host, port]
        if problem is None:
            pending.set_result(found)
        else:
            pending.set_exception(problem)


def _settle(waits: asyncio.Future[Sequence[str]], done: Future[Sequence[str]]) -> None:
    if waits.done():
        return
    problem = done.exception()
    if problem is None:
        waits.set_result(done.result())
    else:
        waits.set_exception(problem)


#: For whoever has no names of its own. A partner's line has (``Lines``).
system_resolver = Names()
