"""What a form brings. It counts only where it comes from a page of ours: by the word of the browser, and by the token that the page gave it."""

from __future__ import annotations

import hmac
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends, Request

from gateway.core.errors import Code, Refusal
from gateway.web.http import body
from gateway.web.pages.visit import Visiting
from gateway.web.service import Service

#: Bytes and fields of a form.
LIMIT, FIELDS = 64 * 1024, 100
TOKEN = "form"  # noqa: S105 - the name of a field
MEDIA_TYPE = "application/x-www-form-urlencoded"


async def form(come: Visiting) -> dict[str, str]:
    """What was typed, by the name of the field. Raises ``Refusal``: FORBIDDEN where another site sent it, or the page is of an earlier
    session; MEDIA_TYPE, QUESTION_INVALID and what ``body.whole`` raises."""
    _same_site(come.request, come.service)
    come.typed = await read(come.request, come.service)
    token = come.typed.pop(TOKEN, "")
    if not hmac.compare_digest(token.encode("utf-8", "replace"), come.form_token.encode()):
        raise Refusal(
            Code.FORBIDDEN,
            "This page is of an earlier session, or this browser keeps no cookies.",
            remedy="Look at what you typed, and send it again.",
            facts={"page": "stale-form"},
        )
    return come.typed


async def read(request: Request, service: Service) -> dict[str, str]:
    """The fields of a form, whoever sent it; of a name that stands twice the last."""
    kind, _ = body.media_type(request)
    if kind != MEDIA_TYPE:
        raise Refusal(Code.MEDIA_TYPE, "A form is expected.", field="Content-Type", value=kind, remedy=f"Send {MEDIA_TYPE}.")
    remote = request.client.host if request.client else "-"
    async with body.whole(request, LIMIT, service.room, remote) as data:
        try:
            return dict(parse_qsl(data.decode(), keep_blank_values=True, max_num_fields=FIELDS))
        except ValueError:
            raise Refusal(Code.QUESTION_INVALID, "What was sent is no form.", remedy="Use the form of the page.") from None


def _same_site(request: Request, service: Service) -> None:
    """Refuses what another site had a browser send. Browsers say so themselves, in one header or the other."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin", "")
    if site is not None:
        good = site == "same-origin"
    else:
        ours = urlsplit(service.node.settings.public_url)
        good = origin.lower() == f"{ours.scheme}://{ours.netloc}".lower()
    if not good:
        raise Refusal(
            Code.FORBIDDEN,
            "This was not sent from a page of this console.",
            remedy="Open the console at its own address; whoever runs it says which with AEO_URL.",
            facts={"page": "other-site", "url": service.node.settings.public_url},
        )


Typed = Annotated[dict[str, str], Depends(form)]


def local(address: str) -> str:
    """Where to go on: an address of this console, or none at all. What begins with two slashes, or a slash that leans the other way, is
    another host's to a browser."""
    good = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if good and "\\" not in address else ""
