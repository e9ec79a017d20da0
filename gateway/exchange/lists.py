"""Complete lists: parts that apply together, whom a list no longer names, and lists that wait for a person.

SEMANTICS: Lists. Runs inside the transaction of ``record``, under the partner's lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from gateway.core import history
from gateway.core.arrangement import HOME_ZONE, Arrangement
from gateway.core.errors import Code, Refusal
from gateway.core.model import Standing, Statement, Told
from gateway.exchange.judge import Judged
from gateway.store import packing, statements
from gateway.store.tables import listing, listing_part

_packed = msgspec.msgpack.Decoder(list[bytes]).decode


def take(connection: Connection, judged: Judged, received: datetime) -> tuple[list[Told], str]:
    """Takes one part in. Returns what the list now says as a whole, omissions included, and its state: waiting, applied or held."""
    header, arrangement = judged.proven.header, judged.proven.live.arrangement
    picture = header.picture
    assert picture is not None, "judge refuses a list without one"
    here = (listing.c.partner == arrangement.iso) & (listing.c.scope == picture.scope) & (listing.c.as_of == picture.as_of)
    row = connection.execute(select(listing).where(here)).first()
    if row is None:
        identity = int(
            connection.execute(
                insert(listing)
                .values(
                    partner=arrangement.iso,
                    scope=picture.scope,
                    as_of=picture.as_of,
                    parts=picture.parts,
                    state="waiting",
                    baseline=False,
                    granting=0,
                    omitting=0,
                    changed=received,
                )
                .returning(listing.c.id)
            ).scalar_one()
        )
    elif row.state != "waiting":
        raise Refusal(
            Code.LIST_INCOMPLETE,
            "A list of this scope and moment was already applied.",
            field="Picture",
            remedy="Give a later list its own moment.",
        )
    elif row.parts != picture.parts:
        raise Refusal(
            Code.LIST_INCOMPLETE, f"Earlier parts said {row.parts} parts, this one says {picture.parts}.", field="Picture"
        )
    else:
        identity = row.id
    there = connection.execute(select(listing_part.c.part).where(listing_part.c.listing == identity)).scalars().all()
    if picture.part in there:
        raise Refusal(Code.LIST_INCOMPLETE, f"Part {picture.part} came before in another message.", field="Picture")
    connection.execute(
        insert(listing_part).values(
            listing=identity,
            part=picture.part,
            message_id=header.id,
            statements=msgspec.msgpack.encode([packing.pack(one) for one in judged.told]) if picture.parts > 1 else b"",
        )
    )
    if len(there) + 1 < picture.parts:
        return [], "waiting"
    told = list(judged.told) if picture.parts == 1 else _assembled(connection, identity)
    return _complete(connection, arrangement, identity, picture.scope, picture.as_of, told, judged, received)


def _assembled(connection: Connection, identity: int) -> list[Told]:
    rows = connection.execute(
        select(listing_part.c.statements).where(listing_part.c.listing == identity).order_by(listing_part.c.part)
    ).scalars()
    told = [one for part in rows for one in map(packing.told, _packed(part))]
    seen: set[tuple[str, str | None, str | None]] = set()
    for one in told:
        key = (one.statement.tin, one.statement.level, one.statement.number)
        if key in seen:
            raise Refusal(Code.OPERATOR_REPEATED, "Two parts of the list speak of one authorisation.", value=one.statement.tin)
        seen.add(key)
    return told


def _complete(
    connection: Connection,
    arrangement: Arrangement,
    identity: int,
    scope: str,
    as_of: datetime,
    told: list[Told],
    judged: Judged,
    received: datetime,
) -> tuple[list[Told], str]:
    iso = arrangement.iso
    in_scope = (listing.c.partner == iso) & (listing.c.scope == scope)
    baseline = (
        connection.execute(select(listing.c.id).where(in_scope, listing.c.state.in_(("applied", "released"))).limit(1)).first()
        is None
    )
    named = {one.statement.tin for one in told}
    granted_before = {
        tin
        for tin, packed in statements.timelines_of(connection, iso)
        if _covers(scope, arrangement, tin) and _grants(packed, as_of)
    }
    omitted = sorted(granted_before - named)
    granting = [one.statement.tin for one in told if one.statement.standing.grants and one.statement.tin not in granted_before]
    held = not baseline and _too_many(connection, arrangement, len(granting), len(omitted), received)
    if held:
        fresh = set(granting)
        told = [msgspec.structs.replace(one, held=True) if one.statement.tin in fresh else one for one in told]
    told += [delisted(tin, as_of, judged.proven.header.id, judged.proven.envelope.digest, received, held=held) for tin in omitted]
    connection.execute(
        update(listing)
        .where(listing.c.id == identity)
        .values(
            state="held" if held else "applied", baseline=baseline, granting=len(granting), omitting=len(omitted), changed=received
        )
    )
    return told, "held" if held else "applied"


def delisted(tin: str, as_of: datetime, message_id: str, digest: str, received: datetime, *, held: bool = False) -> Told:
    """What a complete list says of whom it does not name."""
    return Told(
        statement=Statement(tin=tin, standing=Standing.DELISTED),
        issued=as_of,
        takes_effect=as_of,
        pictured=True,
        message_id=message_id,
        digest=digest,
        received=received,
        derived=True,
        held=held,
    )


def _grants(packed: bytes, moment: datetime) -> bool:
    seconds = int(moment.timestamp())
    stands = (one.standing_at(seconds) for one in history.unpack(packed).authorisations)
    return any(stand is not None and stand.standing.grants for stand in stands)


def _covers(scope: str, arrangement: Arrangement, tin: str) -> bool:
    if scope == "*":
        return True
    member = arrangement.member_of(tin)
    return member is not None and member.iso == scope


def _too_many(connection: Connection, arrangement: Arrangement, granting: int, omitting: int, received: datetime) -> bool:
    """Whether this partner's lists would change more than its threshold on this day, all its messages counted together."""
    day = received.astimezone(HOME_ZONE)
    threshold = arrangement.threshold.on(day.date()).value
    if threshold is None:
        return True
    start = day.replace(hour=0, minute=0, second=0, microsecond=0)
    today = (listing.c.partner == arrangement.iso) & (listing.c.changed >= start) & (listing.c.changed < start + timedelta(days=1))
    before = connection.execute(
        select(func.coalesce(func.sum(listing.c.granting), 0), func.coalesce(func.sum(listing.c.omitting), 0)).where(
            today, listing.c.baseline.is_(False), listing.c.state.in_(("applied", "held"))
        )
    ).one()
    return granting + int(before[0]) > threshold or omitting + int(before[1]) > threshold


def omitted_since(connection: Connection, arrangement: Arrangement, told: Sequence[Told]) -> list[Told]:
    """Delistings for what arrives late: issued before a complete list that was already applied and does not name the operator."""
    if not told:
        return []
    iso, earliest = arrangement.iso, min(one.issued for one in told)
    later = connection.execute(
        select(listing)
        .where(listing.c.partner == iso, listing.c.state.in_(("applied", "released")), listing.c.as_of > earliest)
        .order_by(listing.c.as_of)
    ).all()
    late: list[Told] = []
    for row in later:
        carried = connection.execute(select(listing_part.c.message_id).where(listing_part.c.listing == row.id)).scalars().all()
        named = statements.named_in(connection, iso, carried)
        late += [
            delisted(one.statement.tin, row.as_of, carried[0], one.digest, one.received)
            for one in told
            if one.issued < row.as_of and _covers(row.scope, arrangement, one.statement.tin) and one.statement.tin not in named
        ]
    return late


def last_complete(connection: Connection) -> dict[tuple[str, str], datetime]:
    """(partner, scope) -> the ``as_of`` of the latest complete list that counts."""
    rows = connection.execute(
        select(listing.c.partner, listing.c.scope, func.max(listing.c.as_of))
        .where(listing.c.state.in_(("applied", "held", "released")))
        .group_by(listing.c.partner, listing.c.scope)
    )
    return {(row[0], row[1]): row[2] for row in rows}
