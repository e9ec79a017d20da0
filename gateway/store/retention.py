"""How long what is kept is kept: the rule of each class, and putting away what is closed and past its rule.

No rule is shipped for what was exchanged, because no source states one: a class is kept until a person says how long and because of what.
What is kept of staff goes by a default of ours until then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, Table, delete, func, insert, null, select, type_coerce, update

from gateway.core.access import Actor
from gateway.core.errors import Code, Refusal
from gateway.core.moments import FIRST, LONGEST
from gateway.store import journal
from gateway.store.retention_class import RetentionClass
from gateway.store.retention_classes import BY_NAME
from gateway.store.tables import entry, intake, retention

_DAY = 86_400_000_000
#: Why, where nobody said how long.
BY_DEFAULT = "a default of this gateway: gateway/operate/RULES.md, What is kept of staff"


class Rule(msgspec.Struct, frozen=True):
    """How many days a class is kept once it is closed, because of what, who said so and when; and what went by it so far. ``who`` is empty
    where it is the default."""

    shelf: str
    days: int
    because: str
    who: str
    since: datetime
    rows: int
    bytes: int


class DueRow(msgspec.Struct, frozen=True):
    """A row that may go: its key, whose it is, what it is called, and its size in bytes."""

    key: int | str
    partner: str | None
    called: str
    bytes: int


def class_of(name: str) -> RetentionClass:
    """Raises ``Refusal`` NOT_FOUND with the names there are."""
    if name not in BY_NAME:
        raise Refusal(Code.NOT_FOUND, f"There is no shelf {name!r}.", remedy=f"One of: {', '.join(BY_NAME)}.")
    return BY_NAME[name]


def rules(connection: Connection) -> dict[str, Rule]:
    """The rules that hold, by class: those that were set, and the defaults of others."""
    rows = connection.execute(select(retention).order_by(retention.c.since))
    # A release before this one took any number of days.
    chosen = {row.shelf: Rule(**{**row._mapping, "days": min(row.days, LONGEST.days)}) for row in rows}
    return {
        one.name: Rule(one.name, one.default, BY_DEFAULT, "", FIRST, 0, 0)
        for one in BY_NAME.values()
        if one.default is not None and one.name not in chosen
    } | chosen


def set_rule(connection: Connection, name: str, days: int, *, because: str, who: Actor, at: datetime) -> None:
    """A person says how long. Raises ``Refusal``: NOT_FOUND, DATA_INVALID."""
    class_of(name)
    if not 0 <= days <= LONGEST.days:
        raise Refusal(Code.DATA_INVALID, f"Days are from 0 to {LONGEST.days:,}.", field="days", value=str(days))
    if not because.strip():
        raise Refusal(Code.DATA_INVALID, "Say under which rule or decision.", field="because")
    values = {"days": days, "because": because, "who": who.name, "since": at}
    changed = connection.execute(update(retention).where(retention.c.shelf == name).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(retention).values(shelf=name, rows=0, bytes=0, **values))
    said: dict[str, object] = {"decision": "retention", "days": days, "because": because, "who": who.name, "by": who.noted}
    journal.append(connection, "decision", f"retention-{name}", said, at=at)


def unset_rule(connection: Connection, name: str, *, because: str, who: Actor, at: datetime) -> None:
    """A person takes a rule back: the class is kept from now on, or goes by its default. Raises ``Refusal`` NOT_FOUND where none was
    set."""
    default = class_of(name).default
    if connection.execute(delete(retention).where(retention.c.shelf == name)).rowcount == 0:
        holds = "it is kept" if default is None else f"it goes after {default} days, {BY_DEFAULT}"
        raise Refusal(Code.NOT_FOUND, f"The shelf {name!r} has no rule that was set: {holds}.")
    said: dict[str, object] = {"decision": "retention", "days": None, "because": because, "who": who.name, "by": who.noted}
    journal.append(connection, "decision", f"retention-{name}", said, at=at)


def due(connection: Connection, kept: RetentionClass, before: datetime) -> Iterator[DueRow]:
    """What is closed and came before a moment, the oldest first."""
    key, whose = kept.key, kept.table.c.get("partner", null())
    query = select(key.label("key"), whose.label("partner"), kept.called.label("called"), kept.size.label("size"))
    query = query.where(kept.filled, kept.closed, kept.at < before)
    for row in connection.execute(query.order_by(key).execution_options(yield_per=1_000)):
        yield DueRow(row.key, row.partner, _name(kept, row.called), int(row.size))


def _name(kept: RetentionClass, called: Any) -> str:
    return f"intake-{called}" if kept.table is intake else str(called)


def prune(connection: Connection, rule: Rule, keys: Sequence[int | str], at: datetime) -> int:
    """Puts these rows away where they are still closed, and journals each with its digest and the rule; returns how many went."""
    kept = BY_NAME[rule.shelf]
    table, key = kept.table, kept.key
    digest: ColumnElement[Any] = null()
    if kept.named:
        digest = table.c.body if kept.digest is None else kept.digest
    still = select(key.label("key"), kept.called.label("called"), digest.label("digest"), kept.size.label("size"))
    rows = connection.execute(still.where(key.in_(keys), kept.filled, kept.closed).order_by(key).with_for_update()).all()
    if not rows:
        return 0
    gone = [row.key for row in rows]
    if kept.emptied is None:
        connection.execute(delete(table).where(key.in_(gone)))
    else:
        connection.execute(update(table).where(key.in_(gone)).values({**kept.emptied, **({"pruned": at} if kept.marks else {})}))
    size = sum(int(row.size) for row in rows)
    mine = retention.c.shelf == rule.shelf
    connection.execute(update(retention).where(mine).values(rows=retention.c.rows + len(rows), bytes=retention.c.bytes + size))
    named = rows if kept.named else []
    pruned = [[_name(kept, row.called), sha256(row.digest).hexdigest() if kept.digest is None else row.digest] for row in named]
    said: dict[str, object] = {"days": rule.days, "because": rule.because, "who": rule.who, "set": rule.since}
    if not kept.named:
        said["rows"] = len(rows)
    journal.append(connection, "retention", rule.shelf, said | {"bytes": size, "pruned": pruned}, at=at)
    return len(rows)


def why_gone(connection: Connection, name: str, pruned: datetime) -> str:
    """By which rule something of a class went, and where the journal says so."""
    here = (entry.c.kind == "retention") & (entry.c.subject == name) & (entry.c.at == pruned)
    row = connection.execute(select(entry.c.position, entry.c.body).where(here).order_by(entry.c.id).limit(1)).first()
    if row is None:
        return f"it was put away at {pruned.isoformat()}"
    rule = msgspec.json.decode(row.body)
    place = "not sealed yet" if row.position is None else f"position {row.position}"
    return (
        f"it was put away at {pruned.isoformat()} by the rule {rule['days']} days, {rule['because']!r}, set by {rule['who']} "
        f"(journal, {place})"
    )


def by_day(
    connection: Connection, table: Table, at: Any, size: ColumnElement[Any], where: ColumnElement[bool]
) -> dict[int, tuple[int, int]]:
    """Day (since 1970 UTC) -> (rows, bytes) of what is there. Without moments everything is of day 0."""
    day = type_coerce(at, BigInteger) // _DAY if at is not None else type_coerce(0, BigInteger)
    query = select(day.label("day"), func.count().label("rows"), func.coalesce(func.sum(size), 0).label("bytes"))
    found = connection.execute(query.select_from(table).where(where).group_by(day))
    return {int(row.day or 0): (row.rows, int(row.bytes)) for row in found}
