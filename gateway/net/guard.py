"""What one request may do, and what becomes of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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


class ClosedUnanswered(Unreachable):
    """The other side closed the connection before any byte of an answer."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Our client certificate: PEM files, and what opens the key."""

    certificate: Path
    key: Path
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ServerTrust:
    """By what a server proves itself, and nothing else does: a chain that ends at one of ``certificates`` (DER; the server's own, or an
    authority's, for a name of the URL), or a key of ``keys`` (DER of the public key), whatever certificate is around it. With keys
    a certificate counts only as the server's own. Where both are empty, no server proves itself."""

    certificates: tuple[bytes, ...] = ()
    keys: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy of ours through which the connection goes: ``http`` (CONNECT, RFC 9110, 9.3.6) or ``socks5`` (RFC 1928), without a password.

    It is told the address that we resolved and looked at. ``resolves``: it is told the name, and where that leads is its to guard."""

    scheme: str
    host: str
    port: int
    resolves: bool = False

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Guard:
    """What one request may do. ``timeout`` bounds all of it, from the name to the last byte; ``resolving`` the name alone.

    ``private_addresses`` allows addresses that are not public, and plain http to them. ``networks``, where there are any, are the
    addresses that the server may have, private or public, and no others. ``plain`` allows http to public addresses
    too, for what is signed itself (revocation lists). ``redirects`` are followed that often, each checked like the
    first URL, and only when reading. ``server`` None: whoever a public authority vouches for.
    """

    private_addresses: bool = False
    networks: tuple[Network, ...] = ()
    plain: bool = False
    timeout: timedelta = timedelta(seconds=20)
    resolving: timedelta = timedelta(seconds=10)
    max_bytes: int = 1 << 20
    redirects: int = 0
    server: ServerTrust | None = None
    identity: Identity | None = None
    proxy: Proxy | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """``headers`` by lower-case name; ``body`` complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes
