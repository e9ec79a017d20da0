"""Step 7 of receive: one transaction that claims the id and records everything the message means.

The partner's row is locked first, so messages of one partner are recorded one after another and those of different partners do
not wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.model import Header, Kind
from gateway.exchange.certificates import partner, revocation_evidence
from gateway.exchange.receive.apply import take_in
from gateway.exchange.receive.follow_up import follow_up, numbered, send
from gateway.exchange.receive.translate import Translated
from gateway.node.committed import Change
from gateway.node.node import Node
from gateway.store import journal, messages, partners, statements
from gateway.wire import payloads


@dataclass(frozen=True, slots=True)
class Recorded:
    """The signed answer that now stands for the message, and what it changed.

    ``fresh`` is False for a duplicate. ``pull`` is the header of a message that asks for one of ours.
    """

    answer: bytes
    fresh: bool
    change: Change = field(default_factory=Change)
    pull: Header | None = None


def record(
    connection: Connection, node: Node, message: Translated, *, kept: int, body: bytes, receipt: bytes, received: datetime
) -> Recorded:
    """Claims and records; raises ``Refusal`` (ID_CONFLICT and the business codes) with nothing recorded.

    The same id with the same signed digest gets the stored receipt again.
    """
    proven = message.proven
    header, iso, digest = proven.header, proven.header.sender, proven.digest
    pull = header if header.kind is Kind.PULL else None
    state = partners.lock(connection, iso)
    stored = _receipt_of_before(connection, header, digest)
    if stored is not None:
        messages.close(connection, kept, "duplicate", partner=iso)
        return Recorded(stored, fresh=False, pull=pull)
    if state != "active":
        raise Refusal(Code.PARTNER_SUSPENDED, f"Exchange with {iso} is {state}.")
    if partner.withdrawn_now(connection, iso, proven.fingerprint):
        # Proven while this node had not heard yet, or while the voiding held the partner's row.
        raise Refusal(Code.CERTIFICATE_REVOKED, "The certificate was withdrawn.", facts={"certificate": proven.fingerprint})
    implied = follow_up(connection, node, message, body, received)
    seen = numbered(connection, node, message, received)
    entry = _journal(connection, node, message, receipt, received)
    messages.claim_id(
        connection,
        header,
        digest=digest,
        fingerprint=proven.fingerprint,
        bundle=proven.live.bundle.digest,
        received=received,
        statements=len(message.placed),
        body=body,
        answer=receipt,
        epoch=seen.epoch,
    )
    messages.close(connection, kept, "accepted", partner=iso)
    placed = message.placed + implied
    if not placed and header.kind is not Kind.LIST:
        return Recorded(receipt, fresh=True, pull=pull)
    outcomes, timelines = take_in(connection, message.incoming._replace(placed=placed, epoch=seen.epoch), entry, received)
    if header.kind is not Kind.RESPONSE:
        for about, results in outcomes.items():
            send(connection, node, message, Kind.RESULT, payloads.write_result(results), received, refers_to=about)
    return Recorded(receipt, fresh=True, change=Change(timelines, entry, lists_or_switches=header.kind is Kind.LIST))


def _receipt_of_before(connection: Connection, header: Header, digest: str) -> bytes | None:
    """The receipt that this very message got before; None: its id is new. Raises ``Refusal`` ID_CONFLICT for other content."""
    known = messages.claimed(connection, header.sender, header.id)
    if known is None:
        return None
    first, receipt = known
    if first != digest:
        problem = f"Message {header.id} was received before with other content."
        raise Refusal(Code.ID_CONFLICT, problem, facts={"stored": first, "came": digest})
    if not receipt:
        raise Refusal(Code.TOO_OLD, f"Message {header.id} was received long ago; its receipt is no longer kept.", field="Id")
    return receipt


def _journal(connection: Connection, node: Node, message: Translated, receipt: bytes, received: datetime) -> int:
    """The entry that says what was received, by what it was judged, and what was answered."""
    proven = message.proven
    iso = proven.header.sender
    said: dict[str, object] = {
        "message": proven.header.kind.value,
        "digest": proven.digest,
        "certificate": proven.fingerprint,
        "partner_data": proven.live.bundle.digest,
        "statements": len(message.placed),
        "statements_digest": statements.digest(message.placed),
        "receipt": sha256(receipt).hexdigest(),
        "revocation": revocation_evidence.keep(connection, node.trust, iso, received),
    }
    return journal.append(connection, "message", proven.header.id, said, at=received, partner=iso)
