"""Complete lists as recorded: which hold, which wait for a person, and how far each partner's data reaches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, func, select

from gateway.core.errors import Code, Refusal
from gateway.store.tables import listing, listing_part, numbered

#: States of a list that holds.
APPLIED = ("applied", "released")
#: Stands for a scope where not a list but an update waits for a person.
UPDATE = "+"


def messages_of(connection: Connection, identity: int) -> Sequence[str]:
    carried = select(listing_part.c.message_id).where(listing_part.c.listing == identity).order_by(listing_part.c.part)
    return connection.execute(carried).scalars().all()


def last_complete(connection: Connection) -> dict[tuple[str, str], datetime]:
    """(partner, scope) -> the ``as_of`` of the latest complete list that counts."""
    rows = connection.execute(
        select(listing.c.partner, listing.c.scope, func.max(listing.c.as_of))
        .where(listing.c.state.in_((*APPLIED, "held")), listing.c.scope != UPDATE)
        .group_by(listing.c.partner, listing.c.scope)
    )
    return {(row[0], row[1]): row[2] for row in rows}


class HeldList(msgspec.Struct, frozen=True):
    """A list that waits for a person: how many operators it would grant and how many it no longer names. ``scope`` ``+``: it is an update,
    which omits nobody."""

    id: int
    partner: str
    scope: str
    as_of: datetime
    granting: int
    omitting: int
    messages: tuple[str, ...]


def held_lists(connection: Connection) -> list[HeldList]:
    """Every list that waits for a person, the oldest first."""
    rows = connection.execute(select(listing).where(listing.c.state == "held").order_by(listing.c.id)).all()
    return [
        HeldList(row.id, row.partner, row.scope, row.as_of, row.granting, row.omitting, tuple(messages_of(connection, row.id)))
        for row in rows
    ]


def owner_of_held(connection: Connection, number: int) -> str:
    """Whose list of this number waits for a person. Raises ``Refusal`` NOT_FOUND where none does."""
    waits = select(listing.c.partner).where(numbered(listing, number), listing.c.state == "held")
    partner = connection.execute(waits).scalar_one_or_none()
    if partner is None:
        raise Refusal(Code.NOT_FOUND, f"No list of number {number} waits for a person.", remedy="aeo-gateway list held")
    return str(partner)
