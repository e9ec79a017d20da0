"""Setting up, with a one-time link: a password, then a second factor. The link is used up when both are proven."""

from __future__ import annotations

import io
from functools import partial

from markupsafe import Markup
from starlette.responses import Response

from gateway.core.errors import Code, Refusal
from gateway.operate import sign_in as story
from gateway.operate.passwords import SHORTEST
from gateway.store import ceremonies, credentials
from gateway.store.principals import Principal
from gateway.web.pages.forms import Typed
from gateway.web.pages.render import go, page
from gateway.web.pages.routes import router as pages
from gateway.web.pages.sign_in import HOME
from gateway.web.pages.visit import Visit, Visiting

router = pages()


@router.get("/sign-in/{link}")
async def begin(link: str, come: Visiting) -> Response:
    """Asks for a password."""
    return _first(come, link, await _linked(come, link))


@router.post("/sign-in/{link}")
async def password(link: str, come: Visiting, typed: Typed) -> Response:
    """Takes the password and shows the second factor."""
    one = await _linked(come, link)
    try:
        if typed.get("password", "") != typed.get("again", ""):
            detail, facts = "The two passwords are not the same.", {"page": "not-the-same"}
            raise Refusal(Code.DATA_INVALID, detail, field="again", remedy="Type both again.", facts=facts)
        await story.begin_set_up(come.service.node, come.service.passwords, come.browser, link, typed.get("password", ""))
    except Refusal as refused:
        return _first(come, link, one, refused)
    return await _second(come, link, one)


@router.post("/sign-in/{link}/code")
async def code(link: str, come: Visiting, typed: Typed) -> Response:
    """Takes a code of the second factor; with it everything is set up and the person signed in."""
    one = await _linked(come, link)
    try:
        session = await story.end_set_up(come.service.node, come.browser, link, typed.get("code", ""))
    except Refusal as refused:
        if refused.facts.get("page") == "too-late":
            return _first(come, link, one, refused)
        return await _second(come, link, one, refused)
    return come.enter(go(HOME), session)


def _first(come: Visit, link: str, one: Principal, refused: Refusal | None = None) -> Response:
    status = refused.code.row.status if refused else 200
    provider = bool(come.service.node.settings.oidc_issuer)
    return page(come, "set_up.html", status, refused=refused, link=link, name=one.name, least=SHORTEST, provider=provider)


async def _second(come: Visit, link: str, one: Principal, refused: Refusal | None = None) -> Response:
    at = come.service.node.clock()
    begun = await come.look(partial(ceremonies.look, cookie=come.cookie, kind=story.SETTING_UP, at=at))
    if begun is None:
        return _first(come, link, one, story.too_late())
    totp = begun.said["totp"]
    administration = come.service.node.settings.administration
    address = credentials.totp_address(one.name, totp, f"AEO {administration}")
    return page(
        come,
        "second_factor.html",
        refused.code.row.status if refused else 200,
        refused=refused,
        link=link,
        code=_drawn(address),
        secret=" ".join(totp[place : place + 4] for place in range(0, len(totp), 4)),
        address=address,
    )


async def _linked(come: Visit, link: str) -> Principal:
    return await come.look(partial(credentials.linked, secret=link, at=come.service.node.clock()))


def _drawn(text: str) -> Markup:
    """A QR code as SVG; nothing in it is anybody's text."""
    import segno  # dear to import, and drawn once a person

    out = io.BytesIO()
    segno.make(text, error="m").save(
        out, kind="svg", xmldecl=False, svgns=False, omitsize=True, svgclass="qr", lineclass=None, border=2
    )
    return Markup(out.getvalue().decode())  # noqa: S704
