"""What is on its way to partners, what failed, and sending it again; and what ends before it does harm."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.exchange.deliver import by_word
from gateway.exchange.deliver.by_word import Resent
from gateway.operate import expiry
from gateway.operate.expiry import EndingShown
from gateway.store.tokens import Caller
from gateway.views import outgoing
from gateway.views.outgoing import OpenCircuit, OutgoingMessage
from gateway.web.api.doing import JSON, MOST, NO_STORE, Done, Paged, PartnerCode, Reasoned, asked, done, query, shown
from gateway.web.api.questions import encode
from gateway.web.documents import describe
from gateway.web.guard import Need, Served

router = APIRouter(tags=["outbox"])
LIMIT = 64 * 1024
Reader = Annotated[Caller, Depends(Need(Scope.EXCHANGE_READ))]
Sender = Annotated[Caller, Depends(Need(Scope.EXCHANGE_WRITE))]


class OutgoingState(StrEnum):
    """What became of a message of ours, or that it has not arrived."""

    UNDELIVERED = "undelivered"
    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    DEAD = "dead"
    REISSUED = "reissued"
    MAILED = "mailed"


class OutboxWanted(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of our messages: those in one state; left out, every one that did not arrive."""

    state: Annotated[OutgoingState, msgspec.Meta(description="Only in this state; left out: everything that did not arrive.")] = (
        OutgoingState.UNDELIVERED
    )


class Outbox(msgspec.Struct, frozen=True, kw_only=True):
    """Our messages, the latest first, and the partners that are left alone for a while. ``next`` is given as ``after`` for those that
    follow."""

    messages: Sequence[OutgoingMessage]
    lines: Sequence[OpenCircuit]
    next: int | None


class Resending(Reasoned, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages that ended are sent again: those named, up to 1,000, and with ``failed`` those that were given up or expired, to
    one partner or to all; of these the oldest 1,000."""

    messages: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST, description="Ids of messages that ended.")] = ()
    failed: Annotated[bool, msgspec.Meta(description="Also those that were given up or expired.")] = False
    partner: PartnerCode = None


class Warnings(msgspec.Struct, frozen=True, kw_only=True):
    """What ends within 60 days, the soonest first."""

    warnings: Sequence[EndingShown]


@router.get("/v1/outbox", openapi_extra=describe(query=OutboxWanted, gives=Outbox))
async def listed(request: Request, service: Served, caller: Reader) -> Response:
    """Messages of ours that did not arrive yet, or in any other state, and the partners that cannot be reached."""
    wanted = query(request, OutboxWanted)
    states = outgoing.UNDELIVERED if wanted.state is OutgoingState.UNDELIVERED else (wanted.state.value,)

    def look(connection: Connection) -> Outbox:
        rows, following = outgoing.outgoing(connection, partner=wanted.iso, states=states, after=wanted.after, most=wanted.most)
        return Outbox(messages=rows, lines=outgoing.left_alone(connection, wanted.iso), next=following)

    return await shown(service, look)


@router.post("/v1/outbox/resend", openapi_extra=describe(takes=Resending, gives=Resent, limit=LIMIT, again=True))
async def resend(request: Request, service: Served, caller: Sender) -> Response:
    """Sends messages again: the same bytes while the partner takes them, otherwise what stands for them now."""
    given, node, at = await asked(request, service, Resending), service.node, service.node.clock()
    if not given.messages and not given.failed:
        raise Refusal(Code.QUESTION_INVALID, "Name messages, or say failed.", field="messages")

    def job(connection: Connection) -> Done:
        return Done(
            by_word.send_again(
                connection,
                node,
                given.messages,
                failed=given.failed,
                partner=given.partner.upper() if given.partner else None,
                who=caller,
                reason=given.reason,
                at=at,
                most=MOST,
            )
        )

    return await done(request, service, caller, given, job)


@router.get("/v1/warnings", openapi_extra=describe(gives=Warnings))
async def warnings(service: Served, caller: Reader) -> Response:
    """Certificates of ours and of partners, authorities, revocation lists and announcements that end within 60 days."""
    found = await asyncio.to_thread(expiry.now, service.node)
    return Response(encode(Warnings(warnings=[expiry.shown(one) for one in found])), headers=NO_STORE, media_type=JSON)
