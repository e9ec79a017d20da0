"""Steps 1 to 7 of receiving for one message that is kept: judged without a database, recorded in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.core.errors import Refusal
from gateway.core.model import Header, Kind
from gateway.exchange.bindings.base import Transport
from gateway.exchange.bindings.https import identify_sender, prove, reply
from gateway.exchange.receive.record import Recorded, record
from gateway.exchange.receive.translate import Translated, translate
from gateway.node.node import Node
from gateway.store.messages import Kept
from gateway.wire import envelope
from gateway.wire.envelope import Receipt


@dataclass(slots=True)
class Outcome:
    """How it ended; who is claimed to speak, and the header once it is proven, as far as it came. Pickles."""

    ended: Recorded | Refusal | None = None
    claimed: str | None = None
    proven: Header | None = None


def check(node: Node, kept: Kept, outcome: Outcome) -> tuple[Translated, bytes]:
    """Steps 1 to 6, and the receipt that will stand for the message once it is recorded. Raises ``Refusal``."""
    claimed = identify_sender(node, kept.body, Transport(kept.remote, kept.identity))  # 1, 2
    outcome.claimed = claimed.live.arrangement.iso
    node.fault_point("claimed")
    proven = prove(node, claimed, kept.received)  # 3
    outcome.proven = proven.header
    node.fault_point("proven")
    judged = translate(proven, kept.received)  # 4, 5, 6
    node.fault_point("translated")
    # Signed before the write lock is taken: a slow key must not hold up every other partner.
    receipt = envelope.write_receipt(Receipt(proven.header.id, proven.envelope.digest, kept.received, node.checkpoint))
    return judged, reply(node, Kind.RECEIPT, receipt, to=proven.header.sender, refers_to=proven.header.id, at=kept.received)


def finish(connection: Connection, node: Node, judged: Translated, kept: Kept, receipt: bytes) -> Recorded:
    """Step 7, as a job of a writer. Raises ``Refusal`` with nothing recorded."""
    recorded = record(connection, node, judged, kept=kept.id, body=kept.body, receipt=receipt, received=kept.received)
    node.fault_point("recording")
    return recorded
