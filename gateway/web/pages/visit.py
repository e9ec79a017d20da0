"""Who is at the other end of a page: a browser that two cookies tell from others.

Before anybody is signed in it has one that binds its forms and what it has begun; it comes along when another provider of sign-in sends
the browser back, and lets nobody in. The session's cookie replaces it, and never leaves with a request that another site caused. Neither
is ever looked at under ``/v1``.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.errors import Refusal
from gateway.operate.sign_in import Browser
from gateway.store import emergencies, secret, sessions
from gateway.store.emergencies import Emergency
from gateway.store.sessions import NOTED, SignedIn
from gateway.web.guard import Served
from gateway.web.http.peer import address
from gateway.web.pages.words import Words, choose
from gateway.web.service import Service

T = TypeVar("T")
#: How many emergencies a page tells of, the newest first, as a terminal does.
TOLD = 3


@dataclass(slots=True)
class Visit:
    """One request of one browser. ``cookie`` binds its forms: the session's where somebody is signed in, else that of before; ``new`` where
    the browser does not have it yet. ``emergencies`` are those that everybody signed in is told of. ``typed`` is what a form brought, once
    it was read."""

    request: Request
    service: Service
    words: Words
    cookie: str
    new: bool
    signed_in: SignedIn | None
    emergencies: Sequence[Emergency]
    typed: dict[str, str] = field(default_factory=dict)

    @property
    def form_token(self) -> str:
        """What every form of this browser carries: another site can have a browser send the cookie, but not read it."""
        return hmac.new(self.cookie.encode("utf-8", "surrogateescape"), b"form", sha256).hexdigest()

    @property
    def browser(self) -> Browser:
        remote = address(self.request, self.service.node.settings.proxy)
        return Browser(self.cookie, remote, self.request.headers.get("user-agent", ""))

    async def look(self, job: Callable[[Connection], T]) -> T:
        """Reads, off the event loop."""

        def read() -> T:
            with self.service.node.database.reading() as connection:
                return job(connection)

        return await asyncio.to_thread(read)

    def enter(self, response: Response, session: str) -> Response:
        """Lets this browser be that of a new session."""
        names = cookies(self.service)
        response.set_cookie(names.session, session, httponly=True, samesite="strict", secure=names.secure, path="/")
        response.delete_cookie(names.before, path="/", secure=names.secure, httponly=True, samesite="lax")
        self.new = False
        return response

    def leave(self, response: Response) -> Response:
        """Forgets the session's cookie."""
        names = cookies(self.service)
        response.delete_cookie(names.session, path="/", secure=names.secure, httponly=True, samesite="strict")
        return response

    def remember(self, response: Response) -> None:
        """Gives a new browser its cookie."""
        if self.new:
            names = cookies(self.service)
            response.set_cookie(names.before, self.cookie, httponly=True, samesite="lax", secure=names.secure, path="/")


@dataclass(frozen=True, slots=True)
class Cookies:
    """Their names: with ``__Host-`` no other host of the domain can set them, but only TLS can carry them."""

    session: str
    before: str
    secure: bool


def cookies(service: Service) -> Cookies:
    """The cookies of this installation."""
    secure = service.node.settings.public_url.startswith("https://")
    prefix = "__Host-" if secure else ""
    return Cookies(f"{prefix}aeo", f"{prefix}aeo-begun", secure)


async def visit(request: Request, service: Served) -> Visit:
    """Who comes. Kept with the request, for whoever tells what went wrong."""
    names = cookies(service)
    who, told = await _signed_in(request, service, request.cookies.get(names.session, ""))
    before = request.cookies.get(names.before, "")
    cookie = request.cookies[names.session] if who else before or secret.new()
    language = choose(who.language if who else None, request.headers.get("accept-language", ""), service.language)
    come = Visit(request, service, Words(language), cookie, not who and not before, who, told)
    request.state.visit = come
    return come


async def signed_in(come: Annotated[Visit, Depends(visit)]) -> SignedIn:
    """Who is signed in. Raises ``Refusal`` UNAUTHENTICATED."""
    if come.signed_in is None:
        raise sessions.over()
    return come.signed_in


async def _signed_in(request: Request, service: Service, cookie: str) -> tuple[SignedIn | None, Sequence[Emergency]]:
    if not cookie:
        return None, ()
    now, remote = service.node.clock(), address(request, service.node.settings.proxy)

    def look() -> tuple[SignedIn | None, Sequence[Emergency]]:
        with service.node.database.reading() as connection:
            try:
                return sessions.holder(connection, cookie, now, remote), emergencies.recent(connection, now)[:TOLD]
            except Refusal:
                return None, ()

    who, told = await asyncio.to_thread(look)
    if who is not None and now - who.session.seen >= NOTED:
        service.node.writer.submit(partial(sessions.used, one=who.session, at=now))  # nobody waits for it
    return who, told


Visiting = Annotated[Visit, Depends(visit)]
Person = Annotated[SignedIn, Depends(signed_in)]
