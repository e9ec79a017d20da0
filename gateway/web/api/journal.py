"""The journal: what happened, the checkpoints that seal it, whether it is still what was sealed; and the proof of one message."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.core.protocol import Checkpoint
from gateway.journal import audit, evidence
from gateway.store.jobs import Job
from gateway.store.tokens import Caller
from gateway.views import entries
from gateway.views.entries import EntryShown
from gateway.web.api.doing import After, Most, OfMessage, Paged, asked, file, query, shown
from gateway.web.api.jobs import JobKind, begun
from gateway.web.documents import describe
from gateway.web.guard import Need, Served

router = APIRouter(tags=["journal"])
#: Bytes of a request with receipts as witnesses.
LIMIT = 64 * 1024
ZIP = "application/zip"
Auditor = Annotated[Caller, Depends(Need(Scope.AUDIT_READ))]
MessageId = Annotated[str, Path(description="The id of a message received, or sent and receipted.")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class EntriesWanted(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries."""

    kind: Annotated[
        Text | None, msgspec.Meta(description="Only of this kind: message, refusal, sent, delivered, decision and so on.")
    ] = None
    subject: Annotated[Text | None, msgspec.Meta(description="Only about this message, list, record or key.")] = None
    who: Annotated[Text | None, msgspec.Meta(description="Only what this one decided or proposed, alone or with another.")] = None


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """Entries, the newest first. ``next`` is given as ``after`` for those that follow: a page looks at no more than 20,000 entries, so it may hold few, or
    none, and others still follow. null: nothing follows."""

    entries: Sequence[EntryShown]
    next: int | None


class CheckpointsWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which checkpoints."""

    after: After = None
    most: Most = 50


class CheckpointShown(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed state: of how many entries, their root (hex), and the signature of ``note`` (base64 of what the key of that certificate gave)."""

    size: int
    root: str
    sealed: datetime
    note: str
    signature: str
    algorithm: str
    certificate: str


class Checkpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Checkpoints, the newest first. ``next`` is given as ``after`` for those that follow."""

    checkpoints: Sequence[CheckpointShown]
    next: int | None


class Verifying(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``witnesses``: receipts of ours that partners kept, as they got them; the journal must agree with each."""

    witnesses: Annotated[tuple[str, ...], msgspec.Meta(max_length=20, description="Receipts of ours, XML.")] = ()


@router.get("/v1/journal", openapi_extra=describe(query=EntriesWanted, gives=Entries))
async def listed(request: Request, service: Served, caller: Auditor) -> Response:
    """What happened, the newest first: every message, refusal, statement, decision and change of partner data."""
    wanted = query(request, EntriesWanted)

    def look(connection: Connection) -> Entries:
        rows, following = entries.page(
            connection,
            kind=wanted.kind,
            partner=wanted.iso,
            subject=wanted.subject,
            who=wanted.who,
            after=wanted.after,
            most=wanted.most,
        )
        return Entries(entries=rows, next=following)

    return await shown(service, look)


@router.get("/v1/journal/checkpoints", openapi_extra=describe(query=CheckpointsWanted, gives=Checkpoints))
async def checkpoints(request: Request, service: Served, caller: Auditor) -> Response:
    """The checkpoints that seal it, each signed. Whoever keeps one can later tell whether anything before it was changed."""
    wanted = query(request, CheckpointsWanted)

    def look(connection: Connection) -> Checkpoints:
        rows, following = entries.checkpoints(connection, after=wanted.after, most=wanted.most)
        return Checkpoints(
            checkpoints=[
                CheckpointShown(
                    size=one.size,
                    root=one.root,
                    sealed=one.sealed,
                    note=one.note.decode(),
                    signature=base64.b64encode(one.signature).decode(),
                    algorithm=one.algorithm,
                    certificate=one.fingerprint,
                )
                for one in rows
            ],
            next=following,
        )

    return await shown(service, look)


@router.post("/v1/journal/verify", openapi_extra=describe(takes=Verifying, accepts=Job, limit=LIMIT, again=True))
async def verify(request: Request, service: Served, caller: Auditor) -> Response:
    """Has the whole journal read again and held against its checkpoints, as a job. Its result names the first batch that was changed, cut or
    added to; null where the journal is what was sealed."""
    given = await asked(request, service, Verifying)
    witnesses = [_witness(text, f"witnesses[{number}]") for number, text in enumerate(given.witnesses)]
    return await begun(request, service, caller, JobKind.JOURNAL_VERIFY, {"witnesses": msgspec.to_builtins(witnesses)})


@router.get(
    "/v1/messages/{message_id}/evidence", openapi_extra=describe(query=OfMessage, gives=bytes, media=("application/json", ZIP))
)
async def proof(message_id: MessageId, request: Request, service: Served, caller: Auditor) -> Response:
    """The evidence of one message that was received, or sent and receipted, for somebody who trusts neither us nor our database: message,
    receipt, certificates, revocation facts, journal proof, and a README that says how to check them."""
    partner = query(request, OfMessage).iso

    def look(connection: Connection) -> bytes:
        return evidence.export(connection, service.node.settings, message_id, partner)

    return await file(service, look, ZIP, f"evidence-{message_id}.zip")


def _witness(text: str, field: str) -> Checkpoint:
    try:
        found = audit.checkpoint_in(text.encode())
    except Refusal as refusal:
        raise refusal.but(field=field) from None
    if found is None:
        raise Refusal(
            Code.DATA_INVALID,
            "It carries no checkpoint: it is no receipt of ours, or one given before anything was sealed.",
            field=field,
            remedy="Give a later receipt, as the partner got it.",
        )
    return found
