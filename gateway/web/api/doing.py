"""What routes under ``/v1`` have in common: what is asked, a read in a thread, a change made once, a page of a list."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec
from fastapi import Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.node.committed import Change
from gateway.store.proposals import Proposal
from gateway.store.tokens import Caller
from gateway.web import again
from gateway.web.again import Outcome
from gateway.web.api.questions import encode, parse_query, understand
from gateway.web.http import body
from gateway.web.service import Service

T = TypeVar("T")
JSON = "application/json"
NO_STORE = {"Cache-Control": "no-store"}
#: Bytes of a body that holds words of a person.
LIMIT = 64 * 1024
#: Rows of one page.
MOST = 1_000

Most = Annotated[int, msgspec.Meta(ge=1, le=MOST, description="How many rows at the most.")]
After = Annotated[
    Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None,
    msgspec.Meta(description="Where the page before ended: its next. Left out: from the newest on."),
]
PartnerCode = Annotated[
    Annotated[str, msgspec.Meta(pattern="^[A-Za-z]{2}$")] | None, msgspec.Meta(description="Only this partner's, by its code.")
]
#: Text with no control characters but tabs and ends of lines.
_TEXT = r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]*"
Reason = Annotated[
    str,
    msgspec.Meta(
        min_length=1, pattern=rf"^{_TEXT}[^\s\x00-\x1f\x7f-\x9f]{_TEXT}$", description="Why, in words; the journal keeps it."
    ),
]


class Paged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of a list, the newest first."""

    partner: PartnerCode = None
    after: After = None
    most: Most = 50

    @property
    def iso(self) -> str | None:
        return self.partner.upper() if self.partner else None


class OfMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose message, where two partners used one id."""

    partner: PartnerCode = None

    @property
    def iso(self) -> str | None:
        return self.partner.upper() if self.partner else None


class Reasoned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a person decides so; the journal keeps it."""

    reason: Reason


class Done(NamedTuple):
    """What a change is answered by. ``location`` is where to look for what comes of it; ``change`` is what this node's next answer must know."""

    answer: object
    status: int = 200
    location: str = ""
    change: Change | None = None


def decided(made: object) -> Done:
    """What came of a decision: 202 where it waits for a second person."""
    return Done(made, 202 if isinstance(made, Proposal) else 200)


async def asked(request: Request, service: Service, kind: type[T]) -> T:
    """The body, as JSON. Raises ``Refusal``."""
    async with body.whole(request, LIMIT, service.room) as data:
        return understand(data, kind)


def query(request: Request, kind: type[T]) -> T:
    """The parameters in the address. Raises ``Refusal`` QUESTION_INVALID."""
    return understand(parse_query(request.scope["query_string"]), kind, strict=False)


async def shown(service: Service, look: Callable[[Connection], object]) -> Response:
    """What ``look`` finds, as JSON; the database is read, and the JSON written, in a thread."""

    def read() -> bytes:
        with service.node.database.reading() as connection:
            return encode(look(connection))

    return Response(await asyncio.to_thread(read), headers=NO_STORE, media_type=JSON)


async def file(service: Service, look: Callable[[Connection], bytes], media: str, name: str) -> Response:
    """The bytes that ``look`` finds, as a file of this name."""

    def read() -> bytes:
        with service.node.database.reading() as connection:
            return look(connection)

    return attached(await asyncio.to_thread(read), media, name)


def attached(data: bytes, media: str, name: str) -> Response:
    """A file for whoever asked; of its name only what can do no harm in a header."""
    safe = re.sub(r"[^A-Za-z0-9._-]", "-", name)
    return Response(data, headers=NO_STORE | {"Content-Disposition": f'attachment; filename="{safe}"'}, media_type=media)


async def done(request: Request, service: Service, caller: Caller, given: object, job: Callable[[Connection], Done]) -> Response:
    """Does it in one transaction and answers, once however often it is sent under one key (``again.answer``). ``given`` is what was asked:
    with anything else the key is refused."""

    def do(connection: Connection) -> Outcome:
        did = job(connection)
        return Outcome(did.status, did.answer, did.change, did.location)

    return await again.answer(request, service, caller, given, do)


async def shown_once(service: Service, job: Callable[[Connection], Done]) -> Response:
    """Does it and answers with a secret, of which nothing is kept: no key brings that answer back."""
    did = await service.node.write(job)
    return Response(encode(did.answer), did.status, NO_STORE, JSON)


def page(rows: Sequence[T], wanted: Paged, number: Callable[[T], int], partner: Callable[[T], Any]) -> tuple[list[T], int | None]:
    """The wanted part of a list that is never long, the newest first, and where the next part begins; None: it was the last."""
    chosen = sorted((row for row in rows if wanted.iso in (None, partner(row))), key=number, reverse=True)
    if wanted.after is not None:
        chosen = [row for row in chosen if number(row) < wanted.after]
    shown = chosen[: wanted.most]
    return shown, number(shown[-1]) if len(chosen) > len(shown) else None
