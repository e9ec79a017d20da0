"""The box on a port: ``/exchange`` as any partner has it, and ``/box/...`` for whoever drives it, on loopback only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.core.errors import Refusal
from gateway.core.model import Kind, Standing
from gateway.sandbox.box import Box
from gateway.sandbox.listen import NOBODY
from gateway.wire import payloads

XML = "application/xml; charset=utf-8"


def create_app(box: Box, gateway_url: str) -> Starlette:
    """``gateway_url`` is where the box sends its messages: the gateway's ``/exchange``."""
    endpoints = _Endpoints(box, gateway_url)
    routes: list[tuple[str, Callable[[Request], Awaitable[Response]], str]] = [
        ("/exchange", endpoints.exchange, "POST"),
        ("/box/make-up", endpoints.make_up, "POST"),
        ("/box/list", endpoints.send_list, "POST"),
        ("/box/notice", endpoints.send_notice, "POST"),
        ("/box/draft", endpoints.draft_notice, "POST"),
        ("/box/raw", endpoints.send_as_is, "POST"),
        ("/box/heard", endpoints.received, "GET"),
    ]
    return Starlette(routes=[Route(path, endpoint, methods=[method]) for path, endpoint, method in routes])


class _Endpoints:
    """One box over HTTP, with a client of its own for what it sends."""

    def __init__(self, box: Box, gateway_url: str) -> None:
        self._box, self._gateway_url = box, gateway_url
        self._client = httpx.AsyncClient(timeout=60, verify=NOBODY if gateway_url.startswith("http:") else True)
        self._later: set[asyncio.Task[None]] = set()

    async def exchange(self, request: Request) -> Response:
        """Takes a message of the gateway; what it has to say in return is sent afterwards, in messages of its own."""
        status, answer, follow = self._box.receive(await request.body())
        for message in follow:
            task = asyncio.create_task(self._post_quietly(message))
            self._later.add(task)
            task.add_done_callback(self._later.discard)
        return Response(answer, status, media_type=XML)

    async def make_up(self, request: Request) -> Response:
        self._box.make_up(int(request.query_params.get("count", "500")))
        return JSONResponse({"operators": list(self._box.operators)})

    async def send_list(self, request: Request) -> Response:
        return await self._deliver(self._box.full_list())

    async def send_notice(self, request: Request) -> Response:
        return await self._deliver(await self._notice(request))

    async def draft_notice(self, request: Request) -> Response:
        """A signed notice that is not sent."""
        return Response(await self._notice(request), media_type=XML)

    async def send_as_is(self, request: Request) -> Response:
        """Sends bytes as they are: for showing what the gateway refuses."""
        return await self._deliver(await request.body())

    async def received(self, request: Request) -> Response:
        """Every message that came, as the box understood it."""
        return JSONResponse(
            [
                {
                    "id": one.header.id,
                    "kind": one.header.kind.value,
                    "refers_to": one.header.refers_to,
                    "statements": msgspec.to_builtins(one.statements),
                    "body": one.body.decode(),
                }
                for one in self._box.received
            ]
        )

    async def _notice(self, request: Request) -> bytes:
        asked = await request.json()
        return self._box.status_message(asked["code"], Standing(asked["standing"]))

    async def _post(self, message: bytes) -> httpx.Response:
        return await self._client.post(self._gateway_url, content=message, headers={"Content-Type": XML})

    async def _post_quietly(self, message: bytes) -> None:
        with suppress(httpx.TransportError):  # a gateway that is down misses it, as it would a real partner's
            await self._post(message)

    async def _deliver(self, message: bytes) -> Response:
        """Sends one message and reports the gateway's answer as the partner proved it."""
        answer = await self._post(message)
        try:
            verified = self._box.check(answer.content)
        except Refusal as refusal:
            return JSONResponse(
                {"status": answer.status_code, "verified": False, "problem": str(refusal), "answer": answer.text}, 502
            )
        report: dict[str, object] = {"status": answer.status_code, "verified": True, "kind": verified.header.kind.value}
        if verified.header.kind is Kind.RECEIPT:
            report["receipt"] = msgspec.to_builtins(payloads.read_receipt(verified.payload))
        elif verified.header.kind is Kind.REFUSAL:
            report["refusal"] = msgspec.to_builtins(payloads.read_refusal(verified.payload))
        return JSONResponse(report)
