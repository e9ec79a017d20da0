"""What needs a person, in one list."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from gateway.core.access import Scope
from gateway.operate import expiry
from gateway.store.tokens import Caller
from gateway.views import inbox
from gateway.views.inbox import Inbox
from gateway.views.inbox_row import InboxKind
from gateway.web.api.doing import JSON, NO_STORE, Most, PartnerCode, query
from gateway.web.api.questions import encode, sees_domestic
from gateway.web.documents import describe
from gateway.web.guard import Need, Served

router = APIRouter(tags=["inbox"])
Reader = Annotated[Caller, Depends(Need(Scope.EXCHANGE_READ))]


class InboxWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of it."""

    kind: Annotated[InboxKind | None, msgspec.Meta(description="Only of this kind.")] = None
    partner: PartnerCode = None
    after: Annotated[
        Annotated[str, msgspec.Meta(max_length=1_000)] | None,
        msgspec.Meta(description="Where the page before ended: its next. Left out: from the newest on."),
    ] = None
    most: Most = 200


@router.get("/v1/inbox", openapi_extra=describe(query=InboxWanted, gives=Inbox))
async def needs_a_person(request: Request, service: Served, caller: Reader) -> Response:
    """What needs a person: held lists and gains, proposals that wait for a second person, messages that failed, partners that cannot be reached or whose
    data is old, certificates that end, rehearsals that did not pass, deadlines, faults in a partner's data. Each with what happens if
    nobody acts, and what settles it."""
    wanted, node = query(request, InboxWanted), service.node

    def look() -> bytes:
        alerts = expiry.now(node)
        with node.database.reading() as connection:
            rows = inbox.inbox(
                connection, node, alerts, node.clock(), domestic=sees_domestic(caller), whole=Scope.AUDIT_READ in caller.scopes
            )
        iso = wanted.partner.upper() if wanted.partner else None
        found: Inbox = inbox.page(rows, kind=wanted.kind, partner=iso, after=wanted.after, most=wanted.most)
        return encode(found)

    return Response(await asyncio.to_thread(look), headers=NO_STORE, media_type=JSON)
