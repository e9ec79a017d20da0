"""The domestic parties of a declaration as credit management states them, now or as known at a past moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import msgspec
from sqlalchemy import Connection, select

from gateway.core.errors import Refusal
from gateway.core.question import Party
from gateway.domestic.enterprise import Enterprise
from gateway.domestic.record import Record
from gateway.domestic.rules import MeasureStatus
from gateway.domestic.tiers import apply
from gateway.store import enterprises
from gateway.store.tables import enterprise_record, entry

_state = msgspec.msgpack.Decoder(Enterprise).decode
_record = msgspec.json.Decoder(Record).decode


def domestic(connection: Connection, ids: Iterable[str], on: date, known_at: datetime | None = None) -> tuple[Party, ...]:
    """Each party by USCC or customs code, with its tier and measures on ``on``. One we never heard of has no tier."""
    return tuple(_party(identity, _known(connection, identity.strip().upper(), known_at), on) for identity in dict.fromkeys(ids))


def _party(identity: str, enterprise: Enterprise | None, on: date) -> Party:
    if enterprise is None:
        return Party(id=identity)
    try:
        tier = enterprise.tier_on(on)
    except Refusal:  # a day before the tiers that are known by date
        tier = None
    return Party(id=identity, tier=tier, suspended=enterprise.measures_on(on) not in (None, MeasureStatus.ACTIVE))


def _known(connection: Connection, identity: str, known_at: datetime | None) -> Enterprise | None:
    if not identity.isalnum():  # no number of an enterprise, and perhaps no text for a database
        return None
    packed = enterprises.states(connection, [identity]).get(identity)
    if packed is None and (found := enterprises.by_customs_code(connection, identity)):
        identity, packed = found
    if packed is None:
        return None
    return _state(packed) if known_at is None else _as_known(connection, identity, known_at)


def _as_known(connection: Connection, uscc: str, moment: datetime) -> Enterprise | None:
    """Folds the records of the feed again, and what persons had let through, in the order in which they came."""
    rows = connection.execute(
        select(enterprise_record)
        .where(enterprise_record.c.uscc == uscc, enterprise_record.c.recorded <= moment)
        .order_by(enterprise_record.c.id)
    ).all()
    confirmed = select(entry.c.subject, entry.c.at).where(
        entry.c.kind == "decision", entry.c.at <= moment, entry.c.subject.in_([f"record-{row.id}" for row in rows])
    )
    decided = {row.subject: row.at for row in connection.execute(confirmed)}
    events = [(row.recorded, row.id, row.body, False) for row in rows]
    events += [(at, row.id, row.body, True) for row in rows if (at := decided.get(f"record-{row.id}"))]
    state: Enterprise | None = None
    for _, _, body, let_through in sorted(events, key=lambda event: event[:2]):
        state = apply(state, _record(body), confirmed=let_through).state
    return state
