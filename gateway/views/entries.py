"""The journal as a person reads it: its latest entries, with what each says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from gateway.core import names
from gateway.store.journal import Sealed
from gateway.store.tables import checkpoint, entry

#: So many entries are looked at for one page: what a filter finds rarely must not keep a database busy.
LOOK = 20_000
_BESIDE = ("at", "kind", "partner", "subject")


class EntryShown(msgspec.Struct, frozen=True, kw_only=True):
    """One entry: its number here, its place in the sealed order (null: not sealed yet), and what it says, which differs from kind to kind."""

    id: int
    position: int | None
    at: datetime
    kind: str
    partner: str | None
    subject: str
    says: dict[str, Any]


def latest(
    connection: Connection, *, kind: str | None = None, partner: str | None = None, subject: str | None = None, most: int = 50
) -> list[dict[str, Any]]:
    """The latest entries of this kind, partner and subject, newest first. ``position`` None: not sealed yet."""
    query = select(entry).order_by(entry.c.id.desc()).limit(most)
    for column, wanted in ((entry.c.kind, kind), (entry.c.partner, partner), (entry.c.subject, subject)):
        if wanted is not None:
            query = query.where(column == wanted)
    return [{"position": row.position, **msgspec.json.decode(row.body)} for row in connection.execute(query)]


def page(
    connection: Connection,
    *,
    kind: str | None = None,
    partner: str | None = None,
    subject: str | None = None,
    who: str | None = None,
    after: int | None = None,
    most: int = 50,
) -> tuple[list[EntryShown], int | None]:
    """Such entries before number ``after``, the newest first, among the next ``LOOK``; and after which number others follow, if any do."""
    newest = connection.execute(select(func.max(entry.c.id))).scalar_one() or 0
    upper = newest + 1 if after is None else min(after, newest + 1)
    lower = 0 if subject is not None else max(0, upper - LOOK)  # subjects have an index
    query = select(entry).where(entry.c.id < upper, entry.c.id >= lower).order_by(entry.c.id.desc())
    for column, wanted in ((entry.c.kind, kind), (entry.c.partner, partner), (entry.c.subject, subject)):
        if wanted is not None:
            query = query.where(column == wanted)
    found: list[EntryShown] = []
    for row in connection.execute(query.execution_options(yield_per=500)):
        says = msgspec.json.decode(row.body)
        if who is None or any(names.same(who, one) for one in _people(says)):
            if len(found) == most:
                return found, found[-1].id
            beside = {name: getattr(row, name) for name in ("id", "position", *_BESIDE)}
            found.append(EntryShown(**beside, says={name: said for name, said in says.items() if name not in _BESIDE}))
    return found, lower if lower > 1 else None


def checkpoints(connection: Connection, *, after: int | None = None, most: int = 50) -> tuple[list[Sealed], int | None]:
    """Checkpoints of fewer than ``after`` entries, the newest first; and after which size others follow, if any do."""
    query = select(checkpoint.c.size, checkpoint.c.signed).order_by(checkpoint.c.size.desc()).limit(most + 1)
    rows = connection.execute(query if after is None else query.where(checkpoint.c.size < after)).all()
    sealed = [msgspec.msgpack.decode(row.signed, type=Sealed) for row in rows[:most]]
    return sealed, sealed[-1].size if len(rows) > most else None


def _people(says: dict[str, Any]) -> list[str]:
    """Who decided or proposed what an entry tells of; two people are a list."""
    who = says.get("who", says.get("by"))
    those = who if isinstance(who, list) else [who] if who else []
    return [str(one["name"]) if isinstance(one, dict) else str(one) for one in those]
