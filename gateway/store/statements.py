"""Statements as recorded, and the timeline folded from them for each operator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update

from gateway.core.history import Timeline, pack
from gateway.core.model import PlacedStatement
from gateway.store import bulk, packing
from gateway.store.bulk import chunks
from gateway.store.prepared import Prepared
from gateway.store.tables import operator, statement

#: Folds what was said of one operator; bound to a partner's time zones by the caller.
Fold = Callable[[str, Sequence[PlacedStatement]], Timeline]


def record(connection: Connection, partner: str, placed: Iterable[PlacedStatement]) -> None:
    """Adds what was said; nothing recorded is ever changed but what a person decides of it, with its moment."""
    columns = ("partner", "tin", "message_id", "received", "held", "derived", "voided", "body")
    rows = [
        (partner, one.statement.tin, one.message_id, one.received, one.held, one.derived, one.voided, packing.pack(one))
        for one in placed
    ]
    if len(rows) == 1:
        _RECORD_ONE.count(connection, **dict(zip(columns, rows[0], strict=True)))
    else:
        bulk.put(connection, statement, columns, rows)


def _open(row: Sequence[Any]) -> PlacedStatement:
    _, held, released, voided, body = row
    one = packing.placed(body)
    held = held and released is None
    if held != one.held or voided is not None:
        one = msgspec.structs.replace(one, held=held, voided=voided)
    return one


_columns = (statement.c.tin, statement.c.held, statement.c.released, statement.c.voided, statement.c.body)
_SAID = select(*_columns).where(statement.c.partner == bindparam("of")).order_by(statement.c.id)
_SAID_OF = _SAID.where(statement.c.tin.in_(bindparam("tins", expanding=True)))
_SAID_OF_ONE = Prepared(_SAID.where(statement.c.tin == bindparam("one")))
_RECORD_ONE = Prepared(insert(statement))
_REFOLD_ONE = Prepared(update(operator).where(operator.c.tin == bindparam("one")))
_FIRST_OF_ONE = Prepared(insert(operator))
_KNOWN = select(operator.c.tin).where(operator.c.tin.in_(bindparam("tins", expanding=True)))


def statements_of(connection: Connection, partner: str, tins: Iterable[str] | None = None) -> dict[str, list[PlacedStatement]]:
    """Everything recorded of these operators (of all, when ``tins`` is None), in the order of recording."""
    found: dict[str, list[PlacedStatement]] = defaultdict(list)
    for row in _rows_of(connection, partner, tins):
        found[row[0]].append(_open(row))
    return found


def _rows_of(connection: Connection, partner: str, tins: Iterable[str] | None) -> Iterator[Sequence[Any]]:
    if tins is None:
        yield from connection.execute(_SAID, {"of": partner})
        return
    for batch in chunks(tins):
        if len(batch) == 1:
            yield from _SAID_OF_ONE.rows(connection, of=partner, one=batch[0])
        else:
            yield from connection.execute(_SAID_OF, {"of": partner, "tins": batch})


def statements_known_at(
    connection: Connection, partner: str, tins: Iterable[str], moment: datetime
) -> dict[str, list[PlacedStatement]]:
    """The same as it was known at a past moment: what a person released or voided only later was still held, or still believed."""
    found: dict[str, list[PlacedStatement]] = defaultdict(list)
    query = select(*_columns).where(statement.c.partner == partner, statement.c.received <= moment).order_by(statement.c.id)
    for batch in chunks(tins):
        for row in connection.execute(query.where(statement.c.tin.in_(batch))):
            found[row.tin].append(_as_of(row, moment))
    return found


def knowledge_since(
    connection: Connection, partner: str, tins: Iterable[str], moment: datetime
) -> Iterator[tuple[str, list[PlacedStatement]]]:
    """(code, what was known of it) at a moment, and again after each change of that since."""
    rows: dict[str, list[Any]] = defaultdict(list)
    query = select(*_columns, statement.c.received).where(statement.c.partner == partner).order_by(statement.c.id)
    for batch in chunks(tins):
        for row in connection.execute(query.where(statement.c.tin.in_(batch))):
            rows[row.tin].append(row)
    for tin, said in rows.items():
        changes = {at for row in said for at in (row.received, row.released, row.voided) if at is not None and at > moment}
        for then in (moment, *sorted(changes)):
            yield tin, [_as_of(row, then) for row in said if row.received <= then]


def _as_of(row: Any, moment: datetime) -> PlacedStatement:
    held = row.held and (row.released is None or row.released > moment)
    voided = row.voided if row.voided is not None and row.voided <= moment else None
    return msgspec.structs.replace(packing.placed(row.body), held=held, voided=voided)


def statements_in(connection: Connection, partner: str, message_id: str) -> list[PlacedStatement]:
    """What one message said."""
    query = select(*_columns).where(statement.c.partner == partner, statement.c.message_id == message_id).order_by(statement.c.id)
    return [_open(row) for row in connection.execute(query)]


def operators_in(connection: Connection, partner: str, message_id: str) -> list[str]:
    """Whom one message speaks of, by naming them or by leaving them out."""
    said = select(statement.c.tin).where(statement.c.partner == partner, statement.c.message_id == message_id)
    return list(connection.execute(said.distinct().order_by(statement.c.tin)).scalars())


def operators_of(connection: Connection, partner: str) -> list[str]:
    """Every operator of whom anything was ever recorded from this partner."""
    return list(connection.execute(select(operator.c.tin).where(operator.c.partner == partner).order_by(operator.c.tin)).scalars())


def release(connection: Connection, partner: str, message_ids: Sequence[str], at: datetime) -> list[str]:
    """Takes the hold from what these messages granted or left out; returns the operators concerned."""
    chosen = _held(partner, message_ids)
    tins = list(connection.execute(select(statement.c.tin).where(chosen).distinct()).scalars())
    connection.execute(update(statement).where(chosen).values(released=at))
    return tins


def drop(connection: Connection, partner: str, message_ids: Sequence[str], at: datetime) -> list[str]:
    """Annuls what of these messages is held, and only that; returns the operators concerned."""
    return _void(connection, _held(partner, message_ids), at)


def void(connection: Connection, partner: str, message_ids: Sequence[str], at: datetime, *, derived: bool = False) -> list[str]:
    """Annuls what these messages said, from ``at`` on in our knowledge; ``derived``: only what they said by leaving somebody out. Returns
    the operators concerned."""
    chosen = (statement.c.partner == partner) & statement.c.message_id.in_(message_ids)
    return _void(connection, chosen & statement.c.derived if derived else chosen, at)


def _held(partner: str, message_ids: Sequence[str]) -> ColumnElement[bool]:
    of_these = (statement.c.partner == partner) & statement.c.message_id.in_(message_ids)
    return of_these & statement.c.held & statement.c.released.is_(None) & statement.c.voided.is_(None)


def _void(connection: Connection, chosen: ColumnElement[bool], at: datetime) -> list[str]:
    chosen &= statement.c.voided.is_(None)
    tins = list(connection.execute(select(statement.c.tin).where(chosen).distinct()).scalars())
    connection.execute(update(statement).where(chosen).values(voided=at))
    return tins


def refold(
    connection: Connection, partner: str, said: dict[str, list[PlacedStatement]], fold: Fold, entry: int
) -> dict[str, bytes]:
    """Writes the timelines of these operators anew and returns them packed, as the index holds them."""
    timelines = {tin: pack(fold(tin, placed)) for tin, placed in said.items()}
    if len(timelines) == 1:
        ((tin, packed),) = timelines.items()
        if not _REFOLD_ONE.count(connection, one=tin, timeline=packed, entry=entry):
            _FIRST_OF_ONE.count(connection, tin=tin, partner=partner, timeline=packed, entry=entry)
        return timelines
    known: set[str] = set()
    for batch in chunks(timelines):
        known.update(connection.execute(_KNOWN, {"tins": batch}).scalars())
    fresh = [(tin, partner, packed, entry) for tin, packed in timelines.items() if tin not in known]
    changed = [(packed, entry, tin) for tin, packed in timelines.items() if tin in known]
    bulk.put(connection, operator, ("tin", "partner", "timeline", "entry"), fresh)
    bulk.change(connection, operator, ("timeline", "entry"), "tin", changed)
    return timelines


def timeline(connection: Connection, tin: str) -> bytes | None:
    """The packed timeline of one operator."""
    return connection.execute(select(operator.c.timeline).where(operator.c.tin == tin)).scalar_one_or_none()


def timelines(connection: Connection, tins: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """(code, packed timeline) of those of these operators that are known."""
    for batch in chunks(tins):
        for row in connection.execute(select(operator.c.tin, operator.c.timeline).where(operator.c.tin.in_(batch))):
            yield row.tin, row.timeline


def timelines_of(connection: Connection, partner: str) -> Iterator[tuple[str, bytes]]:
    """(code, packed timeline) of every operator of one partner."""
    for row in connection.execute(select(operator.c.tin, operator.c.timeline).where(operator.c.partner == partner)):
        yield row.tin, row.timeline


def named_in(connection: Connection, partner: str, message_ids: Sequence[str], tins: Iterable[str]) -> set[str]:
    """Those of ``tins`` that these messages name themselves."""
    query = select(statement.c.tin).where(
        statement.c.partner == partner, statement.c.message_id.in_(message_ids), statement.c.derived.is_(False)
    )
    return {tin for batch in chunks(tins) for tin in connection.execute(query.where(statement.c.tin.in_(batch))).scalars()}


def digest(placed: Iterable[PlacedStatement]) -> str:
    """SHA-256 (hex) over the statements of a message in their order: what the journal seals of them."""
    total = sha256()
    for one in placed:
        total.update(packing.pack(one.statement))
    return total.hexdigest()
