"""Complete lists: parts that apply together, whom a list no longer names, and lists that wait for a person.

SEMANTICS: Lists. Runs inside the transaction of ``record``, under the partner's lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, or_, select, update

from gateway.core.arrangement import Arrangement
from gateway.core.errors import Code, Refusal
from gateway.core.model import Picture, Standing, Statement, Told
from gateway.exchange import threshold
from gateway.exchange.judge import Said
from gateway.store import journal, messages, packing, partners, statements
from gateway.store.live import Live, folding
from gateway.store.prepared import Prepared
from gateway.store.tables import listing, listing_part

_packed = msgspec.msgpack.Decoder(list[bytes]).decode


_LATER = Prepared(
    select(listing.c.id, listing.c.scope, listing.c.as_of)
    .where(
        listing.c.partner == bindparam("iso"),
        or_(*(listing.c.state == state for state in threshold.APPLIED)),
        listing.c.as_of > bindparam("moment"),
    )
    .order_by(listing.c.as_of)
)


def take(connection: Connection, said: Said, received: datetime) -> list[Told] | None:
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
            statements=msgspec.msgpack.encode([packing.pack(one) for one in said.told]) if picture.parts > 1 else b"",
        )
    )
    if len(there) + 1 < picture.parts:
        return None
    told = list(said.told) if picture.parts == 1 else _assembled(connection, identity, received)
    return _complete(connection, arrangement, identity, picture, told, said, received)


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


def _assembled(connection: Connection, identity: int, received: datetime) -> list[Told]:
    """Everything the parts say, in their order, known from when the last of them was here: before it, the others said nothing. The
    parts themselves are put away, for all of it is recorded from now on."""
    of_list = listing_part.c.listing == identity
    rows = connection.execute(select(listing_part.c.statements).where(of_list).order_by(listing_part.c.part)).scalars()
    told = [packing.told(one) for part in rows for one in _packed(part)]
    known = max(received, *(one.received for one in told)) if told else received
    told = [msgspec.structs.replace(one, received=known) for one in told]
    seen: set[tuple[str, str | None, str | None]] = set()
    for one in told:
        key = (one.statement.tin, one.statement.level, one.statement.number)
        if key in seen:
            raise Refusal(Code.OPERATOR_REPEATED, "Two parts of the list speak of one authorisation.", value=one.statement.tin)
        seen.add(key)
    connection.execute(update(listing_part).where(of_list).values(statements=b""))
    return told


def _complete(
    connection: Connection,
    arrangement: Arrangement,
    identity: int,
    picture: Picture,
    told: list[Told],
    whole: Said,
    received: datetime,
) -> list[Told]:
    it = weigh(connection, arrangement, picture, told, received)
    if it.held:
        told = [msgspec.structs.replace(one, held=True) if one.statement.tin in it.granting else one for one in told]
    header, digest = whole.header, whole.digest
    told += [delisted(tin, picture.as_of, header.id, digest, received, held=it.held) for tin in it.omitted]
    state = "held" if it.held else "applied"
    connection.execute(
        update(listing)
        .where(listing.c.id == identity)
        .values(state=state, baseline=it.first, granting=it.changes[0], omitting=it.changes[1], changed=received)
    )
    said: dict[str, object] = {"scope": picture.scope, "as_of": picture.as_of, "parts": picture.parts, "names": it.named}
    said |= {"state": state, "baseline": it.first, "granting": len(it.granting), "omitting": it.omitted}
    journal.append(connection, "list", header.id, said, at=received, partner=arrangement.iso)
    return told


class Weighed(NamedTuple):
    """What a complete list means: how many operators it names, to whom it grants what they do not have, whom it no longer names; how
    many of these two count against the threshold, and whether they pass it; whether it is the first of its scope."""

    named: int
    granting: set[str]
    omitted: list[str]
    changes: tuple[int, int]
    first: bool
    held: bool


def weigh(connection: Connection, arrangement: Arrangement, picture: Picture, told: Sequence[Told], received: datetime) -> Weighed:
    """Looks at a complete list as things are now, and changes nothing."""
    before = threshold.before(connection, arrangement, picture, received)
    named = {one.statement.tin for one in told}
    omitted, granting = sorted(before.standing - named), before.newly_granted(told)
    # Whom no list has covered yet, this one is the baseline of: it changes nothing of theirs.
    changes = sum(map(before.covered, granting)), sum(map(before.covered, omitted))
    held = threshold.passed(connection, arrangement, *changes, received)
    return Weighed(len(named), granting, omitted, changes, before.first, held)


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


def omitted_since(connection: Connection, arrangement: Arrangement, told: Sequence[Told]) -> list[Told]:
    """Delistings for what arrives late: issued before a complete list that holds already and does not name the operator."""
    if not told:
        return []
    iso, earliest = arrangement.iso, min(one.issued for one in told)
    late: list[Told] = []
    for listed, scope, as_of in _LATER.rows(connection, iso=iso, moment=earliest):
        carried = _messages(connection, listed)
        before = [one for one in told if one.issued < as_of and threshold.covers(scope, arrangement, one.statement.tin)]
        named = statements.named_in(connection, iso, carried, {one.statement.tin for one in before})
        late += [
            delisted(one.statement.tin, as_of, carried[-1], one.digest, one.received)
            for one in before
            if one.statement.tin not in named and not one.derived
        ]
    return late


def _messages(connection: Connection, identity: int) -> Sequence[str]:
    carried = select(listing_part.c.message_id).where(listing_part.c.listing == identity).order_by(listing_part.c.part)
    return connection.execute(carried).scalars().all()


def last_complete(connection: Connection) -> dict[tuple[str, str], datetime]:
    """(partner, scope) -> the ``as_of`` of the latest complete list that counts."""
    rows = connection.execute(
        select(listing.c.partner, listing.c.scope, func.max(listing.c.as_of))
        .where(listing.c.state.in_((*threshold.APPLIED, "held")))
        .group_by(listing.c.partner, listing.c.scope)
    )
    return {(row[0], row[1]): row[2] for row in rows}


# ---------------------------------------------------------------- a person decides


class Held(msgspec.Struct, frozen=True):
    """A list that waits for a person: how many operators it would grant and how many it no longer names."""

    id: int
    partner: str
    scope: str
    as_of: datetime
    granting: int
    omitting: int
    messages: tuple[str, ...]


def held(connection: Connection) -> list[Held]:
    """Every list that waits for a person, the oldest first."""
    rows = connection.execute(select(listing).where(listing.c.state == "held").order_by(listing.c.id)).all()
    return [
        Held(row.id, row.partner, row.scope, row.as_of, row.granting, row.omitting, tuple(_messages(connection, row.id)))
        for row in rows
    ]


def release(connection: Connection, live: Live, identity: int, *, who: str, reason: str, at: datetime) -> dict[str, bytes]:
    """A person lets a held list apply: its grants grant, and whom it does not name is delisted, with those who came in meanwhile.

    Returns the timelines changed. Raises ``Refusal`` NOT_FOUND where no such list waits.
    """
    arrangement = live.arrangement
    row = _decided(connection, arrangement.iso, identity, "released", at)
    carried = _messages(connection, identity)
    tins = set(statements.release(connection, arrangement.iso, carried, at))
    missed = threshold.standing(connection, arrangement, row.scope, row.as_of) - tins
    missed -= statements.named_in(connection, arrangement.iso, carried, missed)
    claimed = messages.claimed(connection, arrangement.iso, carried[-1])
    assert claimed is not None, "a list came in claimed messages"
    late = [delisted(tin, row.as_of, carried[-1], claimed[0], at) for tin in sorted(missed)]
    statements.record(connection, arrangement.iso, late)
    return _refold(connection, arrangement, row, tins | missed, "release", who=who, reason=reason, at=at)


def drop(connection: Connection, live: Live, identity: int, *, who: str, reason: str, at: datetime) -> dict[str, bytes]:
    """A person sets a held list aside: what it would grant and omit is void. The losses it states stay (choice: taking back a loss
    takes two people, see ``void``). Returns the timelines changed; raises ``Refusal`` NOT_FOUND where no such list waits.
    """
    arrangement = live.arrangement
    row = _decided(connection, arrangement.iso, identity, "dropped", at)
    tins = statements.drop(connection, arrangement.iso, _messages(connection, identity), at)
    return _refold(connection, arrangement, row, tins, "drop", who=who, reason=reason, at=at)


def _decided(connection: Connection, iso: str, identity: int, state: str, at: datetime) -> Any:
    partners.lock(connection, iso)
    waits: ColumnElement[bool] = (listing.c.id == identity) & (listing.c.partner == iso) & (listing.c.state == "held")
    row = connection.execute(select(listing).where(waits)).first()
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"No list {identity} of {iso} waits for a person.")
    connection.execute(update(listing).where(waits).values(state=state, changed=at))
    return row


def _refold(
    connection: Connection,
    arrangement: Arrangement,
    row: Any,
    tins: Iterable[str],
    decision: str,
    *,
    who: str,
    reason: str,
    at: datetime,
) -> dict[str, bytes]:
    iso, concerned = arrangement.iso, sorted(tins)
    said: dict[str, object] = {"decision": decision, "who": who, "reason": reason, "operators": concerned}
    said |= {"scope": row.scope, "as_of": row.as_of}
    entry = journal.append(connection, "decision", f"list-{row.id}", said, at=at, partner=iso)
    told = statements.said_of(connection, iso, concerned)
    return statements.refold(connection, iso, told, folding(arrangement), entry)
