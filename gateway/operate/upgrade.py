"""What a newer release does once with what an older one stored.

Histories are folded when something is said of an operator, and kept folded. Where the rules of folding change, they are folded anew from
the statements, which stay as they were recorded: otherwise an operator of whom nothing new is said would be answered by the old rules.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import Connection

from gateway.store import journal, leases, statements
from gateway.store.active import ActivePartner, ActivePartners, folding
from gateway.store.bulk import chunks

log = logging.getLogger(__name__)

#: The rules by which ``core.history`` folds (core/RULES.md, Two tracks). Changed with them.
FOLD_RULES = "2026-11-30"
#: Begins the marks of partners whose histories are still folded by the rules of before.
_OWED = "fold-owed-"


def fold_anew(connection: Connection, partners: ActivePartners, at: datetime) -> int:
    """Folds every history anew if that was not done by the rules of today; returns how many. Of all nodes, one does it.

    A partner whose histories cannot be folded keeps nobody else's from it; it is tried again at every start.
    """
    fresh = leases.first(connection, "fold-rules", FOLD_RULES, at)
    owed = set(leases.marked(connection, _OWED))
    if not fresh and not owed:
        return 0
    partners.refresh(connection)
    done = 0
    for iso, live in partners.all().items():
        if not fresh and f"{_OWED}{iso}" not in owed:
            continue
        with partners.problems.apart(iso, "folding", connection) as part:
            done += _fold(connection, iso, live, at)
        if part.fault is None:
            leases.forget(connection, f"{_OWED}{iso}")
        else:
            leases.first(connection, f"{_OWED}{iso}", FOLD_RULES, at)
    if done:
        log.info("%d histories were folded anew by the rules of %s", done, FOLD_RULES)
    return done


def _fold(connection: Connection, iso: str, live: ActivePartner, at: datetime) -> int:
    tins = statements.operators_of(connection, iso)
    if not tins:
        return 0
    body: dict[str, object] = {"rules": FOLD_RULES, "operators": len(tins)}
    entry = journal.append(connection, "refold", FOLD_RULES, body, at=at, partner=iso)
    for batch in chunks(tins):
        statements.refold(connection, iso, statements.statements_of(connection, iso, batch), folding(live.arrangement), entry)
    return len(tins)
