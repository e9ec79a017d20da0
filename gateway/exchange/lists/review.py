"""A held list: a person lets it apply, or sets it aside."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from gateway.core.arrangement import Arrangement
from gateway.core.errors import Code, Refusal
from gateway.exchange.lists import threshold
from gateway.exchange.lists.weigh import delisted
from gateway.node.committed import Change
from gateway.store import journal, messages, partners, statements
from gateway.store.active import ActivePartner, folding
from gateway.store.listings import messages_of
from gateway.store.tables import listing


def release(connection: Connection, live: ActivePartner, identity: int, *, who: str, reason: str, at: datetime) -> Change:
    """A person lets a held list apply: its grants grant, and whom it does not name is delisted, with those who came in meanwhile.

    Returns what changed. Raises ``Refusal`` NOT_FOUND where no such list waits.
    """
    arrangement = live.arrangement
    row = _decided(connection, arrangement.iso, identity, "released", at)
    carried = messages_of(connection, identity)
    tins = set(statements.release(connection, arrangement.iso, carried, at))
    missed = threshold.standing(connection, arrangement, row.scope, row.as_of) - tins
    missed -= statements.named_in(connection, arrangement.iso, carried, missed)
    claimed = messages.claimed(connection, arrangement.iso, carried[-1])
    assert claimed is not None, "a list came in claimed messages"
    late = [delisted(tin, row.as_of, carried[-1], claimed[0], at) for tin in sorted(missed)]
    statements.record(connection, arrangement.iso, late)
    return _refold(connection, arrangement, row, tins | missed, "release", who=who, reason=reason, at=at)


def drop(connection: Connection, live: ActivePartner, identity: int, *, who: str, reason: str, at: datetime) -> Change:
    """A person sets a held list aside: what it would grant and omit is void. The losses it states stay (choice: taking back a loss
    takes two people, see ``void``). Returns what changed; raises ``Refusal`` NOT_FOUND where no such list waits.
    """
    arrangement = live.arrangement
    row = _decided(connection, arrangement.iso, identity, "dropped", at)
    tins = statements.drop(connection, arrangement.iso, messages_of(connection, identity), at)
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
) -> Change:
    iso, concerned = arrangement.iso, sorted(tins)
    said: dict[str, object] = {"decision": decision, "who": who, "reason": reason, "operators": concerned}
    said |= {"scope": row.scope, "as_of": row.as_of}
    entry = journal.append(connection, "decision", f"list-{row.id}", said, at=at, partner=iso)
    placed = statements.statements_of(connection, iso, concerned)
    timelines = statements.refold(connection, iso, placed, folding(arrangement), entry)
    return Change(timelines, entry, lists_or_switches=True)
