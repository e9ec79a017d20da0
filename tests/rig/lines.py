"""Raw lines to a node, from whichever address of loopback, and what those who hold them count."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

HEAD = "POST /exchange HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n{}\r\n"


class Answered(NamedTuple):
    status: int
    body: bytes


class Line:
    """One kept connection to a port of this machine, opened anew when it was cut. One request at a time."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self.port, self.address = port, address
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes, *headers: str, announced: int | None = None) -> Answered:
        """``announced`` is how long it says that the body is, where that is not so. Raises ``OSError`` or ``IncompleteReadError`` where the line is cut before there is an answer."""
        try:
            if self._open is None:
                self._open = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.address, 0))
            head = HEAD.format(len(body) if announced is None else announced, "".join(f"{one}\r\n" for one in headers))
            return await self._ask(*self._open, head.encode() + body)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            raise

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Answered:
        writer.write(request)
        said = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await reader.readexactly(int(said.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        if b"connection: close" in said:
            self.close()
        return Answered(int(said.split()[1]), body)

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


def identifier(body: bytes) -> str:
    """The id in the header of a message."""
    return body.partition(b"Id>")[2].partition(b"</")[0].decode()


def quantile(times: Sequence[float], share: float) -> float:
    """The time that this share of all does not pass; 0 where there is none."""
    return sorted(times)[min(len(times) - 1, int(len(times) * share))] if times else 0.0
