"""What a message says, applied to what was known: recorded, weighed where it is a list, and folded anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from gateway.core.fold import waits
from gateway.core.home import HOME_ZONE
from gateway.core.incoming import IncomingMessage
from gateway.core.model import Kind, PlacedStatement, Statement
from gateway.core.order import SKEW, in_order_of_issue
from gateway.core.protocol import CHECKSUM, CLOCK_WENT_BACK, RecordResult
from gateway.core.reissue import as_first_said
from gateway.exchange.lists import assemble, weigh
from gateway.store import statements
from gateway.store.active import folding


def take_in(
    connection: Connection, message: IncomingMessage, entry: int, received: datetime
) -> tuple[dict[str, list[RecordResult]], Mapping[str, bytes]]:
    """Records what a message says. Returns what became of each record, by the message it came in (a list's parts get theirs together),
    and the timelines."""
    if message.epoch:
        message = message._replace(placed=tuple([msgspec.structs.replace(one, epoch=message.epoch) for one in message.placed]))
    header, arrangement = message.header, message.arrangement
    iso = arrangement.iso
    went_back = CLOCK_WENT_BACK if message.clock_went_back else None
    results: dict[str, list[RecordResult]] = {header.id: []}
    placed = list(message.placed)
    if header.kind is Kind.LIST:
        complete = assemble.accept_part(connection, message, received)
        if complete is None:
            results[header.id] = [RecordResult(one.statement.tin, "waiting", went_back) for one in placed]
            return results, {}
        placed = complete
    elif header.kind in (Kind.UPDATE, Kind.NOTICE):
        placed = assemble.accept_update(connection, message, received)
    said = statements.statements_of(connection, iso, {one.statement.tin for one in placed})
    derived = weigh.omitted_since(connection, arrangement, _as_first_said(placed, said))
    taken_away: dict[str, list[PlacedStatement]] = {}
    _add(taken_away, derived)
    form = arrangement.code.on(received.astimezone(HOME_ZONE).date()).value
    for one in placed:
        if not one.derived:
            tin = one.statement.tin
            warning = went_back if one.message_id == header.id else None
            if warning is None and form is not None and form.doubtful(tin):
                warning = CHECKSUM
            outcome = _outcome(one, [*said.get(tin, ()), *taken_away.get(tin, ())])
            results.setdefault(one.message_id, []).append(RecordResult(tin, outcome, warning))
    placed += derived
    statements.record(connection, iso, placed)
    _add(said, placed)
    return results, statements.refold(connection, iso, said, folding(arrangement), entry)


def _as_first_said(placed: Sequence[PlacedStatement], said: Mapping[str, Sequence[PlacedStatement]]) -> list[PlacedStatement]:
    """What is said again, with the moment of what it repeats."""
    return [as_first_said([*said.get(one.statement.tin, ()), one])[-1] if one.refers_to else one for one in placed]


def _add(said: dict[str, list[PlacedStatement]], placed: Iterable[PlacedStatement]) -> None:
    for one in placed:
        said.setdefault(one.statement.tin, []).append(one)


def _outcome(one: PlacedStatement, before: Sequence[PlacedStatement]) -> str:
    """Held; overruled, by what was issued later of the same authorisation; or accepted."""
    if one.held:
        return "held"
    others = [other for other in before if _same(other.statement, one.statement)]
    if one.refers_to is None and all(_plainly_before(other, one) for other in others):
        return "accepted"
    *others, one = as_first_said([*others, one])
    counted = [other for other in others if other.voided is None and not waits(other)]
    last = in_order_of_issue([*counted, one])[-1]
    return "accepted" if last.message_id == one.message_id else "overruled"


def _plainly_before(other: PlacedStatement, one: PlacedStatement) -> bool:
    """Whether neither number nor clock leaves a doubt; nearly always so, and cheaper to see than to order them."""
    return other.issued + SKEW <= one.issued and not (
        one.sequence and (other.priority, other.epoch) == (one.priority, one.epoch) and other.sequence > one.sequence
    )


def _same(one: Statement, other: Statement) -> bool:
    return all(a is None or b is None or a == b for a, b in ((one.level, other.level), (one.number, other.number)))
