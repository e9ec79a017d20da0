"""The domestic side: the credit management platform's feed, and what is known and told of Chinese enterprises."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.domestic import claim
from gateway.domestic.claim import Claim
from gateway.domestic.readfile import Row, read_json, read_ndjson
from gateway.domestic.tiers import Deadline
from gateway.exchange.tell import feed as tell
from gateway.exchange.tell.feed import ConfirmedRecord, Report, Waiting
from gateway.node.committed import Change
from gateway.node.context import day_of
from gateway.store.proposals import Proposal
from gateway.store.tokens import Caller
from gateway.views import enterprises
from gateway.web import again
from gateway.web.api.questions import encode, parse_query, understand
from gateway.web.documents import describe
from gateway.web.guard import Need, Number, Served, note_reading
from gateway.web.http import body
from gateway.web.service import Service

T = TypeVar("T")
router = APIRouter(tags=["domestic"])

Reader = Annotated[Caller, Depends(Need(Scope.DOMESTIC_READ))]
Feeder = Annotated[Caller, Depends(Need(Scope.DOMESTIC_WRITE))]
#: What waits for a person is not let through by the token of the machine that sent it.
Decider = Annotated[Caller, Depends(Need(Scope.DOMESTIC_CONFIRM))]

JSON, NDJSON = "application/json", "application/x-ndjson"
NO_STORE = {"Cache-Control": "no-store"}


class Within(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many days ahead."""

    within: Annotated[int, msgspec.Meta(ge=0, le=3660)] = 90


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """What is due, the nearest first."""

    deadlines: Sequence[Deadline]


class HeldRecordList(msgspec.Struct, frozen=True, kw_only=True):
    """Records whose gains wait for a person, the oldest first."""

    held: Sequence[Waiting]


class ProposedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record whose gains wait for a second person; ``detail`` says so in a sentence."""

    record: int
    proposed_by: str
    proposed: datetime
    detail: str


class Claimed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a feed claims of itself, beside its rows or in a first object that is no record, having no USCC."""

    complete: Annotated[
        str | None,
        msgspec.Meta(
            description="The tiers of which it names every enterprise, joined by commas; all; or none, which takes back what was claimed."
        ),
    ] = None
    as_of: Annotated[
        str | None,
        msgspec.Meta(
            description="When what it says was so: a day, which begins in China (2026-11-30), or a moment with its zone. Never to come."
        ),
    ] = None


@router.put(
    "/v1/domestic/enterprises",
    openapi_extra=describe(takes=bytes, query=Claimed, gives=Report, partly=Report, media=(NDJSON, JSON)),
)
async def feed(request: Request, service: Served, caller: Feeder) -> Response:
    """Takes the domestic feed in: records as a JSON array or as NDJSON, of any number; a line of NDJSON has at most 64 KiB. The same
    again does nothing.

    Each row is judged by itself: good rows hold and are told abroad even where others are refused. The status is 200 when every
    row was taken or repeated, and 207 when some were refused; either way the report says which, where, why and what to do. What the feed
    claims of itself counts once its rows are in; nothing is taken of a feed whose claim cannot be read.
    """
    beside = _beside(understand(parse_query(request.scope["query_string"]), Claimed, strict=False))
    kind, charset = body.media_type(request)
    if kind not in (JSON, NDJSON) or charset not in ("", "utf-8"):
        raise Refusal(
            Code.MEDIA_TYPE,
            "The feed is JSON or NDJSON, in UTF-8.",
            field="Content-Type",
            value=request.headers.get("content-type"),
            remedy=f"Send Content-Type: {JSON} or {NDJSON}.",
        )
    node = service.node
    async with body.whole(request, node.settings.body_limit, service.room) as data:
        rows, stated = await asyncio.to_thread(_rows, data, kind)
    stated = claim.both(stated, beside, "the address")
    claim.not_ahead(stated, node.clock(), node.settings.clock_skew)
    report = Report()
    for batch, claimed in tell.in_parts(rows, stated):
        job = partial(tell.import_rows, node=node, rows=batch, who=caller, at=node.clock(), claim=claimed)
        report.add(await node.write(job))
    if report.taken or stated.states:
        await node.committed.here(Change(lists_or_switches=True))
    return Response(encode(report), 207 if report.refused else 200, NO_STORE, JSON)


def _rows(data: bytes, kind: str) -> tuple[list[Row], Claim]:
    found = read_json(data) if kind == JSON else read_ndjson(data.splitlines())
    return list(found), found.claim


def _beside(query: Claimed) -> Claim:
    return claim.read_claim(msgspec.structs.asdict(query))


@router.get("/v1/domestic/feed", openapi_extra=describe(gives=enterprises.FeedShown))
async def feed_claims(service: Served, caller: Reader) -> Response:
    """What the feed claims of itself: which tiers it names completely, as of when, and past what age nobody is known by it."""
    limit = service.node.settings.domestic_stop_after
    return await _shown(service, lambda connection: enterprises.feed(connection, service.node.clock(), limit))


@router.get("/v1/domestic/enterprises/{identity}", openapi_extra=describe(gives=enterprises.Stands))
async def enterprise(identity: str, service: Served, caller: Reader) -> Response:
    """How an enterprise stands today (in China), and everything stated of it; by USCC or customs code."""
    await note_reading(service, caller, "enterprise", identity)
    return await _shown(service, lambda connection: enterprises.stands(connection, identity, day_of(service.node.clock())))


@router.get("/v1/domestic/enterprises/{identity}/told", openapi_extra=describe(gives=enterprises.Disclosures))
async def told(identity: str, service: Served, caller: Reader) -> Response:
    """What each partner was last told of an enterprise: since when, proven by which receipt, accepted by which result."""
    await note_reading(service, caller, "told", identity)
    return await _shown(service, lambda connection: enterprises.told(connection, identity))


@router.get("/v1/domestic/deadlines", openapi_extra=describe(query=Within, gives=Deadlines))
async def deadlines(request: Request, service: Served, caller: Reader) -> Response:
    """Rectifications that run out, re-certifications that are due, and tiers to be stated anew."""
    asked = understand(parse_query(request.scope["query_string"]), Within, strict=False)
    today, ahead = day_of(service.node.clock()), timedelta(days=asked.within)
    return await _shown(service, lambda connection: Deadlines(deadlines=enterprises.deadlines(connection, today, ahead)))


@router.get("/v1/domestic/held", openapi_extra=describe(gives=HeldRecordList))
async def held(service: Served, caller: Reader) -> Response:
    """Records that no rule foresaw and whose gains wait for a person."""
    return await _shown(service, lambda connection: HeldRecordList(held=tell.waiting(connection)))


@router.post(
    "/v1/domestic/held/{number}/confirm", openapi_extra=describe(gives=ConfirmedRecord, accepts=ProposedRecord, again=True)
)
async def confirm(number: Number, request: Request, service: Served, caller: Decider) -> Response:
    """A person lets a record's gains through; they hold from now on and are told. Where that takes two people (AEO_TWO_PEOPLE), the
    first one's call proposes it, with status 202, and the same call of the holder of a token of another name does it."""
    node, at = service.node, service.node.clock()

    def job(connection: Connection) -> again.Outcome:
        done = tell.let_through(connection, node=node, record_id=number, who=caller, at=at)
        if isinstance(done, Proposal):
            said = ProposedRecord(record=number, proposed_by=done.proposed_by, proposed=done.proposed, detail=done.sentence)
            return again.Outcome(202, said)
        return again.Outcome(200, done)

    return await again.answer(request, service, caller, None, job)


async def _shown(service: Service, look: Callable[[Connection], object]) -> Response:
    def read() -> object:
        with service.node.database.reading() as connection:
            return look(connection)

    return Response(encode(await asyncio.to_thread(read)), headers=NO_STORE, media_type=JSON)
