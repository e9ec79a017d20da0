"""What a complete list means beside what stood before: whom it grants to, whom it no longer names, and who came late to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, or_, select

from gateway.core.arrangement import Arrangement
from gateway.core.model import Picture, PlacedStatement, Priority, Standing, Statement
from gateway.core.reissue import as_first_said
from gateway.exchange.lists import threshold
from gateway.store import listings, queries, statements
from gateway.store.listings import messages_of
from gateway.store.prepared import Prepared
from gateway.store.tables import listing

_LATER = Prepared(
    select(listing.c.id, listing.c.scope, listing.c.as_of)
    .where(
        listing.c.partner == bindparam("iso"),
        or_(*(listing.c.state == state for state in listings.APPLIED)),
        listing.c.as_of > bindparam("moment"),
        listing.c.scope != listings.UPDATE,
    )
    .order_by(listing.c.as_of)
)


class Weighed(NamedTuple):
    """What a complete list means: how many operators it names, to whom it grants what they do not have, whom it no longer names; how
    many of these two count against the threshold, and whether they pass it; whether it is the first of its scope."""

    named: int
    granting: set[str]
    omitted: list[str]
    changes: tuple[int, int]
    first: bool
    held: bool


def weigh(
    connection: Connection, arrangement: Arrangement, picture: Picture, placed: Sequence[PlacedStatement], received: datetime
) -> Weighed:
    """Looks at a complete list as things are now, and changes nothing."""
    before = threshold.before(connection, arrangement, picture, received)
    named = {one.statement.tin for one in placed}
    omitted, granting = sorted(before.standing - named), before.newly_granted(placed)
    # Whom no list has covered yet, this one is the baseline of: it changes nothing of theirs.
    changes = sum(map(before.covered, granting)), sum(map(before.covered, omitted))
    standing = sum(map(before.covered, before.standing))
    nobody = not named and bool(changes[1])
    share = threshold.too_large_a_share(arrangement, changes[1], standing, received)
    held = nobody or share or threshold.passed(connection, arrangement, *changes, received)
    return Weighed(len(named), granting, omitted, changes, before.first, held)


def delisted(
    tin: str,
    as_of: datetime,
    message_id: str,
    digest: str,
    received: datetime,
    *,
    held: bool = False,
    sequence: int = 0,
    epoch: int = 0,
) -> PlacedStatement:
    """What a complete list says of whom it does not name."""
    return PlacedStatement(
        statement=Statement(tin=tin, standing=Standing.DELISTED),
        issued=as_of,
        takes_effect=min(as_of, received),
        pictured=True,
        message_id=message_id,
        digest=digest,
        received=received,
        derived=True,
        held=held,
        sequence=sequence,
        epoch=epoch,
        priority=Priority.BULK,
    )


def omitted_since(connection: Connection, arrangement: Arrangement, placed: Sequence[PlacedStatement]) -> list[PlacedStatement]:
    """Delistings for what arrives late: issued before a complete list that holds already and does not name the operator, or before the
    partner answered our query about it with "not an AEO"."""
    if not placed:
        return []
    iso, earliest = arrangement.iso, min(one.issued for one in placed)
    late: list[PlacedStatement] = []
    for listed, scope, as_of in _LATER.rows(connection, iso=iso, moment=earliest):
        carried = messages_of(connection, listed)
        before = [one for one in placed if one.issued < as_of and threshold.covers(scope, arrangement, one.statement.tin)]
        named = statements.named_in(connection, iso, carried, {one.statement.tin for one in before})
        late += [
            delisted(one.statement.tin, as_of, carried[-1], one.digest, one.received)
            for one in before
            if one.statement.tin not in named and not one.derived
        ]
    for tin, as_of, message_id in queries.denied_since(connection, iso, earliest):
        late += [
            delisted(tin, as_of, message_id, one.digest, one.received)
            for one in placed
            if one.statement.tin == tin and one.issued < as_of and not one.derived
        ]
    return late


def missed(
    connection: Connection, arrangement: Arrangement, said: Mapping[str, Sequence[PlacedStatement]], at: datetime
) -> list[PlacedStatement]:
    """The delistings that everything on record of these operators calls for and that are not there, for a person has just decided what
    counts of it. They are known from ``at`` on, and not before."""
    standing = [one for tells in said.values() for one in as_first_said(tells) if one.voided is None and not one.held]
    there = {(one.statement.tin, one.message_id) for one in standing if one.derived}
    late = {(one.statement.tin, one.message_id): one for one in omitted_since(connection, arrangement, standing)}
    return [msgspec.structs.replace(one, received=at) for place, one in late.items() if place not in there]
