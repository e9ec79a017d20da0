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
    client = httpx.AsyncClient(timeout=60, verify=NOBODY if gateway_url.startswith("http:") else True)
    later: set[asyncio.Task[None]] = set()

    async def exchange(request: Request) -> Response:
        status, answer, follow = box.hear(await request.body())
        for message in follow:
            task = asyncio.create_task(_post_quietly(message))
            later.add(task)
            task.add_done_callback(later.discard)
        return Response(answer, status, media_type=XML)

    async def _post_quietly(message: bytes) -> None:
        with suppress(httpx.TransportError):  # a gateway that is down misses it, as it would a real partner's
            await client.post(gateway_url, content=message, headers={"Content-Type": XML})

    async def deliver(message: bytes) -> Response:
        """Sends one message and reports the gateway's answer as the partner proved it."""
        answer = await client.post(gateway_url, content=message, headers={"Content-Type": XML})
        try:
            said = box.check(answer.content)
        except Refusal as refusal:
            return JSONResponse(
                {"status": answer.status_code, "verified": False, "problem": str(refusal), "answer": answer.text}, 502
            )
        report: dict[str, object] = {"status": answer.status_code, "verified": True, "kind": said.header.kind.value}
        if said.header.kind is Kind.RECEIPT:
            report["receipt"] = msgspec.to_builtins(payloads.read_receipt(said.payload))
        elif said.header.kind is Kind.REFUSAL:
            report["refusal"] = msgspec.to_builtins(payloads.read_refusal(said.payload))
        return JSONResponse(report)

    async def make_up(request: Request) -> Response:
        box.make_up(int(request.query_params.get("count", "500")))
        return JSONResponse({"operators": list(box.operators)})

    async def send_list(request: Request) -> Response:
        return await deliver(box.full_list())

    async def notice(request: Request) -> Response:
        asked = await request.json()
        return await deliver(box.say(asked["code"], Standing(asked["standing"])))

    async def raw(request: Request) -> Response:
        """Sends bytes as they are: for showing what the gateway refuses."""
        return await deliver(await request.body())

    async def draft(request: Request) -> Response:
        """A signed notice that is not sent."""
        asked = await request.json()
        return Response(box.say(asked["code"], Standing(asked["standing"])), media_type=XML)

    async def heard(request: Request) -> Response:
        return JSONResponse(
            [
                {
                    "id": one.header.id,
                    "kind": one.header.kind.value,
                    "refers_to": one.header.refers_to,
                    "statements": msgspec.to_builtins(one.statements),
                    "body": one.body.decode(),
                }
                for one in box.heard
            ]
        )

    drive: list[tuple[str, Callable[[Request], Awaitable[Response]], str]] = [
        ("/box/make-up", make_up, "POST"),
        ("/box/list", send_list, "POST"),
        ("/box/notice", notice, "POST"),
        ("/box/draft", draft, "POST"),
        ("/box/raw", raw, "POST"),
        ("/box/heard", heard, "GET"),
    ]
    return Starlette(
        routes=[
            Route("/exchange", exchange, methods=["POST"]),
            *(Route(path, endpoint, methods=[method]) for path, endpoint, method in drive),
        ]
    )
