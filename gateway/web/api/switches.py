"""Our own hand on the switch: stops of benefits and disruptions of trade. Each is a dated statement of the token's holder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, TypeVar

import msgspec
from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.node.committed import Change
from gateway.store import switches
from gateway.store.switches import DISRUPTIONS, STOPS, Switch, What
from gateway.web.api.questions import Moment, encode, understand
from gateway.web.documents import describe
from gateway.web.guard import Clearance, Served, Stopper
from gateway.web.http import body
from gateway.web.service import Service

T = TypeVar("T")
router = APIRouter(tags=["switches"])
LIMIT = 64 * 1024


class Stopping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose benefits are stopped: an operator's or an arrangement's, by its code. ``since`` is now where it is left out."""

    what: Literal["operator", "arrangement"]
    subject: str
    reason: str
    since: Moment | None = None
    until: Moment | None = None


class Disrupting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where trade is disrupted: an arrangement's code, a member's, ``*`` everywhere; and by what. ``until`` is to when goods have priority
    once trade has resumed, where that is known already."""

    where: str
    what: str
    since: Moment | None = None
    until: Moment | None = None


class EndingRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a stop is lifted."""

    reason: str


class Resuming(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """That trade has resumed, from ``resumed`` (left out: now), and until when goods have priority (left out: as was said when the
    disruption was declared; where nothing was said, they have none)."""

    reason: str
    resumed: Moment | None = None
    until: Moment | None = None


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """Every switch there was, the newest first."""

    switches: Sequence[Switch]


@router.get("/v1/stops", openapi_extra=describe(gives=Listed))
async def stops(service: Served, caller: Clearance) -> Response:
    """Every stop there was."""
    return await _listed(service, STOPS)


@router.post("/v1/stops", openapi_extra=describe(takes=Stopping, gives=Switch, status=201))
async def stop(request: Request, service: Served, caller: Stopper) -> Response:
    """Stops one operator's or one arrangement's benefits; it wins over everything. No partner is told (choice): the exchange has
    no message for it yet; a person tells the partner's liaison officer."""
    async with body.whole(request, LIMIT, service.room) as data:
        asked = understand(data, Stopping)
    return await _turned(service, asked.what, asked.subject, asked.since, asked.until, asked.reason, caller.name)


@router.post("/v1/stops/{number}/lift", openapi_extra=describe(takes=EndingRequest, gives=Switch))
async def lift(number: int, request: Request, service: Served, caller: Stopper) -> Response:
    """Lifts a stop."""
    async with body.whole(request, LIMIT, service.room) as data:
        reason = understand(data, EndingRequest).reason
    at = service.node.clock()

    def job(connection: Connection) -> Switch:
        return switches.lift(connection, number, STOPS, reason=reason, who=caller.name, at=at)

    return Response(encode(await _written(service, job)), media_type="application/json")


@router.get("/v1/disruptions", openapi_extra=describe(gives=Listed))
async def disruptions(service: Served, caller: Clearance) -> Response:
    """Every disruption there was."""
    return await _listed(service, DISRUPTIONS)


@router.post("/v1/disruptions", openapi_extra=describe(takes=Disrupting, gives=Switch, status=201))
async def disrupt(request: Request, service: Served, caller: Stopper) -> Response:
    """Declares a disruption of trade. While it lasts nothing moves; measure R applies from its end on, where an arrangement grants it."""
    async with body.whole(request, LIMIT, service.room) as data:
        asked = understand(data, Disrupting)
    return await _turned(service, "disruption", asked.where, asked.since, asked.until, asked.what, caller.name)


@router.post("/v1/disruptions/{number}/end", openapi_extra=describe(takes=Resuming, gives=Switch))
async def end(number: int, request: Request, service: Served, caller: Stopper) -> Response:
    """Ends a disruption: trade has resumed, and measure R applies from then until its declared end."""
    async with body.whole(request, LIMIT, service.room) as data:
        asked = understand(data, Resuming)
    at = service.node.clock()

    def job(connection: Connection) -> Switch:
        return switches.resume(
            connection, number, resumed=asked.resumed, until=asked.until, reason=asked.reason, who=caller.name, at=at
        )

    return Response(encode(await _written(service, job)), media_type="application/json")


async def _turned(
    service: Service, what: What, subject: str, since: datetime | None, until: datetime | None, reason: str, who: str
) -> Response:
    at = service.node.clock()

    def job(connection: Connection) -> Switch:
        return switches.turn(
            connection,
            what,
            subject,
            since=since or at,
            until=until,
            reason=reason,
            who=who,
            at=at,
            members=service.node.partners.members(),
        )

    return Response(encode(await _written(service, job)), 201, media_type="application/json")


async def _written(service: Service, job: Callable[[Connection], T]) -> T:
    """Commits, and lets this node's very next answer know; the others follow the journal."""
    done = await service.node.write(job)
    await service.node.committed.here(Change(lists_or_switches=True))
    return done


async def _listed(service: Service, among: Sequence[What]) -> Response:
    def look() -> list[Switch]:
        with service.node.database.reading() as connection:
            return switches.recorded(connection, among)

    return Response(encode(Listed(switches=await asyncio.to_thread(look))), media_type="application/json")
