"""Steps 1 to 7 of receiving for one message that is kept: judged without a database, recorded in one transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.core.errors import Refusal
from gateway.core.model import DIALECT_KINDS, Header
from gateway.exchange.bindings.base import Transport
from gateway.exchange.bindings.table import BINDINGS
from gateway.exchange.receive.record import Recorded, record
from gateway.exchange.receive.translate import Translated, translate
from gateway.node.node import Node
from gateway.store.messages import Kept


@dataclass(slots=True)
class Outcome:
    """How it ended; who is claimed to speak, and the header once it is proven, as far as it came. Pickles."""

    ended: Recorded | Refusal | None = None
    claimed: str | None = None
    proven: Header | None = None


def check(node: Node, kept: Kept, outcome: Outcome) -> tuple[Translated, bytes]:
    """Steps 1 to 6, and the receipt that will stand for the message once it is recorded. Raises ``Refusal``."""
    binding = BINDINGS[kept.binding]
    claimed = binding.identify_sender(node, kept.body, Transport(kept.remote, kept.identity, kept.binding))  # 1, 2
    outcome.claimed = claimed.live.arrangement.iso
    node.fault_point("claimed")
    proven = binding.prove(node, claimed, kept.received)  # 3
    outcome.proven = proven.header
    node.fault_point("proven")
    if proven.header.kind in DIALECT_KINDS:
        message = translate(proven, kept.received)  # 4, 5, 6
    else:
        message = Translated(proven, own=binding.own_payload(proven))
    node.fault_point("translated")
    # Signed before the write lock is taken: a slow key must not hold up every other partner.
    return message, binding.receipt(node, proven, kept.received)


def finish(connection: Connection, node: Node, message: Translated, kept: Kept, receipt: bytes) -> Recorded:
    """Step 7, as a job of a writer. Raises ``Refusal`` with nothing recorded."""
    recorded = record(connection, node, message, kept=kept.id, body=kept.body, receipt=receipt, received=kept.received)
    node.fault_point("recording")
    return recorded
