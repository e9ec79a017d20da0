"""Bytes to and from one open connection. What came is kept, also where the other side closes right after it."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast


class Wire(asyncio.Protocol):
    """``answered``: anything came since that was last forgotten. ``ended``: nothing more will come."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._came = bytearray()
        self._waits: asyncio.Future[None] | None = None
        self._problem: Exception | None = None
        self.answered = False
        self.ended = False

    @property
    def idle(self) -> bool:
        """Open, and nothing came that nobody asked for."""
        return not (self.ended or self._came) and self._transport is not None and not self._transport.is_closing()

    @property
    def of_this_loop(self) -> bool:
        return self._loop is asyncio.get_running_loop()

    @property
    def certificate(self) -> bytes | None:
        """What the server has shown (DER)."""
        secured = self._transport and self._transport.get_extra_info("ssl_object")
        return cast("bytes | None", secured.getpeercert(binary_form=True)) if secured else None

    async def start_tls(self, context: ssl.SSLContext, name: str) -> None:
        """Raises ``ssl.SSLError`` or ``OSError``."""
        if self._transport is None or self.ended:
            raise ConnectionResetError("it closed the connection")
        secured = await self._loop.start_tls(self._transport, self, context, server_hostname=name)
        if secured is None:
            raise ConnectionResetError("it closed the connection")
        self._transport, self.answered = secured, False

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def read(self) -> bytes:
        """What came; empty where nothing more will. Raises ``OSError`` or ``ssl.SSLError``. Waits without a bound."""
        while not (self._came or self.ended):
            self._waits = self._loop.create_future()
            await self._waits
        if not self._came and self._problem is not None:
            raise self._problem
        data, self._came = bytes(self._came), bytearray()
        return data

    def close(self) -> None:
        """At once, whatever was still to be sent."""
        if self._transport is not None and not self._loop.is_closed():
            self._transport.abort()

    # What the loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._came += data
        self.answered = True
        self._wake()

    def eof_received(self) -> None:
        self.ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self._problem = self._problem or exc
        self._wake()

    def _wake(self) -> None:
        if self._waits is not None and not self._waits.done():
            self._waits.set_result(None)
