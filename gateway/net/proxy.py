"""Asking a proxy of ours for a connection to an address: CONNECT of HTTP (RFC 9110, 9.3.6), or SOCKS 5 (RFC 1928) without a password."""

from __future__ import annotations

import ipaddress
import re

from gateway.net.guard import Proxy, Unreachable, UnreachableReason
from gateway.net.wire import Wire

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
#: Bytes of what a proxy says before it is a mere line.
_MOST = 16_384
#: RFC 1928, 6.
_SOCKS = {
    1: "general failure",
    2: "its rules do not allow it",
    3: "the network cannot be reached",
    4: "the host cannot be reached",
    5: "the connection was refused",
    6: "it took too long",
    7: "it does not know CONNECT",
    8: "it does not know this kind of address",
}


async def ask(proxy: Proxy, wire: Wire, host: str, port: int) -> None:
    """From here on ``wire`` leads to ``host``, an address or, where the proxy resolves, a name. Raises ``Unreachable``."""
    speak = _socks if proxy.scheme == "socks5" else _connect
    try:
        await speak(wire, host, port)
    except (_NoError, OSError) as no:
        raise Unreachable(UnreachableReason.CONNECTION, f"the proxy {proxy} does not connect to {host} port {port}: {no}") from no


class _NoError(Exception):
    """What the proxy says instead of yes."""


async def _connect(wire: Wire, host: str, port: int) -> None:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    wire.write(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode("ascii"))
    said = bytearray()
    while b"\r\n\r\n" not in said:
        more = await wire.read()
        if not more or len(said) > _MOST:
            raise _NoError("it closed the connection" if not more else "it does not speak HTTP")
        said += more
    status = _STATUS.match(said)
    if status is None:
        raise _NoError("it does not speak HTTP")
    if not status[1].startswith(b"2"):
        raise _NoError(f"it answered HTTP {status[1].decode()}")
    if not said.endswith(b"\r\n\r\n"):
        raise _NoError("it says more than it was asked")  # the server speaks only after us


async def _socks(wire: Wire, host: str, port: int) -> None:
    take = _Taking(wire)
    wire.write(b"\x05\x01\x00")
    if await take.bytes(2) != b"\x05\x00":
        raise _NoError("it asks for a password, or does not speak SOCKS 5")
    wire.write(b"\x05\x01\x00" + _place(host) + port.to_bytes(2, "big"))
    version, code, _, kind = await take.bytes(4)
    if version != 5 or code != 0:
        raise _NoError(_SOCKS.get(code, f"code {code}"))
    length = {1: 4, 4: 16}.get(kind) or (await take.bytes(1))[0]
    await take.bytes(length + 2)
    if take.left:
        raise _NoError("it says more than it was asked")


def _place(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return b"\x03" + bytes([len(host)]) + host.encode("ascii")
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


class _Taking:
    """So many bytes at a time."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.left = b""

    async def bytes(self, count: int) -> bytes:
        while len(self.left) < count:
            more = await self._wire.read()
            if not more:
                raise _NoError("it closed the connection")
            self.left += more
        taken, self.left = self.left[:count], self.left[count:]
        return taken
