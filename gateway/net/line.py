"""One connection to one server: opened at an address that was looked at, for one request at a time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import h11
import httpx

from gateway.net import proxy as through
from gateway.net import tls
from gateway.net.addresses import Resolver, port_of, proxy_addresses
from gateway.net.guard import ClosedUnanswered, Guard, Response, Unreachable, UnreachableReason
from gateway.net.wire import Wire


class Line:
    """Open until ``close``. ``usable``: nothing speaks against one more request on it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._http = h11.Connection(h11.CLIENT)

    @property
    def usable(self) -> bool:
        return self._wire.of_this_loop and self._wire.idle and self._http.our_state is h11.IDLE

    def close(self) -> None:
        self._wire.close()

    async def exchange(self, method: str, target: httpx.URL, body: bytes, headers: Mapping[str, str], guard: Guard) -> Response:
        """Raises ``Unreachable``: ``ClosedUnanswered`` where not one byte of an answer came. After that the line is good for nothing."""
        own = {"host": target.netloc.decode("ascii"), "accept-encoding": "identity", "user-agent": "aeo-gateway"}
        if method != "GET":
            own["content-length"] = str(len(body))
        try:
            request = h11.Request(method=method, target=target.raw_path, headers=list({**headers, **own}.items()))
            asked = self._http.send(request) or b""
            # All at once: who answers before it has read everything is heard all the same.
            self._wire.write(asked + b"".join((self._http.send(h11.Data(body)) or b"", self._http.send(h11.EndOfMessage()) or b"")))
            return await self._answer(guard.max_bytes)
        except (h11.ProtocolError, ssl.SSLError, OSError, UnicodeEncodeError) as error:
            raise self._unreachable(error, target.host) from error

    async def _answer(self, most: int) -> Response:
        head: h11.Response | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._wire.read())
            elif isinstance(event, h11.Response):
                head = event
                encoding = dict(event.headers).get(b"content-encoding", b"identity")
                if encoding.lower() != b"identity":
                    told = encoding.decode("latin-1")[:40]
                    raise Unreachable(UnreachableReason.ENCODED, f"the answer is encoded with {told}")
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > most:
                    raise Unreachable(UnreachableReason.TOO_LARGE, f"the answer has more than {most} bytes")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
                    self._http.start_next_cycle()
                    self._wire.answered = False
                return Response(
                    head.status_code, {name.decode(): value.decode("latin-1") for name, value in head.headers}, bytes(body)
                )

    def _unreachable(self, error: Exception, host: str) -> Unreachable:
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return Unreachable(UnreachableReason.TLS, f"{host}: {error}")
        if self._wire.ended and not self._wire.answered:
            return ClosedUnanswered(UnreachableReason.PROTOCOL, f"{host}: it closed the connection without an answer")
        return Unreachable(UnreachableReason.PROTOCOL, f"{host}: {error or type(error).__name__}")


async def opened(target: httpx.URL, destination: str, guard: Guard, resolver: Resolver) -> Line:
    """A connection to ``destination``, an address of the URL's host or its name for a proxy, with whatever the guard asks of the server
    proven. Raises ``Unreachable``, CONNECTION where nobody took it."""
    context = tls.context(guard) if target.scheme == "https" else None
    wire = await _connected(destination, port_of(target), guard, resolver)
    try:
        if context is not None:
            await wire.start_tls(context, target.raw_host.decode("ascii"))
            tls.check_key(guard.server, wire.certificate)
        return Line(wire)
    except ssl.SSLError as error:
        wire.close()
        raise Unreachable(UnreachableReason.TLS, f"{target.host}: {error}") from error
    except OSError as error:
        wire.close()
        raise Unreachable(UnreachableReason.CONNECTION, f"{target.host}: {error or type(error).__name__}") from error
    except BaseException:
        wire.close()
        raise


async def _connected(destination: str, port: int, guard: Guard, resolver: Resolver) -> Wire:
    if guard.proxy is None:
        return await _wire(destination, port)
    failed: Unreachable | None = None
    for address in await proxy_addresses(guard.proxy, guard, resolver):
        try:
            wire = await _wire(address, guard.proxy.port)
        except Unreachable as problem:
            failed = problem
            continue
        try:
            await through.ask(guard.proxy, wire, destination, port)
        except BaseException:
            wire.close()
            raise
        return wire
    raise Unreachable(UnreachableReason.CONNECTION, f"the proxy {guard.proxy}: {failed.detail if failed else 'no address'}")


async def _wire(address: str, port: int) -> Wire:
    try:
        _, wire = await asyncio.get_running_loop().create_connection(Wire, address, port)
    except OSError as error:
        raise Unreachable(UnreachableReason.CONNECTION, f"{address} port {port}: {error or type(error).__name__}") from error
    return wire
