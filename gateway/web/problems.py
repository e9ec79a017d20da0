"""Refusals as RFC 9457 problems."""

from __future__ import annotations

import logging
from typing import Annotated
from urllib.parse import parse_qs

import msgspec
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.clearance import wording
from gateway.clearance.wording import Language
from gateway.core.errors import Code, Refusal
from gateway.serving import Message
from gateway.web.http.limiter import TooMany
from gateway.web.http.peer import address
from gateway.web.service import Service

log = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
#: Where a refusal that may be repeated does not say when.
RETRY_AFTER = "30"
#: Routes that answer before any router is asked, which would name them (``front.py``).
FAST = ("/v1/eligibility", "/exchange")
_BY_STATUS = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED}


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """``code`` is stable and what programs branch on; title and remedy are for people, in the language asked for."""

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, msgspec.Meta(extra_json_schema={"enum": [str(code) for code in Code]})]
    remedy: str
    field: str | None = None
    value: str | None = None
    line: int | None = None


def problem(refusal: Refusal, language: Language) -> Problem:
    """What a caller learns of a refusal; its facts stay with us."""
    title, remedy = wording.refusal(refusal.code, language)
    return Problem(
        type=f"urn:aeo-gateway:problem:{refusal.code}",
        title=title,
        status=refusal.code.row.status,
        detail=refusal.detail,
        code=str(refusal.code),
        remedy=remedy if refusal.remedy == refusal.code.row.remedy else refusal.remedy,
        field=refusal.field,
        value=refusal.value,
        line=refusal.line,
    )


def headers(refusal: Refusal) -> dict[str, str]:
    """The headers that go with it."""
    found = {"Cache-Control": "no-store"}
    if refusal.code is Code.UNAUTHENTICATED:
        found["WWW-Authenticate"] = "Bearer"
    if refusal.code.row.retryable:
        found["Retry-After"] = refusal.facts.get("retry_after", RETRY_AFTER)
    if isinstance(refusal, TooMany):
        found |= refusal.rate
    return found


def answer(error: Exception, query: bytes, service: Service, scope: Message | None = None) -> Response:
    """The one answer to whatever went wrong, in the language that the query asks for. ``scope`` is the request, for the log: who asked,
    from where, for what; never what he sent."""
    refusal, extra = _refusal(error)
    known = _known(scope, service) if scope else {}
    same = (str(refusal.code), *(known.get(name) for name in ("caller", "address", "route")))
    log.info("refused: %s", refusal.code, extra={**known, "code": str(refusal.code), "facts": refusal.facts, "same": same})
    service.metrics.refusals[str(refusal.code)] += 1
    asked = parse_qs(query.decode("latin-1")).get("lang", [""])[0]
    language = Language(asked) if asked in set(Language) else service.language
    body = msgspec.json.encode(problem(refusal, language))
    return Response(body, refusal.code.row.status, headers(refusal) | extra, MEDIA_TYPE)


def _known(scope: Message, service: Service) -> dict[str, str]:
    """Of a request: the route's own path and never the caller's, since anything may stand in that; and who is let in, once he is."""
    caller = scope.get("caller")
    who = {"caller": caller.principal, "token": caller.id} if caller else {}
    route = getattr(scope.get("route"), "path", "") or (scope["path"] if scope["path"] in FAST else "")
    return who | {"address": address(Request(scope), service.node.settings.proxy), "method": scope["method"][:16], "route": route}


def _refusal(error: Exception) -> tuple[Refusal, dict[str, str]]:
    """Every way in which a route of ours, FastAPI or Starlette says no, as a refusal, and the headers that came with it."""
    if isinstance(error, Refusal):
        return error, {}
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        return Refusal(Code.QUESTION_INVALID, f"{where}: {first['msg']}.", field=where, value=str(first.get("input"))), {}
    if isinstance(error, HTTPException):
        return Refusal(_BY_STATUS.get(error.status_code, Code.QUESTION_INVALID)), dict(error.headers or {})
    if isinstance(error, (DataError, UnicodeEncodeError)):
        # A database refuses NUL, or half a surrogate pair, in whatever text a caller has it look for or keep.
        return Refusal(Code.QUESTION_INVALID, "A text holds a character that no text may hold."), {}
    log.error("a request failed", exc_info=error)
    return Refusal(Code.INTERNAL), {}
