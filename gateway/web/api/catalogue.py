"""Every code with which anything is refused: what it means, where it arises, what to do, and whether the same may be sent again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.clearance import wording
from gateway.clearance.render import Both
from gateway.clearance.wording import Language
from gateway.core.errors import Code
from gateway.web.documents import describe
from gateway.web.guard import Clearance
from gateway.web.http.versions import tagged

router = APIRouter(tags=["problems"])


class ProblemKind(msgspec.Struct, frozen=True, kw_only=True):
    """One code. ``meaning`` is the title of its problems; ``cause`` says what was looked at when it arose; ``status`` is of HTTP; ``retry``: the
    very same bytes may succeed later, after Retry-After."""

    code: str
    status: int
    retry: bool
    meaning: Both
    cause: Both
    remedy: Both


class ProblemCatalogue(msgspec.Struct, frozen=True, kw_only=True):
    """Every code there is, in the order in which a message can meet them. Codes may be added; none is given another meaning."""

    problems: Sequence[ProblemKind]


def catalogue() -> ProblemCatalogue:
    """All of them, in both languages."""
    return ProblemCatalogue(problems=[_kind(code) for code in Code])


def _kind(code: Code) -> ProblemKind:
    (title, remedy), (title_zh, remedy_zh) = (wording.refusal(code, language) for language in (Language.EN, Language.ZH))
    stage = f"stage-{code.row.stage.value}"
    return ProblemKind(
        code=str(code),
        status=code.row.status,
        retry=code.row.retryable,
        meaning=Both(title, title_zh),
        cause=Both(wording.word(stage, Language.EN), wording.word(stage, Language.ZH)),
        remedy=Both(remedy, remedy_zh),
    )


@cache
def _written() -> bytes:
    return msgspec.json.encode(catalogue())


@router.get("/v1/problems", openapi_extra=describe(gives=ProblemCatalogue, versioned=True))
async def problems(request: Request, caller: Clearance) -> Response:
    """Every code with which anything is refused here: what it means, where it arises, what to do, and whether the same may be sent again."""
    return tagged(request, _written())
