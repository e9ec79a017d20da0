"""What partners say of our messages: receipts prove arrival, results prove acceptance, refusals end a try."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind
from gateway.store import beliefs, journal, outbox
from gateway.wire import envelope
from gateway.wire.envelope import Envelope


def take(connection: Connection, said: Envelope, received: datetime) -> None:
    """A receipt, refusal or result that came as a message of its own. Raises ``Refusal`` when it is not about a message of ours.

    A receipt for an unknown message, for another partner's message, with a wrong digest, or for a receipt is refused: none of
    those is in this partner's outbox.
    """
    header = said.header
    about = header.refers_to or ""
    sent = outbox.sent(connection, header.sender, about)
    if sent is None:
        raise Refusal(
            Code.REFERENCE_UNKNOWN,
            f"This gateway sent {header.sender} no message {about or '(none named)'}.",
            field="RefersTo",
            value=about,
        )
    row, digest = sent
    match header.kind:
        case Kind.RECEIPT:
            check_receipt(said, about, digest)
            if outbox.settle(connection, row, "delivered", at=received):
                beliefs.arrived(connection, row, received)
        case Kind.REFUSAL:
            refused = envelope.read_refusal(said)
            outbox.settle(connection, row, "dead", at=received, problem=f"{refused.code}: {refused.detail}")
        case _:
            outcomes = {record.code: record.outcome for record in envelope.read_result(said)}
            beliefs.accepted(connection, row, outcomes, header.id)
            journal.append(
                connection, "result", header.id, {"about": about, "outcomes": outcomes}, at=received, partner=header.sender
            )


def check_receipt(said: Envelope, message_id: str, digest: str | None) -> None:
    """Raises ``Refusal`` RECEIPT_MISMATCH unless the receipt is for this message and these bytes."""
    receipt = envelope.read_receipt(said)
    if receipt.message != message_id or digest is None or receipt.digest != digest:
        raise Refusal(
            Code.RECEIPT_MISMATCH,
            f"The receipt is for {receipt.message} with digest {receipt.digest[:16]}..., the message sent was {message_id}.",
            facts={"sent": str(digest), "receipt": receipt.digest},
        )
