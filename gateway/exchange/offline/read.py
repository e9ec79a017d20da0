"""A spreadsheet that a partner mailed, read row by row; every row that cannot be taken is named."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import msgspec

from gateway.core import moments
from gateway.core.arrangement import Arrangement
from gateway.core.errors import Code, Refusal
from gateway.core.incoming import IncomingMessage
from gateway.core.model import Environment, Header, Kind, Picture, PlacedStatement
from gateway.core.place import midnight, place
from gateway.exchange.receive.authority import Authority, complete
from gateway.node.context import Context, new_id
from gateway.store.active import ActivePartner

#: How far a clock may be ahead.
_SKEW = timedelta(minutes=1)


class Mailed(msgspec.Struct, frozen=True, kw_only=True):
    """A file that came by mail. ``kind``: list, a complete one, or update, some changes. ``as_of``: the moment that a list pictures, or
    at which the partner issued an update. ``scope`` is ``*`` or a member's code."""

    file: str
    body: bytes
    kind: Kind
    as_of: datetime
    scope: str = "*"


class ReadSpreadsheet(NamedTuple):
    """A file as read: what it says, every fault of every row that cannot be taken, and notes on what was not read."""

    said: IncomingMessage
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]


def read(node: Context, live: ActivePartner, mailed: Mailed, at: datetime) -> ReadSpreadsheet:
    """Reads a file, however long that takes, without a database.

    Raises ``Refusal`` where the file as a whole cannot be taken: DATA_INVALID, XML_DOCTYPE, BODY_TOO_LARGE, LIST_INCOMPLETE,
    CREATED_IN_FUTURE, PARTNER_SUSPENDED.
    """
    if len(mailed.body) > node.settings.body_limit:
        raise Refusal(Code.BODY_TOO_LARGE, f"The file has {len(mailed.body)} bytes; the limit is {node.settings.body_limit}.")
    found = read_file(node.environment, node.settings.administration, live, mailed, new_id(), at)
    if not found.said.placed and not found.refused:
        raise Refusal(Code.DATA_INVALID, "The file names no operator.", remedy="A list of nobody would delist everybody.")
    return found


def moment(text: str, arrangement: Arrangement, scope: str) -> datetime:
    """A day as the midnight at which it begins for whoever issued the list (so that what was said during it counts as later), or a moment
    with its offset. Raises ``Refusal`` DATA_INVALID."""
    try:
        if len(text) == 10:
            zone = next((member.zone for member in arrangement.members if member.iso == scope), arrangement.zone)
            return midnight(moments.day(text), zone)
        return moments.instant(text)
    except ValueError:
        raise Refusal(
            Code.DATA_INVALID,
            "This is neither a day nor a moment.",
            field="as-of",
            value=text,
            remedy="Write 2026-06-01, or 2026-06-01T08:00:00Z with its offset.",
        ) from None


def read_file(
    environment: Environment, ours: str, live: ActivePartner, mailed: Mailed, message_id: str, at: datetime
) -> ReadSpreadsheet:
    arrangement, digest = live.arrangement, sha256(mailed.body).hexdigest()
    if live.state != "active":
        raise Refusal(Code.PARTNER_SUSPENDED, f"Exchange with {arrangement.iso} is {live.state}.")
    if mailed.as_of > at + _SKEW:
        raise Refusal(
            Code.CREATED_IN_FUTURE,
            f"{mailed.as_of.isoformat()} is still to come.",
            field="as-of",
            remedy="Say the day or moment of which the file speaks.",
        )
    header = Header(
        id=message_id,
        kind=mailed.kind,
        sender=arrangement.iso,
        receiver=ours,
        environment=environment,
        created=mailed.as_of,
        picture=Picture(as_of=mailed.as_of, scope=mailed.scope) if mailed.kind is Kind.LIST else None,
    )
    complete(header, arrangement)
    sheet = live.bundle.sheet.read(mailed.file, mailed.body)
    authority, placed, refused = Authority(header, arrangement), list[PlacedStatement](), list(sheet.refused)
    for row, statement in sheet.rows:
        against = [_located(refusal, live, row) for refusal in authority.against(statement)]
        refused += against
        if not against:
            zone = arrangement.zone_of(statement.tin)
            placed.append(place(statement, header, zone, digest=digest, received=at, transcribed=True))
    refused.sort(key=lambda one: one.line or 0)
    return ReadSpreadsheet(IncomingMessage(header, arrangement, digest, tuple(placed)), tuple(refused), sheet.notes)


def _located(refusal: Refusal, live: ActivePartner, row: int) -> Refusal:
    return refusal.but(field=live.bundle.sheet.columns.heading_of(refusal.field or "tin"), line=row)
