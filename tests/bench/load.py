"""A load generator for machines without wrk: ``python -m tests.bench.load PORT CONNECTIONS SECONDS PATH TOKEN OPERATORS``.

Raw sockets on one event loop. It is slower than wrk, so what it measures of a fast server is a lower bound. The last line says what
came of it, as ``clearance.lua`` does.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

FIRST = 100_000_000_000


class _Connection(asyncio.Protocol):
    """Asks, waits for the whole answer, and asks again."""

    def __init__(self, path: str, token: str, operators: int, until: float, taken: list[float], failed: list[bytes]) -> None:
        self._path, self._token, self._operators = path, token, operators
        self._until, self._taken, self._failed = until, taken, failed
        self._read = b""
        self._sent = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        path = self._path % (FIRST + random.randrange(self._operators)) if "%d" in self._path else self._path
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._token}\r\n\r\n"
        self._sent = time.perf_counter()
        self._transport.write(request.encode())

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, separator, body = self._read.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            return
        now = time.perf_counter()
        self._taken.append(now - self._sent)
        if b" 200 " not in head[:16]:
            self._failed.append(head)
        self._read = b""
        if now < self._until:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set_result(None)


async def load(port: int, connections: int, seconds: float, path: str, token: str, operators: int) -> dict[str, float]:
    """Answers a second, the 99th percentile in milliseconds, and how many were no 200."""
    loop, taken, failed = asyncio.get_running_loop(), list[float](), list[bytes]()
    started = time.perf_counter()
    made = [
        await loop.create_connection(
            lambda: _Connection(path, token, operators, started + seconds, taken, failed), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(one.ended for _, one in made))
    passed = time.perf_counter() - started
    return {"rate": len(taken) / passed, "p99": sorted(taken)[int(len(taken) * 0.99)] * 1e3, "errors": len(failed)}


def main() -> None:
    """Prints one line of JSON."""
    port, connections, seconds, path, token, operators = sys.argv[1:]
    print(json.dumps(asyncio.run(load(int(port), int(connections), float(seconds), path, token, int(operators)))))


if __name__ == "__main__":
    main()
