"""Where a URL leads: its parts, the addresses of its name, and whether one may connect there."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import tomllib
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from pathlib import Path

import httpx

from gateway.net.guard import Address, Guard, Network, Proxy, Unreachable, UnreachableReason

#: Gives every address of a host name, as the system's resolver writes them. Raises ``OSError``.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


def target_of(url: str) -> httpx.URL:
    """Raises ``Unreachable`` for what is no URL of a server."""
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


def port_of(target: httpx.URL) -> int:
    return target.port or {"http": 80, "https": 443}[target.scheme]


#: A label of a name (RFC 1123, 2.1); the underscore is no host's, but some have it.
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)


def _is_host(host: str) -> bool:
    """An address, or a name of at most 253 characters (RFC 1035, 2.3.4)."""
    if ":" in host:
        return True  # IPv6, which the URL would not hold if it were none
    return len(host) <= 253 and all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))


async def destinations(target: httpx.URL, guard: Guard, resolver: Resolver) -> list[str]:
    """The addresses to try, each looked at; the name itself where a proxy is to resolve it. Raises ``Unreachable``."""
    host = target.raw_host.decode("ascii")
    if guard.proxy is not None and guard.proxy.resolves and not _is_address(host):
        if target.scheme == "http" and not (guard.plain or guard.private_addresses):
            raise Unreachable(UnreachableReason.URL, f"where {target.host} is, the proxy knows: https is needed")
        return [host]
    addresses = await _resolve(host, port_of(target), guard, resolver)
    _allowed(target, addresses, guard)
    return [str(address) for address in addresses]


async def proxy_addresses(proxy: Proxy, guard: Guard, resolver: Resolver) -> list[str]:
    """Those of our own proxy: whoever set it says where it is."""
    return [str(address) for address in await _resolve(proxy.host, proxy.port, guard, resolver)]


def _allowed(target: httpx.URL, addresses: Sequence[Address], guard: Guard) -> None:
    private = [address for address in addresses if not is_public(address)]
    if guard.networks:
        strange = [address for address in addresses if not any(address in network for network in guard.networks)]
        if strange:
            known = ", ".join(map(str, guard.networks))
            raise Unreachable(UnreachableReason.ADDRESS, f"{target.host} is {strange[0]}, and may only be one of {known}")
    elif private and not guard.private_addresses:
        # One is enough: a name that has a public and a private address is made to be tried until the private one answers.
        raise Unreachable(UnreachableReason.ADDRESS, f"{target.host} is {private[0]}, which is not a public address")
    if target.scheme == "http" and not guard.plain:
        if len(private) < len(addresses):
            raise Unreachable(UnreachableReason.URL, f"{target.host} is public: https is needed")
        if not guard.private_addresses:
            raise Unreachable(UnreachableReason.URL, f"{target.host} is no rehearsal: https is needed")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _resolve(host: str, port: int, guard: Guard, resolver: Resolver) -> list[Address]:
    within = guard.resolving.total_seconds()
    try:
        async with asyncio.timeout(within):
            found = await resolver(host, port)
        addresses = [ipaddress.ip_address(text) for text in dict.fromkeys(found)]
    except TimeoutError as error:
        raise Unreachable(UnreachableReason.UNRESOLVED, f"{host}: no name server answered within {within:g} s") from error
    except (OSError, ValueError) as error:  # UnicodeError among them: a resolver may know a name to be none
        raise Unreachable(UnreachableReason.UNRESOLVED, f"{host}: {error}") from error
    if not addresses:
        raise Unreachable(UnreachableReason.UNRESOLVED, f"{host} has no address")
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
