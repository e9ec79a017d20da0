"""The evidence of one message in one file, for somebody who trusts neither us nor our database.

The file is a ZIP: the message as it was signed, the receipt, the certificates, the revocation facts it was judged with, the journal's
entry, its way to a checkpoint, the checkpoint with its signature, and a README that says how to check all of it with ``xmlsec1``,
``openssl`` and ``sha256sum``. ``proof.verify`` checks the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from typing import Any, Literal
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, Row, select

from gateway.core.errors import Code, Refusal
from gateway.core.merkle import Frontier, RangeRoot, inclusion_proof, node_hash
from gateway.journal.instructions import readme
from gateway.journal.proof import ANYTHING, EvidenceManifest, PathStep, der_signature
from gateway.partners import open_bundle
from gateway.settings import Settings
from gateway.store import partners, retention
from gateway.store.journal import Sealed
from gateway.store.messages import NOBODY
from gateway.store.tables import activation, announced, checkpoint, entry, fact, message, outbox
from gateway.trust.keys import KeyRing
from gateway.wire import signature
from gateway.wire.signature import Verified, VerifyKey
from gateway.wire.xml import parse


@dataclass(frozen=True, slots=True)
class _Exchanged:
    """A message and the receipt that stands for it, whichever of the two is ours. ``kind`` is the journal's for its proof."""

    direction: Literal["in", "out"]
    partner: str
    kind: str
    message: bytes
    receipt: bytes
    at: datetime


def export(connection: Connection, settings: Settings, message_id: str, partner: str | None = None) -> bytes:
    """The evidence of one message that was received, or sent and receipted. Raises ``Refusal`` NOT_FOUND, with what is missing."""
    found = _exchanged(connection, message_id, partner)
    row = _entry(connection, found, message_id)
    ours = [key.certificate for key in KeyRing(settings.keys).all(settings.key)]
    theirs, roots = _certificates(connection, found.partner)
    senders, receivers = (theirs, ours) if found.direction == "in" else (ours, theirs)
    proven = _proven(found.message, senders, "message")
    acknowledged = _proven(found.receipt, receivers, "receipt")
    steps, sealed = _way(connection, row.position)
    by_fingerprint = {sha256(der).hexdigest(): der for der in (*ours, *theirs)}
    manifest = EvidenceManifest(
        message=message_id,
        partner=found.partner,
        direction=found.direction,
        at=found.at,
        digest=proven.digest,
        position=row.position,
        size=sealed.size,
        path=steps,
        algorithm=sealed.algorithm,
        message_certificate=proven.fingerprint,
        message_algorithm=proven.algorithm,
        receipt_certificate=acknowledged.fingerprint,
        receipt_algorithm=acknowledged.algorithm,
        journal_certificate=sealed.fingerprint,
    )
    files = {
        "message.xml": found.message,
        "message-signed-content.xml": proven.content,
        "receipt.xml": found.receipt,
        "certificates/message.pem": _pem(by_fingerprint[proven.fingerprint]),
        "certificates/receipt.pem": _pem(by_fingerprint[acknowledged.fingerprint]),
        "certificates/journal.pem": _pem(by_fingerprint[sealed.fingerprint]),
        "journal/entry.json": row.body,
        "journal/checkpoint.txt": sealed.note,
        "journal/checkpoint.sig": der_signature(sealed.algorithm, sealed.signature),
        "evidence.json": json.dumps(msgspec.to_builtins(manifest), indent=2, sort_keys=True).encode(),
    }
    files |= {f"authorities/{number}.pem": _pem(der) for number, der in enumerate(roots, 1)}
    files |= {f"revocation/{one.digest}.{one.kind}": one.der for one in _facts(connection, row.body)}
    files |= {f"journal/{step.file}": bytes.fromhex(step.hash) for step in steps}
    return _zip({"README.txt": readme(manifest).encode(), **files})


def _exchanged(connection: Connection, message_id: str, partner: str | None) -> _Exchanged:
    came = select(message).where(message.c.message_id == message_id)
    rows = connection.execute(came if partner is None else came.where(message.c.partner == partner)).all()
    if len(rows) > 1:
        raise Refusal(
            Code.DATA_INVALID, f"Several partners used this id: {', '.join(row.partner for row in rows)}.", field="partner"
        )
    for row in rows:
        if row.fingerprint == NOBODY:
            raise Refusal(
                Code.NOT_FOUND,
                "Nobody signed the message: two people transcribed it from a file, and the journal says who.",
                value=message_id,
                remedy=f"aeo-gateway message show {message_id}, aeo-gateway journal show --subject {message_id}",
            )
        if not row.body:
            raise _gone(connection, "messages", row)
        return _Exchanged("in", row.partner, "message", row.body, row.answer, row.received)
    sent = connection.execute(select(outbox).where(outbox.c.message_id == message_id)).first()
    if sent is None:
        raise Refusal(Code.NOT_FOUND, "No message has this id.", value=message_id)
    if sent.pruned is not None:
        raise _gone(connection, "sent", sent)
    if sent.state != "delivered" or not sent.body or not sent.answer:
        raise Refusal(Code.NOT_FOUND, f"The message is {sent.state}: there is no receipt to show.", value=message_id)
    return _Exchanged("out", sent.partner, "delivered", sent.body, sent.answer, sent.finished)


def _gone(connection: Connection, kept: str, row: Row[Any]) -> Refusal:
    """The message itself is no longer kept, which is to be said with the rule and what remains."""
    why = retention.why_gone(connection, kept, row.pruned)
    return Refusal(
        Code.NOT_FOUND,
        f"The message is no longer kept: {why}. Its digest remains: {row.digest}.",
        value=row.message_id,
        remedy=f"aeo-gateway journal show --subject {row.message_id}: what the journal sealed of it.",
    )


def _entry(connection: Connection, found: _Exchanged, message_id: str) -> Row[Any]:
    here = (entry.c.subject == message_id) & (entry.c.kind == found.kind) & (entry.c.partner == found.partner)
    row = connection.execute(select(entry).where(here).order_by(entry.c.id.desc()).limit(1)).first()
    if row is None or row.position is None:
        raise Refusal(Code.NOT_FOUND, "The journal has not sealed the message yet.", remedy="Ask again in a second.")
    return row


def _certificates(connection: Connection, iso: str) -> tuple[list[bytes], list[bytes]]:
    """Every signing certificate the partner ever had with us, and the authorities of its latest data (DER)."""
    digests = connection.execute(select(activation.c.digest).where(activation.c.iso == iso).order_by(activation.c.id)).scalars()
    kept = [partners.content(connection, digest) for digest in dict.fromkeys(digests)]
    bundles = [open_bundle(one.content, one.iso, one.format) for one in kept]
    pinned = [_der(pem) for bundle in bundles for role, pem in bundle.certificates if role == "signing"]
    said = select(announced.c.certificate).where(announced.c.partner == iso, announced.c.role == "signing")
    roots = [_der(pem) for role, pem in (bundles[-1].certificates if bundles else ()) if role == "authority"]
    return [*pinned, *connection.execute(said).scalars()], roots


def _proven(xml: bytes, certificates: Sequence[bytes], what: str) -> Verified:
    try:
        return signature.verify(parse(xml), [VerifyKey.from_certificate(der) for der in certificates], ANYTHING)
    except Refusal as refusal:
        raise Refusal(
            Code.NOT_FOUND, f"No certificate on record proves the {what}: {refusal.detail}", facts=refusal.facts
        ) from None


def _way(connection: Connection, position: int) -> tuple[list[PathStep], Sealed]:
    """The way from an entry to the root of the first checkpoint that covers it. It reads that batch and nothing before it: what is
    older stands in the frontier of the checkpoint before."""
    after = select(checkpoint).where(checkpoint.c.size > position).order_by(checkpoint.c.size).limit(1)
    before = select(checkpoint.c.frontier).where(checkpoint.c.size <= position).order_by(checkpoint.c.size.desc()).limit(1)
    sealed = msgspec.msgpack.decode(connection.execute(after).one().signed, type=Sealed)
    packed = connection.execute(before).scalar_one_or_none()
    old = Frontier() if packed is None else Frontier.unpack(packed)
    batch = select(entry.c.leaf).where(entry.c.position.between(old.size, sealed.size - 1)).order_by(entry.c.position)
    root = _root(old, connection.execute(batch).scalars().all())
    hashes = inclusion_proof(position, sealed.size, root)
    return [
        PathStep(f"{number:02d}.bin", side, one.hex())
        for number, (one, side) in enumerate(zip(hashes, _sides(position, sealed.size), strict=True), 1)
    ], sealed


def _root(old: Frontier, leaves: Sequence[bytes]) -> RangeRoot:
    peaks: dict[tuple[int, int], bytes] = {}
    begin = 0
    for bit in reversed(range(old.size.bit_length())):
        if old.size >> bit & 1:
            peaks[begin, begin + (1 << bit)] = old.peaks[len(peaks)]
            begin += 1 << bit

    def root(begin: int, end: int) -> bytes:
        if (begin, end) in peaks:
            return peaks[begin, end]
        if end - begin == 1:
            return leaves[begin - old.size]
        split = begin + (1 << (end - begin - 1).bit_length() - 1)
        return node_hash(root(begin, split), root(split, end))

    return root


def _sides(index: int, size: int) -> Iterator[Literal["left", "right"]]:
    """On which side of the way each of its hashes stands (RFC 9162, 2.1.3.2), leaf end first."""
    node, last = index, size - 1
    while last > 0:
        if node & 1 or node == last:
            yield "left"
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            yield "right"
        node, last = node >> 1, last >> 1


def _facts(connection: Connection, body: bytes) -> Sequence[Row[Any]]:
    digests = json.loads(body).get("revocation", [])
    return connection.execute(select(fact).where(fact.c.digest.in_(digests)).order_by(fact.c.digest)).all()


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def _der(pem: str) -> bytes:
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


def _zip(files: dict[str, bytes]) -> bytes:
    """The same bytes for the same content."""
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(ZipInfo(name), content, ZIP_DEFLATED)
    return packed.getvalue()
