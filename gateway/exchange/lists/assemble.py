"""Complete lists: parts that apply together, whom a list no longer names, and lists that wait for a person.

exchange/RULES.md, Lists. Runs inside the transaction of ``record``, under the partner's lock.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from gateway.core.arrangement import Arrangement
from gateway.core.errors import Code, Refusal
from gateway.core.incoming import IncomingMessage
from gateway.core.model import Picture, PlacedStatement
from gateway.exchange.lists import threshold
from gateway.exchange.lists.weigh import delisted, weigh
from gateway.store import journal, packing
from gateway.store.listings import UPDATE
from gateway.store.tables import listing, listing_part

_packed = msgspec.msgpack.Decoder(list[bytes]).decode


def accept_part(connection: Connection, said: IncomingMessage, received: datetime) -> list[PlacedStatement] | None:
    """Takes one part in. Returns what the list now says as a whole, omissions included; None while parts are missing."""
    header, arrangement = said.header, said.arrangement
    picture = header.picture
    assert picture is not None, "judge refuses a list without one"
    identity = _listing(connection, arrangement.iso, picture, received)
    there = connection.execute(select(listing_part.c.part).where(listing_part.c.listing == identity)).scalars().all()
    if picture.part in there:
        raise Refusal(Code.LIST_INCOMPLETE, f"Part {picture.part} came before in another message.", field="Picture")
    connection.execute(
        insert(listing_part).values(
            listing=identity,
            part=picture.part,
            message_id=header.id,
            statements=msgspec.msgpack.encode([packing.pack(one) for one in said.placed]) if picture.parts > 1 else b"",
        )
    )
    if len(there) + 1 < picture.parts:
        return None
    placed = list(said.placed) if picture.parts == 1 else _assembled(connection, identity, received)
    return _complete(connection, arrangement, identity, picture, placed, said, received)


def _listing(connection: Connection, iso: str, picture: Picture, received: datetime) -> int:
    """The list that this part is of: begun before, or begun now."""
    row = _of_moment(connection, iso, picture)
    if row is None:
        begun = insert(listing).values(
            partner=iso,
            scope=picture.scope,
            as_of=picture.as_of,
            parts=picture.parts,
            state="waiting",
            baseline=False,
            granting=0,
            omitting=0,
            changed=received,
        )
        return int(connection.execute(begun.returning(listing.c.id)).scalar_one())
    if row.parts != picture.parts:
        raise Refusal(
            Code.LIST_INCOMPLETE, f"Earlier parts said {row.parts} parts, this one says {picture.parts}.", field="Picture"
        )
    return int(row.id)


def refuse_applied(connection: Connection, iso: str, picture: Picture) -> None:
    """Raises ``Refusal`` LIST_INCOMPLETE where a list of this scope and moment was applied before."""
    _of_moment(connection, iso, picture)


def _of_moment(connection: Connection, iso: str, picture: Picture) -> Any:
    """The list of this scope and moment whose parts are still coming, if there is one."""
    here = (listing.c.partner == iso) & (listing.c.scope == picture.scope) & (listing.c.as_of == picture.as_of)
    row = connection.execute(select(listing).where(here)).first()
    if row is not None and row.state != "waiting":
        raise Refusal(
            Code.LIST_INCOMPLETE,
            "A list of this scope and moment was already applied.",
            field="Picture",
            remedy="Give a later list its own moment.",
        )
    return row


def _assembled(connection: Connection, identity: int, received: datetime) -> list[PlacedStatement]:
    """Everything the parts say, in their order, known from when the last of them was here: before it, the others said nothing. The
    parts themselves are put away, for all of it is recorded from now on."""
    of_list = listing_part.c.listing == identity
    rows = connection.execute(select(listing_part.c.statements).where(of_list).order_by(listing_part.c.part)).scalars()
    placed = [packing.placed(one) for part in rows for one in _packed(part)]
    known = max(received, *(one.received for one in placed)) if placed else received
    placed = [msgspec.structs.replace(one, received=known) for one in placed]
    seen: set[tuple[str, str | None, str | None]] = set()
    for one in placed:
        key = (one.statement.tin, one.statement.level, one.statement.number)
        if key in seen:
            raise Refusal(Code.OPERATOR_REPEATED, "Two parts of the list speak of one authorisation.", value=one.statement.tin)
        seen.add(key)
    connection.execute(update(listing_part).where(of_list).values(statements=b""))
    return placed


def _complete(
    connection: Connection,
    arrangement: Arrangement,
    identity: int,
    picture: Picture,
    placed: list[PlacedStatement],
    whole: IncomingMessage,
    received: datetime,
) -> list[PlacedStatement]:
    it = weigh(connection, arrangement, picture, placed, received)
    if it.held:
        placed = [msgspec.structs.replace(one, held=True) if one.statement.tin in it.granting else one for one in placed]
    header, digest = whole.header, whole.digest
    number = {"sequence": header.sequence, "epoch": whole.epoch}
    placed += [delisted(tin, picture.as_of, header.id, digest, received, held=it.held, **number) for tin in it.omitted]
    state = "held" if it.held else "applied"
    connection.execute(
        update(listing)
        .where(listing.c.id == identity)
        .values(state=state, baseline=it.first, granting=it.changes[0], omitting=it.changes[1], changed=received)
    )
    said: dict[str, object] = {"scope": picture.scope, "as_of": picture.as_of, "parts": picture.parts, "names": it.named}
    said |= {"state": state, "baseline": it.first, "granting": len(it.granting), "omitting": it.omitted}
    journal.append(connection, "list", header.id, said, at=received, partner=arrangement.iso)
    if not it.held:
        threshold.count(connection, arrangement.iso, *it.changes, received)
    return placed


def accept_update(connection: Connection, said: IncomingMessage, received: datetime) -> list[PlacedStatement]:
    """What an update or a notice says, with its grants held for a person where they are too many at once; what it states as lost applies."""
    arrangement, header, placed = said.arrangement, said.header, list(said.placed)
    granting = threshold.granted_by(connection, arrangement, placed, received)
    if not threshold.passed(connection, arrangement, len(granting), 0, received):
        threshold.count(connection, arrangement.iso, len(granting), 0, received)
        return placed
    as_of = header.created
    taken = (listing.c.partner == arrangement.iso) & (listing.c.scope == UPDATE)
    while connection.execute(select(listing.c.id).where(taken, listing.c.as_of == as_of)).first():
        as_of += timedelta(microseconds=1)
    values = {"partner": arrangement.iso, "scope": UPDATE, "as_of": as_of, "parts": 1, "state": "held", "baseline": False}
    values |= {"granting": len(granting), "omitting": 0, "changed": received}
    identity = connection.execute(insert(listing).values(values).returning(listing.c.id)).scalar_one()
    connection.execute(insert(listing_part).values(listing=identity, part=1, message_id=header.id, statements=b""))
    body: dict[str, object] = {"scope": UPDATE, "as_of": as_of, "state": "held", "granting": len(granting)}
    journal.append(connection, "list", header.id, body, at=received, partner=arrangement.iso)
    return [msgspec.structs.replace(one, held=True) if one.statement.tin in granting else one for one in placed]
