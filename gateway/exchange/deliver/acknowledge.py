"""What partners say of our messages: receipts prove arrival, results prove acceptance, refusals end a try."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import cast

from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.model import DIALECT_KINDS, Header, Kind
from gateway.core.protocol import OwnPayload, QueryOutcome, Receipt, RecordResult, RefusalNotice
from gateway.store import disclosures, journal, queries, sent

log = logging.getLogger(__name__)


def apply(connection: Connection, header: Header, said: OwnPayload, body: bytes, received: datetime) -> None:
    """A receipt, refusal or result that came as a message of its own (``body``). Raises ``Refusal`` when it is not about a message of
    ours: a receipt for an unknown message, for another partner's, with a wrong digest, or for a receipt is none, for none of those
    is in this partner's outbox.
    """
    about = header.refers_to or ""
    ours = sent.find(connection, header.sender, about)
    if ours is None or ours.digest is None:
        raise Refusal(
            Code.REFERENCE_UNKNOWN,
            f"This gateway sent {header.sender} no message {about or '(none named)'}.",
            field="RefersTo",
            value=about,
        )
    match said:
        case Receipt() as receipt:
            digest = check_receipt(receipt, about, ours.digest)
            delivered(connection, ours.id, header.sender, about, digest=digest, answer=body, at=received)
        case RefusalNotice() as refused:
            if ours.body is not None and ends(check_refusal(refused, ours.body), ours.kind):
                state = "delivered" if closes(refused, ours.kind) else "dead"
                sent.settle(connection, ours.id, state, at=received, answer=body, problem=sentence(refused))
                if closes(refused, ours.kind):  # after a receipt too: it was asked, and this is the answer
                    cannot_be_said(connection, header.sender, about, header.id, received)
        case results:
            records = cast("tuple[RecordResult, ...]", results)
            check_result(records, about, sent.codes(connection, ours.id) if ours.kind in DIALECT_KINDS else frozenset())
            outcomes = {record.code: record.outcome for record in records}
            disclosures.accepted(connection, ours.id, outcomes, header.id)
            counted: dict[str, object] = {"about": about, "outcomes": Counter(outcomes.values())}
            journal.append(connection, "result", header.id, counted, at=received, partner=header.sender)


def delivered(connection: Connection, row: int, partner: str, message_id: str, *, digest: str, answer: bytes, at: datetime) -> None:
    """A checked receipt (``answer``) proves that our message arrived. The same or another receipt once more changes nothing."""
    if sent.settle(connection, row, "delivered", at=at, answer=answer):
        disclosures.arrived(connection, row, at)
        proof: dict[str, object] = {"digest": digest, "receipt": sha256(answer).hexdigest()}
        journal.append(connection, "delivered", message_id, proof, at=at, partner=partner)


def check_receipt(receipt: Receipt, message_id: str, digest: str | None) -> str:
    """The digest that the receipt is for. Raises ``Refusal`` RECEIPT_MISMATCH unless that is of this message and these bytes."""
    if receipt.message != message_id or digest is None or receipt.digest != digest:
        raise Refusal(
            Code.RECEIPT_MISMATCH,
            f"The receipt is for {receipt.message} with digest {receipt.digest[:16]}..., the message sent was {message_id}.",
            facts={"sent": str(digest), "receipt": receipt.digest},
        )
    return digest


def check_refusal(refused: RefusalNotice, body: bytes) -> RefusalNotice:
    """What a partner's refusal says of the bytes that we sent. Raises ``Refusal`` RECEIPT_MISMATCH where it is about others: whoever
    replays an old one must not be able to end what it never spoke of."""
    came = sha256(body).hexdigest()
    if refused.about != came:
        raise Refusal(
            Code.RECEIPT_MISMATCH,
            "The refusal is not about the bytes that were sent.",
            facts={"sent": came, "refused": refused.about},
        )
    return refused


def check_result(records: Iterable[RecordResult], about: str, told: frozenset[str] | None) -> None:
    """Raises ``Refusal`` for a result that says two things of one operator (OPERATOR_REPEATED), or anything of one of whom the message
    did not speak (REFERENCE_UNKNOWN): which of the two holds, or what it is about, cannot be told. ``told`` None: nobody noted of whom."""
    named = Counter(record.code for record in records)
    for code, times in named.items():
        if times > 1:
            detail = f"The result says {times} things about one operator."
            raise Refusal(Code.OPERATOR_REPEATED, detail, field="code", value=code, remedy="Name each operator once.")
    strange = next((code for code in named if code not in told), None) if told is not None else None
    if strange is not None:
        raise Refusal(
            Code.REFERENCE_UNKNOWN,
            f"Message {about} did not speak of this operator.",
            field="code",
            value=strange,
            remedy="Name the operators of the message that the result is about, and nobody else.",
        )


def closes(refused: RefusalNotice, kind: Kind) -> bool:
    """Whether it is an answer: of this query the partner cannot say anything, and it need not be asked again."""
    return kind is Kind.QUERY and refused.code == str(Code.CANNOT_SAY)


def ends(refused: RefusalNotice, kind: Kind) -> bool:
    """Whether the message is not tried again after this refusal."""
    return not refused.retryable or closes(refused, kind)


def cannot_be_said(connection: Connection, partner: str, message_id: str, answer: str | None, at: datetime) -> None:
    """Closes the query that was sent under this id. Whatever is known of the operator stays as it was."""
    asked = queries.find(connection, partner, message_id)
    if asked is None or asked.closed is not None:
        return
    queries.close(connection, asked.id, QueryOutcome.CANNOT_SAY, answer, at)
    said: dict[str, object] = {"asked": asked.tin, "outcome": QueryOutcome.CANNOT_SAY.value, "query": message_id}
    journal.append(connection, "query", message_id, said, at=at, partner=partner)
    log.warning("%s cannot say anything of %s; its standing stays as it was", partner, asked.tin)


def sentence(refused: RefusalNotice) -> str:
    """A refusal in one line, for a person."""
    return f"{refused.code}: {refused.detail} {refused.remedy}".strip()[:500]
