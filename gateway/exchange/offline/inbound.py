"""A partner that is not connected yet mails a spreadsheet: one person has it read, another confirms, and it counts like a message.

1  the file is read by the columns in the partner's data, its rows judged as the records of a signed message are
2  every row that cannot be taken is named. A complete list with such a row is not taken at all: leaving the row out would delist
   its operator (choice). Of an update the other rows go on, for nobody is delisted by one
3  the file is kept and proposed, and nothing counts yet
4  a second person confirms: the kept bytes are read again by the very same partner data, and recorded as a message whose every
   statement is marked transcribed
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection, Row, and_, insert, select, update

from gateway.core.access import Actor
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import Decision
from gateway.core.incoming import IncomingMessage
from gateway.core.model import Kind
from gateway.core.text import a_reason
from gateway.exchange.lists import assemble, threshold, weigh
from gateway.exchange.offline.read import Mailed, ReadSpreadsheet, read_file
from gateway.exchange.receive.apply import take_in
from gateway.node.committed import Change
from gateway.node.context import Context
from gateway.store import journal, messages, partners, proposals, statements
from gateway.store.active import ActivePartner
from gateway.store.proposals import Matter
from gateway.store.tables import message, numbered, proposal, transcription


class Transcription(msgspec.Struct, frozen=True, kw_only=True):
    """What one person proposed. ``state``: proposed, confirmed, discarded. ``message_id`` is the message that it becomes.
    ``ended_because`` is said only of one that was discarded by nobody: its proposal ended by itself."""

    id: int
    partner: str
    message_id: str
    kind: str
    scope: str
    as_of: datetime
    file: str
    digest: str
    bundle: str
    statements: int
    refused: int
    state: str
    reason: str
    proposed_by: str
    proposed: datetime
    decided_by: str | None = None
    decided: datetime | None = None
    ended_because: str | UnsetType = UNSET


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What it does to operators, as things are now. ``says`` counts standings; then the operators to whom it grants what they do
    not have, those whom a complete list no longer names, and whether that is so much that it then waits for a person."""

    says: dict[str, int]
    baseline: bool = False
    granting: tuple[str, ...] = ()
    omitting: tuple[str, ...] = ()
    held: bool = False


class TranscriptionProposal(NamedTuple):
    """``made`` is None where nothing was proposed, because a complete list has rows that cannot be taken."""

    made: Transcription | None
    read: ReadSpreadsheet
    would: Effect


@dataclass(frozen=True, slots=True)
class ConfirmedTranscription:
    """What was done: what became of the records (accepted, overruled, held), and what it changed."""

    transcription: Transcription
    outcomes: Mapping[str, int]
    change: Change


def propose(
    connection: Connection, live: ActivePartner, mailed: Mailed, read: ReadSpreadsheet, *, reason: str, who: Actor, at: datetime
) -> TranscriptionProposal:
    """The first person proposes what was read. Nothing is kept of what is not proposed. Raises ``Refusal``: DATA_INVALID,
    LIST_INCOMPLETE."""
    partners.lock(connection, live.bundle.iso)
    a_reason(reason)
    would = _would(connection, read.said, at)
    if not read.said.placed or (read.refused and mailed.kind is Kind.LIST):
        return TranscriptionProposal(None, read, would)
    _new(connection, live, read.said)
    values = {
        "partner": live.bundle.iso,
        "message_id": read.said.header.id,
        "kind": mailed.kind.value,
        "scope": mailed.scope,
        "as_of": mailed.as_of,
        "file": mailed.file,
        "digest": read.said.digest,
        "bundle": live.bundle.digest,
        "statements": len(read.said.placed),
        "refused": len({one.line for one in read.refused}),
        "state": "proposed",
        "reason": reason,
        "proposed_by": who.name,
        "proposed": at,
    }
    row = connection.execute(insert(transcription).values(**values, body=mailed.body).returning(transcription)).one()
    made = _opened(row)
    content = proposals.digest(made.partner, made.kind, made.scope, made.as_of, made.digest, made.bundle)
    matter = Matter(Decision.TRANSCRIPTION, content, made.partner, made.id)
    noted = {name: values[name] for name in ("message_id", "scope", "as_of", "file", "digest", "bundle", "statements", "refused")}
    proposals.propose(connection, matter, who=who, reason=reason, at=at, message=made.kind, **noted)
    return TranscriptionProposal(made, read, would)


def confirm(connection: Connection, number: int, read: ReadSpreadsheet, *, who: Actor, at: datetime) -> ConfirmedTranscription:
    """A second person agrees to what was read ``again``, and it counts from now on.

    Raises ``Refusal``: NOT_FOUND; DATA_INVALID for the same person, for a second time, where the partner's data changed meanwhile;
    LIST_INCOMPLETE where a list of that moment was applied meanwhile.
    """
    iso = find(connection, number).partner
    state = partners.lock(connection, iso)
    one = waiting(connection, number)
    proposals.agree(connection, Decision.TRANSCRIPTION, number, who=who, at=at)
    if state != "active":
        raise Refusal(Code.PARTNER_SUSPENDED, f"Exchange with {iso} is {state}.")
    _unchanged(one, partners.in_force_now(connection, iso))
    assert (read.said.header.id, read.said.digest) == (one.message_id, one.digest), "it is what was read of this very proposal"
    entry = journal.append(
        connection,
        "message",
        one.message_id,
        {
            "message": one.kind,
            "digest": one.digest,
            "transcribed": one.id,
            "file": one.file,
            "who": [one.proposed_by, who.name],
            "by": who.noted,
            "reason": one.reason,
            "partner_data": one.bundle,
            "statements": len(read.said.placed),
            "statements_digest": statements.digest(read.said.placed),
        },
        at=at,
        partner=iso,
    )
    placed = tuple([msgspec.structs.replace(placed, received=at) for placed in read.said.placed])
    body = connection.execute(select(transcription.c.body).where(transcription.c.id == number)).scalar_one()
    messages.claim_id(
        connection,
        read.said.header,
        digest=one.digest,
        fingerprint=messages.NOBODY,
        bundle=one.bundle,
        received=at,
        statements=len(placed),
        body=body,
        answer=b"",
    )
    outcomes, timelines = take_in(connection, read.said._replace(placed=placed), entry, at)
    done = _decide(connection, number, "confirmed", who, at, body=None)
    counted = Counter(result.outcome for results in outcomes.values() for result in results)
    return ConfirmedTranscription(done, dict(counted), Change(timelines, entry, lists_or_switches=one.kind == Kind.LIST))


def discard(connection: Connection, number: int, *, reason: str, who: Actor, at: datetime) -> Transcription:
    """Anybody sets a proposal aside; the file stays kept. Raises ``Refusal`` as ``confirm`` does."""
    partners.lock(connection, find(connection, number).partner)
    one = waiting(connection, number)
    body: dict[str, object] = {"decision": "discard", "message": one.message_id, "who": who.name, "by": who.noted, "reason": reason}
    journal.append(connection, "decision", f"transcription-{number}", body, at=at, partner=one.partner)
    proposals.end(connection, [number], Decision.TRANSCRIPTION, because=reason, at=at, who=who)
    return _decide(connection, number, "discarded", who, at)


def again(connection: Connection, node: Context, one: Transcription) -> ReadSpreadsheet:
    """A proposal read again from the kept bytes. Raises ``Refusal`` DATA_INVALID where they, or the partner's data, are others now."""
    live = node.partners.get(one.partner)
    _unchanged(one, live.bundle.digest)
    body = connection.execute(select(transcription.c.body).where(transcription.c.id == one.id)).scalar_one()
    if body is None or sha256(body).hexdigest() != one.digest:
        raise Refusal(Code.DATA_INVALID, "The file kept is not the one that was proposed.", remedy="Transcribe it again.")
    mailed = Mailed(file=one.file, body=body, kind=Kind(one.kind), as_of=one.as_of, scope=one.scope)
    return read_file(node.environment, node.settings.administration, live, mailed, one.message_id, one.proposed)


def would(connection: Connection, node: Context, one: Transcription, at: datetime) -> Effect:
    """What a proposal would do as things are now."""
    return _would(connection, again(connection, node, one).said, at)


def find(connection: Connection, number: int) -> Transcription:
    """Raises ``Refusal`` NOT_FOUND."""
    row = connection.execute(_columns().where(numbered(transcription, number))).first()
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"No transcription has the number {number}.", remedy="aeo-gateway partner transcribed")
    return _opened(row)


def kept(connection: Connection, one: Transcription) -> bytes:
    """The file as it came, which from the confirmation on is the message's. Raises ``Refusal`` NOT_FOUND where only its digest is left."""
    of_message = (message.c.partner == one.partner) & (message.c.message_id == one.message_id)
    waits = select(transcription.c.body).where(transcription.c.id == one.id)
    body = (
        connection.execute(waits).scalar_one() or connection.execute(select(message.c.body).where(of_message)).scalar_one_or_none()
    )
    if body is None:
        raise Refusal(Code.NOT_FOUND, "The file is no longer kept, only its digest and its journal entry.", value=one.file)
    return bytes(body)


def recorded(connection: Connection, partner: str | None = None) -> list[Transcription]:
    """Every transcription, the newest first."""
    query = _columns().order_by(transcription.c.id.desc())
    return [
        _opened(row) for row in connection.execute(query if partner is None else query.where(transcription.c.partner == partner))
    ]


def _would(connection: Connection, said: IncomingMessage, at: datetime) -> Effect:
    says = dict(Counter(one.statement.standing.value for one in said.placed))
    if said.header.picture is None:
        granting = threshold.granted_by(connection, said.arrangement, said.placed, at)
        held = threshold.passed(connection, said.arrangement, len(granting), 0, at)
        return Effect(says=says, granting=tuple(sorted(granting)), held=held)
    weighed = weigh.weigh(connection, said.arrangement, said.header.picture, said.placed, at)
    return Effect(
        says=says,
        baseline=weighed.first,
        granting=tuple(sorted(weighed.granting)),
        omitting=tuple(weighed.omitted),
        held=weighed.held,
    )


def _new(connection: Connection, live: ActivePartner, said: IncomingMessage) -> None:
    """Refuses a file that waits already, or counts already; the next month's may hold the very same bytes."""
    same = transcription.c.state.in_(("proposed", "confirmed")) & (transcription.c.digest == said.digest)
    same &= (transcription.c.as_of == said.header.created) & (transcription.c.kind == said.header.kind.value)
    of_message = and_(message.c.partner == transcription.c.partner, message.c.message_id == transcription.c.message_id)
    query = select(transcription.c.id, transcription.c.state).outerjoin(message, of_message)
    row = connection.execute(query.where(same, transcription.c.partner == live.bundle.iso, message.c.voided.is_(None))).first()
    if row is not None:
        raise Refusal(
            Code.DATA_INVALID,
            f"This very file is {row.state} already, as number {row.id}.",
            remedy="aeo-gateway partner transcribed",
        )
    if said.header.picture is not None:
        assemble.refuse_applied(connection, live.bundle.iso, said.header.picture)


def _unchanged(one: Transcription, bundle: str | None) -> None:
    if bundle != one.bundle:
        raise Refusal(
            Code.DATA_INVALID,
            f"The data of {one.partner} changed since the file was read.",
            remedy=f"Discard number {one.id} and transcribe the file again.",
        )


def waiting(connection: Connection, number: int) -> Transcription:
    """One that can still be decided. Raises ``Refusal``: NOT_FOUND, DATA_INVALID."""
    one = find(connection, number)
    if one.state != "proposed":
        raise Refusal(
            Code.DATA_INVALID,
            f"Number {number} was {one.state} by {one.decided_by} already."
            if one.decided_by
            else f"Number {number} is not open. It ended: {one.ended_because}.",
            remedy="What was confirmed is annulled by aeo-gateway void; what was discarded is transcribed again.",
        )
    return one


def _decide(connection: Connection, number: int, state: str, who: Actor, at: datetime, **also: Any) -> Transcription:
    values = {"state": state, "decided_by": who.name, "decided": at} | also
    connection.execute(update(transcription).where(transcription.c.id == number).values(values))
    return find(connection, number)


def _columns() -> Any:
    columns = [column for column in transcription.c if column is not transcription.c.body]
    ended = proposals.about(Decision.TRANSCRIPTION, transcription) & proposals.ENDED
    return select(*columns, proposal.c.because.label("ended_because")).outerjoin(proposal, ended)


def _opened(row: Row[Any]) -> Transcription:
    found = {name: row._mapping[name] for name in Transcription.__struct_fields__ if name in row._mapping}
    return Transcription(**{name: one for name, one in found.items() if one is not None or name != "ended_because"})
