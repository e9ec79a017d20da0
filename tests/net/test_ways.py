"""Ways to a partner, on real sockets: by what its server proves itself, which addresses it may have, and proxies of ours."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.net import Guard, Identity, Proxy, ServerTrust, Unreachable, UnreachableReason, get, post
from gateway.net.tls import public_key
from tests.net.test_net import OK, names, serving

TABLE = names(partner_example=["127.0.0.1"], other_example=["127.0.0.1"], proxy_example=["127.0.0.1"])
SOON = timedelta(seconds=20)


async def NAMES(host: str, port: int) -> Sequence[str]:
    return await TABLE(host, port) if host.endswith(".example") else [host]


# ---------------------------------------------------------------- by what a server proves itself


@dataclass(frozen=True)
class Authority:
    """One that issues certificates for servers, and its own (DER)."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def made(cls, name: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(key, _certificate(name, name, key, key, None))

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def server(self, folder: Path, host: str) -> tuple[ssl.SSLContext, bytes]:
        """What a server uses, and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        made = _certificate(host, str(name), key, self.key, host)
        files = folder / f"{host}.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        files.write_bytes(made.public_bytes(Encoding.PEM) + secret)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(files)
        return context, made.public_bytes(Encoding.DER)


def _certificate(
    subject: str, issuer: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, host: str | None
) -> x509.Certificate:
    def called(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    made = x509.CertificateBuilder(called(issuer), called(subject), key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.BasicConstraints(ca=host is None, path_length=None), critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    usage = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    usage |= {"crl_sign": host is None, "key_cert_sign": host is None, "encipher_only": False, "decipher_only": False}
    made = made.add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
    if host is not None:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    return made.sign(by, SHA256())


async def asked(url: str, guard: Guard) -> str:
    try:
        return str((await post(url, b"secret", headers={}, guard=guard, resolver=NAMES)).status)
    except Unreachable as problem:
        return problem.reason


def test_what_is_pinned_is_trusted_and_nothing_else(tmp_path: Path) -> None:
    """The server's certificate, its key, or the authority above it; of whatever does not prove it, not one byte arrives."""
    authority, stranger = Authority.made("Authority"), Authority.made("Stranger")
    context, shown = authority.server(tmp_path, "partner.example")
    _, other = authority.server(tmp_path, "other.example")
    cases = [
        (None, "tls-failed"),  # no public authority vouches for it
        (ServerTrust(), "tls-failed"),  # everything that was pinned was withdrawn
        (ServerTrust((shown,)), "200"),
        (ServerTrust((authority.der,)), "200"),
        (ServerTrust((other,)), "tls-failed"),
        (ServerTrust((stranger.der,)), "tls-failed"),
        (ServerTrust((stranger.der, authority.der)), "200"),
        (ServerTrust(keys=(public_key(shown),)), "200"),
        (ServerTrust(keys=(public_key(other),)), "tls-failed"),
        (ServerTrust(keys=(public_key(authority.der),)), "tls-failed"),  # a key is the server's own
        (ServerTrust((shown,), (public_key(other),)), "200"),  # it goes over from one to the other
        (ServerTrust((authority.der,), (public_key(other),)), "tls-failed"),
    ]

    async def story() -> None:
        async with serving(OK, context) as server:
            url = f"https://partner.example:{server.port}/"
            guard = Guard(private_addresses=True, timeout=SOON)
            assert [await asked(url, replace(guard, server=trust)) for trust, _ in cases] == [status for _, status in cases]
            by_authority = replace(guard, server=ServerTrust((authority.der,)))
            assert await asked(f"https://other.example:{server.port}/", by_authority) == "tls-failed"  # not its name
            assert len(server.requests) == [status for _, status in cases].count("200")

    asyncio.run(story())


def test_an_encrypted_key_without_its_passphrase_asks_nobody(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate("ours", "ours", key, key, None)
    (tmp_path / "c.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (tmp_path / "k.pem").write_bytes(secret)
    guard = Guard(private_addresses=True, timeout=SOON, identity=Identity(tmp_path / "c.pem", tmp_path / "k.pem"))
    assert asyncio.run(asked("https://partner.example:1/", guard)) == "tls-failed"


# ---------------------------------------------------------------- which addresses it may have


@pytest.mark.parametrize(
    ("networks", "more", "scheme", "expected"),
    [
        (("127.0.0.0/8",), {}, "https", "connection-failed"),  # it was tried
        (("127.0.0.1/32",), {}, "https", "connection-failed"),
        (("10.0.0.0/8",), {}, "https", "address-not-allowed"),
        (("10.0.0.0/8",), {"private_addresses": True}, "https", "address-not-allowed"),
        (("8.0.0.0/8", "10.0.0.0/8"), {}, "https", "address-not-allowed"),
        ((), {}, "https", "address-not-allowed"),
        (("127.0.0.0/8",), {}, "http", "url-not-allowed"),
        (("127.0.0.0/8",), {"private_addresses": True}, "http", "200"),
    ],
)
def test_a_partner_has_the_addresses_it_may_have(
    networks: tuple[str, ...], more: dict[str, bool], scheme: str, expected: str
) -> None:
    guard = Guard(networks=tuple(map(ipaddress.ip_network, networks)), timeout=SOON, **more)  # type: ignore[arg-type]

    async def story() -> None:
        async with serving(OK) as server:
            port = 1 if scheme == "https" else server.port
            assert await asked(f"{scheme}://partner.example:{port}/", guard) == expected

    asyncio.run(story())


def test_one_address_outside_of_them_is_enough() -> None:
    async def two(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "127.0.0.2"]

    guard = Guard(private_addresses=True, networks=(ipaddress.ip_network("127.0.0.1/32"),), timeout=SOON)
    with pytest.raises(Unreachable) as caught:
        asyncio.run(get("http://partner.example:1/", guard=guard, resolver=two))
    assert caught.value.reason is UnreachableReason.ADDRESS
    assert "127.0.0.2" in caught.value.detail


# ---------------------------------------------------------------- through a proxy of ours


@dataclass
class ProxyServer:
    """A proxy for one protocol. ``asked`` is where it was to connect to; names it finds on this machine. ``no`` is what it says instead."""

    scheme: str
    port: int = 0
    no: bytes = b""
    asked: list[tuple[str, int]] = field(default_factory=list)


@asynccontextmanager
async def proxying(scheme: str, no: bytes = b"") -> AsyncIterator[ProxyServer]:
    proxy = ProxyServer(scheme, no=no)
    speak = _hear_socks if scheme == "socks5" else _hear_connect

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            host, port = await speak(reader, writer)
            proxy.asked.append((host, port))
            if proxy.no:
                writer.write(proxy.no)
                return
            there, onward = await asyncio.open_connection("127.0.0.1" if host.endswith(".example") else host, port)
            writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00" if scheme == "socks5" else b"HTTP/1.1 200 Fine\r\n\r\n")
            await asyncio.gather(_carry(reader, onward), _carry(there, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listening:
        proxy.port = listening.sockets[0].getsockname()[1]
        yield proxy


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    except OSError:
        pass
    writer.close()


async def _hear_connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, authority, version = head[0].split()
    assert (method, version) == ("CONNECT", "HTTP/1.1")
    assert f"Host: {authority}" in head
    host, _, port = authority.rpartition(":")
    return host.strip("[]"), int(port)


async def _hear_socks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    assert await reader.readexactly(3) == b"\x05\x01\x00"
    writer.write(b"\x05\x00")
    assert (await reader.readexactly(3)) == b"\x05\x01\x00"
    kind = (await reader.readexactly(1))[0]
    if kind == 3:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    else:
        host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
    return host, int.from_bytes(await reader.readexactly(2), "big")


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("resolves", [False, True])
def test_a_proxy_is_told_the_address_and_the_name_only_where_it_resolves(tmp_path: Path, scheme: str, resolves: bool) -> None:
    """The server's name goes to the server alone, and its certificate must fit that name either way."""
    context, shown = Authority.made("Authority").server(tmp_path, "partner.example")
    asked_for: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked_for.append(name)

    async def story() -> None:
        async with serving(OK, context) as server, proxying(scheme) as proxy:
            guard = Guard(private_addresses=True, server=ServerTrust((shown,)), timeout=SOON)
            through = replace(guard, proxy=Proxy(scheme, "proxy.example", proxy.port, resolves))
            assert await asked(f"https://partner.example:{server.port}/", through) == "200"
            assert proxy.asked == [("partner.example" if resolves else "127.0.0.1", server.port)]
            assert asked_for == ["partner.example"]
            assert server.requests[0].endswith(b"secret")
            assert await asked(f"https://other.example:{server.port}/", through) == "tls-failed"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("guard", "expected"),
    [
        (Guard(), "address-not-allowed"),
        (Guard(networks=(ipaddress.ip_network("10.0.0.0/8"),)), "address-not-allowed"),
        (Guard(private_addresses=True), "200"),
    ],
)
def test_what_a_proxy_is_to_connect_to_was_looked_at(guard: Guard, expected: str) -> None:
    """And an address is no name: whoever resolves, it is looked at here."""

    async def story() -> None:
        async with serving(OK) as server, proxying("http") as proxy:
            for resolves, host in [(False, "partner.example"), (True, "127.0.0.1")]:
                through = replace(guard, proxy=Proxy("http", "127.0.0.1", proxy.port, resolves), timeout=SOON)
                assert await asked(f"http://{host}:{server.port}/", through) == expected
            assert len(proxy.asked) == (2 if expected == "200" else 0)
            blind = replace(guard, proxy=Proxy("http", "127.0.0.1", proxy.port, True), private_addresses=False, timeout=SOON)
            assert await asked(f"http://partner.example:{server.port}/", blind) == "url-not-allowed"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("scheme", "no", "told"),
    [
        ("http", b"HTTP/1.1 407 No\r\n\r\n", "answered HTTP 407"),
        ("http", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP"),
        ("http", b"HTTP/1.1 200 Fine\r\n\r\nHTTP/1.1 200 OK\r\n", "says more than it was asked"),
        ("http", b"HTTP/1.1 200 Fi", "closed the connection"),
        ("socks5", b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00", "its rules do not allow it"),
        ("socks5", b"\x05\x63\x00\x01", "code 99"),
        ("socks5", b"\x05", "closed the connection"),
    ],
)
def test_a_proxy_that_does_not_connect(scheme: str, no: bytes, told: str) -> None:
    async def story() -> None:
        async with serving(OK) as server, proxying(scheme, no) as proxy:
            guard = Guard(private_addresses=True, proxy=Proxy(scheme, "127.0.0.1", proxy.port), timeout=SOON)
            with pytest.raises(Unreachable) as caught:
                await get(f"http://partner.example:{server.port}/", guard=guard, resolver=NAMES)
            assert caught.value.reason is UnreachableReason.CONNECTION
            assert told in caught.value.detail
            assert server.requests == []

    asyncio.run(story())


def test_a_proxy_that_is_not_there() -> None:
    guard = Guard(private_addresses=True, proxy=Proxy("http", "127.0.0.1", 1), timeout=SOON)
    assert asyncio.run(asked("https://partner.example/", guard)) == "connection-failed"
