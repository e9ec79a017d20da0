"""Placing a statement in time: when it was issued, and from which moment on it holds."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from gateway.core.model import Header, Kind, PlacedStatement, Statement, priority_of
from gateway.core.moments import bounded


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The moment ``day`` begins in ``zone``, in UTC."""
    return bounded(datetime.combine(day, time.min, zone))


def place(
    statement: Statement,
    header: Header,
    zone: ZoneInfo,
    *,
    digest: str,
    received: datetime,
    held: bool = False,
    transcribed: bool = False,
) -> PlacedStatement:
    """``statement`` as carried by the message of ``header``; ``zone`` is the issuer's own (core/RULES.md, Two tracks).

    An update or notice is issued when its message was made and takes effect when it says. A list or response is a picture:
    issued at its ``as_of`` and in effect from then, except that a loss never takes effect later than it says. What has taken effect by
    the sender's clock does so at ``received``, by ours, at the latest: a clock that is ahead must not delay a suspension.
    """
    said = statement.effective
    effective = said if isinstance(said, datetime) else None if said is None else midnight(said, zone)
    pictured = header.kind in (Kind.LIST, Kind.RESPONSE)
    issued = header.picture.as_of if pictured and header.picture else header.created
    if effective is None:
        effective = issued
    elif pictured:
        effective = issued if statement.standing.grants else min(issued, effective)
    if effective <= max(issued, header.created):
        effective = min(effective, received)
    return PlacedStatement(
        statement=statement,
        issued=issued,
        takes_effect=effective,
        pictured=pictured,
        message_id=header.id,
        digest=digest,
        received=received,
        held=held,
        transcribed=transcribed,
        sequence=header.sequence,
        priority=priority_of(header.kind),
        refers_to=None if pictured else header.refers_to,
    )
