"""What is news to a partner, and saying it. For each partner that may hear anything at all:

    1  take its lock, so that what it was told cannot change meanwhile
    2  what it may hear today of each enterprise, less what it was last told
    3  unsent messages that are no longer right are taken back, and everyone they spoke of is looked at again
    4  say the news in its own XML, queued in the same transaction, and note what it will then have been told

One message a partner and urgency, whatever the number of enterprises. The first thing a partner hears is the complete list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from gateway.core.model import Kind, Standing, Statement
from gateway.domestic.enterprise import Enterprise
from gateway.domestic.projection import (
    LEARNED,
    Silence,
    changes,
    ending,
    kind_of,
    project,
)
from gateway.exchange.tell.complete import complete_list
from gateway.exchange.tell.documents import documents, enqueue
from gateway.exchange.tell.recipient import QueuedNotices, Recipient, StatementsByEnterprise, pairs
from gateway.exchange.tell.respond import sayable
from gateway.exchange.tell.told import last_told
from gateway.node.context import Context, connected
from gateway.store import disclosures, enterprises, partners, sent
from gateway.store.active import ActivePartner
from gateway.store.disclosures import Disclosure
from gateway.store.enterprises import unpack


def may_hear(live: ActivePartner, at: datetime) -> bool:
    """Whether anything at all may be said: connected, and sayable under the arrangement."""
    return connected(live) and sayable(live, at)


def tell(
    connection: Connection, node: Context, states: Mapping[str, Enterprise], at: datetime, only: str | None = None
) -> QueuedNotices:
    """Queues for every partner (or one) what these enterprises make news to it, and tells again what expired unheard."""
    notices = QueuedNotices()
    for iso, live in sorted(node.partners.all().items()):
        if only in (None, iso) and may_hear(live, at):
            partners.lock(connection, iso)  # 1
            if sent.last_queued(connection, iso, Kind.LIST) is None:
                complete_list(Recipient(connection, node, live, at, notices))
            else:
                _tell_changes(Recipient(connection, node, live, at, notices), states)
    return notices


def _tell_changes(recipient: Recipient, states: Mapping[str, Enterprise]) -> None:
    states = dict(states)
    while True:
        outstanding, last, wrong = _compare(recipient, states)  # 2
        if not wrong:
            break
        behind = disclosures.take_back(recipient.connection, wrong, recipient.at) - states.keys()  # 3
        states |= {uscc: unpack(packed) for uscc, packed in enterprises.states(recipient.connection, behind).items()}
    for kind in (Kind.NOTICE, Kind.UPDATE):
        said = {uscc: statements for uscc, statements in outstanding.items() if kind_of(statements) is kind}
        for document in documents(recipient, kind, said, last):
            row = enqueue(recipient, kind, document)
            disclosures.tell(recipient.connection, recipient.iso, pairs(document.changes), row, recipient.at)  # 4


def _compare(
    recipient: Recipient, states: Mapping[str, Enterprise]
) -> tuple[StatementsByEnterprise, dict[str, Disclosure], set[int]]:
    """What is still to be said, what was last told, and the unsent messages that say something else."""
    now = {uscc: project(state, recipient.arrangement, recipient.day) for uscc, state in states.items()}
    tins = [one.tin for one in now.values() if isinstance(one, Statement)]
    last, waiting = last_told(disclosures.tellings(recipient.connection, recipient.iso, states, tins))
    shared = recipient.shared
    outstanding = {uscc: said for uscc, one in now.items() if (said := _changes_of(last.get(uscc), one, shared))}
    # A code that one enterprise gave up and another took has not ended.
    taken = {one.tin for said in outstanding.values() for one in said if one.standing in LEARNED}
    outstanding = {
        uscc: left
        for uscc, said in outstanding.items()
        if (left := tuple(one for one in said if one.standing in LEARNED or one.tin not in taken))
    }
    wrong: set[int] = set()
    for uscc, unsent in waiting.items():
        if uscc in states and _still_right(unsent, outstanding.get(uscc, ()), last.get(uscc)):
            outstanding.pop(uscc, None)
        elif uscc in states or any(one.statement.tin in taken for one in unsent):
            wrong.update(one.row for one in unsent)
    return outstanding, last, wrong


def _still_right(unsent: Sequence[Disclosure], outstanding: Sequence[Statement], last: Disclosure | None) -> bool:
    """What is unsent is just the news; or nothing is news any more because a list or response queued after it says the same."""
    if not outstanding:
        return last is not None and last.row > unsent[0].row
    return {one.statement for one in unsent} == set(outstanding)


def _changes_of(last: Disclosure | None, now: Statement | Silence, shared: frozenset[str]) -> tuple[Statement, ...]:
    """What is news; and what was said in vain, because its message expired without a receipt."""
    outstanding = changes(last.statement if last else None, now, shared)
    if outstanding or last is None or last.state != "expired":
        return outstanding
    before = last.statement
    if before.standing in LEARNED:
        return (now,) if isinstance(now, Statement) else ()
    return () if before.standing is Standing.DELISTED else (ending(before, before.standing, before.effective, shared),)
