"""What messages about messages say, whichever way they travel: receipts, refusals, results, what is asked for again, next certificates."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from hashlib import sha256

import msgspec

from gateway.core.model import Priority
from gateway.core.moments import utc_text


class Checkpoint(msgspec.Struct, frozen=True):
    """A state of the sender's journal: number of sealed entries, Merkle root (hex), moment of sealing."""

    size: int
    root: str
    sealed: datetime


class Receipt(msgspec.Struct, frozen=True):
    """Proof of arrival and durable record; it says nothing about acceptance."""

    message: str
    digest: str
    received: datetime
    checkpoint: Checkpoint | None = None


class RefusalNotice(msgspec.Struct, frozen=True):
    """A refusal as it reached us from a partner. ``about`` is the digest (SHA-256, hex) of the bytes that it refuses."""

    code: str
    detail: str
    remedy: str
    retryable: bool
    about: str


#: Reasons that only warn: the code is recorded as issued, though the national checksum fails; by the numbers, the sender's clock went back
#: before the message was made (said of each of its records, before anything else).
CHECKSUM, CLOCK_WENT_BACK = "checksum", "clock-went-back"


class RecordResult(msgspec.Struct, frozen=True):
    """What became of one record: accepted, overruled (by something issued later), held, waiting (for the other parts) or refused.
    ``reason``: ``CHECKSUM``, ``CLOCK_WENT_BACK`` or none."""

    code: str
    outcome: str
    reason: str | None = None


class QueryOutcome(StrEnum):
    """How a query of ours ended: the partner stated the operator, or said that it is no AEO, or that it cannot say."""

    STATED = "stated"
    NOT_AN_AEO = "not-an-AEO"
    CANNOT_SAY = "cannot-say"


class Resend(msgspec.Struct, frozen=True):
    """Asks again for the messages of one priority class whose sequence numbers lie in this closed range."""

    priority: Priority
    first: int
    last: int


class Proof(msgspec.Struct, frozen=True):
    """A signature made with the key that an announced certificate is of: raw, as in a SignatureValue. ``algorithm`` is a short name of the
    signature profile."""

    algorithm: str
    value: bytes


class Announced(msgspec.Struct, frozen=True):
    """A next certificate (DER), the moment from which the sender may use it, and the proof that the sender holds its key (None: the form
    in which it was announced has none)."""

    role: str
    certificate: bytes
    since: datetime
    proof: Proof | None = None


#: Begins what a key signs to show that it is its holder who announces it; nothing else that any key here signs begins so.
ANNOUNCEMENT = "urn:aeo-gateway:exchange:2#announced-key"


def possession(sender: str, receiver: str, one: Announced) -> bytes:
    """What the announced key signs: who announces it to whom, for what, from when, and which certificate. A line each, so that of two
    announcements no two are the same bytes; whoever sees a proof can use it for nothing else."""
    lines = (ANNOUNCEMENT, sender, receiver, one.role, utc_text(one.since), sha256(one.certificate).hexdigest())
    return "".join(f"{line}\n" for line in lines).encode("ascii")


#: What a message of one of our own kinds carries; a ping and a pull carry nothing.
OwnPayload = Receipt | RefusalNotice | tuple[RecordResult, ...] | Resend | tuple[Announced, ...] | None
