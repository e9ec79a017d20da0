"""A terminal is signed in (RFC 8628): it asks for a code and then for the outcome; a person who is signed in enters the code and decides."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.core.errors import Refusal
from gateway.store import devices
from gateway.web.guard import Served
from gateway.web.http.peer import address
from gateway.web.pages import forms
from gateway.web.pages.forms import Typed
from gateway.web.pages.render import page
from gateway.web.pages.routes import router as pages
from gateway.web.pages.visit import Person, Visiting

router = pages()
#: What the terminal asks: it is no browser, has no cookie, and is told problems and not pages.
terminal = APIRouter(include_in_schema=False)
PAGE = "/device"
_SECOND = timedelta(seconds=1)


@terminal.post("/sign-in/device")
async def ask(request: Request, service: Served) -> Response:
    """A terminal asks for a code (RFC 8628, 3.1 and 3.2)."""
    node = service.node
    job = partial(devices.ask, at=node.clock(), address=address(request, node.settings.proxy))
    device_code, user_code = await node.write(job)
    return _json(
        {
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": node.settings.public_url + PAGE,
            "verification_uri_complete": f"{node.settings.public_url}{PAGE}?code={user_code}",
            "expires_in": devices.LASTS // _SECOND,
            "interval": devices.EVERY // _SECOND,
        }
    )


@terminal.post("/sign-in/device/token")
async def poll(request: Request, service: Served) -> Response:
    """The terminal asks what became of it (RFC 8628, 3.4 and 3.5)."""
    typed = await forms.read(request, service)
    job = partial(devices.poll, device_code=typed.get("device_code", ""), at=service.node.clock())
    outcome = await service.node.write(job)
    if isinstance(outcome, str):
        return _json({"error": outcome}, 400)
    token, good = outcome
    return _json({"access_token": token, "token_type": "Bearer", "expires_in": good // _SECOND})


@router.get(PAGE)
async def enter(come: Visiting, who: Person, code: str = "") -> Response:
    """Asks for the code; one that came with the address is only filled in, or a link could decide for a person."""
    return page(come, "device.html", code=code[:20])


@router.post(PAGE)
async def look(come: Visiting, who: Person, typed: Typed) -> Response:
    """Shows what is known of the terminal."""
    code = typed.get("code", "")
    try:
        one = await come.look(partial(devices.waiting, typed=code, at=come.service.node.clock()))
    except Refusal as refused:
        return page(come, "device.html", refused.code.row.status, refused=refused, code=code)
    return page(come, "device_confirm.html", waiting=one)


@router.post(f"{PAGE}/answer")
async def decide(come: Visiting, who: Person, typed: Typed) -> Response:
    """The person decides."""
    approve, code = typed.get("answer") == "approve", typed.get("code", "")
    job = partial(devices.decide, typed=code, approve=approve, by=who.actor, at=come.service.node.clock())
    try:
        await come.service.node.write(job)
    except Refusal as refused:
        return page(come, "device.html", refused.code.row.status, refused=refused, code=code)
    return page(come, "device_done.html", approved=approve)


def _json(said: dict[str, object], status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store", "Pragma": "no-cache"}
    return Response(msgspec.json.encode(said), status, headers, "application/json")
