"""A held list: a person lets it apply, or sets it aside; letting it apply takes two where the settings ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, select, update

from gateway.core.access import Actor
from gateway.core.arrangement import Arrangement
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import Decision
from gateway.exchange.lists import threshold, weigh
from gateway.node.committed import Change
from gateway.settings import Settings
from gateway.store import journal, messages, partners, proposals, statements
from gateway.store.active import ActivePartner, folding
from gateway.store.listings import messages_of
from gateway.store.proposals import Matter, Proposal
from gateway.store.tables import listing

#: What a person can decide of a held list.
DECISIONS = (Decision.LIST_RELEASE, Decision.LIST_DROP)


def release(
    connection: Connection, live: ActivePartner, identity: int, settings: Settings, *, who: Actor, reason: str, at: datetime
) -> Change | Proposal:
    """A person lets a held list apply: its grants grant, and whom it does not name is delisted, with those who came in meanwhile.

    Returns what changed, or what waits for a second person. Raises ``Refusal`` NOT_FOUND where no such list waits.
    """
    arrangement = live.arrangement
    decided = _decide(connection, arrangement.iso, identity, Decision.LIST_RELEASE, settings, who=who, reason=reason, at=at)
    if isinstance(decided, Proposal):
        return decided
    row, carried, iso = decided.row, decided.messages, arrangement.iso
    tins = set(statements.release(connection, iso, carried, at))
    # Lists that were applied while it waited may not name whom it grants.
    statements.record(connection, iso, weigh.missed(connection, arrangement, statements.statements_of(connection, iso, tins), at))
    missed = threshold.standing(connection, arrangement, row.scope, row.as_of) - tins
    missed -= statements.named_in(connection, iso, carried, missed)
    claimed = messages.claimed(connection, iso, carried[-1])
    assert claimed is not None, "a list came in claimed messages"
    late = [weigh.delisted(tin, row.as_of, carried[-1], claimed[0], at) for tin in sorted(missed)]
    statements.record(connection, iso, late)
    return _refold(connection, arrangement, decided, tins | missed, "release", reason=reason, at=at)


def drop(
    connection: Connection, live: ActivePartner, identity: int, settings: Settings, *, who: Actor, reason: str, at: datetime
) -> Change | Proposal:
    """A person sets a held list aside: what it would grant and omit is void. The losses it states stay (choice: taking back a loss
    takes two people, see ``void``). Returns and raises as ``release`` does.
    """
    arrangement = live.arrangement
    decided = _decide(connection, arrangement.iso, identity, Decision.LIST_DROP, settings, who=who, reason=reason, at=at)
    if isinstance(decided, Proposal):
        return decided
    tins = statements.drop(connection, arrangement.iso, decided.messages, at)
    return _refold(connection, arrangement, decided, tins, "drop", reason=reason, at=at)


class _Decided(NamedTuple):
    """A list that waits no longer, the messages it came in, and who decided."""

    row: Any
    messages: Sequence[str]
    people: tuple[str, ...]
    by: Actor


_STATES = {Decision.LIST_RELEASE: "released", Decision.LIST_DROP: "dropped"}


def _decide(
    connection: Connection,
    iso: str,
    identity: int,
    decision: Decision,
    settings: Settings,
    *,
    who: Actor,
    reason: str,
    at: datetime,
) -> _Decided | Proposal:
    partners.lock(connection, iso)
    waits: ColumnElement[bool] = (listing.c.id == identity) & (listing.c.partner == iso) & (listing.c.state == "held")
    row = connection.execute(select(listing).where(waits)).first()
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"No list {identity} of {iso} waits for a person.")
    carried = messages_of(connection, identity)
    matter = Matter(decision, proposals.digest(identity, row.scope, row.as_of, carried), iso, identity)
    people = proposals.propose_or_agree(connection, matter, two_people=settings.two_people, who=who, reason=reason, at=at)
    if isinstance(people, Proposal):
        return people
    state = _STATES[decision]
    connection.execute(update(listing).where(waits).values(state=state, changed=at))
    proposals.end(connection, [identity], *DECISIONS, because=f"the list was {state}", at=at)
    return _Decided(row, carried, people, who)


def _refold(
    connection: Connection,
    arrangement: Arrangement,
    decided: _Decided,
    tins: Iterable[str],
    decision: str,
    *,
    reason: str,
    at: datetime,
) -> Change:
    iso, concerned, row = arrangement.iso, sorted(tins), decided.row
    who = decided.people if len(decided.people) > 1 else decided.people[0]
    said: dict[str, object] = {"decision": decision, "who": who, "by": decided.by.noted, "reason": reason, "operators": concerned}
    said |= {"scope": row.scope, "as_of": row.as_of}
    entry = journal.append(connection, "decision", f"list-{row.id}", said, at=at, partner=iso)
    placed = statements.statements_of(connection, iso, concerned)
    timelines = statements.refold(connection, iso, placed, folding(arrangement), entry)
    return Change(timelines, entry, lists_or_switches=True)
