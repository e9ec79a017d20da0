"""Signing in by way of the administration's own provider: sent there, and back."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from gateway.core.errors import Code, Refusal
from gateway.operate import oidc as story
from gateway.web.pages.forms import Typed, local
from gateway.web.pages.render import page
from gateway.web.pages.routes import router as pages
from gateway.web.pages.sign_in import HOME, first
from gateway.web.pages.visit import Visiting

router = pages()


@router.post("/sign-in/provider")
async def begin(come: Visiting, typed: Typed) -> Response:
    """Sends the browser there: by a page, for what a form leads to must be ours (Content-Security-Policy, form-action). A form may bring the
    secret of a one-time link."""
    goes_on = local(typed.get("next", ""))
    if not come.service.node.settings.oidc_issuer:
        raise Refusal(
            Code.NOT_FOUND, "No provider of sign-in is set here.", remedy="Set AEO_OIDC_ISSUER, or sign in with a password."
        )
    try:
        address = await story.begin(come.service.node, come.browser, goes_on, typed.get("link", ""))
    except Refusal as refused:
        return first(come, refused.code.row.status, refused=refused, next=goes_on)
    return page(come, "going.html", address=address, back=False)


@router.get(story.BACK)
async def back(come: Visiting, request: Request) -> Response:
    """The browser is back. It goes on by a page of ours: another site led it here, and so a redirect would not carry the new cookie."""
    if not come.service.node.settings.oidc_issuer:
        raise Refusal(Code.NOT_FOUND)
    try:
        came = await story.end(come.service.node, come.browser, dict(request.query_params))
    except Refusal as refused:
        return first(come, refused.code.row.status, refused=refused, next="")
    return come.enter(page(come, "going.html", address=local(came.next) or HOME, back=True), came.session)
