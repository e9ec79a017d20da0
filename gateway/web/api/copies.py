"""A local copy for clearance: everybody to begin with, and then what changes, in the order of the journal (docs/local_copy.md).

Lines are read page by page, each page in a view of its own and in a thread, and sent before the next is read: so no answer about a code
waits for a copy, whoever reads slowly keeps nothing open in the database, and a node never holds more of it than a page.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.core.day import home_day
from gateway.core.errors import Code, Refusal
from gateway.store.bulk import chunks
from gateway.store.tokens import Caller
from gateway.views import copies
from gateway.views.copies import Held
from gateway.web.api.copied import (
    CopyCursor,
    CopyLine,
    Cursor,
    arrangement_lines,
    leaf_mark,
    lost,
    members_mark,
    operator_line,
)
from gateway.web.api.eligibility import NDJSON, NO_STORE
from gateway.web.api.questions import encode, parse_query, understand
from gateway.web.documents import bounds, describe
from gateway.web.guard import Clearance, Served
from gateway.web.service import Service

router = APIRouter(tags=["clearance"])
#: For how many seconds news may be waited for; and is, where nothing is said.
LONGEST, USUAL = 30, 10


class Following(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The cursor of the last line that was applied, and for how many seconds to wait where nothing is new."""

    after: str
    wait: Annotated[int, bounds(minimum=0, maximum=LONGEST)] = USUAL


@router.get("/v1/operators/changes", openapi_extra=describe(query=Following, gives=CopyLine, media=(NDJSON, NDJSON)))
async def changes(request: Request, service: Served, caller: Clearance) -> StreamingResponse:
    """What changed after a cursor: a line for each operator named since, as it is now, in the order of the journal; then every arrangement,
    if anything about them changed; then a line that says how far this reaches. Each change comes at least once. Where there is much, lines
    with cursors stand in between, so that a copy whose line breaks need not begin again. A cursor from which this gateway cannot go on is
    refused (``cursor-lost``): the copy is then begun anew. Up to 8 requests for copies of one token are open at once on each node."""
    asked = understand(parse_query(request.scope["query_string"]), Following, strict=False)
    if not 0 <= asked.wait <= LONGEST:
        raise Refusal(Code.QUESTION_INVALID, f"News is waited for at most {LONGEST} seconds.", field="wait", value=str(asked.wait))
    with ExitStack() as stack:
        stack.enter_context(service.waiting.place(caller.id))
        cursor = Cursor.read(asked.after)
        await asyncio.to_thread(_check, service, cursor)
        await service.waiting.until(lambda: service.index.position > cursor.position, asked.wait)
        return _Feed(_changes(service, caller, cursor), stack.pop_all())


@router.get("/v1/operators/snapshot", openapi_extra=describe(gives=CopyLine, media=(NDJSON, NDJSON)))
async def snapshot(service: Served, caller: Clearance) -> StreamingResponse:
    """A line for every operator, in the order of codes, and for every arrangement; at the end the cursor of the position at which it was
    begun. What changed meanwhile comes with the changes after it: before those are applied the copy is not complete. Without its last line
    it is not whole, and to be begun again."""
    with ExitStack() as stack:
        stack.enter_context(service.waiting.place(caller.id))
        return _Feed(_snapshot(service, caller), stack.pop_all())


class _Feed(StreamingResponse):
    """Lines as they are found. ``place`` is given back when they end, however they do."""

    def __init__(self, lines: AsyncIterator[bytes], place: ExitStack) -> None:
        super().__init__(lines, 200, NO_STORE, NDJSON)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


def _check(service: Service, cursor: Cursor) -> None:
    """Whether this gateway can go on from there. Raises ``Refusal`` CURSOR_LOST."""
    with service.node.database.reading() as connection:
        size, leaf = copies.size(connection), copies.leaf_before(connection, cursor.position)
    if cursor.position > size:
        raise lost(f"The journal has {size} entries, and the cursor is of {cursor.position}.", str(cursor))
    if leaf_mark(leaf) != cursor.leaf:
        raise lost("Before this position there lies another entry than when the cursor was given.", str(cursor))
    if members_mark(service.node.partners) != cursor.members:
        raise lost("The arrangements have other members than when the cursor was given.", str(cursor))


@dataclass(frozen=True, slots=True)
class _Told:
    """What one look brought: the lines of operators and arrangements, and the cursor after them. ``complete_at`` is the moment before which
    all that was committed is told; None: there is more. ``seen`` is how far the look reached, and ``last``: that this is as far as the node
    follows. Where one entry names more than a look takes, it is ``large``, and the cursor holds only once everybody it names was told."""

    lines: list[bytes]
    cursor: Cursor
    complete_at: datetime | None
    seen: int
    last: bool
    large: int | None


async def _changes(service: Service, caller: Caller, cursor: Cursor) -> AsyncIterator[bytes]:
    seen, last = cursor.position, False
    while not last:
        told = await asyncio.to_thread(_look, service, cursor, seen)
        async for lines in _paced(service, caller, told.lines):
            yield lines
        if told.large is not None:
            async for lines in _everybody(service, caller, told.large):
                yield lines
            if service.waiting.closed:
                return  # or the cursor would say that all of them were told
        cursor, seen, last = told.cursor, told.seen, told.last or service.waiting.closed
        yield _end(service, cursor, told.complete_at)


async def _snapshot(service: Service, caller: Caller) -> AsyncIterator[bytes]:
    position, members = service.index.position, members_mark(service.node.partners)
    async for lines in _everybody(service, caller):
        yield lines
    if not service.waiting.closed:
        arrangements, cursor = await asyncio.to_thread(_begun, service, position, members)
        yield b"".join(arrangements) + _end(service, cursor, None)


async def _everybody(service: Service, caller: Caller, named_by: int | None = None) -> AsyncIterator[bytes]:
    """Every operator, or everybody whom one entry named last, a page at a time, until the node ends."""
    after: str | None = ""
    while after is not None and not service.waiting.closed:
        page, after = await asyncio.to_thread(_page, service, after, named_by)
        async for lines in _paced(service, caller, page):
            yield lines


async def _paced(service: Service, caller: Caller, lines: list[bytes]) -> AsyncIterator[bytes]:
    """A page at a time, when it is its turn: for copies a token has its rate once more, so that they take nothing from its questions
    (choice)."""
    for page in chunks(lines, copies.PAGE):
        while wait := service.limiter.wait(f"{caller.id} copies", len(page)):
            await asyncio.sleep(wait)
        yield b"".join(page)


def _page(service: Service, after: str, named_by: int | None) -> tuple[list[bytes], str | None]:
    """The lines of one page, and the code behind which the next begins; None: there is none."""
    with service.node.database.reading() as connection:
        held, position = copies.operators(connection, after, named_by), copies.size(connection)
    return _lines(service, held, position), held[-1].tin if len(held) == copies.PAGE else None


def _look(service: Service, before: Cursor, seen: int) -> _Told:
    """What the journal names from ``seen`` on. What this node has in memory (its partners, and when it last heard of the journal) is read
    before the view is begun and is of the position that it follows: the cursor reaches no further, though the view may."""
    now, age, follows = service.node.clock(), service.index.age(service.node.clock()), service.index.position
    with service.node.database.reading() as connection:
        found = copies.changes(connection, seen)
        last = found.large is None and found.reached >= follows
        position = max(before.position, min(found.reached, follows))
        leaf = leaf_mark(copies.leaf_before(connection, position))
        arrangements, mark = _arrangements(service, connection, now) if last else ([], before.arrangements)
    lines = _lines(service, found.held, found.size) + (arrangements if mark != before.arrangements else [])
    whole = last and found.whole and position == follows
    cursor = Cursor(position, leaf, before.members, mark)
    return _Told(lines, cursor, now - age if whole and age is not None else None, found.reached, last, found.large)


def _begun(service: Service, position: int, members: str) -> tuple[list[bytes], Cursor]:
    """The arrangements, and the cursor of a snapshot that was begun at ``position``."""
    with service.node.database.reading() as connection:
        lines, mark = _arrangements(service, connection, service.node.clock())
        leaf = leaf_mark(copies.leaf_before(connection, position))
    return lines, Cursor(position, leaf, members, mark)


def _lines(service: Service, held: Sequence[Held], position: int) -> list[bytes]:
    lines, partners, now = [], service.node.partners.all(), service.node.clock()
    for one in held:
        lines.append(encode(operator_line(one, partners.get(one.partner), position, now)) + b"\n")
        time.sleep(0)  # or the event loop would wait for the interpreter, five milliseconds each time
    return lines


def _arrangements(service: Service, connection: Connection, now: datetime) -> tuple[list[bytes], str]:
    """The lines of every arrangement, and how a cursor names them."""
    told = arrangement_lines(connection, service.node.partners, home_day(int(now.timestamp())))
    lines = [encode(one) + b"\n" for one in told]
    return lines, sha256(b"".join(lines)).hexdigest()[:8]


def _end(service: Service, cursor: Cursor, complete_at: datetime | None) -> bytes:
    """The line that says how far the lines before it reach."""
    age = None if complete_at is None else (service.node.clock() - complete_at).total_seconds()
    said = CopyCursor(cursor=str(cursor), position=cursor.position, complete=complete_at is not None, as_of=complete_at, age=age)
    return encode(CopyLine(cursor=said)) + b"\n"
