"""Long work that was asked for: how far it has come, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.store import jobs
from gateway.store.jobs import JSON, Job
from gateway.store.tokens import Caller
from gateway.web.api.doing import Done, Paged, done, file, query, shown
from gateway.web.documents import describe
from gateway.web.guard import Need, Number, Served
from gateway.web.service import Service

router = APIRouter(tags=["jobs"])
Reader = Annotated[Caller, Depends(Need(Scope.EXCHANGE_READ))]


class JobKind(StrEnum):
    """What long work there is."""

    REHEARSAL = "rehearsal"
    JOURNAL_VERIFY = "journal-verify"
    RETENTION_RUN = "retention-run"


class JobState(StrEnum):
    """``interrupted``: its node died, and it may not be begun again."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


#: Who may ask for it, and see what came of it.
NEEDED: Mapping[JobKind, Scope] = {
    JobKind.REHEARSAL: Scope.PARTNER_ADMIN,
    JobKind.JOURNAL_VERIFY: Scope.AUDIT_READ,
    JobKind.RETENTION_RUN: Scope.RETENTION_ADMIN,
}


class JobsWanted(Paged, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs."""

    kind: Annotated[JobKind | None, msgspec.Meta(description="Only of this kind.")] = None
    state: Annotated[JobState | None, msgspec.Meta(description="Only in this state.")] = None


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs of the kinds that the caller's scopes allow, the newest first. ``next`` is given as ``after`` for those that follow."""

    jobs: Sequence[Job]
    next: int | None


@router.get("/v1/jobs", openapi_extra=describe(query=JobsWanted, gives=JobList))
async def listed(request: Request, service: Served, caller: Reader) -> Response:
    """Long work that was asked for, of the kinds that the caller may ask for too."""
    wanted = query(request, JobsWanted)
    kinds = [kind.value for kind, scope in NEEDED.items() if scope in caller.scopes and wanted.kind in (None, kind)]

    def look(connection: Connection) -> JobList:
        state = wanted.state.value if wanted.state else None
        rows, following = jobs.recorded(connection, kinds, partner=wanted.iso, state=state, after=wanted.after, most=wanted.most)
        return JobList(jobs=rows, next=following)

    return await shown(service, look)


@router.get("/v1/jobs/{number}", openapi_extra=describe(gives=Job))
async def job(number: Number, service: Served, caller: Reader) -> Response:
    """How far one has come, or how it ended."""
    return await shown(service, lambda connection: _visible(connection, number, caller))


@router.get("/v1/jobs/{number}/result", openapi_extra=describe(gives=dict))
async def result(number: Number, service: Served, caller: Reader) -> Response:
    """What came of it, as JSON: of a rehearsal its report, of a journal read again what was found, of what was put away the counts by shelf."""

    def look(connection: Connection) -> bytes:
        _visible(connection, number, caller)
        return jobs.result(connection, number)[1]

    return await file(service, look, JSON, f"job-{number}.json")


def _visible(connection: Connection, number: int, caller: Caller) -> Job:
    """Raises ``Refusal``: NOT_FOUND, FORBIDDEN."""
    one = jobs.find(connection, number)
    scope = NEEDED[JobKind(one.kind)]
    if scope not in caller.scopes:
        raise Refusal(Code.FORBIDDEN, f"A job of the kind {one.kind} is shown to who has the scope {scope}.")
    return one


async def begun(
    request: Request,
    service: Service,
    caller: Caller,
    kind: JobKind,
    given: dict[str, Any],
    *,
    again: bool = True,
    partner: str | None = None,
) -> Response:
    """Has it done: 202, with the address at which to look. ``again``: it may be begun anew where a node died."""
    at = service.node.clock()

    def ask(connection: Connection) -> Done:
        made = jobs.ask(connection, kind.value, given, who=caller, at=at, again=again, partner=partner)
        return Done(made, 202, f"/v1/jobs/{made.id}")

    return await done(request, service, caller, given, ask)
