"""The shelves of retention: what is kept, by class and state, what it is kept for, and what of it can be put away.

What is open is never closed here, whatever a rule says: what waits to be judged or sent or decided, what failed and a person may still
send again. Ids, digests, statements and the journal are in no class: they outlive the bytes.

What is kept of staff stands in ``store/staff_classes.py``: it goes by a default of ours where nobody says how long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, func, select, tuple_
from sqlalchemy import true as always

from gateway.core.four_eyes import Decision
from gateway.store import proposals
from gateway.store.retention_class import RetentionClass, length_of
from gateway.store.staff_classes import STAFF_CLASSES
from gateway.store.tables import (
    announced,
    belief,
    checkpoint,
    enterprise_record,
    entry,
    fact,
    intake,
    job,
    listing,
    listing_part,
    message,
    operator,
    outbox,
    proposal,
    statement,
    transcription,
    voiding,
)

#: Messages (partner, id) that something other than their statements still needs.
_NEEDED = (
    select(listing.c.partner, listing_part.c.message_id)
    .join(listing, listing.c.id == listing_part.c.listing)
    .where(listing.c.state.in_(("waiting", "held"))),
    select(announced.c.partner, announced.c.message_id),
    select(belief.c.partner, belief.c.outcome_message).where(belief.c.outcome_message.is_not(None)),
    select(voiding.c.partner, voiding.c.subject)
    .join(proposal, proposals.about(Decision.ANNULMENT, voiding))
    .where(proposal.c.state == "open", voiding.c.what == "message"),
)
_identity = tuple_(message.c.partner, message.c.message_id)
_unneeded = and_(*(_identity.not_in(needed) for needed in _NEEDED))
_no_belief = outbox.c.id.not_in(select(belief.c.outbox))

#: What can be put away, in the order in which it is: a receipt goes after the message it is for.
RETENTION_CLASSES = (
    RetentionClass(
        "messages",
        "partners' messages as they were signed",
        "proof of what an answer rested on",
        "id, digest, certificate, receipt, every statement",
        message,
        message.c.received,
        length_of(message.c.body),
        message.c.body.is_not(None),
        _unneeded,
        message.c.message_id,
        message.c.digest,
        {"body": None},
    ),
    RetentionClass(
        "sent",
        "our messages that arrived or were superseded",
        "proof of what a partner was told",
        "id, digest, the partner's receipt",
        outbox,
        outbox.c.finished,
        length_of(outbox.c.body, outbox.c.payload, outbox.c.codes),
        outbox.c.payload != "",
        # What expired or was given up is a person's to look at and to send again.
        outbox.c.state.in_(("delivered", "mailed", "superseded", "reissued")) & _no_belief,
        outbox.c.message_id,
        outbox.c.digest,
        {"body": None, "payload": "", "codes": None},
        asked=True,
    ),
    RetentionClass(
        "receipts-given",
        "our signed receipts for partners' messages",
        "the answer to the same message again; proof with it",
        "id, digest of the message; the receipt's in the journal",
        message,
        message.c.received,
        length_of(message.c.answer),
        func.length(message.c.answer) > 0,
        message.c.pruned.is_not(None),
        message.c.message_id,
        message.c.digest,
        {"answer": b""},
        marks=False,
        asked=True,
    ),
    RetentionClass(
        "receipts-got",
        "partners' signed receipts for our messages",
        "proof that a message arrived",
        "id, digest; the receipt's in the journal",
        outbox,
        outbox.c.finished,
        length_of(outbox.c.answer),
        func.length(outbox.c.answer) > 0,
        outbox.c.pruned.is_not(None),
        outbox.c.message_id,
        outbox.c.digest,
        {"answer": b""},
        marks=False,
    ),
    RetentionClass(
        "refused",
        "messages of partners that were refused, and our refusals",
        "finding out with the partner what was wrong",
        "code, sentence; digests in the journal",
        intake,
        intake.c.received,
        length_of(intake.c.body, intake.c.answer),
        intake.c.pruned.is_(None),
        intake.c.outcome.in_(("refused", "conflict")),
        intake.c.id,
        None,
        {"body": b"", "answer": None},
    ),
    RetentionClass(
        "quarantine",
        "what nobody proved to be a partner's",
        "finding out who it was",
        "digests in the journal",
        intake,
        intake.c.received,
        length_of(intake.c.body, intake.c.answer),
        intake.c.outcome == "quarantined",
        always(),
        intake.c.id,
        None,
        None,
    ),
    RetentionClass(
        "arrivals",
        "when and from which address each accepted message came",
        "following up on a stolen key",
        "the message",
        intake,
        intake.c.received,
        length_of(intake.c.remote),
        intake.c.outcome.in_(("accepted", "duplicate")),
        always(),
        intake.c.id,
        None,
        None,
    ),
    RetentionClass(
        "transcribed",
        "spreadsheets that a partner mailed and a person discarded",
        "finding out why",
        "id, digest, who discarded it and why",
        transcription,
        transcription.c.decided,
        length_of(transcription.c.body),
        transcription.c.body.is_not(None),
        transcription.c.state == "discarded",
        transcription.c.message_id,
        transcription.c.digest,
        {"body": None},
        marks=False,
    ),
    RetentionClass(
        "job-results",
        "what came of long work that somebody asked for",
        "looking at it again",
        "who asked for it, when, and how it ended",
        job,
        job.c.ended,
        length_of(job.c.body),
        job.c.body.is_not(None),
        job.c.state == "done",
        job.c.id,
        None,
        {"body": None, "media": None},
        marks=False,
    ),
    RetentionClass(
        "revocation",
        "revocation lists and responses that messages were judged with",
        "proof that a certificate could be relied on",
        "digests in the journal's entries of the messages",
        fact,
        fact.c.stored,
        length_of(fact.c.der),
        always(),
        always(),
        fact.c.digest,
        fact.c.digest,
        None,
    ),
    *STAFF_CLASSES,
)
BY_NAME = {one.name: one for one in RETENTION_CLASSES}

#: What no rule puts away, with its moments and sizes, and why.
KEPT: Mapping[str, tuple[str, Table, Any, ColumnElement[Any]]] = {
    "journal": ("it shows tampering only whole", entry, entry.c.at, length_of(entry.c.body, entry.c.leaf)),
    "checkpoints": (
        "they seal the journal",
        checkpoint,
        checkpoint.c.sealed,
        length_of(checkpoint.c.frontier, checkpoint.c.signed),
    ),
    "statements": ("answers as they were known then", statement, statement.c.received, length_of(statement.c.body)),
    "feed": (
        "answers as they were known then",
        enterprise_record,
        enterprise_record.c.recorded,
        length_of(enterprise_record.c.body),
    ),
    "certificates": ("without them nothing is proven", announced, announced.c.since, length_of(announced.c.certificate)),
    "list-parts": ("which messages each list came in", listing_part, None, length_of(listing_part.c.statements)),
    "timelines": ("today's answers", operator, None, length_of(operator.c.timeline)),
}
