"""Statements as documents that the partner's own schema takes, none too large. What its XML cannot say is noted and left out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from gateway.core.errors import Refusal
from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.domestic.projection import (
    LEARNED,
    ending,
)
from gateway.exchange.tell import compose
from gateway.exchange.tell.recipient import OutgoingDocument, Recipient, StatementsByEnterprise
from gateway.node.context import new_id
from gateway.store.disclosures import Disclosure

#: Bytes of one document; larger ones are split. With its signature a message stays below the 20 MiB that are accepted.
LARGEST = 16 << 20


def documents(
    recipient: Recipient, kind: Kind, changes: StatementsByEnterprise, last: Mapping[str, Disclosure]
) -> list[OutgoingDocument]:
    """The news as documents that the partner's own schema takes, none too large. What cannot be said is noted and left out."""
    if not changes and kind is not Kind.LIST:
        return []
    message_id, statements = new_id(), [one for said in changes.values() for one in said]
    picture = Picture(as_of=recipient.at) if kind is Kind.LIST else None
    try:
        payload = compose.document(recipient.node, recipient.live, kind, statements, message_id, recipient.at, picture=picture)
        if len(payload.encode()) > LARGEST and len(changes) > 1:
            return _in_two(recipient, kind, changes, last)
        compose.validate(recipient.live, payload, recipient.at)
    except Refusal as refusal:
        sayable = {
            uscc: said for uscc, one in changes.items() if (said := _expressible(recipient, kind, uscc, one, last.get(uscc)))
        }
        if sayable == changes and len(changes) > 1 and kind is not Kind.LIST:
            return _in_two(recipient, kind, changes, last)  # a document may speak of one operator only
        if sayable == changes:
            recipient.unsaid("", refusal)  # it would come back; nobody else is to wait for that
            return []
        return documents(recipient, kind, sayable, last)
    return [OutgoingDocument(message_id, payload, changes)]


def _in_two(
    recipient: Recipient, kind: Kind, changes: StatementsByEnterprise, last: Mapping[str, Disclosure]
) -> list[OutgoingDocument]:
    first = dict(islice(changes.items(), len(changes) // 2))
    second = {uscc: said for uscc, said in changes.items() if uscc not in first}
    return [*documents(recipient, kind, first, last), *documents(recipient, kind, second, last)]


def _expressible(
    recipient: Recipient, kind: Kind, uscc: str, said: tuple[Statement, ...], last: Disclosure | None
) -> tuple[Statement, ...]:
    """``said`` where the partner's XML can say it; a standing that today's words cannot carry goes out in the words last told."""
    tries = [said]
    if last is not None and last.statement.standing in LEARNED:
        plain = tuple(
            ending(last.statement, one.standing, one.effective, recipient.shared) for one in said if one.tin == last.statement.tin
        )
        if plain and (kind is Kind.LIST or any(one.standing is not Standing.VALID for one in plain)):
            tries.append(plain)
    picture = Picture(as_of=recipient.at) if kind is Kind.LIST else None
    for statements in tries:
        try:
            compose.validate(
                recipient.live,
                compose.document(recipient.node, recipient.live, kind, statements, new_id(), recipient.at, picture=picture),
                recipient.at,
            )
        except Refusal as refusal:
            cause = refusal
        else:
            return statements
    recipient.unsaid(uscc, cause)
    return ()


def enqueue(recipient: Recipient, kind: Kind, document: OutgoingDocument, picture: Picture | None = None) -> int:
    recipient.notices.queued[recipient.iso] = recipient.notices.queued.get(recipient.iso, 0) + 1
    return compose.enqueue(
        recipient.connection,
        recipient.node,
        recipient.live,
        kind,
        document.payload,
        document.message_id,
        recipient.at,
        picture=picture,
        codes=dict.fromkeys(one.tin for said in document.changes.values() for one in said),
    )
