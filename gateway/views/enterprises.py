"""What is known of a Chinese enterprise, for people and programs of ours: how it stands, what is due, and what each partner was told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.core.declared import read_party
from gateway.core.errors import Code, Refusal
from gateway.core.home import HOME_ZONE, Tier
from gateway.core.model import Statement
from gateway.domestic import tiers
from gateway.domestic.enterprise import Enterprise
from gateway.domestic.rules import MeasureStatus
from gateway.domestic.tiers import Deadline
from gateway.store import disclosures, enterprises, feed_claims
from gateway.store.enterprises import unpack

_CUSTOMS_CODE, _USCC = re.compile(r"[0-9]{10}"), re.compile(r"[0-9A-Z]{18}")


class Stands(msgspec.Struct, frozen=True, kw_only=True):
    """How an enterprise stands on a day in China. Three values, kept apart: the third, recognition, is each partner's (``told``)."""

    day: date
    tier: Tier | None
    measures: MeasureStatus | None
    listed: bool
    enterprise: Enterprise


class FeedShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the feed claims of itself. ``complete``: tiers, or ``all``, ``claimed`` then; ``complete_today``: that is every tier of the law
    of today, so an unknown party is warned of. ``as_of`` is what it ``stated``, or else when its last record came; from the age of
    ``limit`` seconds on (null: no limit is set) nobody is known by it, and then it is ``too_old``."""

    complete: tuple[str, ...]
    claimed: datetime | None
    complete_today: bool
    as_of: datetime | None
    stated: bool
    limit: int | None
    too_old: bool


class DisclosureShown(msgspec.Struct, frozen=True, kw_only=True):
    """What one partner was last told under one code: since when, by which message, how far that came, and what proves it.

    ``received``: a receipt proved its arrival then. ``outcome`` is the partner's word on it, by the result ``outcome_message``.
    """

    partner: str
    statement: dict[str, Any]
    message_id: str
    since: datetime
    state: str
    received: datetime | None
    outcome: str | None
    outcome_message: str | None


class Disclosures(msgspec.Struct, frozen=True, kw_only=True):
    """What every partner was told of one enterprise."""

    uscc: str
    told: list[DisclosureShown]


def find(connection: Connection, identity: str) -> Enterprise:
    """The enterprise by USCC, by its customs code, or by one it was told abroad under, however it was typed. Raises ``Refusal``
    NOT_FOUND."""
    uscc, _ = read_party(identity)
    if _CUSTOMS_CODE.fullmatch(uscc):
        uscc = enterprises.holders(connection, [uscc]).get(uscc) or disclosures.enterprise_told_as(connection, uscc) or ""
    # Whatever else a path or a command may hold (a NUL, half a character) never comes near a database.
    packed = enterprises.states(connection, [uscc]).get(uscc) if _USCC.fullmatch(uscc) else None
    if packed is None:
        raise Refusal(
            Code.NOT_FOUND,
            "The domestic feed never spoke of this enterprise.",
            value=identity,
            remedy="Give its USCC (18 characters) or its customs code (10 digits).",
        )
    return unpack(packed)


def stands(connection: Connection, identity: str, day: date) -> Stands:
    """How it stands on ``day``. Raises ``Refusal`` NOT_FOUND."""
    one = find(connection, identity)
    return Stands(day=day, tier=one.tier_on(day), measures=one.measures_on(day), listed=one.listed_on(day), enterprise=one)


def feed(connection: Connection, now: datetime, limit: timedelta | None) -> FeedShown:
    """What the feed claims of itself now."""
    found = feed_claims.status(connection)
    today = found.on(now.astimezone(HOME_ZONE).date(), limit)
    return FeedShown(
        complete=found.complete,
        claimed=found.claimed,
        complete_today=today.complete,
        as_of=found.as_of,
        stated=found.stated,
        limit=today.limit,
        too_old=today.too_old(int(now.timestamp())),
    )


def told(connection: Connection, identity: str) -> Disclosures:
    """What each partner was last told of it, code by code. Raises ``Refusal`` NOT_FOUND."""
    uscc = find(connection, identity).uscc
    return Disclosures(
        uscc=uscc,
        told=[
            DisclosureShown(
                partner=one.partner,
                statement=_fields(one.statement),
                message_id=one.message_id,
                since=one.since,
                state=one.state,
                received=one.received,
                outcome=one.outcome,
                outcome_message=one.outcome_message,
            )
            for one in disclosures.told(connection, usccs=[uscc])
        ],
    )


def deadlines(connection: Connection, today: date, within: timedelta) -> list[Deadline]:
    """What falls due by ``today`` plus ``within``, and what is overdue; the nearest first."""
    states: Iterable[Enterprise] = (unpack(packed) for _, packed in enterprises.every(connection))
    return tiers.deadlines(states, today, within)


def _fields(statement: Statement) -> dict[str, Any]:
    return {name: value for name, value in msgspec.structs.asdict(statement).items() if value is not None}
