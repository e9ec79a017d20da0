"""The server as a client on the wire sees it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from functools import partial
from typing import Any

import pytest

from gateway.sandbox.listen import listening

Scope = MutableMapping[str, Any]
BIG = b"x" * 5_000_000
PATIENCE = 60
#: Set by a client that has the first part.
ARRIVED = threading.Event()


async def application(scope: Scope, receive: Callable[[], Awaitable[Scope]], send: Callable[[Scope], Awaitable[None]]) -> None:
    async def answer(body: bytes, *more: bytes, length: bool = True, pause: Callable[[], Awaitable[object]] | None = None) -> None:
        headers = [(b"content-length", b"%d" % sum(map(len, (body, *more))))] if length else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, part in enumerate((body, *more)):
            if pause and number:
                await pause()
            await send({"type": "http.response.body", "body": part, "more_body": number < len(more)})

    match scope["path"]:
        case "/big":
            await answer(BIG)
        case "/slow":
            await answer(b"first,", b"second", length=False, pause=partial(asyncio.sleep, 0.1))
        case "/waits":
            await answer(b"first,", b"second", length=False, pause=partial(asyncio.to_thread, ARRIVED.wait, PATIENCE))
        case "/many":
            await answer(*[BIG[:100_000]] * 50, length=False)
        case _:
            await answer(scope["path"].encode())


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    others = set(threading.enumerate())  # a server that other tests share may be listening too
    with listening(application) as url:
        yield int(url.rpartition(":")[2])
    left = set(threading.enumerate()) - others
    assert "listening" not in {thread.name for thread in left}, "it has ended"


def ask(port: int, *paths: str, method: str = "GET", close: bool = True, room: int | None = None) -> socket.socket:
    """Sends every request at once. With ``room`` the client takes in no more than so many bytes before it reads."""
    connection = socket.socket()
    if room:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    connection.settimeout(PATIENCE)
    connection.connect(("127.0.0.1", port))
    end = ["close" if close and path == paths[-1] else "keep-alive" for path in paths]
    requests = [f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: {how}\r\n\r\n" for path, how in zip(paths, end, strict=True)]
    connection.sendall("".join(requests).encode())
    return connection


def rest(connection: socket.socket) -> bytes:
    with connection, connection.makefile("rb") as stream:
        return stream.read()


def test_sends_head_and_body_together(port: int) -> None:
    with ask(port, "/hello", close=False) as connection:
        packet = connection.recv(65_536)
    assert packet.startswith(b"HTTP/1.1 200 OK\r\n")
    assert packet.endswith(b"\r\n\r\n/hello")


def test_does_not_say_what_it_is_made_of(port: int) -> None:
    said = rest(ask(port, "/hello")).lower()
    assert [line for line in said.split(b"\r\n") if line.startswith(b"server:")] == [b"server: aeo-gateway"]
    assert b"granian" not in said


def test_answers_in_the_order_of_the_requests(port: int) -> None:
    said = rest(ask(port, "/a", "/b", "/c"))
    assert said.index(b"/a") < said.index(b"/b") < said.index(b"/c")
    assert said.count(b"HTTP/1.1 200") == 3


def test_a_head_without_a_body_arrives(port: int) -> None:
    said = rest(ask(port, "/hello", method="HEAD"))
    assert said.endswith(b"\r\n\r\n")
    assert b"content-length: 6" in said


def test_a_stream_arrives_as_it_comes(port: int) -> None:
    with ask(port, "/waits") as connection:
        got = b""
        while b"first" not in got:
            got += connection.recv(65_536)
        assert b"second" not in got
        ARRIVED.set()
        got += rest(connection)
    assert got.endswith(b"6\r\nfirst,\r\n6\r\nsecond\r\n0\r\n\r\n")


@pytest.mark.parametrize("path", ["/big", "/many"])
def test_much_arrives_whole_and_slowly_read(port: int, path: str) -> None:
    got = 0
    with ask(port, path, room=4096) as connection:
        while part := connection.recv(16_384):
            got += part.count(b"x")
    assert got == len(BIG)


@pytest.mark.parametrize("path", ["/hello", "/slow", "/big", "/many"])
def test_survives_a_client_that_goes_away(port: int, path: str) -> None:
    for _ in range(20):
        connection = ask(port, path)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset, not an end
        connection.close()
    assert rest(ask(port, "/still")).endswith(b"/still")


def test_others_are_answered_beside_one_who_reads_nothing(port: int) -> None:
    with ask(port, "/big"):
        assert rest(ask(port, "/hello")).endswith(b"/hello")
