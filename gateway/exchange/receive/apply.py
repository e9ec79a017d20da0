"""What a message says, applied to what was known: recorded, weighed where it is a list, and folded anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from gateway.core.home import HOME_ZONE
from gateway.core.incoming import IncomingMessage
from gateway.core.model import Kind, PlacedStatement, Statement
from gateway.core.place import place
from gateway.core.protocol import RecordResult
from gateway.exchange.lists import assemble, weigh
from gateway.store import statements
from gateway.store.active import folding


def take_in(
    connection: Connection, message: IncomingMessage, entry: int, received: datetime
) -> tuple[dict[str, list[RecordResult]], Mapping[str, bytes]]:
    """Records what a message says. Returns what became of each record, by the message it came in (a list's parts get theirs together),
    and the timelines."""
    message = _placed_in_epoch(connection, message, received)
    header, arrangement = message.header, message.arrangement
    iso = arrangement.iso
    results: dict[str, list[RecordResult]] = {header.id: []}
    placed = list(message.placed)
    if header.kind is Kind.LIST:
        complete = assemble.accept_part(connection, message, received)
        if complete is None:
            results[header.id] = [RecordResult(one.statement.tin, "waiting") for one in placed]
            return results, {}
        placed = complete
    elif header.kind in (Kind.UPDATE, Kind.NOTICE):
        placed = assemble.accept_update(connection, message, received)
    placed += weigh.omitted_since(connection, arrangement, placed)
    said = statements.statements_of(connection, iso, {one.statement.tin for one in placed})
    form = arrangement.code.on(received.astimezone(HOME_ZONE).date()).value
    for one in placed:
        if not one.derived:
            tin = one.statement.tin
            warning = "checksum" if form is not None and form.doubtful(tin) else None
            results.setdefault(one.message_id, []).append(RecordResult(tin, _outcome(one, said.get(tin, ())), warning))
    statements.record(connection, iso, placed)
    _add(said, placed)
    return results, statements.refold(connection, iso, said, folding(arrangement), entry)


def _placed_in_epoch(connection: Connection, message: IncomingMessage, received: datetime) -> IncomingMessage:
    """The message with its statements in their numbering epoch. A reissue (an update or notice that refers to another of its sender's)
    counts with the number and moment of what it refers to."""
    header, epoch = message.header, message.epoch
    before = (
        statements.statements_in(connection, message.arrangement.iso, header.refers_to)
        if header.refers_to and header.kind in (Kind.UPDATE, Kind.NOTICE)
        else []
    )
    if before:
        first = before[0]
        of_then = msgspec.structs.replace(header, created=first.issued, sequence=first.sequence)
        zone_of, digest, epoch = message.arrangement.zone_of, message.digest, first.epoch
        placed = [
            place(one.statement, of_then, zone_of(one.statement.tin), digest=digest, received=received, transcribed=one.transcribed)
            for one in message.placed
        ]
        return message._replace(placed=tuple([msgspec.structs.replace(one, epoch=epoch) for one in placed]))
    if not epoch:
        return message
    return message._replace(placed=tuple([msgspec.structs.replace(one, epoch=epoch) for one in message.placed]))


def _add(said: dict[str, list[PlacedStatement]], placed: Iterable[PlacedStatement]) -> None:
    for one in placed:
        said.setdefault(one.statement.tin, []).append(one)


def _outcome(one: PlacedStatement, before: Sequence[PlacedStatement]) -> str:
    if one.held:
        return "held"
    later = any(other.issued > one.issued and other.voided is None and _same(other.statement, one.statement) for other in before)
    return "overruled" if later else "accepted"


def _same(one: Statement, other: Statement) -> bool:
    return all(a is None or b is None or a == b for a, b in ((one.level, other.level), (one.number, other.number)))
