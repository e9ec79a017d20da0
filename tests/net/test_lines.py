"""Lines that are kept, on real sockets: used again as long as nothing changed, and never at the price of a message."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.net import Guard, Identity, Lines, ServerTrust, Unreachable, UnreachableReason, lines
from gateway.trust.keys import Key, Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from tests.net.test_net import names

LOCAL = Guard(private_addresses=True, timeout=timedelta(seconds=20))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
NAMES = names(partner_example=["127.0.0.1"], other_example=["127.0.0.1"])


@dataclass
class Keeping:
    """A server that keeps its connections. ``spoil`` is done with the connection before the answer to request ``at`` (from 1 on)."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    open: list[asyncio.StreamWriter] = field(default_factory=list)
    spoil: Callable[[asyncio.StreamWriter], None] | None = None
    at: int = 0


@asynccontextmanager
async def keeping(context: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Keeping]:
    server = Keeping()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        server.open.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
                )
                server.requests.append(await reader.readexactly(length))
                if server.spoil is not None and len(server.requests) == server.at:
                    server.spoil(writer)
                    return
                writer.write(OK)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", port, ssl=context)
    async with listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server
        for writer in server.open:
            writer.close()


async def say(kept: Lines, url: str, body: bytes = b"<a/>", guard: Guard = LOCAL, whose: str = "SG") -> bytes:
    return (await kept.post(whose, url, body, headers={}, guard=guard)).body


def test_a_line_is_used_again_and_each_partner_has_its_own() -> None:
    async def story() -> None:
        async with keeping() as server:
            kept, url = Lines(NAMES), f"http://partner.example:{server.port}/exchange"
            for number in range(5):
                assert await say(kept, url, b"%d" % number) == b"hello"
            assert (server.connections, server.requests) == (1, [b"0", b"1", b"2", b"3", b"4"])
            await say(kept, url, whose="HK")
            assert server.connections == 2
            kept.close()
            await say(kept, url)
            assert server.connections == 3
            kept.close()

    asyncio.run(story())


def test_two_at_once_never_share_a_line() -> None:
    async def story() -> None:
        async with keeping() as server:
            kept, url = Lines(NAMES), f"http://partner.example:{server.port}/"
            assert await asyncio.gather(*(say(kept, url) for _ in range(3))) == [b"hello"] * 3
            assert server.connections == 3
            await say(kept, url)
            assert server.connections == 3
            kept.close()

    asyncio.run(story())


def close(writer: asyncio.StreamWriter) -> None:
    writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def half(writer: asyncio.StreamWriter) -> None:
    writer.write(OK[:-2])
    writer.close()


@pytest.mark.parametrize("how", [close, reset])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_one_closed_before_any_byte_of_an_answer_is_tried_again_at_once(
    tmp_path: Path, scheme: str, how: Callable[[asyncio.StreamWriter], None]
) -> None:
    shown = _key(tmp_path, "server", "partner.example")
    guard = replace(LOCAL, server=ServerTrust((shown.certificate,)))

    async def story() -> None:
        async with keeping(_showing(shown) if scheme == "https" else None) as server:
            kept, url = Lines(NAMES), f"{scheme}://partner.example:{server.port}/"
            await say(kept, url, b"first", guard)
            server.spoil, server.at = how, 2
            assert await say(kept, url, b"second", guard) == b"hello"
            assert (server.connections, server.requests) == (2, [b"first", b"second", b"second"])
            kept.close()

    asyncio.run(story())


@pytest.mark.parametrize(("how", "at", "asked"), [(half, 2, 2), (close, 1, 1)], ids=["half an answer", "a new line"])
def test_what_may_have_been_answered_is_not_asked_twice(how: Callable[[asyncio.StreamWriter], None], at: int, asked: int) -> None:
    """And who closes a new line unanswered does so on purpose."""

    async def story() -> None:
        async with keeping() as server:
            server.spoil, server.at = how, at
            kept, url = Lines(NAMES), f"http://partner.example:{server.port}/"
            for _ in range(at - 1):
                await say(kept, url)
            with pytest.raises(Unreachable) as caught:
                await say(kept, url)
            assert caught.value.reason is UnreachableReason.PROTOCOL
            assert len(server.requests) == asked
            kept.close()

    asyncio.run(story())


def test_one_that_was_closed_while_nobody_used_it_is_not_used() -> None:
    async def story() -> None:
        async with keeping() as server:
            kept, url = Lines(NAMES), f"http://partner.example:{server.port}/"
            await say(kept, url)
            server.open[0].close()
            await server.open[0].wait_closed()
            assert await say(kept, url) == b"hello"
            assert (server.connections, len(server.requests)) == (2, 2)
            kept.close()

    asyncio.run(story())


@pytest.mark.parametrize(("bound", "value"), [("IDLE", 0.0), ("KEPT", 0.0)])
def test_an_old_line_ends(monkeypatch: pytest.MonkeyPatch, bound: str, value: float) -> None:
    async def story() -> None:
        async with keeping() as server:
            kept, url = Lines(NAMES), f"http://partner.example:{server.port}/"
            await say(kept, url)
            monkeypatch.setattr(lines, bound, value)
            kept.end_old()
            await server.open[0].wait_closed()
            await say(kept, url)
            assert server.connections == 2
            kept.close()

    asyncio.run(story())


def _key(directory: Path, name: str, *hosts: str) -> Key:
    subject = Subject(name, hosts=hosts)
    return create_file_key(directory, name, "ecdsa-p256-sha256", subject, Purpose.DEMO, "secret", 30, now=datetime.now(UTC))


def _showing(key: Key) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(key.folder / "certificate.pem", key.folder / "key.pem", "secret")
    return context


def test_a_line_ends_with_what_it_rests_on(tmp_path: Path) -> None:
    """Pin, endpoint, identity and the files of our certificate: each change ends it, and nothing else does."""
    shown, other, ours = _key(tmp_path, "server", "partner.example"), _key(tmp_path, "other"), _key(tmp_path, "ours")

    async def story() -> None:
        async with keeping(_showing(shown)) as server:
            kept, url = Lines(NAMES), f"https://partner.example:{server.port}/exchange"
            guard = Guard(private_addresses=True, server=ServerTrust((shown.certificate,)))
            identity = Identity(ours.folder / "certificate.pem", ours.folder / "key.pem", "secret")
            more = ServerTrust((shown.certificate, other.certificate))
            seen = []
            for now, address in [
                (guard, url),
                (replace(guard, timeout=timedelta(seconds=3), max_bytes=99), url),
                (replace(guard, server=more), url),
                (replace(guard, server=more), url + "/2"),
                (replace(guard, identity=identity), url),
                (replace(guard, identity=identity), url),
            ]:
                await say(kept, address, guard=now)
                seen.append(server.connections)
            assert seen == [1, 1, 2, 3, 4, 4]
            (ours.folder / "key.pem").touch()
            await say(kept, url, guard=replace(guard, identity=identity))
            assert server.connections == 5
            with pytest.raises(Unreachable) as caught:  # and what is pinned no longer is not spoken to once more
                await say(kept, url, guard=replace(guard, server=ServerTrust((other.certificate,))))
            assert caught.value.reason is UnreachableReason.TLS
            await server.open[-2].wait_closed()
            assert len(server.requests) == 7

    asyncio.run(story())


def test_a_line_is_of_one_loop() -> None:
    kept = Lines(NAMES)

    async def story(port: int) -> int:
        async with keeping(port=port) as server:
            assert await say(kept, f"http://partner.example:{server.port}/") == b"hello"
            assert server.connections == 1
            return server.port

    asyncio.run(story(asyncio.run(story(0))))
