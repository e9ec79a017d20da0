"""What every page has in common: its headers, and a page that says what went wrong and keeps what was typed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from sqlalchemy.exc import DataError
from starlette.responses import Response

from gateway.core.errors import Code, Refusal
from gateway.web.pages import forms
from gateway.web.pages.render import HEADERS, go, page
from gateway.web.pages.visit import Visit, visit
from gateway.web.problems import RETRY_AFTER

log = logging.getLogger(__name__)
#: What nobody shows again, wherever it was typed.
SECRET = frozenset({"password", "again", "code", "answer", forms.TOKEN})
#: Of these what was typed can be sent again from the page that tells of it.
_AGAIN = frozenset({Code.UNAUTHENTICATED, Code.TOO_MANY_REQUESTS, Code.BUSY, Code.INTERNAL})


class PageRoute(APIRoute):
    """A route that answers with pages, whatever happens."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except Exception as error:  # noqa: BLE001 - a person reads a page, whatever broke
                response = await _tell(request, error)
            come: Visit | None = getattr(request.state, "visit", None)
            if come is not None:
                come.remember(response)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return answer


def router() -> APIRouter:
    """A router of pages: they are for people, and no part of the documented interface."""
    return APIRouter(route_class=PageRoute, include_in_schema=False)


def reads_pages(request: Request) -> bool:
    """Whether a person with a browser asks for an address that is no program's."""
    page = request.method == "GET" and not request.url.path.startswith(("/v1/", "/exchange"))
    return page and "text/html" in request.headers.get("accept", "")


async def nowhere(request: Request) -> Response:
    """The page for an address at which there is none."""
    detail, remedy = "There is no page at this address.", "Compare the address, or begin at the first page."
    response = await _tell(request, Refusal(Code.NOT_FOUND, detail, remedy=remedy, facts={"page": "no-page"}))
    response.headers.update(HEADERS)
    return response


async def _tell(request: Request, error: Exception) -> Response:
    refused = _refusal(error)
    come: Visit = getattr(request.state, "visit", None) or await visit(request, request.app.state.service)
    come.service.metrics.refusals[str(refused.code)] += 1
    over = refused.facts.get("page") == "session-over"
    if over and request.method == "GET":
        query = f"?{request.url.query}" if request.url.query else ""
        return go(f"/sign-in?next={quote(request.url.path + query)}")
    log.info("a page refused: %s", refused.code, extra={"facts": refused.facts | {"route": _route(request)}})
    if over:
        come.typed = await _typed(come)
    again = request.method == "POST" and (refused.code in _AGAIN or refused.facts.get("page") == "stale-form")
    if refused.code.row.retryable:
        refused.facts.setdefault("retry_after", RETRY_AFTER)
    kept = {name: text for name, text in come.typed.items() if name not in SECRET}
    secret = [name for name in come.typed if name in SECRET - {forms.TOKEN}]
    shown = {"again": again, "over": over, "kept": kept, "secret": secret}
    labels = {name: label for name in kept if (label := come.words.field(name))}
    return page(come, "error.html", refused.code.row.status, refused=refused, labels=labels, **shown)


def _route(request: Request) -> str:
    """Which route it was; its address may hold the secret of a one-time link."""
    return str(getattr(request.scope.get("route"), "path", ""))


async def _typed(come: Visit) -> dict[str, str]:
    """What a form brought that nobody was there any more to send."""
    try:
        return come.typed or await forms.read(come.request, come.service)
    except Refusal:
        return {}


def _refusal(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, (DataError, UnicodeEncodeError)):
        return Refusal(Code.QUESTION_INVALID, "A text holds a character that no text may hold.", remedy="Type it again without it.")
    log.error("a page failed", exc_info=error)
    return Refusal(Code.INTERNAL, facts={"page": "internal"})
