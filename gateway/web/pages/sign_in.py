"""Signing in with name and password and then a code; signing out."""

from __future__ import annotations

from starlette.responses import Response

from gateway.core.errors import Refusal
from gateway.operate import sign_in as story
from gateway.store import sessions
from gateway.web.pages.forms import Typed, local
from gateway.web.pages.render import go, page
from gateway.web.pages.routes import router as pages
from gateway.web.pages.visit import Person, Visit, Visiting

router = pages()
#: Where a person begins, as long as there is no inbox.
HOME = "/me"


@router.get("/")
async def begin(come: Visiting) -> Response:
    """Where somebody begins."""
    return go(HOME if come.signed_in else "/sign-in")


@router.get("/sign-in")
async def sign_in(come: Visiting, next: str = "") -> Response:  # noqa: A002 - it is called so in the address
    """The first page."""
    return go(local(next) or HOME) if come.signed_in else first(come, next=local(next))


@router.post("/sign-in")
async def password(come: Visiting, typed: Typed) -> Response:
    """Name and password; the page of the code, where they are right."""
    goes_on = local(typed.get("next", ""))
    try:
        await story.password(
            come.service.node, come.service.passwords, come.browser, typed.get("name", ""), typed.get("password", "")
        )
    except Refusal as refused:
        return first(come, refused.code.row.status, refused=refused, next=goes_on)
    return page(come, "code.html", next=goes_on)


@router.post("/sign-in/code")
async def code(come: Visiting, typed: Typed) -> Response:
    """The code of the second factor."""
    goes_on = local(typed.get("next", ""))
    try:
        session = await story.code(come.service.node, come.browser, typed.get("code", ""))
    except Refusal as refused:
        if refused.facts.get("page") == "too-late":
            return first(come, refused.code.row.status, refused=refused, next=goes_on)
        return page(come, "code.html", refused.code.row.status, refused=refused, next=goes_on)
    return come.enter(go(goes_on or HOME), session)


@router.post("/sign-out")
async def sign_out(come: Visiting, who: Person, typed: Typed) -> Response:
    """Ends this session."""
    at = come.service.node.clock()
    await come.service.node.write(
        lambda connection: sessions.end(connection, who.actor.principal, who.session.id, at=at, by=who.actor)
    )
    return come.leave(go("/sign-in"))


def first(come: Visit, status: int = 200, *, next: str, refused: Refusal | None = None) -> Response:  # noqa: A002 - as above
    """The page where signing in begins."""
    provider = bool(come.service.node.settings.oidc_issuer)
    return page(come, "sign_in.html", status, refused=refused, next=next, provider=provider)
