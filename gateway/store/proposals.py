"""What one person proposed and takes a second one, for every such decision in one place; who may be the second says ``core.four_eyes``.

1  ``propose``: once for each person and content; the journal says who and why
2  ``agree``: a second person, to the very content; or ``propose_or_agree``, where the same call proposes, and by somebody else decides
3  ``end``: what a newer state overtakes, or a person sets aside, is open no more, and says because of what

Whoever proposes or agrees holds the lock of what it is about (the partner's row, or that of the enterprises). A proposal that ended by
itself is in the journal as a ``proposal`` again; one that a person agreed to or set aside is in that person's decision.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Table, insert, select, update

from gateway.core import four_eyes
from gateway.core.access import Actor, PrincipalKind
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import Decision
from gateway.store import journal, principals
from gateway.store.tables import proposal

#: Why a proposal ended that was open when names began to be compared in one place.
UPGRADED = "open when this gateway was upgraded: propose it again"
#: For how long after the upgrade a node's start says so, and the list of partners, which has no place for what is over.
TOLD_FOR = timedelta(days=30)

#: What people and the journal call that which a proposal is about, before its number.
CALLED = {
    Decision.ANNULMENT: "void",
    Decision.TRANSCRIPTION: "transcription",
    Decision.LIST_RELEASE: "list",
    Decision.LIST_DROP: "list",
    Decision.GAINS: "record",
}


class Matter(NamedTuple):
    """What is to be decided. ``digest`` is of its content; ``number``, where there is one, that under which people know it."""

    decision: Decision
    digest: str
    partner: str | None = None
    number: int | None = None


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """``state``: open, agreed, or ended, ``because`` of what; ``decided_by`` is None where no person ended it."""

    id: int
    decision: Decision
    number: int | None
    partner: str | None
    digest: str
    proposer: str
    proposed_by: str
    reason: str
    proposed: datetime
    state: str
    decided_by: str | None = None
    decided: datetime | None = None
    because: str | None = None

    @property
    def subject(self) -> str:
        """What the journal calls it by: its number, or the digest of what has none."""
        return self.digest if self.number is None else f"{CALLED[self.decision]}-{self.number}"

    @property
    def sentence(self) -> str:
        """Who proposed it and what is still to be done, for whoever proposed and for whoever may agree."""
        return f"Proposed by {self.proposed_by}. It comes in force when a second person {four_eyes.RULES[self.decision].act}."


def digest(*content: Any) -> str:
    """Of what is proposed, where nothing else gives one."""
    return sha256(msgspec.json.encode(content)).hexdigest()


def propose(connection: Connection, matter: Matter, *, who: Actor, reason: str, at: datetime, **noted: object) -> Proposal:
    """The first person, or a system; ``noted`` is what the journal is to say besides. Whoever proposed the very same already has that
    proposal back, with its first reason. Raises ``Refusal`` DATA_INVALID for an emergency."""
    four_eyes.one_of_two(who)
    if (mine := proposed_by(connection, matter, who)) is not None:
        return mine
    values = matter._asdict() | {"decision": matter.decision.value, "proposer": who.principal, "proposed_by": who.name}
    values |= {"reason": reason, "proposed": at, "state": "open"}
    one = _read(connection.execute(insert(proposal).values(values).returning(proposal)).one())
    said = noted | {"who": who.name, "by": who.noted, "reason": reason}
    journal.append(connection, "proposal", one.subject, said, at=at, partner=one.partner)
    return one


def proposed_by(connection: Connection, matter: Matter, who: Actor) -> Proposal | None:
    """What this person proposed of the very same content, and is still open."""
    return next((one for one in _of(connection, matter) if one.proposer == who.principal), None)


def agree(connection: Connection, decision: Decision, number: int, *, who: Actor, at: datetime) -> None:
    """The second person. Raises ``Refusal`` DATA_INVALID for whoever cannot be (``four_eyes.second``), and where it is not open (any
    more)."""
    here = (proposal.c.decision == decision.value) & (proposal.c.number == number)
    row = connection.execute(select(proposal).where(here)).first()
    if row is None or row.state != "open":
        why = f" It ended: {row.because}." if row is not None and row.because else ""
        raise Refusal(Code.DATA_INVALID, f"Number {number} is not open.{why}", remedy="Propose it again.")
    _second(connection, _read(row), who, at)
    _agreed(connection, _read(row), who, at)


def propose_or_agree(
    connection: Connection, matter: Matter, *, two_people: bool, who: Actor, reason: str, at: datetime
) -> tuple[str, ...] | Proposal:
    """Who decided, when this may be done now: ``who`` alone where one person is enough, else whoever proposed the very same and ``who``.
    Where nobody else did, it is proposed. ``two_people`` is the setting. Raises ``Refusal`` as ``agree`` does, where all who proposed it
    are such that ``who`` cannot be the second after them."""
    if not four_eyes.takes_two(matter.decision, two_people=two_people):
        _end(connection, _of(connection, matter), because=f"decided by {who.name} alone", at=at)
        return (who.name,)
    others = [one for one in _of(connection, matter) if one.proposer != who.principal]
    if not others or who.kind is not PrincipalKind.PERSON:
        return propose(connection, matter, who=who, reason=reason, at=at)
    free = (one for one in others if not principals.tied(connection, who.principal, one.proposer, at))
    first = next(free, others[0])
    _second(connection, first, who, at)
    _agreed(connection, first, who, at)
    return first.proposed_by, who.name


def agreed_to(connection: Connection, those: Iterable[Proposal]) -> Proposal | None:
    """Which of these a second person has agreed to."""
    here = proposal.c.id.in_([one.id for one in those]) & (proposal.c.state == "agreed")
    row = connection.execute(select(proposal).where(here)).first()
    return _read(row) if row is not None else None


def _second(connection: Connection, first: Proposal, who: Actor, at: datetime) -> None:
    four_eyes.second(who, first.proposer, first.proposed_by, principals.tied(connection, who.principal, first.proposer, at))


def end(
    connection: Connection, numbers: Iterable[int], *decisions: Decision, because: str, at: datetime, who: Actor | None = None
) -> None:
    """What is proposed to be decided under these numbers is open no more; ``who`` set it aside, where a person did."""
    numbered = proposal.c.number.in_(list(numbers))
    _end(connection, _select(connection, _any_of(decisions), numbered), because=because, at=at, who=who)


def end_of_partner(connection: Connection, partner: str, *, because: str, at: datetime) -> None:
    """What is proposed to be activated of a partner (or of the law) is overtaken by what now holds of it."""
    here = _any_of((Decision.ACTIVATION, Decision.LAW)) & (proposal.c.partner == partner)
    _end(connection, _select(connection, here), because=because, at=at)


def open_now(connection: Connection, *decisions: Decision) -> list[Proposal]:
    """What waits for a second person, the oldest first."""
    return _select(connection, _any_of(decisions))


def ended_at_upgrade(connection: Connection, since: datetime, *decisions: Decision) -> list[Proposal]:
    """What was open when this gateway was upgraded, no longer ago than ``since``, and has to be proposed again."""
    lately = (proposal.c.because == UPGRADED) & (proposal.c.decided >= since)
    query = select(proposal).where(lately, _any_of(decisions or Decision)).order_by(proposal.c.id)
    return [_read(row) for row in connection.execute(query)]


def about(decision: Decision, table: Table) -> ColumnElement[bool]:
    """Joins the rows of a table with numbers of its own to what was proposed of them."""
    return (proposal.c.decision == decision.value) & (proposal.c.number == table.c.id)


#: What ended by itself: no person decided it.
ENDED = (proposal.c.state == "ended") & proposal.c.decided_by.is_(None)


def _any_of(decisions: Iterable[Decision]) -> ColumnElement[bool]:
    return proposal.c.decision.in_([one.value for one in decisions])


def _of(connection: Connection, matter: Matter) -> list[Proposal]:
    here = proposal.c.partner.is_(None) if matter.partner is None else proposal.c.partner == matter.partner
    return _select(connection, proposal.c.decision == matter.decision.value, proposal.c.digest == matter.digest, here)


def _select(connection: Connection, *conditions: ColumnElement[bool]) -> list[Proposal]:
    """The open ones of these."""
    query = select(proposal).where(proposal.c.state == "open", *conditions).order_by(proposal.c.id)
    return [_read(row) for row in connection.execute(query)]


def _agreed(connection: Connection, one: Proposal, who: Actor, at: datetime) -> None:
    """Others of the same content are done with it, too."""
    _decide(connection, one, state="agreed", decided_by=who.name, decided=at)
    others = _of(connection, Matter(one.decision, one.digest, one.partner))
    _end(connection, others, because=f"{who.name} agreed to the same, as {one.proposed_by} proposed it", at=at)


def _end(connection: Connection, those: Iterable[Proposal], *, because: str, at: datetime, who: Actor | None = None) -> None:
    for one in those:
        _decide(connection, one, state="ended", decided_by=who and who.name, decided=at, because=because)
        if who is None:
            said: dict[str, object] = {"ended": because, "proposed_by": one.proposed_by}
            journal.append(connection, "proposal", one.subject, said, at=at, partner=one.partner)


def _decide(connection: Connection, one: Proposal, **values: Any) -> None:
    connection.execute(update(proposal).where(proposal.c.id == one.id).values(values))


def _read(row: Row[Any]) -> Proposal:
    return Proposal(**{**row._mapping, "decision": Decision(row.decision)})
