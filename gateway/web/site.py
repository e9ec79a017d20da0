"""Every route, in one application."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import __version__
from gateway.core.errors import Refusal
from gateway.serving import HEAD, HEAD_LINES
from gateway.web import documents, problems
from gateway.web.api import (
    catalogue,
    copies,
    domestic,
    eligibility,
    health,
    held,
    inbox,
    jobs,
    journal,
    keeping,
    outbox,
    partners,
    principals,
    records,
    spreadsheets,
    switches,
    voids,
)
from gateway.web.endpoints import exchange
from gateway.web.front import Front
from gateway.web.http.versions import tagged
from gateway.web.pages import device, me, passkeys, provider, set_up, sign_in, static
from gateway.web.pages.routes import nowhere, reads_pages
from gateway.web.service import Service

__all__ = ["ROUTERS", "Service", "create_app", "settle"]

_ABOUT = """What a foreign AEO is entitled to under China's mutual recognition arrangements, and the exchange it rests on.

What partners state here serves mutual recognition only and goes to no other department.

The head of a request has at most {head:,} bytes in {lines} lines. A caller may ask {rate:,} codes a second of each node, and is answered
429 past that, with Retry-After. What is left is said in RateLimit and RateLimit-Policy, in codes (draft-ietf-httpapi-ratelimit-headers), with
that and with every limited answer but those of one code, which are given as fast as can be.

Within /v1 addresses, fields and words of lists may be added, and a reader passes over those it does not know; none is removed or given
another meaning. 207 is the answer to a domestic feed of which some rows were refused, and to nothing else.

Every answer carries an X-Request-Id, the caller's own where that has at most 128 letters, digits and `._:=+/@-`; by it a request is found in
the log. A traceparent (W3C Trace Context) is given back too.
"""
#: The console. Whatever stands under /sign-in by name goes before the one-time links, which are any name there.
PAGES = (sign_in.router, passkeys.router, provider.router, device.terminal, set_up.router, me.router, device.router, static.router)
#: Every route there is, but for the documentation's own. Those of copies come before the one that takes whatever follows for a code.
ROUTERS = (
    eligibility.router,
    copies.router,
    records.router,
    switches.router,
    voids.router,
    domestic.router,
    inbox.router,
    held.router,
    outbox.router,
    journal.router,
    jobs.router,
    partners.router,
    spreadsheets.router,
    keeping.router,
    principals.router,
    catalogue.router,
    exchange.router,
    health.router,
    *PAGES,
)
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def create_app(service: Service, lifespan: Lifespan | None = None) -> Front:
    """The ASGI application. ``lifespan`` is what goes on in the background while it serves."""
    settings = service.node.settings
    app: FastAPI = FastAPIOffline(
        redoc_url=None,
        redirect_slashes=False,  # an address is right or wrong
        swagger_ui_parameters={"validatorUrl": None},  # or a browser would ask a host outside about our document
        title="AEO mutual recognition gateway",
        version=__version__,
        description=_ABOUT.format(head=HEAD, lines=HEAD_LINES, rate=settings.rate),
        lifespan=lifespan,
    )
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)
    for error in (Refusal, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(error, _refused)
    app.openapi = lambda: documents.openapi(app, settings.body_limit, service.node.clock())  # type: ignore[method-assign] # FastAPI's own way of giving a document
    app.router.routes.insert(0, Route("/openapi.json", _document))
    return Front(app, service)


async def _document(request: Request) -> Response:
    """Written once: FastAPI's own route would write it anew for every stranger, which takes as long as a hundred answers."""
    service: Service = request.app.state.service
    if not service.document:
        service.document = msgspec.json.encode(request.app.openapi())
    return tagged(request, service.document)


def settle() -> None:
    """For whoever serves, once everything is loaded: what there is now stays. Otherwise the garbage collector looks at all of it every so
    often, and meanwhile nobody is answered for a tenth of a second."""
    gc.collect()
    gc.freeze()


async def _refused(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and (methods := _methods(request.url.path)):
        error.headers = {"Allow": ", ".join(sorted(methods))}  # Starlette names those of one route only
    elif isinstance(error, HTTPException) and error.status_code == 404 and reads_pages(request):
        return await nowhere(request)
    return problems.answer(error, request.scope["query_string"], request.app.state.service, request.scope)


def _methods(path: str) -> set[str]:
    """What can be done to an address, by whichever route."""
    routes = (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute))
    return {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}
