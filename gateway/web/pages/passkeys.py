"""Passkeys: signing in with one, adding one, removing one. The browser's part is the only script there is (``static/passkeys.js``)."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from gateway.core.errors import Code, Refusal
from gateway.operate import passkeys as story
from gateway.store import passkeys
from gateway.web.pages.forms import Typed, local
from gateway.web.pages.me import ME, shown
from gateway.web.pages.render import go
from gateway.web.pages.routes import router as pages
from gateway.web.pages.sign_in import HOME, first
from gateway.web.pages.visit import Person, Visiting

router = pages()


@router.post("/sign-in/passkey/options")
async def entering(come: Visiting, typed: Typed) -> Response:
    """What the browser is to have signed."""
    return Response(await story.begin_entering(come.service.node, come.browser), media_type="application/json")


@router.post("/sign-in/passkey")
async def enter(come: Visiting, typed: Typed) -> Response:
    """What the device signed."""
    goes_on = local(typed.get("next", ""))
    try:
        session = await story.enter(come.service.node, come.browser, typed.get("answer", ""))
    except Refusal as refused:
        return first(come, refused.code.row.status, refused=refused, next=goes_on)
    return come.enter(go(goes_on or HOME), session)


@router.post(f"{ME}/passkeys/options")
async def adding(come: Visiting, who: Person, typed: Typed) -> Response:
    """What the browser is to have a key made with."""
    return Response(await story.begin_adding(come.service.node, come.browser, who.actor), media_type="application/json")


@router.post(f"{ME}/passkeys")
async def add(come: Visiting, who: Person, typed: Typed) -> Response:
    """The key that the device made."""
    try:
        await story.add(come.service.node, come.browser, who.actor, typed.get("passkey-name", ""), typed.get("answer", ""))
    except Refusal as refused:
        # Not 401: the person is signed in, and what was typed stands beside what went wrong.
        wrong = Refusal(Code.DATA_INVALID, refused.detail, field="passkey-name", remedy=refused.remedy, facts=refused.facts)
        return await shown(come, who, wrong)
    return go(f"{ME}#passkeys")


@router.post(f"{ME}/passkeys/remove")
async def remove(come: Visiting, who: Person, typed: Typed) -> Response:
    """One of one's own is good no more."""
    at, which = come.service.node.clock(), typed.get("passkey", "")
    job = partial(passkeys.remove, identity=who.actor.principal, which=which, by=who.actor, at=at)
    await come.service.node.write(job)
    return go(f"{ME}#passkeys")
