"""The payloads that are ours: receipt, refusal, result, resend, ping, pull, keys. Each is written and read here, and nowhere else."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Priority
from gateway.core.moments import read_moment, utc_text
from gateway.core.protocol import Announced, Checkpoint, OwnPayload, Proof, Receipt, RecordResult, RefusalNotice, Resend
from gateway.core.text import visible
from gateway.wire.xml import escape

#: The namespaces of the envelope and of everything in it that is ours, by its version (schemas/exchange/<version>/exchange.xsd).
NAMESPACES: Mapping[int, str] = {1: "urn:aeo-gateway:exchange:1", 2: "urn:aeo-gateway:exchange:2"}
#: That of the first version, in which payloads are written and wait; ``in_version`` puts one into the words it travels in.
NAMESPACE = NAMESPACES[1]
#: In so many bytes a document has declared the namespace of its root.
_BEGINNING = 1_024


def version_of(element: etree._Element) -> int | None:
    """The version of the envelope whose word an element is; None: of none."""
    namespace = etree.QName(element).namespace
    return next((version for version, its in NAMESPACES.items() if its == namespace), None)


def version_begun(body: bytes) -> int | None:
    """The version of the envelope that a document begins, as far as it can be seen there; None: of none, or of two."""
    beginning = body[:_BEGINNING]
    named = [version for version, namespace in NAMESPACES.items() if namespace.encode() in beginning]
    return named[0] if len(named) == 1 else None


def in_version(payload: str, version: int) -> str:
    """A payload as this module writes it, in the words of another version: they differ by the namespace, declared where it begins."""
    return payload.replace(NAMESPACE, NAMESPACES[version], 1)


def _namespaced(name: str, attributes: str, inside: str) -> str:
    return f'<x:{name} xmlns:x="{NAMESPACE}"{attributes}>{inside}</x:{name}>'


class _Own(NamedTuple):
    """A payload of ours, and how its names begin."""

    element: etree._Element
    x: str

    def text(self, name: str) -> str:
        return self.element.findtext(f"{self.x}{name}", "")


def _checked(payload: etree._Element, name: str) -> _Own:
    version = version_of(payload)
    if version is None or etree.QName(payload).localname != name:
        raise Refusal(
            Code.ENVELOPE_INVALID,
            f"A message of kind {name.lower()} carries a {name} element.",
            value=etree.QName(payload).localname,
        )
    return _Own(payload, f"{{{NAMESPACES[version]}}}")


def write_receipt(receipt: Receipt) -> str:
    inside = (
        f"<x:Message>{escape(receipt.message)}</x:Message><x:Digest>{receipt.digest}</x:Digest>"
        f"<x:Received>{utc_text(receipt.received)}</x:Received>"
    )
    if receipt.checkpoint is not None:
        point = receipt.checkpoint
        inside += f'<x:Checkpoint root="{point.root}" sealed="{utc_text(point.sealed)}" size="{point.size}"></x:Checkpoint>'
    return _namespaced("Receipt", "", inside)


def read_receipt(payload: etree._Element) -> Receipt:
    own = _checked(payload, "Receipt")
    point = own.element.find(f"{own.x}Checkpoint")
    return Receipt(
        message=own.text("Message"),
        digest=own.text("Digest"),
        received=read_moment(own.text("Received")),
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
        + f"{line}<x:Digest>{digest}</x:Digest><x:Clock>{utc_text(clock)}</x:Clock>"
    )
    return _namespaced("Refusal", "", inside)


def read_refusal(payload: etree._Element) -> RefusalNotice:
    own = _checked(payload, "Refusal")
    return RefusalNotice(
        code=own.text("Code"),
        detail=own.text("Detail"),
        remedy=own.text("Remedy"),
        retryable=own.text("Retryable") in ("true", "1"),
        about=own.text("Digest"),
    )


def write_result(records: Iterable[RecordResult]) -> str:
    parts = [
        f'<x:Record code="{escape(record.code)}" outcome="{record.outcome}"'
        + (f' reason="{record.reason}"' if record.reason else "")
        + "></x:Record>"
        for record in records
    ]
    return _namespaced("Result", f' records="{len(parts)}"', "".join(parts))


def read_result(payload: etree._Element) -> tuple[RecordResult, ...]:
    element = _checked(payload, "Result").element
    records = tuple(RecordResult(child.get("code", ""), child.get("outcome", ""), child.get("reason")) for child in element)
    if len(records) != int(element.get("records", "-1")):
        raise Refusal(Code.COUNT_MISMATCH, f"The result announces {element.get('records')} records and holds {len(records)}.")
    return records


def write_resend(wanted: Resend) -> str:
    return _namespaced("Resend", f' class="{wanted.priority}" from="{wanted.first}" to="{wanted.last}"', "")


def read_resend(payload: etree._Element) -> Resend:
    element = _checked(payload, "Resend").element
    return Resend(Priority(element.get("class", "")), int(element.get("from", "0")), int(element.get("to", "0")))


def write_empty(kind: Kind) -> str:
    """The payload of a ping or a pull."""
    return _namespaced(kind.value.capitalize(), "", "")


def _read_empty(payload: etree._Element, *, name: str) -> None:
    _checked(payload, name)


def write_keys(announced: Iterable[Announced]) -> str:
    """Certificates with their proofs for version 2, without any for version 1."""
    return _namespaced("Keys", "", "".join(map(_certificate, announced)))


def _certificate(one: Announced) -> str:
    proof = "" if one.proof is None else f' algorithm="{one.proof.algorithm}" proof="{b64encode(one.proof.value).decode()}"'
    attributes = f'from="{utc_text(one.since)}" role="{one.role}"{proof}'
    return f"<x:Certificate {attributes}>{b64encode(one.certificate).decode()}</x:Certificate>"


def read_keys(payload: etree._Element) -> tuple[Announced, ...]:
    return tuple(_announced(child) for child in _checked(payload, "Keys").element)


def _announced(child: etree._Element) -> Announced:
    algorithm, value = child.get("algorithm"), child.get("proof")
    proof = None if algorithm is None or value is None else Proof(algorithm, b64decode(value))
    return Announced(child.get("role", ""), b64decode(child.text or ""), read_moment(child.get("from", "")), proof)


#: What each kind of ours carries, as read from its payload; of a ping or a pull nothing.
OURS: Mapping[Kind, Callable[[etree._Element], OwnPayload]] = {
    Kind.RECEIPT: read_receipt,
    Kind.REFUSAL: read_refusal,
    Kind.RESULT: read_result,
    Kind.RESEND: read_resend,
    Kind.KEYS: read_keys,
    Kind.PING: partial(_read_empty, name="Ping"),
    Kind.PULL: partial(_read_empty, name="Pull"),
}


def read(kind: Kind, payload: etree._Element) -> OwnPayload:
    """The payload of a kind that is ours. Raises ``Refusal``: ENVELOPE_INVALID where it is another kind's, COUNT_MISMATCH."""
    return OURS[kind](payload)
