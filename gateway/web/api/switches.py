"""Our own hand on the switch: stops of benefits and disruptions of trade. Each is a dated statement of the token's holder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypeVar

import msgspec
from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.declared import LONGEST
from gateway.node.committed import Change
from gateway.store import switches
from gateway.store.switches import DISRUPTIONS, STOPS, Switch, What
from gateway.store.tokens import Caller
from gateway.web import again
from gateway.web.api.questions import Moment, encode, understand
from gateway.web.documents import bounds, describe
from gateway.web.guard import Clearance, Number, Served, Stopper
from gateway.web.http import body
from gateway.web.service import Service

T = TypeVar("T")
router = APIRouter(tags=["switches"])
LIMIT = 64 * 1024
#: Text with no control characters but tabs and ends of lines.
_TEXT = r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]*"
#: Why, or by what: not empty.
Reason = Annotated[str, bounds(minLength=1, pattern=rf"^{_TEXT}[^\s\x00-\x1f\x7f-\x9f]{_TEXT}$")]


class Stopping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose benefits are stopped: an operator's or an arrangement's, by its code. ``since`` is now where it is left out."""

    what: Literal["operator", "arrangement"]
    subject: Annotated[str, bounds(minLength=1, maxLength=LONGEST)]
    reason: Reason
    since: Moment | None = None
    until: Moment | None = None


class Disrupting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where trade is disrupted: an arrangement's code, a member's, ``*`` everywhere; and by what. ``until`` is to when goods have priority
    once trade has resumed, where that is known already."""

    where: Annotated[str, bounds(pattern=r"^(\*|[A-Z]{2})$")]
    what: Reason
    since: Moment | None = None
    until: Moment | None = None


class EndingRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a stop is lifted."""

    reason: Reason


class Resuming(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That trade has resumed, from ``resumed`` (left out: now), and until when goods have priority (left out: as was said when the
    disruption was declared; where nothing was said, they have none)."""

    reason: Reason
    resumed: Moment | None = None
    until: Moment | None = None


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """Every switch there was, the newest first."""

    switches: Sequence[Switch]


@router.get("/v1/stops", openapi_extra=describe(gives=Listed))
async def stops(service: Served, caller: Clearance) -> Response:
    """Every stop there was."""
    return await _listed(service, STOPS)


@router.post("/v1/stops", openapi_extra=describe(takes=Stopping, gives=Switch, status=201, limit=LIMIT, again=True))
async def stop(request: Request, service: Served, caller: Stopper) -> Response:
    """Stops one operator's or one arrangement's benefits; it wins over everything. No partner is told (choice): the exchange has
    no message for it yet; a person tells the partner's liaison officer. Said again in the same words while it is in force, it is
    answered as before."""
    asked = await _asked(request, service, Stopping)
    return await _turned(request, service, caller, asked, asked.what, asked.subject, asked.reason)


@router.post("/v1/stops/{number}/lift", openapi_extra=describe(takes=EndingRequest, gives=Switch, limit=LIMIT, again=True))
async def lift(number: Number, request: Request, service: Served, caller: Stopper) -> Response:
    """Lifts a stop."""
    asked, at = await _asked(request, service, EndingRequest), service.node.clock()

    def job(connection: Connection) -> Switch:
        return switches.lift(connection, number, STOPS, reason=asked.reason, who=caller, at=at)

    return await _done(request, service, caller, asked, job)


@router.get("/v1/disruptions", openapi_extra=describe(gives=Listed))
async def disruptions(service: Served, caller: Clearance) -> Response:
    """Every disruption there was."""
    return await _listed(service, DISRUPTIONS)


@router.post("/v1/disruptions", openapi_extra=describe(takes=Disrupting, gives=Switch, status=201, limit=LIMIT, again=True))
async def disrupt(request: Request, service: Served, caller: Stopper) -> Response:
    """Declares a disruption of trade. While it lasts nothing moves; measure R applies from its end on, where an arrangement grants it.
    Said again in the same words while it lasts, it is answered as before."""
    asked = await _asked(request, service, Disrupting)
    return await _turned(request, service, caller, asked, "disruption", asked.where, asked.what)


@router.post("/v1/disruptions/{number}/end", openapi_extra=describe(takes=Resuming, gives=Switch, limit=LIMIT, again=True))
async def end(number: Number, request: Request, service: Served, caller: Stopper) -> Response:
    """Ends a disruption: trade has resumed, and measure R applies from then until its declared end."""
    asked, at = await _asked(request, service, Resuming), service.node.clock()

    def job(connection: Connection) -> Switch:
        return switches.resume(connection, number, resumed=asked.resumed, until=asked.until, reason=asked.reason, who=caller, at=at)

    return await _done(request, service, caller, asked, job)


async def _asked(request: Request, service: Service, kind: type[T]) -> T:
    async with body.whole(request, LIMIT, service.room) as data:
        return understand(data, kind)


async def _turned(
    request: Request,
    service: Service,
    caller: Caller,
    asked: Stopping | Disrupting,
    what: What,
    subject: str,
    reason: str,
) -> Response:
    at, members, once = service.node.clock(), service.node.partners.members(), again.given_key(request) is None

    def job(connection: Connection) -> Switch:
        return switches.turn(
            connection,
            what,
            subject.upper() if what == "arrangement" else subject,
            since=asked.since or at,
            until=asked.until,
            reason=reason,
            who=caller,
            at=at,
            members=members,
            once=once,
        )

    return await _done(request, service, caller, asked, job, 201)


async def _done(
    request: Request,
    service: Service,
    caller: Caller,
    asked: msgspec.Struct,
    job: Callable[[Connection], Switch],
    status: int = 200,
) -> Response:
    """Does it and answers; this node's very next answer knows, the others follow the journal."""
    change = Change(lists_or_switches=True)
    return await again.answer(request, service, caller, asked, lambda connection: again.Outcome(status, job(connection), change))


async def _listed(service: Service, among: Sequence[What]) -> Response:
    def look() -> list[Switch]:
        with service.node.database.reading() as connection:
            return switches.recorded(connection, among)

    return Response(encode(Listed(switches=await asyncio.to_thread(look))), media_type="application/json")
