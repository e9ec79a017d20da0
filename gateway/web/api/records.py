"""What is on record: operators with their history, partners with their terms, messages with what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any, TypeVar

import msgspec
from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.clearance.render import Both
from gateway.core.access import Scope
from gateway.core.arrangement import Arrangement
from gateway.core.declared import resolve
from gateway.core.errors import Code, Refusal
from gateway.core.history import ALWAYS, Authorisation, Timeline
from gateway.core.home import HOME_ZONE
from gateway.core.model import Standing, Statement
from gateway.core.moments import from_epoch
from gateway.core.terms import Term
from gateway.store import statements
from gateway.store.active import ActivePartner
from gateway.store.listings import last_complete
from gateway.store.problems import by_partner
from gateway.store.problems import recorded as noted
from gateway.store.switches import STOPS, Switch, recorded
from gateway.store.tokens import Caller
from gateway.views.messages import shown
from gateway.views.search import MOST, MessageList, MessageSearch, search
from gateway.web.api.doing import OfMessage, query
from gateway.web.api.questions import parse_query, understand
from gateway.web.documents import describe
from gateway.web.guard import Auditor, Clearance, Served, note_reading
from gateway.web.http.versions import tagged
from gateway.web.service import Service

T = TypeVar("T")
router = APIRouter()
JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store"}


class Stood(msgspec.Struct, frozen=True, kw_only=True):
    """A standing from a moment until the next one, and the message that says so."""

    since: datetime | None
    standing: Standing
    message_id: str


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate's period, both days inclusive, and the message that says so."""

    granted: date | None
    expires: date | None
    message_id: str


class Authorised(msgspec.Struct, frozen=True, kw_only=True):
    """One authorisation: its two tracks, each in the order of time. ``since`` null: void from its beginning."""

    level: str | None
    number: str | None
    standings: Sequence[Stood]
    periods: Sequence[Ran]


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """One statement as recorded, in the order of recording."""

    statement: dict[str, Any]
    message_id: str
    digest: str
    issued: datetime
    takes_effect: datetime
    received: datetime
    pictured: bool
    derived: bool
    held: bool
    transcribed: bool
    voided: datetime | None


class OperatorShown(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a partner said of one operator, and our own stops of it."""

    code: str
    arrangement: str
    member: str | None
    names: Sequence[str]
    local_name: str | None
    authorisations: Sequence[Authorised]
    statements: Sequence[Stated]
    stops: Sequence[Switch]


class ProblemShown(msgspec.Struct, frozen=True, kw_only=True):
    """What does not work with a partner since when, and when it last failed; by what, for who may read the journal."""

    what: str
    since: datetime
    last: datetime
    problem: str | None


class PartnerShown(msgspec.Struct, frozen=True, kw_only=True):
    """One arrangement, as activated. ``state`` is of the exchange; ``lists`` is the moment of the last complete list by its scope;
    ``problems`` are this partner's alone. ``envelope`` is the version in which messages to it are written."""

    iso: str
    economy: Both
    administration: str
    programme: str
    state: str
    in_force: bool | None
    digest: str
    members: Sequence[str]
    lists: dict[str, datetime]
    envelope: int
    problems: Sequence[ProblemShown]


class TermShown(msgspec.Struct, frozen=True, kw_only=True):
    """A term from a day on, and how we know: a fact with its source, an unknown, or a setting of this installation."""

    since: date
    value: Any
    kind: str
    source: str | None
    note: str | None


class PartnerWhole(PartnerShown, frozen=True, kw_only=True):
    """The same with every term by date."""

    signed: str
    link: str
    terms: dict[str, list[TermShown]]


class PartnerList(msgspec.Struct, frozen=True, kw_only=True):
    """Every arrangement ever activated."""

    partners: Sequence[PartnerShown]


@router.get("/v1/operators/{code:path}", tags=["clearance"], openapi_extra=describe(gives=OperatorShown, limited=True))
async def operator(code: str, service: Served, caller: Clearance) -> Response:
    """One operator's history, statement by statement. The code may be written as people type it."""
    service.limiter.take(caller.id, 1)
    at = service.node.clock()
    declared = resolve(code, service.answers, at.astimezone(HOME_ZONE).date())
    arrangement = declared.arrangement
    timeline = service.index.get(declared.code) if declared.code else None
    if declared.code is None or arrangement is None or timeline is None:
        raise Refusal(Code.NOT_FOUND, "No partner ever stated an operator with this code.", field="code", value=code)
    await note_reading(service, caller, "operator", declared.code)
    answer = await _shown(service, lambda connection: _operator(connection, arrangement, declared.code or "", timeline, at))
    answer.headers.update(service.limiter.headers(caller.id))
    return answer


@router.get("/v1/partners", tags=["partners"], openapi_extra=describe(gives=PartnerList))
async def partners(service: Served, caller: Clearance) -> Response:
    """Every partner."""
    day = service.node.clock().astimezone(HOME_ZONE).date()

    def look(connection: Connection) -> PartnerList:
        lists, known = last_complete(connection), service.node.partners
        found: list[PartnerShown] = []
        for iso, live in known.all().items():
            with known.problems.apart(iso, "showing"):
                found.append(PartnerShown(**_partner(live, day, lists)))
        problems = _problems(connection, service, caller)
        return PartnerList(partners=[msgspec.structs.replace(one, problems=problems.get(one.iso, [])) for one in found])

    return await _shown(service, look)


def _problems(connection: Connection, service: Service, caller: Caller) -> dict[str, list[ProblemShown]]:
    """What does not work with whom, as this node or any other sees it."""
    whole = Scope.AUDIT_READ in caller.scopes
    found = by_partner(service.node.partners.problems.merged(noted(connection)))
    return {
        iso: [ProblemShown(what=one.what, since=one.since, last=one.last, problem=one.problem if whole else None) for one in said]
        for iso, said in found.items()
    }


@router.get("/v1/partners/{iso}", tags=["partners"], openapi_extra=describe(gives=PartnerWhole, versioned=True))
async def partner(iso: str, request: Request, service: Served, caller: Clearance) -> Response:
    """One partner and its terms by date, each with how we know it."""
    live = service.node.partners.all().get(iso.upper())
    if live is None:
        raise Refusal(Code.NOT_FOUND, "There is no partner of this code.", field="iso", value=iso)
    day = service.node.clock().astimezone(HOME_ZONE).date()

    def look(connection: Connection) -> PartnerWhole:
        problems = _problems(connection, service, caller).get(live.bundle.iso, [])
        return msgspec.structs.replace(_whole(live, day, last_complete(connection)), problems=problems)

    return tagged(request, await _read(service, look))


@router.get("/v1/messages", tags=["messages"], openapi_extra=describe(query=MessageSearch, gives=MessageList))
async def latest(request: Request, service: Served, caller: Auditor) -> Response:
    """Messages both ways, the newest first, by whatever is known of them: those that keep every filter given. Refused ones are among them."""
    wanted = understand(parse_query(request.scope["query_string"]), MessageSearch, strict=False)
    if not 1 <= wanted.most <= MOST:
        raise Refusal(Code.QUESTION_INVALID, f"Between 1 and {MOST:,} messages are shown.", field="most", value=str(wanted.most))
    return await _shown(service, lambda connection: search(connection, wanted))


@router.get("/v1/messages/{message_id}", tags=["messages"], openapi_extra=describe(query=OfMessage, gives=dict))
async def message(message_id: str, request: Request, service: Served, caller: Auditor) -> Response:
    """One message whole, with its answer; ``intake-N`` is one that was refused."""
    partner = query(request, OfMessage).iso

    def look(connection: Connection) -> dict[str, Any]:
        found = shown(connection, message_id, partner)
        if found is None:
            raise Refusal(Code.NOT_FOUND, "There is no message of this id.", field="message_id", value=message_id)
        return found

    return await _shown(service, look)


async def _shown(service: Service, look: Callable[[Connection], object]) -> Response:
    """What ``look`` finds, as JSON."""
    return Response(await _read(service, look), 200, NO_STORE, JSON)


async def _read(service: Service, look: Callable[[Connection], object]) -> bytes:
    """The database is read in a thread."""

    def read() -> bytes:
        with service.node.database.reading() as connection:
            return msgspec.json.encode(look(connection))

    return await asyncio.to_thread(read)


def _operator(connection: Connection, arrangement: Arrangement, code: str, timeline: Timeline, at: datetime) -> OperatorShown:
    member = arrangement.member_of(code)
    return OperatorShown(
        code=code,
        arrangement=arrangement.iso,
        member=member.iso if member else None,
        names=timeline.names,
        local_name=timeline.local_name,
        authorisations=[authorised(one, timeline, int(at.timestamp())) for one in timeline.authorisations],
        statements=[
            Stated(**{name: getattr(one, name) for name in Stated.__struct_fields__} | {"statement": _said(one.statement)})
            for one in statements.statements_of(connection, arrangement.iso, [code]).get(code, ())
        ],
        stops=[one for one in recorded(connection, STOPS) if one.subject in (code, arrangement.iso)],
    )


def _said(statement: Statement) -> dict[str, Any]:
    """What was stated, without what was not."""
    return {name: value for name, value in msgspec.structs.asdict(statement).items() if value is not None}


def authorised(one: Authorisation, timeline: Timeline, now: int) -> Authorised:
    """The two tracks of an authorisation as they are ``now`` (epoch seconds)."""

    def by(evidence: int) -> str:
        return timeline.evidence[evidence].message_id

    return Authorised(
        level=one.level,
        number=one.number,
        standings=[
            Stood(since=moment(stand.since), standing=stand.standing, message_id=by(stand.evidence))
            for stand in one.stands_as_of(now)
        ],
        periods=[Ran(granted=_day(run.granted), expires=_day(run.expires), message_id=by(run.evidence)) for run in one.periods],
    )


def moment(seconds: int) -> datetime | None:
    """None: the start of time."""
    return from_epoch(seconds) if seconds > ALWAYS else None


def _day(ordinal: int | None) -> date | None:
    return date.fromordinal(ordinal) if ordinal else None


def _partner(live: ActivePartner, day: date, lists: dict[tuple[str, str], datetime]) -> dict[str, Any]:
    arrangement = live.arrangement
    return {
        "iso": arrangement.iso,
        "economy": Both(arrangement.economy.en, arrangement.economy.zh),
        "administration": arrangement.administration,
        "programme": arrangement.programme,
        "state": live.state,
        "in_force": arrangement.in_force.on(day).value,
        "digest": arrangement.digest,
        "members": [member.iso for member in arrangement.members],
        "lists": {scope: as_of for (iso, scope), as_of in lists.items() if iso == arrangement.iso},
        "envelope": arrangement.binding.envelope,
        "problems": [],
    }


def _whole(live: ActivePartner, day: date, lists: dict[tuple[str, str], datetime]) -> PartnerWhole:
    arrangement = live.arrangement
    terms = {
        field.name: [
            TermShown(
                since=step.since,
                value=sorted(step.value) if isinstance(step.value, frozenset) else step.value,
                kind=step.provenance.kind,
                source=step.provenance.source,
                note=step.provenance.note,
            )
            for step in term.steps
        ]
        for field in fields(arrangement)
        if isinstance(term := getattr(arrangement, field.name), Term)
    }
    return PartnerWhole(**_partner(live, day, lists), signed=arrangement.signed, link=arrangement.link, terms=terms)
