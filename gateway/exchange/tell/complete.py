"""The complete list of every enterprise that a partner may hear of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from sqlalchemy import Connection

from gateway.core.arrangement import Arrangement
from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.domestic.projection import (
    LEARNED,
    in_list,
    project,
)
from gateway.exchange.tell.documents import documents, enqueue
from gateway.exchange.tell.recipient import QueuedNotices, Recipient, StatementsByEnterprise, pairs
from gateway.exchange.tell.told import last_told, proven_to_know
from gateway.node.context import Context
from gateway.store import disclosures, enterprises, partners
from gateway.store.active import ActivePartner
from gateway.store.disclosures import Disclosure
from gateway.store.enterprises import unpack


def full_list(connection: Connection, node: Context, live: ActivePartner, at: datetime) -> int:
    """Queues the complete list of every enterprise this partner may hear of, in as many parts as it takes; returns how many it names.

    Whom it had learned of and the list no longer names is thereby delisted; that is noted. What it was told before and has proven
    to know keeps its proof.
    """
    partners.lock(connection, live.arrangement.iso)
    return complete_list(Recipient(connection, node, live, at, QueuedNotices()))


def complete_list(recipient: Recipient) -> int:
    if not enterprises.any_known(recipient.connection):
        return 0  # a complete list of nobody would take everybody's benefits away
    last, _ = last_told(disclosures.tellings(recipient.connection, recipient.iso))
    named, omitted = pictured(recipient.connection, recipient.arrangement, recipient.day, last)
    parts = documents(recipient, Kind.LIST, named, last)
    said = {uscc for document in parts for uscc in document.changes}
    problems = recipient.node.partners.problems
    recipient.ask_for_words(complete=True)
    if ended := sorted(uscc for uscc in named.keys() - said if uscc in last and last[uscc].statement.standing in LEARNED):
        # Left out of a complete list they would be delisted for want of a word that only a person can supply.
        waits = (
            f"The complete list waits: without words that are missing it would end {', '.join(ended)}, of whom the partner knows."
        )
        problems.failed(recipient.iso, "list", Refusal(Code.DATA_INVALID, waits))
        return 0
    problems.worked(recipient.iso, "list")
    for part, document in enumerate(parts, 1):
        row = enqueue(recipient, Kind.LIST, document, Picture(as_of=recipient.at, part=part, parts=len(parts)))
        fresh = [(uscc, one) for uscc, one in pairs(document.changes) if not proven_to_know(last.get(uscc), one)]
        disclosures.tell(recipient.connection, recipient.iso, [*fresh, *(omitted if part == 1 else ())], row, recipient.at)
    return len(said)


def pictured(
    connection: Connection, arrangement: Arrangement, day: date, last: Mapping[str, Disclosure]
) -> tuple[StatementsByEnterprise, list[tuple[str, Statement]]]:
    """Whom a complete list names, and who it thereby says is gone: those of whom the partner had learned."""
    named: StatementsByEnterprise = {}
    omitted: list[tuple[str, Statement]] = []
    for uscc, packed in enterprises.every(connection):
        before = last[uscc].statement if uscc in last else None
        statement = in_list(before, project(unpack(packed), arrangement, day))
        if statement is not None:
            named[uscc] = (statement,)
        elif before is not None and before.standing in LEARNED:
            omitted.append((uscc, Statement(tin=before.tin, standing=Standing.DELISTED)))
    tins = {one.tin for said in named.values() for one in said}
    return named, [(uscc, one) for uscc, one in omitted if one.tin not in tins]
