"""The HTTP server of a node: uvicorn, with all that is answered in one turn of the event loop sent at its end.

uvicorn writes the head and the body of an answer one after the other, and uvloop sends each at once. Every send costs a system call, and
wakes whoever waits for it: for a small answer that is as much as deciding it.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Bytes of one answer that do not wait: a stream is to be slowed down by who reads it.
_LARGE = 64 * 1024


class Server(uvicorn.Server):
    """Serves ``application`` on ``host`` and ``port``; what goes on beside it is the caller's."""

    def __init__(self, application: Any, host: str, port: int) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                host=host,
                port=port,
                loop="uvloop",
                http=_Protocol,
                access_log=False,
                log_config=None,
                lifespan="off",
                server_header=False,
                # A neighbour on this host could otherwise say that it is the TLS proxy, and forward any certificate.
                proxy_headers=False,
            )
        )


class _Protocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn itself declares it
        super().connection_made(_Together(transport, self.loop))  # type: ignore[arg-type] # a transport in all that uvicorn asks of it


class _Together:
    """A transport that sends what is written in one turn of the event loop at the end of that turn."""

    #: Those with something to send, by event loop.
    _waiting: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, list[_Together]]] = WeakKeyDictionary()

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._others = self._waiting.setdefault(loop, [])
        self._data: list[bytes] = []
        self._size = 0
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._data:
            if not self._others:
                self._loop.call_soon(self._send_all)
            self._others.append(self)
        self._data.append(data)
        self._size += len(data)
        if self._size > _LARGE:
            self._send()

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        data, self._data, self._size = self._data, [], 0
        if data and not self._transport.is_closing():
            self._transport.write(b"".join(data))

    def _send_all(self) -> None:
        for one in self._others:
            one._send()
        self._others.clear()
