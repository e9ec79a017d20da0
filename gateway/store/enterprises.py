"""China's own enterprises: every record of the feed as it came, and the state folded from them (packed by the domestic room)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.core.four_eyes import Decision
from gateway.domestic.enterprise import Enterprise
from gateway.store import leases, proposals
from gateway.store.bulk import chunks
from gateway.store.bulk import put as put_rows
from gateway.store.prepared import Prepared
from gateway.store.tables import code_holder, enterprise, enterprise_record

#: So few are asked for one by one, by statements that are ready: a declaration names two or three enterprises.
_FEW = 8
_STATE = Prepared(select(enterprise.c.state).where(enterprise.c.uscc == bindparam("uscc")))
_HELD = Prepared(
    select(code_holder.c.uscc, code_holder.c.since, code_holder.c.until)
    .where(code_holder.c.code == bindparam("code"))
    .order_by(code_holder.c.id)
)


class RecordedRow(msgspec.Struct, frozen=True):
    """One record of the feed and what was judged of it."""

    uscc: str
    digest: str
    body: bytes
    foreseen: bool
    held: bool
    note: str


class CodePassed(NamedTuple):
    """A record gave an enterprise another customs code than it had; None: it had, or has, none."""

    uscc: str
    before: str | None
    after: str | None


class CodeHeld(NamedTuple):
    """Who had a customs code: from ``since``, by our clock, until before ``until`` (None: to this day)."""

    uscc: str
    since: datetime
    until: datetime | None


class HeldRecord(msgspec.Struct, frozen=True):
    """A record whose gains wait for a person."""

    id: int
    recorded: datetime
    record: RecordedRow


def alone(connection: Connection, at: datetime) -> None:
    """Lets one transaction at a time change enterprises, on every node together; it is alone until it ends."""
    leases.first(connection, "enterprises", "one at a time", at)


def states(connection: Connection, usccs: Collection[str]) -> dict[str, bytes]:
    """The packed states of these enterprises, where known."""
    if len(usccs) <= _FEW:
        rows = ((uscc, _STATE.row(connection, uscc=uscc)) for uscc in usccs)
        return {uscc: row[0] for uscc, row in rows if row}
    found: dict[str, bytes] = {}
    for batch in chunks(usccs):
        found.update(
            (row.uscc, row.state)
            for row in connection.execute(select(enterprise.c.uscc, enterprise.c.state).where(enterprise.c.uscc.in_(batch)))
        )
    return found


def every(connection: Connection) -> Iterator[tuple[str, bytes]]:
    """(uscc, packed state) of all."""
    for row in connection.execute(select(enterprise.c.uscc, enterprise.c.state).order_by(enterprise.c.uscc)):
        yield row.uscc, row.state


def by_customs_code(connection: Connection, code: str) -> tuple[str, bytes] | None:
    """(uscc, packed state) of the enterprise that has this 10-digit customs code now."""
    row = connection.execute(select(enterprise.c.uscc, enterprise.c.state).where(enterprise.c.customs_code == code)).first()
    return None if row is None else (row.uscc, row.state)


def codes_held(connection: Connection, codes: Collection[str]) -> dict[str, list[CodeHeld]]:
    """Who had each of these customs codes, in the order in which they did; of a code that no record ever named, nothing."""
    found: dict[str, list[CodeHeld]] = {}
    if len(codes) <= _FEW:
        for code in codes:
            if rows := _HELD.rows(connection, code=code):
                found[code] = [CodeHeld(*row) for row in rows]
        return found
    for batch in chunks(codes):
        for row in connection.execute(select(code_holder).where(code_holder.c.code.in_(batch)).order_by(code_holder.c.id)):
            found.setdefault(row.code, []).append(CodeHeld(row.uscc, row.since, row.until))
    return found


def pass_on(connection: Connection, passed: Sequence[CodePassed], at: datetime) -> None:
    """Notes who has which customs code from now on, and who no longer has; in the order of the records that say so."""
    begun: list[tuple[str, str, datetime, datetime | None]] = []
    open_here: dict[tuple[str, str], int] = {}
    ended: list[dict[str, str]] = []
    for one in passed:
        if one.before and (place := open_here.pop((one.before, one.uscc), None)) is not None:
            begun[place] = (one.before, one.uscc, at, at)
        elif one.before:
            ended.append({"had": one.before, "who": one.uscc})
        if one.after:
            open_here[one.after, one.uscc] = len(begun)
            begun.append((one.after, one.uscc, at, None))
    if ended:
        mine = (code_holder.c.code == bindparam("had")) & (code_holder.c.uscc == bindparam("who")) & code_holder.c.until.is_(None)
        connection.execute(update(code_holder).where(mine).values(until=at), ended)
    put_rows(connection, code_holder, ("code", "uscc", "since", "until"), begun)


def holders(connection: Connection, codes: Iterable[str]) -> dict[str, str]:
    """Customs code -> USCC of the enterprise that has it now."""
    found: dict[str, str] = {}
    for batch in chunks(codes):
        rows = connection.execute(select(enterprise.c.customs_code, enterprise.c.uscc).where(enterprise.c.customs_code.in_(batch)))
        found.update((row.customs_code, row.uscc) for row in rows)
    return found


def last_digests(connection: Connection, usccs: Iterable[str]) -> dict[str, str]:
    """The digest of the latest record of each: only that can be repeated; one said again after another is news."""
    found: dict[str, str] = {}
    for batch in chunks(usccs):
        latest = (
            select(func.max(enterprise_record.c.id)).where(enterprise_record.c.uscc.in_(batch)).group_by(enterprise_record.c.uscc)
        )
        rows = connection.execute(
            select(enterprise_record.c.uscc, enterprise_record.c.digest).where(enterprise_record.c.id.in_(latest))
        )
        found.update((row.uscc, row.digest) for row in rows)
    return found


def record(connection: Connection, recorded: Sequence[RecordedRow], at: datetime) -> None:
    """Adds records of the feed. What waited for a person does so no longer: a record is complete, so the newer one speaks instead."""
    for batch in chunks({one.uscc for one in recorded}):
        held = update(enterprise_record).where(enterprise_record.c.uscc.in_(batch), enterprise_record.c.held).values(held=False)
        if overtaken := connection.execute(held.returning(enterprise_record.c.id)).scalars().all():
            because = "a newer record of the enterprise speaks instead"
            proposals.end(connection, overtaken, Decision.GAINS, because=because, at=at)
    connection.execute(insert(enterprise_record), [{**msgspec.structs.asdict(one), "recorded": at} for one in recorded])


def put(connection: Connection, packed: Mapping[str, tuple[str | None, bytes]], at: datetime) -> None:
    """Puts what holds now: uscc -> (customs code, packed state)."""
    insert_for = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = insert_for(enterprise)
    new = {name: row.excluded[name] for name in ("customs_code", "state", "changed")}
    connection.execute(
        row.on_conflict_do_update(index_elements=[enterprise.c.uscc], set_=new),
        [{"uscc": uscc, "customs_code": code, "state": state, "changed": at} for uscc, (code, state) in packed.items()],
    )


def held_records(connection: Connection, usccs: Iterable[str] | None = None) -> list[HeldRecord]:
    """Records whose gains wait for a person (of these enterprises), oldest first."""
    query = select(enterprise_record).where(enterprise_record.c.held).order_by(enterprise_record.c.id)
    queries = [query] if usccs is None else [query.where(enterprise_record.c.uscc.in_(batch)) for batch in chunks(usccs)]
    return [
        HeldRecord(row.id, row.recorded, RecordedRow(row.uscc, row.digest, row.body, row.foreseen, row.held, row.note))
        for one in queries
        for row in connection.execute(one)
    ]


def let_through(connection: Connection, record_id: int) -> None:
    """The record waits no longer."""
    connection.execute(update(enterprise_record).where(enterprise_record.c.id == record_id).values(held=False))


def any_known(connection: Connection) -> bool:
    """Whether the feed has ever spoken."""
    return connection.execute(select(literal(1)).select_from(enterprise).limit(1)).first() is not None


unpack = msgspec.msgpack.Decoder(Enterprise).decode
