"""Partners' lists that would change too much at once, and so wait for a person; and our own question to a partner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.access import Scope
from gateway.core.declared import LONGEST
from gateway.core.four_eyes import Decision
from gateway.exchange.lists import review
from gateway.exchange.tell import asking
from gateway.exchange.tell.asking import AskedPartner
from gateway.store import listings, proposals
from gateway.store.listings import HeldList
from gateway.store.proposals import Proposal
from gateway.store.tokens import Caller
from gateway.web.api.doing import Done, Paged, Reasoned, asked, done, page, query, shown
from gateway.web.documents import bounds, describe
from gateway.web.guard import Need, Number, Served
from gateway.web.service import Service

router = APIRouter(tags=["lists"])
LIMIT = 64 * 1024
Reader = Annotated[Caller, Depends(Need(Scope.EXCHANGE_READ))]
Asker = Annotated[Caller, Depends(Need(Scope.EXCHANGE_WRITE))]
#: What a partner said of many at once is let through by whoever may decide of lists, and nobody else.
Decider = Annotated[Caller, Depends(Need(Scope.LIST_DECIDE))]


class HeldLists(msgspec.Struct, frozen=True, kw_only=True):
    """Lists that wait for a person, the newest first, and what is proposed to be done with them. ``next`` is given as ``after`` for those
    that follow."""

    held: Sequence[HeldList]
    proposed: Sequence[Proposal]
    next: int | None


class ListDecided(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided of a list: released or dropped, and how many operators are answered for anew."""

    number: int
    partner: str
    state: str
    operators: int


class AskingFor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A partner's code, as it was issued."""

    code: Annotated[str, bounds(minLength=1, maxLength=LONGEST)]


@router.get("/v1/lists/held", openapi_extra=describe(query=Paged, gives=HeldLists))
async def held(request: Request, service: Served, caller: Reader) -> Response:
    """Every list that waits: what it would grant and omit. The losses it states hold already."""
    wanted = query(request, Paged)

    def look(connection: Connection) -> HeldLists:
        rows, following = page(listings.held_lists(connection), wanted, lambda one: one.id, lambda one: one.partner)
        numbers = {one.id for one in rows}
        proposed = [one for one in proposals.open_now(connection, *review.DECISIONS) if one.number in numbers]
        return HeldLists(held=rows, proposed=proposed, next=following)

    return await shown(service, look)


@router.post(
    "/v1/lists/{number}/release",
    openapi_extra=describe(takes=Reasoned, gives=ListDecided, accepts=Proposal, limit=LIMIT, again=True),
)
async def release(number: Number, request: Request, service: Served, caller: Decider) -> Response:
    """Lets a held list count: its grants grant, and whom it omits is delisted. Where that takes two people, the first one's call proposes
    it, with status 202, and the same call of a second person does it."""
    return await _decided(number, request, service, caller, Decision.LIST_RELEASE)


@router.post(
    "/v1/lists/{number}/drop",
    openapi_extra=describe(takes=Reasoned, gives=ListDecided, accepts=Proposal, limit=LIMIT, again=True),
)
async def drop(number: Number, request: Request, service: Served, caller: Decider) -> Response:
    """Sets a held list aside: what it would grant or omit never counts; the losses it states stay."""
    return await _decided(number, request, service, caller, Decision.LIST_DROP)


async def _decided(number: int, request: Request, service: Service, caller: Caller, decision: Decision) -> Response:
    given, node, at = await asked(request, service, Reasoned), service.node, service.node.clock()
    decide, state = (review.release, "released") if decision is Decision.LIST_RELEASE else (review.drop, "dropped")

    def job(connection: Connection) -> Done:
        iso = listings.owner_of_held(connection, number)
        found = decide(connection, node.partners.get(iso), number, node.settings, who=caller, reason=given.reason, at=at)
        if isinstance(found, Proposal):
            return Done(found, 202)
        said = ListDecided(number=number, partner=iso, state=state, operators=len(found.timelines))
        return Done(said, change=found)

    return await done(request, service, caller, given, job)


@router.post("/v1/queries", openapi_extra=describe(takes=AskingFor, gives=AskedPartner, status=201, limit=LIMIT, again=True))
async def ask(request: Request, service: Served, caller: Asker) -> Response:
    """Asks the partner whose code this is about it. What it answers is recorded like any statement of its own: ``GET
    /v1/operators/{code}`` shows it then."""
    given, node, at = await asked(request, service, AskingFor), service.node, service.node.clock()

    def job(connection: Connection) -> Done:
        return Done(asking.ask_about(connection, node, given.code, at), 201)

    return await done(request, service, caller, given, job)
