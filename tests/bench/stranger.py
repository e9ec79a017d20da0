"""A stranger at every open door: ``python -m tests.bench.stranger PORT SECONDS``.

Fifty connections from one address of its own, two hundred requests a second in all as far as the gateway lets him, in turn on every route
that asks for no token and on some that do, with bodies of 20 MiB among them. The last line says how often which status came, by route.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import cycle

ADDRESS = "127.0.0.77"
CONNECTIONS, RATE = 50, 200
LARGE = 20 * 2**20
#: What he asks, and how many bytes he sends with it.
ASKED = (
    ("GET", "/healthz", 0),
    ("GET", "/readyz", 0),
    ("GET", "/docs", 0),
    ("GET", "/openapi.json", 0),
    ("GET", "/static-offline-docs/swagger-ui-bundle.js", 0),
    ("GET", "/nowhere", 0),
    ("GET", "/v1/eligibility?code=SG100000000000", 0),
    ("POST", "/exchange", 300),
    ("POST", "/exchange", LARGE),
    ("POST", "/v1/eligibility", LARGE),
)
BLOCK = b"y" * 65_536


class Stranger:
    """What he asks next, and what he was answered."""

    def __init__(self, port: int, seconds: float) -> None:
        self._port, self._until = port, time.monotonic() + seconds
        self._next, self._asked = time.monotonic(), cycle(ASKED)
        self.answers = Counter[str]()

    async def requests(self) -> AsyncIterator[tuple[str, str, int]]:
        while (now := time.monotonic()) < self._until:
            due, self._next = self._next, max(self._next, now - 1) + 1 / RATE
            await asyncio.sleep(due - now)
            yield next(self._asked)

    async def ask(self) -> None:
        """One connection after the other."""
        line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        async for method, path, size in self.requests():
            try:
                line = line or await asyncio.open_connection("127.0.0.1", self._port, local_addr=(ADDRESS, 0))
                status, kept = await self._answered(*line, method, path, size)
            except (OSError, asyncio.IncompleteReadError):
                status, kept = "cut off", False
            self.answers[f"{method} {path.partition('?')[0]} {size}: {status}"] += 1
            if line and not kept:
                line[1].close()
                line = None

    async def _answered(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, path: str, size: int
    ) -> tuple[str, bool]:
        sends = f"Content-Type: application/xml\r\nContent-Length: {size}\r\n" if size else ""
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{sends}\r\n".encode())
        sending = asyncio.create_task(self._send(writer, size))
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            if length := re.search(r"content-length: (\d+)", head):
                await reader.readexactly(int(length[1]))
            elif "chunked" in head:
                await reader.readuntil(b"\r\n0\r\n\r\n")
            return head.split()[1], sending.done() and "connection: close" not in head
        finally:
            sending.cancel()

    async def _send(self, writer: asyncio.StreamWriter, size: int) -> None:
        with suppress(OSError):
            for start in range(0, size, len(BLOCK)):
                writer.write(BLOCK[: size - start] if start else b"<x>" + BLOCK[: size - 3][: len(BLOCK) - 3])
                await writer.drain()


async def main(port: int, seconds: float) -> None:
    """Prints one line of JSON."""
    stranger = Stranger(port, seconds)
    lines = [asyncio.create_task(stranger.ask()) for _ in range(CONNECTIONS)]
    await asyncio.wait(lines, timeout=seconds + 5)
    for line in lines:
        line.cancel()
    print(json.dumps(stranger.answers))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
