"""The exchange envelope and the payloads that are ours: receipt, refusal, result, resend, ping, pull, keys.

Writing gives the unsigned document for ``signature.sign``. Reading takes only what ``signature.verify`` returned, and parses
again: nothing outside the signed bytes is ever looked at.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache

import msgspec
from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.model import Environment, Header, Kind, Picture, Priority
from gateway.core.text import visible
from gateway.settings import ROOT
from gateway.wire.signature import Verified
from gateway.wire.xml import escape, parse_again

NAMESPACE = "urn:aeo-gateway:exchange:1"
_X = f"{{{NAMESPACE}}}"


class Envelope(msgspec.Struct, frozen=True):
    """A message whose signature held: its header, its payload element, and the digest (SHA-256, hex) of what was signed."""

    header: Header
    payload: etree._Element
    digest: str


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
    """A refusal as it reached us from a partner."""

    code: str
    detail: str
    remedy: str
    retryable: bool


class RecordResult(msgspec.Struct, frozen=True):
    """What became of one record: accepted, overruled (by something issued later), held, waiting (for the other parts) or refused.

    ``reason`` ``checksum`` only warns: the code is recorded as issued, though the national checksum fails."""

    code: str
    outcome: str
    reason: str | None = None


class Resend(msgspec.Struct, frozen=True):
    """Asks again for the messages of one priority class whose sequence numbers lie in this closed range."""

    priority: Priority
    first: int
    last: int


class Announced(msgspec.Struct, frozen=True):
    """A next certificate (DER) and the moment from which the sender may use it."""

    role: str
    certificate: bytes
    since: datetime


def moment(value: datetime) -> str:
    """The wire form of a moment: UTC, microseconds only where there are any, Z."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def read_moment(text: str) -> datetime:
    """The inverse of ``moment``; raises ``Refusal`` for a date that no calendar has."""
    try:
        return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(Code.ENVELOPE_INVALID, "A moment in the envelope is no real date and time.", value=text) from None


def write(header: Header, payload: str) -> bytes:
    """The unsigned envelope around ``payload`` (XML text with its own namespace declarations)."""
    optional = ""
    if header.refers_to is not None:
        optional += f"<x:RefersTo>{escape(header.refers_to)}</x:RefersTo>"
    if header.sequence:
        optional += f"<x:Sequence>{header.sequence}</x:Sequence>"
    if header.dialect is not None and header.version is not None:
        optional += f'<x:Schema name="{escape(header.dialect)}" version="{escape(header.version)}"></x:Schema>'
    if header.picture is not None:
        shown = header.picture
        optional += f'<x:Picture as-of="{moment(shown.as_of)}" part="{shown.part}" parts="{shown.parts}" scope="{escape(shown.scope)}"></x:Picture>'
    return (
        f'<x:Exchange xmlns:x="{NAMESPACE}"><x:Header><x:Id>{escape(header.id)}</x:Id><x:Kind>{header.kind}</x:Kind>'
        f"<x:Sender>{escape(header.sender)}</x:Sender><x:Receiver>{escape(header.receiver)}</x:Receiver>"
        f"<x:Environment>{header.environment}</x:Environment><x:Created>{moment(header.created)}</x:Created>{optional}</x:Header>"
        f"<x:Payload>{payload}</x:Payload></x:Exchange>"
    ).encode()


def claimed_sender(root: etree._Element) -> str:
    """Who the *unverified* document says it is from: only good for choosing whose keys to try.

    Raises ``Refusal`` where the document is no exchange envelope at all.
    """
    if root.tag != f"{_X}Exchange":
        raise Refusal(
            Code.ENVELOPE_INVALID,
            "The document is no exchange envelope.",
            value=str(root.tag),
            remedy=f"Send an Exchange element of the namespace {NAMESPACE}.",
        )
    return root.findtext(f"{_X}Header/{_X}Sender") or ""


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(ROOT / "schemas" / "exchange" / "1" / "exchange.xsd"))


def read(verified: Verified) -> Envelope:
    """The envelope of a verified message. Raises ``Refusal`` (ENVELOPE_INVALID) when it is not valid against its schema."""
    root = parse_again(verified.content)
    schema = _schema()
    if not schema.validate(root):
        first = schema.error_log[0]
        raise Refusal(Code.ENVELOPE_INVALID, f"The envelope breaks its schema: {first.message}", line=first.line or None)
    element = root[0]
    picture = element.find(f"{_X}Picture")
    schema_element = element.find(f"{_X}Schema")
    header = Header(
        id=element.findtext(f"{_X}Id", ""),
        kind=Kind(element.findtext(f"{_X}Kind", "")),
        sender=element.findtext(f"{_X}Sender", ""),
        receiver=element.findtext(f"{_X}Receiver", ""),
        environment=Environment(element.findtext(f"{_X}Environment", "")),
        created=read_moment(element.findtext(f"{_X}Created", "")),
        refers_to=element.findtext(f"{_X}RefersTo"),
        sequence=int(element.findtext(f"{_X}Sequence", "0")),
        dialect=None if schema_element is None else schema_element.get("name"),
        version=None if schema_element is None else schema_element.get("version"),
        picture=None
        if picture is None
        else Picture(
            as_of=read_moment(picture.get("as-of", "")),
            scope=picture.get("scope", "*"),
            part=int(picture.get("part", "1")),
            parts=int(picture.get("parts", "1")),
        ),
    )
    return Envelope(header, root[1][0], verified.digest)


# The payloads that are ours, each with its inverse.


def _namespaced(name: str, attributes: str, inside: str) -> str:
    return f'<x:{name} xmlns:x="{NAMESPACE}"{attributes}>{inside}</x:{name}>'


def _payload(envelope: Envelope, name: str) -> etree._Element:
    if envelope.payload.tag != f"{_X}{name}":
        raise Refusal(
            Code.ENVELOPE_INVALID,
            f"A message of kind {envelope.header.kind} carries a {name} element.",
            value=etree.QName(envelope.payload).localname,
        )
    return envelope.payload


def write_receipt(receipt: Receipt) -> str:
    inside = (
        f"<x:Message>{escape(receipt.message)}</x:Message><x:Digest>{receipt.digest}</x:Digest>"
        f"<x:Received>{moment(receipt.received)}</x:Received>"
    )
    if receipt.checkpoint is not None:
        point = receipt.checkpoint
        inside += f'<x:Checkpoint root="{point.root}" sealed="{moment(point.sealed)}" size="{point.size}"></x:Checkpoint>'
    return _namespaced("Receipt", "", inside)


def read_receipt(envelope: Envelope) -> Receipt:
    element = _payload(envelope, "Receipt")
    point = element.find(f"{_X}Checkpoint")
    return Receipt(
        message=element.findtext(f"{_X}Message", ""),
        digest=element.findtext(f"{_X}Digest", ""),
        received=read_moment(element.findtext(f"{_X}Received", "")),
        checkpoint=None
        if point is None
        else Checkpoint(int(point.get("size", "0")), point.get("root", ""), read_moment(point.get("sealed", ""))),
    )


def write_refusal(refusal: Refusal, digest: str, clock: datetime) -> str:
    """``digest`` is of the bytes that came; ``clock`` is ours."""
    row = refusal.code.row

    def sentence(name: str, text: str | None) -> str:
        return "" if text is None else f"<x:{name}>{escape(visible(text)[:2000])}</x:{name}>"

    line = f"<x:Line>{refusal.line}</x:Line>" if refusal.line else ""
    inside = (
        f"<x:Code>{refusal.code}</x:Code><x:Stage>{row.stage.value}</x:Stage><x:Retryable>{str(row.retryable).lower()}</x:Retryable>"
        + sentence("Detail", refusal.detail)
        + sentence("Remedy", refusal.remedy)
        + sentence("Field", refusal.field)
        + sentence("Value", refusal.value)
        + f"{line}<x:Digest>{digest}</x:Digest><x:Clock>{moment(clock)}</x:Clock>"
    )
    return _namespaced("Refusal", "", inside)


def read_refusal(envelope: Envelope) -> RefusalNotice:
    element = _payload(envelope, "Refusal")
    return RefusalNotice(
        code=element.findtext(f"{_X}Code", ""),
        detail=element.findtext(f"{_X}Detail", ""),
        remedy=element.findtext(f"{_X}Remedy", ""),
        retryable=element.findtext(f"{_X}Retryable") in ("true", "1"),
    )


def write_result(records: Iterable[RecordResult]) -> str:
    parts = [
        f'<x:Record code="{escape(record.code)}" outcome="{record.outcome}"'
        + (f' reason="{record.reason}"' if record.reason else "")
        + "></x:Record>"
        for record in records
    ]
    return _namespaced("Result", f' records="{len(parts)}"', "".join(parts))


def read_result(envelope: Envelope) -> tuple[RecordResult, ...]:
    element = _payload(envelope, "Result")
    records = tuple(RecordResult(child.get("code", ""), child.get("outcome", ""), child.get("reason")) for child in element)
    if len(records) != int(element.get("records", "-1")):
        raise Refusal(Code.COUNT_MISMATCH, f"The result announces {element.get('records')} records and holds {len(records)}.")
    return records


def write_resend(wanted: Resend) -> str:
    return _namespaced("Resend", f' class="{wanted.priority}" from="{wanted.first}" to="{wanted.last}"', "")


def read_resend(envelope: Envelope) -> Resend:
    element = _payload(envelope, "Resend")
    return Resend(Priority(element.get("class", "")), int(element.get("from", "0")), int(element.get("to", "0")))


def write_empty(kind: Kind) -> str:
    """The payload of a ping or a pull."""
    return _namespaced(kind.value.capitalize(), "", "")


def write_keys(announced: Iterable[Announced]) -> str:
    return _namespaced(
        "Keys",
        "",
        "".join(
            f'<x:Certificate from="{moment(one.since)}" role="{one.role}">{b64encode(one.certificate).decode()}</x:Certificate>'
            for one in announced
        ),
    )


def read_keys(envelope: Envelope) -> tuple[Announced, ...]:
    return tuple(
        Announced(child.get("role", ""), b64decode(child.text or ""), read_moment(child.get("from", "")))
        for child in _payload(envelope, "Keys")
    )
