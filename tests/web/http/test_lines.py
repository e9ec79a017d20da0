"""What somebody without an identity may hold of a node, and for how long: over a socket, as he has it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from gateway import serving
from gateway.core.access import Scope
from gateway.core.model import Kind
from gateway.sandbox.listen import listening
from gateway.web.http import body
from gateway.web.site import ROUTERS
from gateway.wire import payloads
from tests.rig.waiting import HTTP, until
from tests.rig.web import WebFixture

ROUTES = sorted(
    {(min(route.methods or ()), route.path) for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)}
    | {("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/nowhere"), ("PATCH", "/exchange")}
)
PATIENCE = 30.0


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFixture]:
    with WebFixture(tmp_path_factory.mktemp("lines")) as made:
        yield made


@pytest.fixture(scope="module")
def port(web: WebFixture) -> Iterator[int]:
    with listening(web.app) as url:
        yield int(url.rpartition(":")[2])


def line(port: int, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(address, 0))


def begin(port: int, size: int, sent: bytes = b"", address: str = "127.0.0.1", **headers: str) -> socket.socket:
    """A message of so many bytes, of which these come at once."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"POST /exchange HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nContent-Length: {size}\r\n{more}\r\n"
    opened = line(port, address)
    opened.sendall(head.encode() + sent)
    return opened


def answer(opened: socket.socket) -> tuple[int, str]:
    """Status and text; 0 where the line ends without an answer."""
    with opened, opened.makefile("rb") as stream:
        if not (start := stream.readline()):
            return 0, ""
        headers = dict(iter(lambda: stream.readline().decode().lower().rstrip().partition(": ")[::2], ("", "")))
        return int(start.split()[1]), stream.read(int(headers["content-length"])).decode()


def held(port: int, opened: socket.socket) -> bool:
    """Whether the server still has its end of a line."""
    for end in serving._lines(port):
        with suppress(OSError):  # it is where we listen
            if end.getpeername() == opened.getsockname():
                return True
    return False


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_two_authorizations_are_refused_everywhere(method: str, path: str, web: WebFixture, port: int) -> None:
    """Also where one would do, and where none is asked for."""
    token = web.token(Scope.CLEARANCE_READ)["Authorization"]
    asked = httpx.Request(method, f"http://127.0.0.1:{port}{path}", headers=[("Authorization", token), ("Authorization", token)])
    refused = HTTP.send(asked)
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (400, "head-ambiguous", "authorization")


def test_an_address_has_a_bounded_number_of_half_sent_bodies(web: WebFixture, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "AT_ONCE", {False: 3, True: 2})
    large, small = body.SMALL + 1, 100
    halves = [begin(port, size, b"<x>") for size in (large, large, small, small, small)]
    until(lambda: web.service.room.used == 15)
    for size in (large, small):
        status, text = answer(begin(port, size, b"<x>"))
        assert (status, "busy" in text, "from this address" in text) == (503, True, True)
    elsewhere = begin(port, large, b"<x>", address="127.0.0.9")
    until(lambda: web.service.room.used == 18)
    unannounced = line(port)
    unannounced.sendall(
        b"POST /exchange HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    halves[-1].close()
    until(lambda: web.service.room.used == 15)
    unannounced.sendall(b"%x\r\n%b\r\n" % (large, b"y" * large))
    assert answer(unannounced)[0] == 503, "it did not say how large it would be"
    for opened in (*halves, elsewhere):
        opened.close()
    until(lambda: web.service.room.used == 0 and not web.service.room.senders)


def test_a_body_has_a_slowest_rate(web: WebFixture, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "PATIENCE", 0.4)
    monkeypatch.setattr(body, "RATE", 50_000)
    began = time.monotonic()
    slow, fair = begin(port, 1_000_000), begin(port, 120_000)
    with ThreadPoolExecutor(2) as pool:

        def trickle(opened: socket.socket, part: int, times: int) -> tuple[int, str, float]:
            for _ in range(times):
                opened.sendall(b"y" * part)
                time.sleep(0.1)
                if web.service.room.closed:
                    break
            said = answer(opened)
            return *said, time.monotonic() - began

        late = pool.submit(trickle, slow, 100, 4)
        whole = pool.submit(trickle, fair, 10_000, 12)
    status, text, after = late.result()
    assert (status, "too slowly" in text) == (400, True)
    assert after < 5
    status, text, after = whole.result()
    assert (status, "xml-malformed" in text) == (400, True), "at its rate it may take longer than a head"
    assert after > 2 * body.PATIENCE


def test_slow_ones_keep_nobody_out_of_a_full_room(web: WebFixture, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve addresses fill it at the slowest rate, and would for minutes. Who comes then is answered, with a large body and a small one,
    and those that had to go are told when to come again."""
    monkeypatch.setattr(web.service.room, "limit", 400_000)
    monkeypatch.setattr(body, "FAIR", 0.2)
    room, began = web.service.room, time.monotonic()
    slow = [begin(port, 200_000, address=f"127.0.0.{number}") for number in range(2, 14)]
    until(lambda: len(room.coming) == len(slow))  # with the bytes of some the others would be refused by what they announce
    for opened in slow:
        opened.sendall(b"y" * 25_000)
    until(lambda: room.used == 300_000 and time.monotonic() > began + 1)
    for large in (b"y" * 150_000, b"y" * 100):
        status, text = answer(begin(port, len(large), large, address="127.0.0.99"))
        assert (status, "xml-malformed" in text) == (400, True)
    until(lambda: len(room.coming) == 6)
    told = []
    for opened in slow:
        opened.setblocking(False)
        with suppress(BlockingIOError):
            told.append(opened.recv(65_536).decode().lower())
        opened.close()
    assert len(told) == 6, "no more than it took"
    assert all(one.startswith("http/1.1 503") and "retry-after: " in one and "came faster" in one for one in told)
    until(lambda: room.used == 0 and not room.senders)


@pytest.mark.long
def test_who_takes_in_nothing_of_an_answer_is_cut_off(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system does it, and what of the answer it held is let go; who takes it in slowly has it whole."""
    monkeypatch.setattr(serving, "UNREAD", timedelta(seconds=1))
    monkeypatch.setattr(serving, "KEPT", 16 * 1024)
    path = "/static-offline-docs/swagger-ui-bundle.js"
    whole = len(web.client.get(path).content)
    with listening(web.app) as url:
        port = int(url.rpartition(":")[2])

        def asked() -> socket.socket:
            opened = socket.socket()
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
            opened.settimeout(PATIENCE)
            opened.connect(("127.0.0.1", port))
            opened.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            return opened

        def rest(opened: socket.socket, pause: float = 0.0) -> int:
            size = 0
            with opened, suppress(ConnectionResetError):
                while part := opened.recv(65_536):
                    size += len(part)
                    time.sleep(pause)
            return size

        reading = asked()
        assert rest(reading, 0.03) > whole
        unread = asked()
        assert unread.recv(1), "it is being answered"
        took = until(lambda: not held(port, unread))
        assert 0.9 < took < 10
        assert rest(unread) < whole


def test_who_is_in_the_middle_of_a_body_is_told_that_the_node_ends(tmp_path: Path) -> None:
    with WebFixture(tmp_path) as web, listening(web.app) as url:
        port = int(url.rpartition(":")[2])
        halves = [begin(port, 20_000_000, b"<x>", address=f"127.0.0.{number}") for number in range(2, 12)]
        until(lambda: web.service.room.used == 30)
        web.client.portal.call(web.service.room.close)  # type: ignore[union-attr] # it was entered
        late = begin(port, 100, b"<x>")
        for opened in (*halves, late):
            status, text = answer(opened)
            assert (status, "busy" in text) == (503, True)
        assert web.service.room.used == 0


def test_a_head_has_its_time_and_so_has_a_line_without_one(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is there, a piece now and then, one that never comes, the next one, and the one after an answer."""
    monkeypatch.setattr(serving, "HEAD_WITHIN", timedelta(seconds=1))
    with listening(web.app) as url, ThreadPoolExecutor(4) as pool:
        port = int(url.rpartition(":")[2])

        def ends(first: bytes, more: bytes = b"") -> float:
            began = time.monotonic()
            with line(port) as opened:
                opened.sendall(first)
                if first.endswith(b"\r\n\r\n"):
                    opened.recv(65_536)
                opened.settimeout(0.1)
                while time.monotonic() - began < PATIENCE:
                    try:
                        if more:
                            opened.sendall(more)
                        if not opened.recv(65_536):
                            break
                    except TimeoutError:
                        continue
                    except OSError:
                        break
            return time.monotonic() - began

        head = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
        waits = [pool.submit(ends, *asked) for asked in ((head,), (head, b"X: y\r\n"), (b"",), (head + b"\r\n",))]
        for wait in waits:
            assert 0.9 < wait.result() < 5


def test_a_thousand_slow_heads_take_no_place_of_anybody(web: WebFixture, port: int) -> None:
    slow = [line(port, f"127.0.1.{number % 50 + 1}") for number in range(1_000)]
    for opened in slow:
        opened.sendall(b"POST /exchange HTTP/1.1\r\nHost: x\r\nX: ")
    ping = web.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    assert answer(begin(port, len(ping), ping))[0] == 200
    for opened in slow:
        opened.close()
