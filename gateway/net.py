"""The one HTTP client for addresses that data, not code, chose: partners' endpoints, revocation lists, responders.

A name is resolved first, every address it has is looked at, and the connection goes to one of exactly those addresses, so that a
name cannot point elsewhere between looking and connecting. Host and TLS server name stay those of the URL. Nothing is taken from
the environment (a proxy would connect on our behalf, unguarded), no compression is asked for or accepted, and bytes are counted
as they come.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
import tomllib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache, lru_cache
from pathlib import Path
from urllib.parse import urljoin

import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: Gives every address of a host name, as the system's resolver writes them. Raises ``OSError``.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


class UnreachableReason(StrEnum):
    """Why nothing usable came back."""

    ADDRESS = "address-not-allowed"
    URL = "url-not-allowed"
    UNRESOLVED = "name-not-resolved"
    CONNECTION = "connection-failed"
    TLS = "tls-failed"
    TIMEOUT = "timeout"
    TOO_LARGE = "answer-too-large"
    ENCODED = "answer-encoded"
    REDIRECT = "redirected"
    PROTOCOL = "protocol-error"


class Unreachable(Exception):
    """No answer that may be used. ``detail`` names what was expected and what came; it is for our administrator."""

    def __init__(self, reason: UnreachableReason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


@dataclass(frozen=True, slots=True)
class Identity:
    """Our client certificate: PEM files, and what opens the key."""

    certificate: Path
    key: Path
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Guard:
    """What one request may do. ``timeout`` bounds all of it, from the name to the last byte.

    ``private_addresses`` allows addresses that are not public, and plain http to them. ``plain`` allows http to public addresses
    too, for what is signed itself (revocation lists). ``redirects`` are followed that often, each checked like the
    first URL, and only when reading. ``pins`` (DER): the server must present one of these certificates and no authority counts.
    """

    private_addresses: bool = False
    plain: bool = False
    timeout: timedelta = timedelta(seconds=20)
    max_bytes: int = 1 << 20
    redirects: int = 0
    pins: tuple[bytes, ...] = ()
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """``headers`` by lower-case name; ``body`` complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def system_resolver(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


async def post(
    url: str, body: bytes, *, headers: Mapping[str, str], guard: Guard, resolver: Resolver = system_resolver
) -> Response:
    """The answer, whatever its status but a redirect. Raises ``Unreachable``; whether the body arrived is then not known."""
    return await _request("POST", url, body, headers, guard, resolver)


async def get(
    url: str, *, headers: Mapping[str, str] | None = None, guard: Guard, resolver: Resolver = system_resolver
) -> Response:
    """The answer, whatever its status. Raises ``Unreachable``."""
    return await _request("GET", url, b"", headers or {}, guard, resolver)


async def _request(method: str, url: str, body: bytes, headers: Mapping[str, str], guard: Guard, resolver: Resolver) -> Response:
    try:
        async with asyncio.timeout(guard.timeout.total_seconds()):
            for _ in range(guard.redirects + 1):
                answer = await _once(method, url, body, headers, guard, resolver)
                if answer.status not in (301, 302, 303, 307, 308):
                    return answer
                target = _led_to(url, answer.headers.get("location", ""))
                if method != "GET":
                    break
                url = target
            raise Unreachable(UnreachableReason.REDIRECT, f"answered {answer.status}, redirecting to {target[:200]}")
    except TimeoutError:
        raise Unreachable(UnreachableReason.TIMEOUT, f"no complete answer within {guard.timeout.total_seconds():g} s") from None


async def _once(method: str, url: str, body: bytes, headers: Mapping[str, str], guard: Guard, resolver: Resolver) -> Response:
    target = _target(url)
    addresses = await _resolve(target, resolver)
    private = [address for address in addresses if not is_public(address)]
    if private and not guard.private_addresses:
        # One is enough: a name that has a public and a private address is made to be tried until the private one answers.
        raise Unreachable(UnreachableReason.ADDRESS, f"{target.host} is {private[0]}, which is not a public address")
    if target.scheme == "http" and not guard.plain and len(private) < len(addresses):
        raise Unreachable(UnreachableReason.URL, f"{target.host} is public: https is needed")
    for last, address in zip([*[False] * (len(addresses) - 1), True], addresses, strict=True):
        try:
            return await _exchange(method, target, address, body, headers, guard)
        except Unreachable as failed:
            # The next address only where nothing was sent yet, or a message could arrive twice.
            if last or failed.reason is not UnreachableReason.CONNECTION:
                raise
    raise AssertionError("every address either answered or raised")


def _led_to(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise Unreachable(UnreachableReason.URL, f"redirected to no URL: {error}") from error


def _target(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
        host = target.host
    except (httpx.InvalidURL, ValueError) as error:  # of a name too: letters that no name may have, an empty or a long label
        raise Unreachable(UnreachableReason.URL, f"no URL: {str(error)[:200]}") from error
    if target.scheme not in ("http", "https") or not host or target.userinfo:
        raise Unreachable(UnreachableReason.URL, "a URL is http or https, with a host and without a user")
    if not _is_host(target.raw_host.decode("ascii")):
        raise Unreachable(UnreachableReason.URL, f"{host[:80]!r} is no name of a host")
    if target.port is not None and not 0 < target.port < 65536:
        raise Unreachable(UnreachableReason.URL, f"there is no port {target.port}")
    return target


#: A label of a name (RFC 1123, 2.1); the underscore is no host's, but some have it.
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)


def _is_host(host: str) -> bool:
    """An address, or a name of at most 253 characters (RFC 1035, 2.3.4)."""
    if ":" in host:
        return True  # IPv6, which the URL would not hold if it were none
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))


async def _resolve(target: httpx.URL, resolver: Resolver) -> list[Address]:
    port = target.port or {"http": 80, "https": 443}[target.scheme]
    try:
        found = await resolver(target.raw_host.decode("ascii"), port)
        addresses = [ipaddress.ip_address(text) for text in dict.fromkeys(found)]
    except (OSError, ValueError) as error:  # UnicodeError among them: a resolver may know a name to be none
        raise Unreachable(UnreachableReason.UNRESOLVED, f"{target.host}: {error}") from error
    if not addresses:
        raise Unreachable(UnreachableReason.UNRESOLVED, f"{target.host} has no address")
    return addresses


def is_public(address: Address) -> bool:
    """Whether an address is one that anybody's server on the internet could have: in no block of ``special_addresses.toml``, and of
    IPv6 in the one that global addresses come from. An IPv4-mapped address is the IPv4 address in it; other forms that carry one
    (6to4, Teredo, NAT64) are never public, for whoever routes them unpacks an address that may be private."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    special, unicast = _special()
    return not any(address in block for block in special) and (address.version == 4 or address in unicast)


@cache
def _special() -> tuple[tuple[Network, ...], Network]:
    data = tomllib.loads((Path(__file__).parent / "special_addresses.toml").read_text("utf-8"))
    blocks = [ipaddress.ip_network(block) for registry in data["registry"] for block, _, _ in registry["blocks"]]
    return tuple(blocks), ipaddress.ip_network(data["global_unicast"]["block"])


async def _exchange(
    method: str, target: httpx.URL, address: Address, body: bytes, headers: Mapping[str, str], guard: Guard
) -> Response:
    own = {"host": target.netloc.decode("ascii"), "accept-encoding": "identity", "user-agent": "aeo-gateway"}
    extensions = {"sni_hostname": target.raw_host.decode("ascii")}
    try:
        async with (
            httpx.AsyncClient(verify=_context(guard), trust_env=False, timeout=guard.timeout.total_seconds()) as client,
            client.stream(
                method, target.copy_with(host=str(address)), content=body, headers={**headers, **own}, extensions=extensions
            ) as response,
        ):
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise Unreachable(
                    UnreachableReason.ENCODED, f"the answer is encoded with {response.headers['content-encoding'][:40]}"
                )
            answer = bytearray()
            async for chunk in response.aiter_raw():
                answer += chunk
                if len(answer) > guard.max_bytes:
                    raise Unreachable(UnreachableReason.TOO_LARGE, f"the answer has more than {guard.max_bytes} bytes")
            return Response(response.status_code, {name.lower(): value for name, value in response.headers.items()}, bytes(answer))
    except (httpx.TransportError, httpx.InvalidURL, OSError, ValueError) as error:
        raise _unreachable(error, target) from error


def _unreachable(error: Exception, target: httpx.URL) -> Unreachable:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        return Unreachable(UnreachableReason.TLS, f"{target.host}: {cause}")
    if isinstance(error, httpx.TimeoutException):
        return Unreachable(UnreachableReason.TIMEOUT, f"{target.host}: {type(error).__name__}")
    reason = UnreachableReason.CONNECTION if isinstance(error, httpx.ConnectError) else UnreachableReason.PROTOCOL
    return Unreachable(reason, f"{target.host}: {error or type(error).__name__}")


def _context(guard: Guard) -> ssl.SSLContext:
    identity = guard.identity
    stamp = (identity.certificate.stat().st_mtime_ns, identity.key.stat().st_mtime_ns) if identity else None
    return _cached_context(guard.pins, identity, stamp)


@lru_cache(maxsize=256)
def _cached_context(pins: tuple[bytes, ...], identity: Identity | None, stamp: tuple[int, int] | None) -> ssl.SSLContext:
    """Made once for each set of pins and each state of our own files, which ``stamp`` tells."""
    del stamp
    if pins:
        # Only a chain that ends at a pinned certificate stands, and the server's own may be that end: anything else fails in the
        # handshake, before a byte of the message is sent.
        context = ssl.create_default_context(cadata="".join(ssl.DER_cert_to_PEM_cert(pin) for pin in pins))
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    else:
        context = ssl.create_default_context()
    if identity:
        context.load_cert_chain(identity.certificate, identity.key, identity.passphrase or None)
    return context
