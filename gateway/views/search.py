"""Messages both ways, found by whatever a person looks for: newest first, in pages.

Each source (what came, what was sent, what was not taken, what people wrote off and nobody confirmed) is asked once for each state that
is wanted, always by an index that begins with the filters and ends with the moment: no filter makes anybody read what it leaves out,
and a page far back costs what the first one does. The newest of all sources are then put in one order.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
from sqlalchemy import BigInteger, Column, ColumnElement, Connection, SelectBase, and_, literal, select, tuple_

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind
from gateway.store.tables import (
    NOT_TAKEN,
    TRANSCRIBED,
    belief,
    intake,
    message,
    microseconds,
    numbered,
    outbox,
    query,
    query_message,
    statement,
    transcription,
)
from gateway.store.tables import partner as partners
from gateway.views.messages import REFUSED, state_of

#: Messages of one page.
MOST = 1_000


class MessageState(StrEnum):
    """What became of a message: of one that came in, up to discarded; then of one of ours."""

    ACCEPTED = "accepted"
    VOIDED = "voided"
    TRANSCRIBED = "transcribed"
    PENDING = "pending"
    CONFLICT = "conflict"
    REFUSED = "refused"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    PROPOSED = "proposed"
    DISCARDED = "discarded"
    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    DEAD = "dead"
    REISSUED = "reissued"
    MAILED = "mailed"


_S = MessageState
_TAKEN = (_S.ACCEPTED, _S.VOIDED, _S.TRANSCRIBED)
_KEPT = (_S.PENDING, _S.CONFLICT, _S.REFUSED, _S.QUARANTINED, _S.FAILED)
_WRITTEN_OFF = (_S.PROPOSED, _S.DISCARDED)
_SENT = (_S.QUEUED, _S.SENDING, _S.DELIVERED, _S.SUPERSEDED, _S.EXPIRED, _S.DEAD, _S.REISSUED, _S.MAILED)


_Zoned = Annotated[datetime, msgspec.Meta(tz=True)]


class MessageSearch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which messages. What is left out leaves nothing out; a message is found by all that is given."""

    partner: Annotated[str | None, msgspec.Meta(description="The partner's code: SG.")] = None
    kind: Annotated[Kind | None, msgspec.Meta(description="What it is for. Of what was refused nobody knows it.")] = None
    state: Annotated[MessageState | None, msgspec.Meta(description="What became of it.")] = None
    direction: Annotated[Literal["in", "out"] | None, msgspec.Meta(description="in: it came to us; out: it is ours.")] = None
    operator: Annotated[
        str | None,
        msgspec.Meta(
            description="The code of an operator, or of one of our enterprises, exactly as it is written in messages: those that state "
            "something of it, tell it, or ask for it."
        ),
    ] = None
    code: Annotated[str | None, msgspec.Meta(description="The code with which we refused it: signature-invalid.")] = None
    id: Annotated[str | None, msgspec.Meta(description="The id of the message; intake-N of one that was refused.")] = None
    since: Annotated[_Zoned | None, msgspec.Meta(description="From this moment on, of when it came or was written.")] = None
    until: Annotated[_Zoned | None, msgspec.Meta(description="Before this moment.")] = None
    after: Annotated[str | None, msgspec.Meta(description="Where the page begins: next of the page before it.")] = None
    most: Annotated[int, msgspec.Meta(extra_json_schema={"minimum": 1, "maximum": MOST})] = 50


class MessageRow(TypedDict):
    """One message of a list. ``at``: when it came, or was written; ``kind`` is unknown of what was refused; ``problem``: what is wrong with it, where
    something is; ``statements``: how many it makes, of one that was taken."""

    direction: Literal["in", "out"]
    at: datetime
    partner: str | None
    kind: str | None
    id: str
    state: MessageState
    problem: NotRequired[str | None]
    statements: NotRequired[int]


class MessageList(msgspec.Struct, frozen=True, kw_only=True):
    """Messages both ways, the newest first; refused ones are among them. ``next`` is given as ``after`` for those that follow; null: none do."""

    messages: Sequence[MessageRow]
    next: str | None


def search(connection: Connection, wanted: MessageSearch) -> MessageList:
    """One page. Raises ``Refusal`` QUESTION_INVALID for an ``after`` that no page gave."""
    place = _read_place(wanted.after) if wanted.after is not None else None
    wanted = msgspec.structs.replace(wanted, partner=wanted.partner and wanted.partner.upper())
    found = [one for asked in _sources(connection, wanted) for one in _rows(connection, asked, wanted, place)]
    found.sort(key=lambda one: one[0], reverse=True)
    page = found[: wanted.most]
    return MessageList(messages=[told for _, told in page], next=_write_place(page[-1][0]) if len(found) > wanted.most else None)


# ---------------------------------------------------------------- a place in the one order

#: Microseconds, which source, the number in it: of two messages of one moment the place says which comes first.
Place = tuple[int, int, int]


def _write_place(place: Place) -> str:
    return base64.urlsafe_b64encode(".".join(map(str, place)).encode()).decode().rstrip("=")


def _read_place(text: str) -> Place:
    try:
        read = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode("ascii")
        at, rank, row = (int(part) for part in read.split("."))
    except (ValueError, binascii.Error):
        at, rank, row = -1, -1, -1
    if not (abs(at) < 2**63 and 0 <= rank <= 3 and 0 < row < 2**63):
        raise Refusal(
            Code.QUESTION_INVALID,
            "This is no place in the list.",
            field="after",
            value=text,
            remedy="Give next of the page before, as it was; leave it out for the first page.",
        )
    return at, rank, row


# ---------------------------------------------------------------- the sources


@dataclass(frozen=True, slots=True)
class _Asked:
    """One state of one source: ``columns`` of it by ``where``, in the order of the column ``at`` and ``row``. ``about``: rows that speak of an
    operator are collected first, and ordered afterwards."""

    rank: int
    columns: Sequence[Column[Any]]
    at: Column[Any]
    row: Column[Any]
    where: Sequence[ColumnElement[bool] | Any]
    tell: Callable[[Any], MessageRow]
    about: SelectBase | None = None


def _sources(connection: Connection, wanted: MessageSearch) -> Iterator[_Asked]:
    """Those that can hold what is wanted."""
    isos = [wanted.partner] if wanted.partner is not None else list(connection.execute(select(partners.c.iso)).scalars())
    known = wanted.kind is None and wanted.operator is None
    if wanted.direction != "out":
        if wanted.code is None:
            yield from _taken(wanted, isos)
            yield from _written_off(wanted)
        if known:
            yield from _kept(wanted)
    if wanted.direction != "in" and wanted.code is None:
        yield from _sent(wanted, isos)


def _states(among: Sequence[MessageState], wanted: MessageSearch) -> list[str]:
    return [state.value for state in among if wanted.state in (None, state)]


def _aside(column: Column[Any]) -> ColumnElement[Any]:
    """A column that no index is to be chosen for: a better one is known."""
    return column.op("||")("")


def _taken(wanted: MessageSearch, isos: Sequence[str]) -> Iterator[_Asked]:
    c = message.c
    columns = (c.id, c.received, c.partner, c.kind, c.message_id, c.voided, c.fingerprint, c.statements)
    where: dict[MessageState | None, list[Any]] = {
        None: [],
        _S.ACCEPTED: [c.voided.is_(None), c.fingerprint != ""],
        _S.VOIDED: [c.voided.is_not(None)],
        _S.TRANSCRIBED: [TRANSCRIBED, c.voided.is_(None)],
    }
    if wanted.state is not None and wanted.state not in _TAKEN:
        return
    rare = wanted.state in (_S.VOIDED, _S.TRANSCRIBED) or wanted.operator is not None or wanted.id is not None
    named = [
        (_aside(column) if rare else column) == value
        for column, value in ((c.partner, wanted.partner), (c.kind, wanted.kind and wanted.kind.value))
        if value is not None
    ]
    about = None
    if wanted.operator is not None:
        about = select(statement.c.partner, statement.c.message_id).where(statement.c.partner.in_(isos))
        about = about.where(statement.c.tin == wanted.operator)
    chosen = [*where[wanted.state], *named, *([c.message_id == wanted.id] if wanted.id is not None else [])]
    yield _Asked(3, columns, c.received, c.id, chosen, _came, about)


def _sent(wanted: MessageSearch, isos: Sequence[str]) -> Iterator[_Asked]:
    c = outbox.c
    columns = (c.id, c.created, c.partner, c.kind, c.message_id, c.state, c.problem)
    same = [(c.partner, wanted.partner), (c.kind, wanted.kind and wanted.kind.value), (c.message_id, wanted.id)]
    states = _states(_SENT, wanted)
    if wanted.operator is not None:
        told = select(belief.c.outbox.label("id")).where(belief.c.partner.in_(isos), belief.c.tin == wanted.operator)
        asked = (
            select(query_message.c.message_id)
            .join(query, query.c.id == query_message.c.query)
            .where(query.c.tin == wanted.operator)
        )
        ids = told.union(select(c.id).where(c.message_id.in_(asked)))
        named = [_aside(column) == value for column, value in same if value is not None]
        if states:
            yield _Asked(2, columns, c.created, c.id, [_aside(c.state).in_(states), *named], _went, ids)
        return
    named = [column == value for column, value in same if value is not None]
    for state in states:
        yield _Asked(2, columns, c.created, c.id, [c.state == state, *named], _went)


def _kept(wanted: MessageSearch) -> Iterator[_Asked]:
    c = intake.c
    columns = (c.id, c.received, c.partner, c.outcome, c.code)
    named = [column == value for column, value in ((c.partner, wanted.partner), (c.code, wanted.code)) if value is not None]
    if wanted.id is not None:
        called = REFUSED.fullmatch(wanted.id)
        if called is None:
            return
        named.append(numbered(intake, int(called[1])))
    for state in _states(_KEPT, wanted):
        told = [] if state == _S.PENDING else [NOT_TAKEN]
        yield _Asked(1, columns, c.received, c.id, [c.outcome == state, *told, *named], _refused)


def _written_off(wanted: MessageSearch) -> Iterator[_Asked]:
    c = transcription.c
    columns = (c.id, c.proposed, c.partner, c.kind, c.message_id, c.state, c.decided)
    same = [(c.partner, wanted.partner), (c.kind, wanted.kind and wanted.kind.value), (c.message_id, wanted.id)]
    states = _states(_WRITTEN_OFF, wanted)
    if states and wanted.operator is None:
        named = [column == value for column, value in same if value is not None]
        yield _Asked(0, columns, c.proposed, c.id, [c.state.in_(states), *named], _transcribed)


def _rows(connection: Connection, asked: _Asked, wanted: MessageSearch, place: Place | None) -> Iterator[tuple[Place, MessageRow]]:
    """What one source has of it, the newest first: at most a page and one more."""
    at: ColumnElement[Any] = asked.at
    row: ColumnElement[Any] = asked.row
    chosen = select(*asked.columns).where(*asked.where)
    if asked.about is not None:
        about = asked.about.cte("about").prefix_with("MATERIALIZED")
        same = and_(*(asked.at.table.c[name] == column for name, column in about.c.items()))
        hits = chosen.distinct().join_from(about, asked.at.table, same).cte("hits").prefix_with("MATERIALIZED")
        chosen, at, row = select(hits), hits.c[asked.at.name], hits.c[asked.row.name]
    if wanted.since is not None:
        chosen = chosen.where(at >= wanted.since)
    if wanted.until is not None:
        chosen = chosen.where(at < wanted.until)
    if place is not None:
        chosen = chosen.where(_behind(at, row, asked.rank, place))
    chosen = chosen.order_by(at.desc(), row.desc()).limit(wanted.most + 1)
    for one in connection.execute(chosen):
        yield (microseconds(one[1]), asked.rank, one[0]), asked.tell(one)


def _came(row: Any) -> MessageRow:
    said = _row("in", row.received, row, row.kind, row.message_id, state_of(row))
    return {**said, "statements": row.statements}


def _went(row: Any) -> MessageRow:
    return {**_row("out", row.created, row, row.kind, row.message_id, row.state), "problem": row.problem}


def _refused(row: Any) -> MessageRow:
    return {**_row("in", row.received, row, None, f"intake-{row.id}", row.outcome), "problem": row.code}


def _transcribed(row: Any) -> MessageRow:
    problem = None if row.decided else f"waits for a second person: {row.id}"
    return {**_row("in", row.proposed, row, row.kind, row.message_id, row.state), "problem": problem}


def _row(direction: Literal["in", "out"], at: datetime, row: Any, kind: str | None, called: str, state: str) -> MessageRow:
    return {"direction": direction, "at": at, "partner": row.partner, "kind": kind, "id": called, "state": MessageState(state)}


def _behind(at: ColumnElement[Any], row: ColumnElement[Any], rank: int, place: Place) -> ColumnElement[bool]:
    moment = literal(place[0], BigInteger())
    if rank == place[1]:
        return tuple_(at, row) < tuple_(moment, literal(place[2]))
    return at <= moment if rank < place[1] else at < moment
