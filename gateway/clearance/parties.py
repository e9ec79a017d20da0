"""The domestic parties of a declaration as credit management states them, now or as known at a past moment.

1  what was typed is read: which number it is, and what was folded
2  a customs code is resolved by who had it on the day asked about, as far as was known then
3  the enterprise, as the records of the feed say, with its tier and measures on that day

A code passes on the day at home on which the record came that says so. Before the first record that names it, it was its first
holder's; given up and taken by nobody, it still names who had it last (choice: no party is passed over in silence).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from gateway.core.day import home_day
from gateway.core.declared import read_party
from gateway.core.errors import Refusal
from gateway.core.home import Tier
from gateway.core.question import Party
from gateway.domestic.enterprise import Enterprise
from gateway.domestic.record import Record
from gateway.domestic.tiers import apply
from gateway.store import enterprises
from gateway.store.bulk import chunks
from gateway.store.enterprises import CodeHeld
from gateway.store.tables import enterprise_record, entry

#: The parties of one question, as typed, and the day it is about.
Named = tuple[tuple[str, ...], date]

# Whatever else was typed (a NUL, half a character) is no number of an enterprise, and perhaps no text for a database.
_CUSTOMS_CODE, _USCC = re.compile(r"[0-9]{10}"), re.compile(r"[0-9A-Z]{18}")
_state = msgspec.msgpack.Decoder(Enterprise).decode
_record = msgspec.json.Decoder(Record).decode


def domestic(connection: Connection, ids: tuple[str, ...], on: date, known_at: datetime | None = None) -> tuple[Party, ...]:
    """Each party by USCC or customs code, with its tier and measures on ``on``. One we never heard of has no tier."""
    return domestic_of(connection, [(ids, on)], known_at)[ids, on]


def domestic_of(
    connection: Connection, named: Collection[Named], known_at: datetime | None = None
) -> dict[Named, tuple[Party, ...]]:
    """The same for many questions together: each enterprise is looked up once. ``known_at`` None: as known now."""
    read = {text: read_party(text) for ids, _ in named for text in ids}  # 1
    numbers = {number for number, _ in read.values()}
    held = enterprises.codes_held(connection, {number for number in numbers if _CUSTOMS_CODE.fullmatch(number)})  # 2
    usccs = {number for number in numbers if _USCC.fullmatch(number)} | {one.uscc for those in held.values() for one in those}
    known = _now(connection, usccs) if known_at is None else _as_known(connection, usccs, known_at)  # 3
    found: dict[Named, tuple[Party, ...]] = {}
    for ids, on in named:
        parties: dict[str, Party] = {}
        for text in ids:
            number, slips = read[text]
            if number in parties and (parties[number].slips or not slips):
                continue  # typed twice it is one party, and folded where it was folded once
            uscc, passed_on = _holder(held[number], on, known_at) if number in held else (number, None)
            parties[number] = _party(number, text if slips else None, slips, known.get(uscc or ""), passed_on, on)
        found[ids, on] = tuple(parties.values())
    return found


def _party(
    number: str, declared: str | None, slips: tuple[str, ...], enterprise: Enterprise | None, passed_on: date | None, on: date
) -> Party:
    status = enterprise.measures_on(on) if enterprise else None
    return Party(
        id=number,
        tier=_tier(enterprise, on) if enterprise else None,
        suspended=status is not None and not status.runs,
        declared=declared,
        slips=slips,
        known=enterprise is not None,
        passed_on=passed_on,
    )


def _tier(enterprise: Enterprise, on: date) -> Tier | None:
    try:
        return enterprise.tier_on(on)
    except Refusal:  # a day before the tiers that are known by date
        return None


class _Had(NamedTuple):
    """Who had a code, from one day at home until another (None: to this day)."""

    uscc: str
    since: date
    until: date | None


def _holder(held: Iterable[CodeHeld], on: date, known_at: datetime | None) -> tuple[str | None, date | None]:
    """Who had a code on ``on``, None as long as nobody was known to; and the day on which it passed on: from them, or else to them."""
    had = _had(held, known_at)
    if not had:
        return None, None
    place = max((place for place, one in enumerate(had) if one.since <= on), default=0)
    one = had[place]
    return one.uscc, one.until or (one.since if place else None)


def _had(held: Iterable[CodeHeld], known_at: datetime | None) -> list[_Had]:
    """One after another as known; whoever had a code again after giving it up, and nobody between, had it all the time."""
    had: list[_Had] = []
    for one in held:
        if known_at is not None and one.since > known_at:
            continue
        ended = one.until is not None and (known_at is None or one.until <= known_at)
        since = had.pop().since if had and had[-1].uscc == one.uscc else _day(one.since)
        had.append(_Had(one.uscc, since, _day(one.until) if one.until and ended else None))
    return had


def _day(moment: datetime) -> date:
    return home_day(int(moment.timestamp()))


def _now(connection: Connection, usccs: Collection[str]) -> dict[str, Enterprise]:
    return {uscc: _state(packed) for uscc, packed in enterprises.states(connection, usccs).items()}


def _as_known(connection: Connection, usccs: Collection[str], moment: datetime) -> dict[str, Enterprise]:
    """Folds the records of the feed again, and what persons had let through, in the order in which they came."""
    columns, came = enterprise_record.c, list[Any]()
    for batch in chunks(usccs):
        came += connection.execute(select(enterprise_record).where(columns.uscc.in_(batch), columns.recorded <= moment)).all()
    decided: dict[str, datetime] = {}
    for subjects in chunks(f"record-{row.id}" for row in came if not row.foreseen):
        let_through = (entry.c.kind == "decision") & (entry.c.at <= moment) & entry.c.subject.in_(subjects)
        decided.update((row.subject, row.at) for row in connection.execute(select(entry.c.subject, entry.c.at).where(let_through)))
    events = [(row.recorded, row.id, row, False) for row in came]
    events += [(at, row.id, row, True) for row in came if (at := decided.get(f"record-{row.id}"))]
    known: dict[str, Enterprise] = {}
    for _, _, row, confirmed in sorted(events, key=lambda event: event[:2]):
        known[row.uscc] = apply(known.get(row.uscc), _record(row.body), confirmed=confirmed).state
    return known
