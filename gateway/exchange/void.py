"""Annulling what should never have been believed: one message, or everything a stolen key signed since a moment. It takes two people.

    1  which messages and certificates: what the key signed, what that announced, what those keys signed, and so on
    2  their statements are annulled from now on in our knowledge; what was answered before can still be answered as known then
    3  the lists among them hold no more, nor does whom they no longer named; other lists of the partner then speak for themselves
    4  the partner's sequence numbers go on from the highest that still stands
    5  the certificates are withdrawn, and with them every other of the same key
    6  the operators' timelines are folded anew; the journal says who, why and what, and every node follows it

The partner is told nothing by itself: what it then sends, and whether it must send its list again, is for people to agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection, Row, delete, insert, select, update

from gateway.core.access import Actor
from gateway.core.arrangement import Arrangement
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import Decision
from gateway.core.model import PlacedStatement
from gateway.core.text import a_reason
from gateway.exchange.certificates import partner as keys
from gateway.exchange.certificates.server import shown_by
from gateway.exchange.lists import review, weigh
from gateway.node.committed import Change
from gateway.store import journal, partners, proposals, sequences, statements
from gateway.store.active import ActivePartner, ActivePartners, folding
from gateway.store.bulk import chunks
from gateway.store.proposals import Matter
from gateway.store.tables import announced, listing, listing_part, message, numbered, proposal, voiding, withdrawn

What = Literal["message", "certificate"]
_ALWAYS = datetime.min.replace(tzinfo=UTC)
_RECORDED = select(voiding, proposal.c.decided.label("ended"), proposal.c.because.label("ended_because")).outerjoin(
    proposal, proposals.about(Decision.ANNULMENT, voiding) & proposals.ENDED
)


class Voiding(msgspec.Struct, frozen=True, kw_only=True):
    """What one person proposed and another confirmed, or has still to. ``subject`` is a message's id or a certificate's fingerprint,
    ``since`` (by our clock, at receipt) goes with a certificate; ``messages`` and ``operators`` count what was annulled. ``ended``, and
    because of what, are said only of a proposal that ended by itself: it can no longer be confirmed."""

    id: int
    what: What
    partner: str
    subject: str
    since: datetime | None
    reason: str
    proposed_by: str
    proposed: datetime
    confirmed_by: str | None = None
    confirmed: datetime | None = None
    messages: int | None = None
    operators: int | None = None
    ended: datetime | UnsetType = UNSET
    ended_because: str | UnsetType = UNSET


class VoidScope(msgspec.Struct, frozen=True):
    """Everything a voiding takes with it: ids of messages, and certificates by fingerprint."""

    messages: tuple[str, ...]
    certificates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Voided:
    """What was done, and what it changed."""

    voiding: Voiding
    scope: VoidScope
    change: Change


def propose_message(
    connection: Connection, message_id: str, *, partner: str | None = None, reason: str, who: Actor, at: datetime
) -> Voiding:
    """One person wants what a message said annulled. Raises ``Refusal``: NOT_FOUND, DATA_INVALID where two partners used its id."""
    query = select(message.c.partner).where(message.c.message_id == message_id)
    owners = connection.execute(query if partner is None else query.where(message.c.partner == partner)).scalars().all()
    return _propose(connection, "message", message_id, owners, None, reason=reason, who=who, at=at)


def propose_certificate(
    connection: Connection,
    known: ActivePartners,
    fingerprint: str,
    since: datetime,
    *,
    partner: str | None = None,
    reason: str,
    who: Actor,
    at: datetime,
) -> Voiding:
    """One person holds a partner's key for stolen since a moment. Raises ``Refusal`` as ``propose_message`` does."""
    if since > at:
        raise Refusal(Code.DATA_INVALID, "The key would be stolen in the future.", field="since", value=since.isoformat())
    fingerprint = fingerprint.replace(":", "").lower()
    signed = connection.execute(select(message.c.partner).where(message.c.fingerprint == fingerprint).distinct()).scalars()
    holders = (iso for iso, live in known.all().items() if fingerprint in _certificates(connection, live))
    owners = [iso for iso in {*signed, *holders} if partner in (None, iso)]
    return _propose(connection, "certificate", fingerprint, owners, since, reason=reason, who=who, at=at)


def _propose(
    connection: Connection,
    what: What,
    subject: str,
    owners: Iterable[str],
    since: datetime | None,
    *,
    reason: str,
    who: Actor,
    at: datetime,
) -> Voiding:
    found = sorted(owners)
    if not found:
        raise Refusal(Code.NOT_FOUND, f"No partner is known to this gateway by such a {what}.", field=what, value=subject)
    if len(found) > 1:
        raise Refusal(Code.DATA_INVALID, f"It can be of {' or '.join(found)}: say which.", field="partner")
    a_reason(reason)
    partners.lock(connection, found[0])
    matter = Matter(Decision.ANNULMENT, proposals.digest(what, found[0], subject, since), found[0])
    if (mine := proposals.proposed_by(connection, matter, who)) is not None and mine.number is not None:
        return _found(connection, mine.number)
    values = {"what": what, "partner": found[0], "subject": subject, "since": since, "reason": reason}
    row = connection.execute(insert(voiding).values(**values, proposed_by=who.name, proposed=at).returning(voiding)).one()
    matter = matter._replace(number=row.id)
    proposals.propose(connection, matter, who=who, reason=reason, at=at, void=row.id, what=what, of=subject, since=since)
    return _read(row)


def confirm(connection: Connection, known: ActivePartners, identity: int, *, who: Actor, at: datetime) -> Voided:
    """A second person agrees, and it is done. Raises ``Refusal``: NOT_FOUND, DATA_INVALID for the same person, for a second time, and
    where the proposal ended."""
    live = known.get(_found(connection, identity).partner)
    iso = live.bundle.iso
    partners.lock(connection, iso)
    one = _found(connection, identity)  # as it is now that nobody else can confirm it
    if one.confirmed is not None:
        raise Refusal(Code.DATA_INVALID, f"Number {identity} was confirmed by {one.confirmed_by} already.")
    proposals.agree(connection, Decision.ANNULMENT, identity, who=who, at=at)
    gone = scope_of(connection, live, one)  # 1
    said = _annul(connection, live.arrangement, gone.messages, at)  # 2, 3
    sequences.recount(connection, iso)  # 4
    _withdraw(connection, live, one, gone.certificates, at)  # 5
    body: dict[str, object] = {"decision": "void", "what": one.what, "of": one.subject, "since": one.since, "reason": one.reason}
    body |= {
        "who": [one.proposed_by, who.name],
        "by": who.noted,
        "messages": gone.messages,
        "certificates": gone.certificates,
        "operators": len(said),
    }
    entry = journal.append(connection, "decision", f"void-{identity}", body, at=at, partner=iso)
    timelines = statements.refold(connection, iso, said, folding(live.arrangement), entry)  # 6
    done = {"confirmed_by": who.name, "confirmed": at, "messages": len(gone.messages), "operators": len(said)}
    row = connection.execute(update(voiding).where(voiding.c.id == identity).values(done).returning(voiding)).one()
    _overtake(connection, iso, gone.messages, because=f"annulled with number {identity}", at=at)
    return Voided(_read(row), gone, Change(timelines, entry, lists_or_switches=True))


def recorded(connection: Connection) -> list[Voiding]:
    """Every voiding, proposed or done, the newest first."""
    return [_read(row) for row in connection.execute(_RECORDED.order_by(voiding.c.id.desc()))]


def scope_of(connection: Connection, live: ActivePartner, one: Voiding) -> VoidScope:
    """What it takes with it as things are now. Whoever holds a stolen key announces one of his own with it first."""
    iso, known = live.bundle.iso, _certificates(connection, live)
    messages = {one.subject} if one.what == "message" else set[str]()
    since = {one.subject: one.since or _ALWAYS} if one.what == "certificate" else dict[str, datetime]()
    size = -1
    while size != len(messages) + len(since):
        size = len(messages) + len(since)
        for fingerprint, moment in list(since.items()):
            key = known.get(fingerprint)
            same = [other for other, its in known.items() if key is not None and its == key]
            since = dict.fromkeys(same, moment) | since
            signed = (message.c.partner == iso) & (message.c.fingerprint == fingerprint) & (message.c.received >= moment)
            messages.update(connection.execute(select(message.c.message_id).where(signed)).scalars())
        for batch in chunks(messages):
            by_these = (announced.c.partner == iso) & announced.c.message_id.in_(batch)
            for fingerprint in connection.execute(select(announced.c.fingerprint).where(by_these)).scalars():
                since.setdefault(fingerprint, _ALWAYS)
    return VoidScope(tuple(sorted(messages)), tuple(sorted(since)))


def _certificates(connection: Connection, live: ActivePartner) -> dict[str, str]:
    """Fingerprint -> digest of the key, of every certificate that the partner has or announced."""
    every = [*(one.der for one in keys.all_of(connection, live)), *shown_by(live.bundle)]
    return {sha256(der).hexdigest(): keys.key_of(der) for der in every}


def _annul(
    connection: Connection, arrangement: Arrangement, messages: Iterable[str], at: datetime
) -> dict[str, list[PlacedStatement]]:
    """Annuls what these messages said; returns everything now on record of the operators concerned."""
    iso, tins = arrangement.iso, set[str]()
    for batch in chunks(messages):
        tins.update(statements.void(connection, iso, batch, at))
        these = (message.c.partner == iso) & message.c.message_id.in_(batch)
        connection.execute(update(message).where(these, message.c.voided.is_(None)).values(voided=at))
        tins.update(_drop_lists(connection, iso, batch, at))
    said = statements.statements_of(connection, iso, tins)
    # Whom a later list did not name was perhaps not delisted by it only because what is annulled had taken the standing before.
    missed = weigh.missed(connection, arrangement, said, at)
    statements.record(connection, iso, missed)
    for one in missed:
        said[one.statement.tin].append(one)
    return said


def _drop_lists(connection: Connection, iso: str, messages: list[str], at: datetime) -> list[str]:
    """No list holds of which a part is annulled, though what its other parts state stands; one that still waits, waits for that part
    again. Returns the operators whom the lists no longer named."""
    parts = select(listing_part.c.listing).where(listing_part.c.message_id.in_(messages)).distinct()
    rows = connection.execute(select(listing.c.id, listing.c.state).where(listing.c.partner == iso, listing.c.id.in_(parts))).all()
    tins: list[str] = []
    for row in rows:
        of_list = listing_part.c.listing == row.id
        if row.state == "waiting":
            connection.execute(delete(listing_part).where(of_list, listing_part.c.message_id.in_(messages)))
            if connection.execute(select(listing_part.c.part).where(of_list)).first() is None:
                connection.execute(delete(listing).where(listing.c.id == row.id))
            continue
        carried = connection.execute(select(listing_part.c.message_id).where(of_list)).scalars().all()
        tins += statements.void(connection, iso, carried, at, derived=True)
        connection.execute(update(listing).where(listing.c.id == row.id).values(state="dropped", changed=at))
        proposals.end(connection, [row.id], *review.DECISIONS, because="what the list says was annulled", at=at)
    return tins


def _overtake(connection: Connection, iso: str, messages: Iterable[str], *, because: str, at: datetime) -> None:
    """Nobody has to annul any more what is annulled."""
    for batch in chunks(messages):
        same = (voiding.c.partner == iso) & (voiding.c.what == "message") & voiding.c.subject.in_(batch)
        waiting = connection.execute(select(voiding.c.id).where(same, voiding.c.confirmed.is_(None))).scalars().all()
        proposals.end(connection, waiting, Decision.ANNULMENT, because=because, at=at)


def _withdraw(connection: Connection, live: ActivePartner, one: Voiding, certificates: Iterable[str], at: datetime) -> None:
    known = _certificates(connection, live)
    for fingerprint in certificates:
        if keys.withdrawn_now(connection, one.partner, fingerprint):
            continue
        values = {"partner": one.partner, "fingerprint": fingerprint, "key": known.get(fingerprint), "voiding": one.id}
        connection.execute(insert(withdrawn).values(values))
        journal.append(connection, "certificate", fingerprint, {"withdrawn": True, "void": one.id}, at=at, partner=one.partner)


def _found(connection: Connection, identity: int) -> Voiding:
    row = connection.execute(_RECORDED.where(numbered(voiding, identity))).first()
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"Nothing to annul has the number {identity}.", remedy="aeo-gateway void list")
    return _read(row)


def _read(row: Row[Any]) -> Voiding:
    ended = {"ended", "ended_because"}
    return Voiding(**{name: value for name, value in row._mapping.items() if value is not None or name not in ended})
