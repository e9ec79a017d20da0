"""How much is kept, how fast that grows, what the rules would put away now, and where it leads: for a person who plans disks."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
from sqlalchemy import Connection, func, make_url, select
from sqlalchemy import true as always

from gateway.node.context import Context
from gateway.operate import forecast
from gateway.operate import retention as putting_away
from gateway.store import retention, retention_classes
from gateway.store.retention import Rule
from gateway.store.tables import entry

#: Spans over which growth is measured, and ahead of which is looked, in days.
WINDOWS, AHEAD = (7, 30), (30, 90, 365)
_EPOCH = date(1970, 1, 1)


class GrowthLine(msgspec.Struct, frozen=True, kw_only=True):
    """One class of what is kept. ``rule`` None: it is kept, for the reason that ``purpose`` says. ``due`` and ``due_bytes`` would go now.
    ``a_day`` are bytes a day over the last 7 and 30 days, ``ahead`` bytes in 30, 90 and 365 days, if it goes on as in the last 30."""

    shelf: str
    holds: str
    purpose: str
    stays: str
    rows: int
    bytes: int
    oldest: date | None
    rule: Rule | None
    due: int
    due_bytes: int
    a_day: dict[int, int]
    ahead: dict[int, int]


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """``database`` is its size in bytes, ``reusable`` the part of it that is free pages; ``disk`` what the disk has left (None: the
    database is on another machine). ``full``: about when the disk is (None: not within ten years, or it cannot be told)."""

    lines: list[GrowthLine]
    database: int
    reusable: int
    disk: int | None
    ahead: dict[int, int]
    full: date | None


def overview(connection: Connection, node: Context, at: datetime) -> Overview:
    """Looks at every row there is, so it takes a while where there are many."""
    today = (at.date() - _EPOCH).days
    first = connection.execute(select(func.min(entry.c.at))).scalar_one()
    began = (first.date() - _EPOCH).days if first else today
    rules = retention.rules(connection)
    classes: dict[str, forecast.Growing] = {}
    lines: list[GrowthLine] = []

    for one in retention_classes.RETENTION_CLASSES:
        came = retention.by_day(connection, one.table, one.at, one.size, one.filled)
        rule, due = rules.get(one.name), (0, 0)
        kept = forecast.Growing(_bytes(came))
        if rule is not None:
            found = list(putting_away.find(connection, node, one, rule.days, at))
            due = len(found), sum(each.bytes for each in found)
            late = max(0, sum(size for day, (_, size) in came.items() if day <= today - rule.days) - due[1])
            passed = late + due[1] + rule.bytes
            kept = forecast.Growing(_bytes(came), rule.days, late, late / passed if passed else 0.0)
        classes[one.name] = kept
        words = {"holds": one.holds, "purpose": one.purpose, "stays": one.stays}
        lines.append(_line(one.name, words, came, kept, rule, due, today, began))
    for name, (why, table, moment, size) in retention_classes.KEPT.items():
        came = retention.by_day(connection, table, moment, size, always())
        classes[name] = forecast.Growing(_bytes(came))
        words = {"holds": f"every row of {table.name}", "purpose": why, "stays": "everything"}
        lines.append(_line(name, words, came, classes[name], None, (0, 0), today, began))
    return _total(connection, node, lines, classes, today, began)


def _bytes(came: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    return {day: size for day, (_, size) in came.items()}


def _line(
    name: str,
    words: Mapping[str, str],
    came: Mapping[int, tuple[int, int]],
    kept: forecast.Growing,
    rule: Rule | None,
    due: tuple[int, int],
    today: int,
    began: int,
) -> GrowthLine:
    dated = [day for day in came if day > 0]
    month = kept.growth(today, WINDOWS[-1], began)
    return GrowthLine(
        shelf=name,
        **words,
        rows=sum(rows for rows, _ in came.values()),
        bytes=kept.size,
        oldest=_EPOCH + timedelta(days=min(dated)) if dated else None,
        rule=rule,
        due=due[0],
        due_bytes=due[1],
        a_day={window: round(kept.growth(today, window, began)) for window in WINDOWS},
        ahead={days: round(kept.after(today, days, month)) for days in AHEAD},
    )


def _total(
    connection: Connection, node: Context, lines: list[GrowthLine], classes: Mapping[str, forecast.Growing], today: int, began: int
) -> Overview:
    database, reusable = size_of(connection)
    disk = disk_left(node.settings.database_url)
    used, counted = database - reusable, sum(one.size for one in classes.values())
    # What rows take beside their contents, as it is now; a database that has hardly begun says nothing of that (choice: at most thrice).
    factor = min(3.0, max(1.0, used / counted)) if counted else 1.0
    month = {name: one.growth(today, WINDOWS[-1], began) for name, one in classes.items()}

    def size_in(days: int) -> float:
        return used + factor * sum(one.after(today, days, month[name]) - one.size for name, one in classes.items())

    room = None if disk is None else database + disk - used
    full = None if room is None else forecast.first_over(room, lambda days: size_in(days) - used)
    return Overview(
        lines=lines,
        database=database,
        reusable=reusable,
        disk=disk,
        ahead={days: max(database, round(size_in(days))) for days in AHEAD},
        full=None if full is None else _EPOCH + timedelta(days=today + full),
    )


def size_of(connection: Connection) -> tuple[int, int]:
    """The database's size in bytes, and how much of it is free to be used again (of PostgreSQL that cannot be told: 0)."""
    if connection.dialect.name == "postgresql":
        return int(connection.execute(select(func.pg_database_size(func.current_database()))).scalar_one()), 0
    page, pages, free = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in ("page_size", "page_count", "freelist_count")
    )
    return page * pages, page * free


def disk_left(url: str) -> int | None:
    """Bytes left where a database file lies; None where the database is not a file of this machine."""
    parsed = make_url(url)
    return shutil.disk_usage(Path(parsed.database).parent).free if parsed.drivername == "sqlite" and parsed.database else None
