"""China's own enterprises: every record of the feed as it came, and the state folded from them (packed by the domestic room)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from gateway.store.statements import chunks
from gateway.store.tables import enterprise, enterprise_record


class Recorded(msgspec.Struct, frozen=True):
    """One record of the feed and what was judged of it."""

    uscc: str
    digest: str
    body: bytes
    foreseen: bool
    held: bool
    note: str


def states(connection: Connection, usccs: Iterable[str]) -> dict[str, bytes]:
    """The packed states of these enterprises, where known."""
    found: dict[str, bytes] = {}
    for batch in chunks(usccs):
        found.update(
            (row.uscc, row.state)
            for row in connection.execute(select(enterprise.c.uscc, enterprise.c.state).where(enterprise.c.uscc.in_(batch)))
        )
    return found


def every(connection: Connection) -> Iterator[tuple[str, bytes]]:
    for row in connection.execute(select(enterprise.c.uscc, enterprise.c.state).order_by(enterprise.c.uscc)):
        yield row.uscc, row.state


def by_customs_code(connection: Connection, code: str) -> tuple[str, bytes] | None:
    """(uscc, packed state) of the enterprise that has this 10-digit customs code now."""
    row = connection.execute(select(enterprise.c.uscc, enterprise.c.state).where(enterprise.c.customs_code == code)).first()
    return None if row is None else (row.uscc, row.state)


def last_digests(connection: Connection, usccs: Iterable[str]) -> dict[str, str]:
    """The digest of the latest record of each: the feed may say the same twice."""
    found: dict[str, str] = {}
    for batch in chunks(usccs):
        rows = connection.execute(
            select(enterprise_record.c.uscc, enterprise_record.c.digest)
            .where(enterprise_record.c.uscc.in_(batch))
            .order_by(enterprise_record.c.id)
        )
        found.update((row.uscc, row.digest) for row in rows)
    return found


def record(connection: Connection, recorded: Sequence[Recorded], at: datetime) -> None:
    """Adds records of the feed."""
    connection.execute(insert(enterprise_record), [{**msgspec.structs.asdict(one), "recorded": at} for one in recorded])


def put(connection: Connection, packed: Mapping[str, tuple[str | None, bytes]], known: Iterable[str], at: datetime) -> None:
    """Puts what holds now: uscc -> (customs code, packed state). ``known`` are those that have a row already."""
    there = set(known)
    fresh = [
        {"uscc": u, "customs_code": code, "state": state, "changed": at} for u, (code, state) in packed.items() if u not in there
    ]
    changed = [{"u": u, "customs_code": code, "state": state, "changed": at} for u, (code, state) in packed.items() if u in there]
    if fresh:
        connection.execute(insert(enterprise), fresh)
    if changed:
        connection.execute(update(enterprise).where(enterprise.c.uscc == bindparam("u")), changed)


def held(connection: Connection) -> list[tuple[int, Recorded]]:
    """Records whose gains wait for a person, oldest first."""
    rows = connection.execute(select(enterprise_record).where(enterprise_record.c.held).order_by(enterprise_record.c.id))
    return [(row.id, Recorded(row.uscc, row.digest, row.body, row.foreseen, row.held, row.note)) for row in rows]


def let_through(connection: Connection, record_id: int) -> None:
    connection.execute(update(enterprise_record).where(enterprise_record.c.id == record_id).values(held=False))
