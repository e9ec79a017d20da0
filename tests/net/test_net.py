"""Every guard of the one HTTP client, against real servers on this machine; names are resolved by a table given as an argument."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import net
from gateway.net import Guard, Identity, ServerTrust, Unreachable, UnreachableReason
from gateway.trust.keys import Key, Purpose, create_file_key
from gateway.trust.selfsigned import Subject

LOCAL = Guard(private_addresses=True, timeout=timedelta(seconds=5), max_bytes=1000)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nRetry-After: 7\r\n\r\nhello"


@dataclass
class Server:
    """A server that answers every request with ``answer`` and keeps what it was sent."""

    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    peers: list[bytes | None] = field(default_factory=list)


@asynccontextmanager
async def serving(
    answer: bytes | Callable[[asyncio.StreamWriter], Awaitable[None]], context: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
            )
            server.requests.append(head + await reader.readexactly(length))
            tls = writer.get_extra_info("ssl_object")
            server.peers.append(tls.getpeercert(binary_form=True) if tls else None)
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server


def names(**table: Sequence[str]) -> net.Resolver:
    """A resolver from a table; each further question about a name takes the next entry of its list, and the last one stays."""
    left = {name.replace("_", "."): list(entries) for name, entries in table.items()}

    async def resolve(host: str, port: int) -> Sequence[str]:
        entries = left[host]
        return [entries.pop(0) if len(entries) > 1 else entries[0]]

    return resolve


def check_refused(
    reason: UnreachableReason, url: str, guard: Guard = LOCAL, *, resolver: net.Resolver = net.system_resolver
) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        asyncio.run(net.get(url, guard=guard, resolver=resolver))
    assert caught.value.reason is reason, str(caught.value)
    return caught.value


def test_posts_body_and_headers_and_reads_the_answer() -> None:
    async def story() -> None:
        async with serving(OK) as server:
            url = f"http://partner.example:{server.port}/exchange?x=1"
            answer = await net.post(
                url,
                b"<a/>",
                headers={"Content-Type": "application/xml"},
                guard=LOCAL,
                resolver=names(partner_example=["127.0.0.1"]),
            )
        assert (answer.status, answer.body, answer.headers["retry-after"]) == (200, b"hello", "7")
        sent = server.requests[0].lower()
        assert sent.startswith(b"post /exchange?x=1 http/1.1\r\n")
        assert sent.endswith(b"\r\n\r\n<a/>")
        assert f"\r\nhost: partner.example:{server.port}\r\n".encode() in sent
        assert b"accept-encoding: identity" in sent
        assert b"content-type: application/xml" in sent

    asyncio.run(story())


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_knows_public_addresses(address: str) -> None:
    assert net.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host", ["a" * 64 + ".example", "a..b", "." * 3, "\u00ad.example", "x" * 300, "exa mple", "\ud800.example", "xn--\u0660"]
)
@pytest.mark.parametrize("led", [False, True])
def test_a_bad_name_is_a_refusal(host: str, led: bool) -> None:
    """Also where the resolver is the first to notice, or where a redirect leads there."""

    async def story() -> None:
        async with serving(
            f"HTTP/1.1 302 Found\r\nLocation: http://{host}/\r\nContent-Length: 0\r\n\r\n".encode("utf-8", "replace")
        ) as first:
            url = f"http://127.0.0.1:{first.port}/" if led else f"http://{host}/"
            with pytest.raises(Unreachable) as caught:
                await net.get(url, guard=Guard(private_addresses=True, timeout=timedelta(seconds=5), redirects=1))
            assert led or caught.value.reason in (UnreachableReason.URL, UnreachableReason.UNRESOLVED)

    asyncio.run(story())


@given(st.text(max_size=80))
def test_no_url_raises_anything_else(url: str) -> None:
    for text in (url, f"http://{url}/", f"https://partner.example{url}"):
        with pytest.raises((Unreachable, KeyError)):  # or a name that the table of this test does not have
            asyncio.run(net.get(text, guard=Guard(timeout=timedelta(seconds=1)), resolver=names(partner_example=["127.0.0.1"])))


@given(st.ip_addresses(v=4))
def test_an_address_inside_another_is_judged_alike_or_refused(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    assert net.is_public(mapped) == net.is_public(address)
    assert not net.is_public(ipaddress.IPv6Address((0x2002 << 112) | (int(address) << 80)))
    assert not net.is_public(ipaddress.IPv6Address((0x64FF9B << 96) | int(address)))


def test_a_name_rebound_after_the_look_is_not_asked_again() -> None:
    """The name is looked up once a request; the second address, given to a careless client at connecting, is never used."""

    async def story() -> None:
        async with serving(OK) as meant, serving(OK) as trap:
            assert meant.port != trap.port
            asked = 0

            async def rebinding(host: str, port: int) -> Sequence[str]:
                nonlocal asked
                asked += 1
                return ["127.0.0.1"] if asked == 1 else ["127.0.0.2"]

            await net.get(f"http://partner.example:{meant.port}/", guard=LOCAL, resolver=rebinding)
            assert asked == 1
            with pytest.raises(Unreachable) as caught:
                await net.get(f"https://partner.example:{trap.port}/", guard=Guard(), resolver=names(partner_example=["127.0.0.1"]))
            assert caught.value.reason is UnreachableReason.ADDRESS
            assert trap.requests == []

    asyncio.run(story())


def test_tries_the_next_address_only_where_nothing_was_sent() -> None:
    async def two(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.9", "127.0.0.1"]

    async def half(writer: asyncio.StreamWriter) -> None:
        writer.write(OK[:-2])

    async def story() -> None:
        async with serving(OK) as server:
            answer = await net.get(f"http://partner.example:{server.port}/", guard=LOCAL, resolver=two)
            assert answer.status == 200
        async with serving(half) as server:
            with pytest.raises(Unreachable) as caught:
                await net.post(
                    f"http://partner.example:{server.port}/",
                    b"x",
                    headers={},
                    guard=LOCAL,
                    resolver=names(partner_example=["127.0.0.1"]),
                )
            assert caught.value.reason is UnreachableReason.PROTOCOL
            assert len(server.requests) == 1

    asyncio.run(story())


def test_names_that_do_not_resolve() -> None:
    async def nothing(host: str, port: int) -> Sequence[str]:
        return []

    async def failing(host: str, port: int) -> Sequence[str]:
        raise OSError("no such host")

    check_refused(UnreachableReason.UNRESOLVED, "https://partner.example/", resolver=nothing)
    check_refused(UnreachableReason.UNRESOLVED, "https://partner.example/", resolver=failing)


def test_nobody_listening() -> None:
    async def story() -> int:
        async with serving(OK) as server:
            return server.port

    check_refused(UnreachableReason.CONNECTION, f"http://127.0.0.1:{asyncio.run(story())}/")


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
        await writer.drain()


async def _dripping(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
    for _ in range(900):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001
MOVED = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n"
GARBAGE = b"SSH-2.0-OpenSSH_9.2\r\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_endless, UnreachableReason.TOO_LARGE),
        (LONG, UnreachableReason.TOO_LARGE),
        (_dripping, UnreachableReason.TIMEOUT),
        (_silent, UnreachableReason.TIMEOUT),
        (GZIP, UnreachableReason.ENCODED),
        (MOVED, UnreachableReason.REDIRECT),
        (GARBAGE, UnreachableReason.PROTOCOL),
        (b"", UnreachableReason.PROTOCOL),
    ],
    ids=["endless", "long", "dripping", "silent", "gzip", "redirect", "garbage", "nothing"],
)
def test_bad_answers(answer: bytes | Callable[[asyncio.StreamWriter], Awaitable[None]], reason: UnreachableReason) -> None:
    async def story() -> None:
        async with serving(answer) as server:
            patience = timedelta(seconds=0.5 if reason is UnreachableReason.TIMEOUT else 30)
            guard = Guard(private_addresses=True, timeout=patience, max_bytes=1000)
            with pytest.raises(Unreachable) as caught:
                await net.get(f"http://127.0.0.1:{server.port}/", guard=guard)
            assert caught.value.reason is reason, str(caught.value)

    asyncio.run(story())


def test_a_redirect_is_checked_like_the_first_url() -> None:
    async def story() -> None:
        resolver = names(first_example=["127.0.0.1"], second_example=["127.0.0.1"], inside_example=["10.0.0.1"])
        async with serving(OK) as second:
            moved = f"HTTP/1.1 301 Moved\r\nLocation: http://second.example:{second.port}/list.crl\r\nContent-Length: 0\r\n\r\n".encode()
            async with serving(moved) as first:
                url = f"http://first.example:{first.port}/"
                guard = Guard(private_addresses=True, redirects=1)
                assert (await net.get(url, guard=guard, resolver=resolver)).body == b"hello"
                assert b"host: second.example" in second.requests[0].lower()
                # A message is never sent on, whatever the guard says of redirects.
                with pytest.raises(Unreachable) as caught:
                    await net.post(url, b"x", headers={}, guard=guard, resolver=resolver)
                assert caught.value.reason is UnreachableReason.REDIRECT
        away = b"HTTP/1.1 302 Found\r\nLocation: ftp://second.example/\r\nContent-Length: 0\r\n\r\n"
        async with serving(away) as first:
            with pytest.raises(Unreachable) as caught:
                await net.get(f"http://first.example:{first.port}/", guard=guard, resolver=resolver)
            assert caught.value.reason is UnreachableReason.URL
        async with serving(MOVED) as first:
            loop = b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
        async with serving(loop) as first:
            with pytest.raises(Unreachable) as caught:
                await net.get(
                    f"http://first.example:{first.port}/", guard=Guard(private_addresses=True, redirects=3), resolver=resolver
                )
            assert caught.value.reason is UnreachableReason.REDIRECT
            assert len(first.requests) == 4

    asyncio.run(story())


def _key(directory: Path, name: str, *hosts: str) -> Key:
    subject = Subject(name, hosts=hosts)
    return create_file_key(directory, name, "ecdsa-p256-sha256", subject, Purpose.DEMO, "secret", 30, now=datetime.now(UTC))


def _server_context(key: Key, clients: Key | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(key.folder / "certificate.pem", key.folder / "key.pem", "secret")
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=clients.pem)
    return context


def test_tls_pins_and_client_certificates(tmp_path: Path) -> None:
    server_key, other = _key(tmp_path, "server", "partner.example"), _key(tmp_path, "other", "partner.example")
    ours = _key(tmp_path, "ours")
    resolver = names(partner_example=["127.0.0.1"], elsewhere_example=["127.0.0.1"])
    identity = Identity(ours.folder / "certificate.pem", ours.folder / "key.pem", "secret")

    def guard(*pins: Key, identity: Identity | None = identity) -> Guard:
        server = ServerTrust(tuple(pin.certificate for pin in pins)) if pins else None
        return Guard(private_addresses=True, server=server, identity=identity)

    async def failing(url: str, guard: Guard) -> None:
        with pytest.raises(Unreachable) as caught:
            await net.post(url, b"secret", headers={}, guard=guard, resolver=resolver)
        assert caught.value.reason in (UnreachableReason.TLS, UnreachableReason.PROTOCOL), str(caught.value)

    async def story() -> None:
        async with serving(OK, _server_context(server_key, ours)) as server:
            url = f"https://partner.example:{server.port}/"
            answer = await net.post(url, b"x", headers={}, guard=guard(other, server_key), resolver=resolver)
            assert answer.body == b"hello"
            assert server.peers == [ours.certificate]
            await failing(url, guard(other))  # another certificate than the pinned one
            await failing(url, guard())  # no pin, and no public authority vouches for it
            await failing(
                f"https://elsewhere.example:{server.port}/", guard(server_key)
            )  # the right certificate under another name
            await failing(url, guard(server_key, identity=None))  # we do not say who we are
            await failing(url, guard(server_key, identity=Identity(tmp_path / "none.pem", tmp_path / "none.key")))
            assert len(server.requests) == 1

    asyncio.run(story())


def test_the_passphrase_stays_out_of_sight() -> None:
    assert "hidden" not in repr(Guard(identity=Identity(Path("c"), Path("k"), "hidden")))


def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with serving(OK) as proxy, serving(OK) as server:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
            await net.get(f"http://127.0.0.1:{server.port}/", guard=LOCAL)
            assert (len(proxy.requests), len(server.requests)) == (0, 1)

    asyncio.run(story())
