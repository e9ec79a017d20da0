"""Annulling what should never have been believed. It takes two people: the holders of two tokens of different names."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.exchange import void
from gateway.exchange.void import Voiding, VoidScope
from gateway.store.tokens import Caller
from gateway.web import again
from gateway.web.api.questions import Moment, Reason, encode, understand
from gateway.web.documents import bounds, describe
from gateway.web.guard import Need, Number, Served
from gateway.web.http import body

router = APIRouter(tags=["voids"])
JSON = "application/json"
LIMIT = 64 * 1024
Administrator = Annotated[Caller, Depends(Need(Scope.PARTNER_ADMIN))]


class Annulling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Either ``message``, the id of one that came in, or ``certificate`` (SHA-256, hex) and ``since``. ``partner`` where two used one id."""

    reason: Reason
    message: str | None = None
    certificate: Annotated[str, bounds(pattern="^[0-9A-Fa-f:]{64,95}$")] | None = None
    since: Moment | None = None
    partner: str | None = None


class Annulled(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal with what would go with it as things are now; once confirmed, what did."""

    void: Voiding
    reach: VoidScope


class Voids(msgspec.Struct, frozen=True, kw_only=True):
    """Everything annulled, or proposed to be, the newest first."""

    voids: Sequence[Voiding]


@router.get("/v1/voids", openapi_extra=describe(gives=Voids))
async def listed(service: Served, caller: Administrator) -> Response:
    """Everything annulled, or proposed to be."""

    def look() -> Voids:
        with service.node.database.reading() as connection:
            return Voids(voids=void.recorded(connection))

    return Response(encode(await asyncio.to_thread(look)), media_type=JSON)


@router.post("/v1/voids", openapi_extra=describe(takes=Annulling, gives=Annulled, status=201, limit=LIMIT, again=True))
async def propose(request: Request, service: Served, caller: Administrator) -> Response:
    """The first person. Nothing changes yet."""
    async with body.whole(request, LIMIT, service.room) as data:
        asked = understand(data, Annulling)
    if (asked.message is None) == (asked.certificate is None) or (asked.certificate is None) != (asked.since is None):
        raise Refusal(Code.QUESTION_INVALID, "Give either message, or certificate and since.")
    node, at = service.node, service.node.clock()

    def job(connection: Connection) -> again.Outcome:
        if asked.certificate is not None and asked.since is not None:
            proposed = partial(void.propose_certificate, known=node.partners, fingerprint=asked.certificate, since=asked.since)
        else:
            proposed = partial(void.propose_message, message_id=asked.message or "")
        one = proposed(connection, partner=asked.partner and asked.partner.upper(), reason=asked.reason, who=caller, at=at)
        said = Annulled(void=one, reach=void.scope_of(connection, node.partners.get(one.partner), one))
        return again.Outcome(201, said)

    return await again.answer(request, service, caller, asked, job)


@router.post("/v1/voids/{number}/confirm", openapi_extra=describe(gives=Annulled, again=True))
async def confirm(number: Number, request: Request, service: Served, caller: Administrator) -> Response:
    """The second person. It is done; this node's very next answer knows, the others follow the journal."""
    node, at = service.node, service.node.clock()

    def job(connection: Connection) -> again.Outcome:
        done = void.confirm(connection, known=node.partners, identity=number, who=caller, at=at)
        return again.Outcome(200, Annulled(void=done.voiding, reach=done.scope), done.change)

    return await again.answer(request, service, caller, None, job)
