"""The outermost callable: counts every request, and answers ``GET /v1/eligibility`` and ``POST /exchange`` before any router is asked.

The one is asked by every declaration of a country, the other by every system of every partner, and a router with its middleware costs
more than the answer, or a good part of it. What they answer is the routes' own answer: both call ``questions.answer_one``, ``exchange.take``.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.store.tokens import TokenScope
from gateway.web import problems
from gateway.web.api.questions import answer_one
from gateway.web.endpoints import exchange
from gateway.web.service import Service

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

PATH = "/v1/eligibility"
#: An answer is true when it is given; a copy kept on the way could outlive a revocation.
HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


class Front:
    """``app`` is everything else."""

    def __init__(self, app: App, service: Service) -> None:
        self.app, self._service = app, service

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        if scope["path"] == PATH and scope["method"] == "GET":
            status = await self._eligibility(scope, receive, send)
            self._service.metrics.served(PATH, status, time.perf_counter() - started)
            return
        if scope["path"] == exchange.PATH and scope["method"] == "POST":
            response = await self._exchange(Request(scope, receive))
            await response(scope, receive, send)
            self._service.metrics.served(exchange.PATH, response.status_code, time.perf_counter() - started)
            return
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # A fault was answered and logged by ``problems``; Starlette raises it again, for the server to log it once more.
        with suppress(Exception):
            await self.app(scope, receive, noting)
        route = getattr(scope.get("route"), "path", "other")
        self._service.metrics.served(route, status, time.perf_counter() - started)

    async def _exchange(self, request: Request) -> Response:
        try:
            return await exchange.handle(request, self._service)
        except Exception as error:  # noqa: BLE001 - the last place where a fault of ours can become an answer
            return problems.answer(error, request.scope["query_string"], self._service)

    async def _eligibility(self, scope: Message, receive: Receive, send: Send) -> int:
        service, query = self._service, scope["query_string"]
        authorization = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
        try:
            caller = await service.admit(authorization.decode("latin-1"), TokenScope.CLEARANCE_READ)
            body = await answer_one(service, caller, query)
        except Exception as error:  # noqa: BLE001 - the last place where a fault of ours can become an answer
            response = problems.answer(error, query, service)
            await response(scope, receive, send)
            return response.status_code
        await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, (b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
        return 200
