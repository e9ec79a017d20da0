"""A partner that mails spreadsheets: its file read by one person and confirmed by another, and ours written for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind
from gateway.exchange.offline import inbound, outbound
from gateway.exchange.offline.inbound import Effect, Transcription
from gateway.exchange.offline.read import Mailed, ReadSpreadsheet, moment, read
from gateway.exchange.tell.recipient import LeftOut
from gateway.store import sent
from gateway.store.active import ActivePartner
from gateway.store.tokens import Caller
from gateway.web.api.doing import Done, Paged, Reason, Reasoned, asked, attached, done, file, page, query, shown
from gateway.web.documents import describe
from gateway.web.guard import Need, Number, Served
from gateway.web.http import body
from gateway.web.service import Service

router = APIRouter(tags=["spreadsheets"])
JSON, ANY = "application/json", "application/octet-stream"
LIMIT = 64 * 1024
Reader = Annotated[Caller, Depends(Need(Scope.EXCHANGE_READ))]
Writer = Annotated[Caller, Depends(Need(Scope.EXCHANGE_WRITE))]
#: What nobody signed counts by who read it: whoever sends the file does not let it through.
Decider = Annotated[Caller, Depends(Need(Scope.LIST_DECIDE))]
MessageId = Annotated[str, Path(description="The message under which it is noted as told.")]
PartnerNamed = Annotated[str, msgspec.Meta(pattern="^[A-Za-z]{2}$", description="The partner, by its code.")]
FileName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[^/\\\x00-\x1f\x7f]{1,120}\.(csv|CSV|xlsx|XLSX)$",
        description="The file's name; it says whether it is CSV or XLSX.",
    ),
]


class Mailing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said of the file that a partner mailed."""

    partner: PartnerNamed
    file: FileName
    as_of: Annotated[
        str,
        msgspec.Meta(
            description="Of when it speaks: a day (from its midnight at the partner's), or a moment as 2026-06-01T08:00:00Z."
        ),
    ]
    reason: Reason
    update: Annotated[bool, msgspec.Meta(description="It holds some changes only: nobody is delisted by it.")] = False
    scope: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^(\*|[A-Z]{2})$", description="Of a complete list: the member that it is of; * is the whole arrangement."
        ),
    ] = "*"


class RefusedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that cannot be taken, why, and what to do."""

    row: int | None
    column: str | None
    value: str | None
    code: str
    reason: str
    remedy: str


class ReadFile(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a file. ``transcription`` is what now waits for a second person; null where nothing does: a complete list with a row that cannot
    be taken is not taken, for leaving it out would delist its operator."""

    transcription: Transcription | None
    rows: int
    would: Effect
    refused: Sequence[RefusedRow]
    notes: Sequence[str]


class Transcriptions(msgspec.Struct, frozen=True, kw_only=True):
    """Spreadsheets transcribed, or proposed to be, the newest first. ``next`` is given as ``after`` for those that follow."""

    transcriptions: Sequence[Transcription]
    next: int | None


class TranscriptionShown(msgspec.Struct, frozen=True, kw_only=True):
    """One of them; while it waits, with what confirming it would do as things are now."""

    transcription: Transcription
    would: Effect | None


class ConfirmedFile(msgspec.Struct, frozen=True, kw_only=True):
    """What became of its records (accepted, overruled, held), and how many operators are answered for anew."""

    transcription: Transcription
    outcomes: dict[str, int]
    operators: int


class TranscriptWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For whom, and the name of the file."""

    partner: PartnerNamed
    file: FileName


class TranscriptWritten(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be mailed: how many enterprises it names, the fields that may be told and have no column in it, and whom it cannot name.
    ``GET /v1/transcripts/{message_id}`` is the file."""

    message_id: str
    named: int
    digest: str
    no_place: Sequence[str]
    unsaid: Sequence[LeftOut]


@router.get("/v1/spreadsheets", openapi_extra=describe(query=Paged, gives=Transcriptions))
async def listed(request: Request, service: Served, caller: Reader) -> Response:
    """Every spreadsheet transcribed, or proposed to be."""
    wanted = query(request, Paged)

    def look(connection: Connection) -> Transcriptions:
        rows, following = page(inbound.recorded(connection, wanted.iso), wanted, lambda one: one.id, lambda one: one.partner)
        return Transcriptions(transcriptions=rows, next=following)

    return await shown(service, look)


@router.post(
    "/v1/spreadsheets",
    openapi_extra=describe(takes=bytes, query=Mailing, gives=ReadFile, status=201, media=(ANY, JSON), again=True),
)
async def propose(request: Request, service: Served, caller: Writer) -> Response:
    """The first person: sends the spreadsheet that a partner mailed, as it came, and proposes it. Every row that cannot be taken is named. Nothing
    counts until a second person confirms."""
    node, at = service.node, service.node.clock()
    async with body.whole(request, node.settings.body_limit, service.room) as data:
        given = query(request, Mailing)
        live = _live(service, given.partner)
        mailed = Mailed(
            file=given.file,
            body=data,
            kind=Kind.UPDATE if given.update else Kind.LIST,
            as_of=moment(given.as_of, live.arrangement, given.scope),
            scope=given.scope,
        )
        found = await asyncio.to_thread(read, node, live, mailed, at)

    def job(connection: Connection) -> Done:
        made = inbound.propose(connection, live, mailed, found, reason=given.reason, who=caller, at=at)
        refused = [
            RefusedRow(row=one.line, column=one.field, value=one.value, code=str(one.code), reason=one.detail, remedy=one.remedy)
            for one in made.read.refused
        ]
        rows, notes = len(made.read.said.placed), made.read.notes
        said = ReadFile(transcription=made.made, rows=rows, would=made.would, refused=refused, notes=notes)
        return Done(said, 201, f"/v1/spreadsheets/{made.made.id}" if made.made else "")

    return await done(request, service, caller, (given, sha256(mailed.body).hexdigest()), job)


@router.get("/v1/spreadsheets/{number}", openapi_extra=describe(gives=TranscriptionShown))
async def one(number: Number, service: Served, caller: Reader) -> Response:
    """One of them: what confirming it would do as things are now."""

    def look(connection: Connection) -> TranscriptionShown:
        found = inbound.find(connection, number)
        would = inbound.would(connection, service.node, found, service.node.clock()) if found.state == "proposed" else None
        return TranscriptionShown(transcription=found, would=would)

    return await shown(service, look)


@router.get("/v1/spreadsheets/{number}/file", openapi_extra=describe(gives=bytes, media=(JSON, ANY)))
async def as_it_came(number: Number, service: Served, caller: Reader) -> Response:
    """The file, as it came."""
    return await file(
        service, lambda connection: inbound.kept(connection, inbound.find(connection, number)), ANY, f"spreadsheet-{number}"
    )


@router.post("/v1/spreadsheets/{number}/confirm", openapi_extra=describe(gives=ConfirmedFile, again=True))
async def confirm(number: Number, request: Request, service: Served, caller: Decider) -> Response:
    """The second person: the spreadsheet counts from now on, and every answer that rests on it says that it was transcribed."""
    node, at = service.node, service.node.clock()

    def read_again() -> ReadSpreadsheet | Refusal:
        try:
            with node.database.reading() as connection:  # a large file takes a while to read, and no writer is to wait for that
                return inbound.again(connection, node, inbound.waiting(connection, number))
        except Refusal as refusal:
            return refusal  # unless it was confirmed under this very key

    def job(connection: Connection) -> Done:
        if isinstance(found, Refusal):
            raise found
        made = inbound.confirm(connection, number, found, who=caller, at=at)
        said = ConfirmedFile(transcription=made.transcription, outcomes=dict(made.outcomes), operators=len(made.change.timelines))
        return Done(said, change=made.change)

    found = await asyncio.to_thread(read_again)
    return await done(request, service, caller, None, job)


@router.post(
    "/v1/spreadsheets/{number}/discard", openapi_extra=describe(takes=Reasoned, gives=Transcription, limit=LIMIT, again=True)
)
async def discard(number: Number, request: Request, service: Served, caller: Writer) -> Response:
    """Sets a proposed spreadsheet aside: it never counts. What was confirmed is annulled by ``POST /v1/voids``."""
    given, at = await asked(request, service, Reasoned), service.node.clock()

    def job(connection: Connection) -> Done:
        return Done(inbound.discard(connection, number, reason=given.reason, who=caller, at=at))

    return await done(request, service, caller, given, job)


@router.post(
    "/v1/transcripts", openapi_extra=describe(takes=TranscriptWanted, gives=TranscriptWritten, status=201, limit=LIMIT, again=True)
)
async def transcript(request: Request, service: Served, caller: Writer) -> Response:
    """Writes our complete list for a partner that is not connected, in its columns, to be mailed. What it says is noted as told, without a
    receipt: nobody can prove that a mail arrived."""
    given, node, at = await asked(request, service, TranscriptWanted), service.node, service.node.clock()
    live = _live(service, given.partner)

    def job(connection: Connection) -> Done:
        made = outbound.write(connection, node, live, given.file, who=caller, at=at)
        said = TranscriptWritten(
            message_id=made.message_id, named=made.named, digest=made.digest, no_place=made.no_place, unsaid=made.unsaid
        )
        return Done(said, 201, f"/v1/transcripts/{made.message_id}")

    return await done(request, service, caller, given, job)


@router.get("/v1/transcripts/{message_id}", openapi_extra=describe(gives=bytes, media=(JSON, ANY)))
async def transcript_file(message_id: MessageId, service: Served, caller: Reader) -> Response:
    """The file to be mailed."""

    def look() -> tuple[str, bytes]:
        with service.node.database.reading() as connection:
            return sent.mailed(connection, message_id)

    name, data = await asyncio.to_thread(look)
    return attached(data, ANY, name)


def _live(service: Service, iso: str) -> ActivePartner:
    live = service.node.partners.all().get(iso.upper())
    if live is None:
        raise Refusal(
            Code.NOT_FOUND,
            f"No data of {iso.upper()} is in force.",
            field="partner",
            remedy=f"POST /v1/partners/{iso.upper()}/activate, once it is on disk.",
        )
    return live
