"""The routes of clearance: one code, many, a stream of them, a declaration."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date
from io import BytesIO
from itertools import islice
from typing import cast

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from gateway.clearance.answer import Asked
from gateway.clearance.declaration import LIMITS, Declaration, DeclaredParty, Note, Place, read_declaration
from gateway.clearance.render import Both, RenderedAnswer
from gateway.clearance.wording import Language, sentence
from gateway.core.arrangement import Direction, Role
from gateway.core.errors import Code, Refusal
from gateway.store.tokens import Caller
from gateway.web import problems
from gateway.web.api.questions import (
    SUGGESTED,
    TURN,
    Answered,
    Batch,
    Common,
    Moment,
    Single,
    Suggesting,
    answer_many,
    answer_one,
    encode,
    give_way,
    parse_query,
    questions,
    understand,
    with_common,
)
from gateway.web.documents import describe
from gateway.web.guard import Clearance, Served
from gateway.web.http import body
from gateway.web.http.limiter import LARGEST
from gateway.web.service import Service

router = APIRouter(tags=["clearance"])
JSON = "application/json"
NDJSON = "application/x-ndjson"
XML = "application/xml"
NO_STORE = {"Cache-Control": "no-store"}
#: Bytes of 3,000 codes with everything that can be said of each, or of some 200,000 bare ones in a stream.
BATCH_LIMIT = 4 * 2**20
#: A document above this size is read in a thread.
SMALL = 64 * 1024


class Shared(Common, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of a stream and of a declaration."""

    lang: Language | None = None


class OfDeclaration(Shared, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The query of a declaration. ``amends``, of one that amends another: when the earlier answer was given."""

    amends: Moment | None = None


class RenderedNote(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person should know about how the declaration was read."""

    code: str
    sentence: str
    words: Both
    facts: dict[str, str]


class PartyAnswered(RenderedAnswer, frozen=True, kw_only=True):
    """The answer for one party of a declaration: its element, WCO role, declared name, and where it stands. ``earlier`` is the answer that
    it amends, as it was known then."""

    role: Role
    source: str
    wco_role: str | None
    name: str | None
    where: tuple[Place, ...]
    earlier: RenderedAnswer | None


class DeclarationAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """What a declaration says, and the answers for its AEO parties. ``told_by`` says how the direction is known."""

    reference: str | None
    direction: Direction | None
    told_by: str | None
    mode: str | None
    accepted_on: date | None
    notes: Sequence[RenderedNote]
    answers: Sequence[PartyAnswered]


@router.get("/v1/eligibility", openapi_extra=describe(query=Single, gives=RenderedAnswer))
async def eligibility(request: Request, service: Served, caller: Clearance) -> Response:
    """What one declared code is entitled to, and why."""
    return Response(await answer_one(service, caller, request.scope["query_string"]), 200, NO_STORE, JSON)


@router.post("/v1/eligibility", openapi_extra=describe(takes=Batch, gives=Answered, limit=BATCH_LIMIT, limited=True))
async def eligibility_of_many(request: Request, service: Served, caller: Clearance) -> Response:
    """The same of 1 to 3,000 codes."""
    async with body.whole(request, BATCH_LIMIT, service.room) as data:
        batch = understand(data, Batch)
    asked = questions(batch)
    service.limiter.take(caller.id, len(asked))
    language = batch.lang or service.language
    near = Suggesting(service, caller, SUGGESTED)
    parts = [said async for turn in answer_many(service, caller, asked, batch.as_known_at, language, near) for said in turn]
    return Response(b'{"answers":[' + b",".join(parts) + b"]}", 200, NO_STORE | service.limiter.headers(caller.id), JSON)


@router.post(
    "/v1/eligibility/stream",
    openapi_extra=describe(takes=Asked, query=Shared, gives=RenderedAnswer, media=(NDJSON, NDJSON), limit=BATCH_LIMIT),
)
async def eligibility_stream(request: Request, service: Served, caller: Clearance) -> Response:
    """For reconciliation: a code, or an object with one, on each line; an answer, or a problem that names the line, on each line of the
    reply. Up to 4 MiB of lines; a stream is slowed down to the client's rate and never refused for it. Nothing is suggested in it."""
    shared = understand(parse_query(request.scope["query_string"]), Shared, strict=False)
    async with body.whole(request, BATCH_LIMIT, service.room) as data:
        lines = BytesIO(data)
    return StreamingResponse(_stream(service, caller, lines, shared), 200, NO_STORE, NDJSON)


async def _stream(service: Service, caller: Caller, lines: Iterator[bytes], shared: Shared) -> AsyncIterator[bytes]:
    language = shared.lang or service.language
    numbered = enumerate(lines, 1)
    for turn, some in enumerate(iter(lambda: list(islice(numbered, TURN)), [])):
        while wait := service.limiter.wait(caller.id, len(some)):
            await asyncio.sleep(wait)
        asked = [_line(line, number, shared) for number, line in some if line.strip()]
        understood = [one for one in asked if isinstance(one, Asked)]
        answered = (said async for part in answer_many(service, caller, understood, None, language) for said in part)
        out = [encode(problems.problem(one, language)) if isinstance(one, Refusal) else await anext(answered) for one in asked]
        yield b"".join([said + b"\n" for said in out])
        await give_way(turn)


def _line(line: bytes, number: int, shared: Shared) -> Asked | Refusal:
    try:
        return with_common(understand(line, str | Asked), shared)  # type: ignore[arg-type] # a union is no type to mypy
    except Refusal as refusal:
        refusal.line = number
        return refusal


@router.post(
    "/v1/declarations/eligibility",
    openapi_extra=describe(
        takes=bytes, query=OfDeclaration, gives=DeclarationAnswered, media=(XML, JSON), limit=LIMITS.bytes, limited=True
    ),
)
async def eligibility_of_declaration(request: Request, service: Served, caller: Clearance) -> Response:
    """What the AEO parties of a declaration (WCO Data Model, as XML) are entitled to. What the query says counts only where the
    declaration does not. One that amends another is judged again for its day of acceptance, and names the answer before. It names at
    most 3,000 parties."""
    shared = understand(parse_query(request.scope["query_string"]), OfDeclaration, strict=False)
    async with body.whole(request, LIMITS.bytes, service.room) as data:
        if len(data) > SMALL:
            declaration = await asyncio.to_thread(read_declaration, data, shared.direction)
        else:
            declaration = read_declaration(data, shared.direction)
    if len(declaration.parties) > LARGEST:
        raise Refusal(Code.CODES_COUNT, f"The declaration names {len(declaration.parties)} parties.")
    service.limiter.take(caller.id, len(declaration.parties))
    language = shared.lang or service.language
    asked = _asked(declaration, shared)
    near = Suggesting(service, caller, SUGGESTED)
    said = [one async for turn in answer_many(service, caller, asked, None, language, near) for one in turn]
    before: list[bytes] | None = None
    if shared.amends is not None:
        before = [one async for turn in answer_many(service, caller, asked, shared.amends, language) for one in turn]
    answered = DeclarationAnswered(
        reference=declaration.reference,
        direction=declaration.direction,
        told_by=declaration.told_by,
        mode=declaration.mode,
        accepted_on=declaration.accepted_on,
        notes=[_note(note, language) for note in declaration.notes],
        answers=[
            _of(party, one, before[at] if before else None)
            for at, (party, one) in enumerate(zip(declaration.parties, said, strict=True))
        ],
    )
    return Response(encode(answered), 200, NO_STORE | service.limiter.headers(caller.id), JSON)


def _of(party: DeclaredParty, answer: bytes, earlier: bytes | None) -> PartyAnswered:
    """One JSON object, as ``PartyAnswered`` describes it."""
    about = {name: getattr(party, name) for name in PartyAnswered.__annotations__ if name != "earlier"}
    about["earlier"] = None if earlier is None else msgspec.Raw(earlier)
    return cast(PartyAnswered, msgspec.Raw(answer[:-1] + b"," + encode(about)[1:]))


def _asked(declaration: Declaration, shared: Shared) -> list[Asked]:
    domestic = tuple(dict.fromkeys(party.code for party in declaration.domestic)) or shared.parties
    return [
        Asked(
            code=party.code,
            on=declaration.accepted_on or shared.on,
            direction=declaration.direction,
            mode=declaration.mode or shared.mode,
            role=party.role,
            name=party.name,
            manifest=party.manifest,
            parties=domestic,
        )
        for party in declaration.parties
    ]


def _note(note: Note, language: Language) -> RenderedNote:
    words = Both(sentence(note.code, note.facts, Language.EN), sentence(note.code, note.facts, Language.ZH))
    return RenderedNote(code=note.code, sentence=words.zh if language is Language.ZH else words.en, words=words, facts=note.facts)
