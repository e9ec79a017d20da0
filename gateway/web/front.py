"""The outermost callable: reads past no head that two readers could read in two ways, counts every request, and answers
``GET /v1/eligibility`` and ``POST /exchange`` before any router is asked.

The one is asked by every declaration of a country, the other by every system of every partner, and a router with its middleware costs
more than the answer, or a good part of it. What they answer is the routes' own answer: both call ``questions.answer_one``, ``exchange.take``.
"""

from __future__ import annotations

import time
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from gateway.core.access import Scope
from gateway.core.errors import Refusal
from gateway.serving import App, Message, Receive, Send
from gateway.web import problems
from gateway.web.api.questions import answer_one
from gateway.web.endpoints import exchange
from gateway.web.http import head
from gateway.web.http.body import Rest
from gateway.web.service import Service

PATH = "/v1/eligibility"
OTHER = "other"
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
        rest: Rest | None
        try:
            authorization, has_body = head.authorization(scope)
        except Refusal as refusal:
            rest = Rest(receive)
            status, route = await self._refuse(refusal, scope, rest, send), OTHER
        else:
            rest = Rest(receive) if has_body else None
            status, route = await self._answer(authorization, scope, rest or receive, send)
        self._service.metrics.served(route, status, time.perf_counter() - started)
        if rest is not None:
            await rest.let_go()

    async def _answer(self, authorization: bytes, scope: Message, receive: Receive, send: Send) -> tuple[int, str]:
        """The status, and by which route."""
        if scope["path"] == PATH and scope["method"] == "GET":
            return await self._eligibility(authorization, scope, receive, send), PATH
        if scope["path"] == exchange.PATH and scope["method"] == "POST":
            response = await self._exchange(Request(scope, receive))
            await response(scope, receive, send)
            return response.status_code, exchange.PATH
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # A fault was answered and logged by ``problems``; Starlette raises it again, for the server to log it once more.
        with suppress(Exception):
            await self.app(scope, receive, noting)
        return status, getattr(scope.get("route"), "path", OTHER)

    async def _exchange(self, request: Request) -> Response:
        try:
            return await exchange.handle(request, self._service)
        except Exception as error:  # noqa: BLE001 - the last place where a fault of ours can become an answer
            return problems.answer(error, request.scope["query_string"], self._service)

    async def _eligibility(self, authorization: bytes, scope: Message, receive: Receive, send: Send) -> int:
        service, query = self._service, scope["query_string"]
        try:
            caller = await service.admit(authorization.decode("latin-1"), Scope.CLEARANCE_READ)
            body = await answer_one(service, caller, query)
        except Exception as error:  # noqa: BLE001 - the last place where a fault of ours can become an answer
            return await self._refuse(error, scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, (b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
        return 200

    async def _refuse(self, error: Exception, scope: Message, receive: Receive, send: Send) -> int:
        response = problems.answer(error, scope["query_string"], self._service)
        await response(scope, receive, send)
        return response.status_code
