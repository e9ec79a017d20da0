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
from gateway.serving import GIVEN_BACK, App, Message, Receive, Send
from gateway.web import problems
from gateway.web.api.questions import answer_one
from gateway.web.endpoints import exchange
from gateway.web.http import head, tracing
from gateway.web.http.body import Rest
from gateway.web.http.tracing import Trace
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
            authorization, has_body, traced = head.read(scope)
        except Refusal as refusal:
            rest, trace = Rest(receive), tracing.trace(tracing.given(scope))
            status, route = await self._refuse(refusal, scope, rest, send, trace), OTHER
        else:
            rest, trace = Rest(receive) if has_body else None, tracing.trace(traced)
            scope[GIVEN_BACK] = trace
            if scope["path"] == PATH and scope["method"] == "GET":
                status, route = await self._eligibility(authorization, scope, rest or receive, send, trace), PATH
            else:
                status, route = await self._answer(scope, rest or receive, send, trace)
        self._service.metrics.served(route, status, time.perf_counter() - started)
        if rest is not None:
            await rest.let_go()

    async def _answer(self, scope: Message, receive: Receive, send: Send, trace: Trace) -> tuple[int, str]:
        """The status, and by which route."""
        tracing.bind(trace)
        if scope["path"] == exchange.PATH and scope["method"] == "POST":
            response = await self._exchange(Request(scope, receive))
            response.raw_headers += trace
            await response(scope, receive, send)
            return response.status_code, exchange.PATH
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status, message["headers"] = message["status"], [*message.get("headers", ()), *trace]
            await send(message)

        # A fault was answered and logged by ``problems``; Starlette raises it again, for the server to log it once more.
        with suppress(Exception):
            await self.app(scope, receive, noting)
        return status, getattr(scope.get("route"), "path", OTHER)

    async def _exchange(self, request: Request) -> Response:
        try:
            return await exchange.handle(request, self._service)
        except Exception as error:  # noqa: BLE001 - the last place where a fault of ours can become an answer
            return problems.answer(error, request.scope["query_string"], self._service, request.scope)

    async def _eligibility(self, authorization: bytes, scope: Message, receive: Receive, send: Send, trace: Trace) -> int:
        service, query = self._service, scope["query_string"]
        try:
            scope["caller"] = caller = await service.admit(authorization.decode("latin-1"), Scope.CLEARANCE_READ)
            body = await answer_one(service, caller, query)
        except Exception as error:  # noqa: BLE001 - the last place where a fault of ours can become an answer
            return await self._refuse(error, scope, receive, send, trace)
        headers = [*HEADERS, (b"content-length", b"%d" % len(body)), *trace]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return 200

    async def _refuse(self, error: Exception, scope: Message, receive: Receive, send: Send, trace: Trace) -> int:
        tracing.bind(trace)
        response = problems.answer(error, scope["query_string"], self._service, scope)
        response.raw_headers += trace
        await response(scope, receive, send)
        return response.status_code
