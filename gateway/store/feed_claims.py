"""What the domestic feed claimed of itself, with the moment at which each claim came; and what it claims, now or as known then."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select

from gateway.core.access import Actor
from gateway.domestic.claim import Claim, FeedStatus
from gateway.store import journal
from gateway.store.tables import enterprise_record, feed_claim


def record(connection: Connection, claim: Claim, *, who: Actor, at: datetime) -> bool:
    """Keeps what a feed states; False where it has stated just that already."""
    before = status(connection)
    same_extent = claim.complete is None or (before.claimed is not None and claim.complete == before.complete)
    if same_extent and (claim.as_of is None or (before.stated and claim.as_of == before.as_of)):
        return False
    complete = None if claim.complete is None else ",".join(claim.complete)
    row = insert(feed_claim).values(recorded=at, complete=complete, as_of=claim.as_of, who=who.name).returning(feed_claim.c.id)
    number = connection.execute(row).scalar_one()
    said: dict[str, object] = {"who": who.name, "by": who.noted, "complete": claim.complete, "as_of": claim.as_of}
    journal.append(connection, "domestic", f"claim-{number}", {k: v for k, v in said.items() if v is not None}, at=at)
    return True


def status(connection: Connection, known_at: datetime | None = None) -> FeedStatus:
    """What the feed claims, as known now or at a past moment by our own clock. Of each thing what was stated last counts, and what no
    feed ever stated is when its last record came; before its first record it claims nothing."""
    records = select(enterprise_record.c.recorded).limit(1)
    first = connection.execute(records.order_by(enterprise_record.c.id)).scalar_one_or_none()
    if first is None or (known_at is not None and first > known_at):
        return FeedStatus()
    claims = _by(select(feed_claim).order_by(feed_claim.c.id.desc()).limit(1), feed_claim.c.recorded, known_at)
    extent = connection.execute(claims.where(feed_claim.c.complete.is_not(None))).first()
    drawn = connection.execute(claims.where(feed_claim.c.as_of.is_not(None))).first()
    last = _by(records.order_by(enterprise_record.c.id.desc()), enterprise_record.c.recorded, known_at)
    return FeedStatus(
        complete=tuple(filter(None, extent.complete.split(","))) if extent else (),
        claimed=extent.recorded if extent else None,
        as_of=drawn.as_of if drawn else connection.execute(last).scalar_one(),
        stated=drawn is not None,
    )


def _by(query: Select[Any], column: Any, known_at: datetime | None) -> Select[Any]:
    return query if known_at is None else query.where(column <= known_at)
