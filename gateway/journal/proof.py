"""Checking evidence without any database: the file alone says whether it holds.

What no file can say is whose the certificates are. Their fingerprints are for comparing with what was announced.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from typing import Literal
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core import moments
from gateway.core.errors import Code, Refusal
from gateway.core.merkle import leaf_hash, node_hash
from gateway.trust.validate import validate
from gateway.wire import envelope, payloads, signature
from gateway.wire.algorithms import BY_NAME
from gateway.wire.envelope import Envelope
from gateway.wire.signature import ALGORITHMS, Policy, VerifyKey
from gateway.wire.xml import parse

#: Whatever a partner may have agreed to; the file says which it was.
ANYTHING = Policy(ALGORITHMS, min_rsa_bits=2048)
#: No file of a piece of evidence is larger: a message has at most 20 MiB.
LARGEST = 32 << 20


class PathStep(msgspec.Struct, frozen=True):
    """One step from a leaf to the root: the neighbour's hash (hex), the file that holds it, and the side on which it stands."""

    file: str
    side: Literal["left", "right"]
    hash: str


class EvidenceManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What ``evidence.json`` says; every word of it is checked against the other files or shown as a claim."""

    message: str
    partner: str
    direction: Literal["in", "out"]
    at: datetime
    digest: str
    position: int
    size: int
    path: list[PathStep]
    algorithm: str
    message_certificate: str
    message_algorithm: str
    receipt_certificate: str
    receipt_algorithm: str
    journal_certificate: str


class Check(msgspec.Struct, frozen=True):
    """One thing that was checked. ``holds`` None: it cannot be told from the file."""

    name: str
    holds: bool | None
    detail: str


def verify(packed: bytes) -> list[Check]:
    """Every check of the file. Raises ``Refusal`` DATA_INVALID where it is no evidence at all."""
    files, manifest = _open(packed)
    return list(_Checks(files, manifest).run())


def _open(packed: bytes) -> tuple[dict[str, bytes], EvidenceManifest]:
    try:
        with ZipFile(BytesIO(packed)) as archive:
            if sum(one.file_size for one in archive.infolist()) > 4 * LARGEST:
                raise Refusal(Code.DATA_INVALID, "The file unpacks to more than evidence ever has.")
            if any(one.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for one in archive.infolist()):
                # The others take as much memory as a forged header asks for.
                raise BadZipFile("it is packed in a way that evidence never is")
            files = {one.filename: archive.read(one) for one in archive.infolist()}
        return files, msgspec.json.decode(files["evidence.json"], type=EvidenceManifest)
    except (BadZipFile, KeyError, msgspec.MsgspecError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise Refusal(Code.DATA_INVALID, f"The file is no evidence of this gateway: {error}.") from None


class _Checks:
    def __init__(self, files: dict[str, bytes], manifest: EvidenceManifest) -> None:
        self._files, self._told = files, manifest

    def run(self) -> Iterator[Check]:
        manifest = self._told
        yield self._check("the message is signed", self._message)
        yield self._check("the receipt is signed, and is for this message", self._receipt)
        yield self._check("the journal's entry is of this message and this receipt", self._entry)
        yield self._check("the entry leads to the checkpoint's root", self._way)
        yield self._check("the checkpoint is signed", self._checkpoint)
        for name in ("message", "receipt"):
            yield self._check(f"the certificate of the {name} could be relied on at {manifest.at}", partial(self._trust, name))
        yield self._check("the certificates are those that it says", self._certificates)
        yield Check("whose the certificates are", None, "No file can say: compare their fingerprints with what was announced.")

    @staticmethod
    def _check(name: str, run: Callable[[], str | None]) -> Check:
        """``run`` returns what it found, or None where the file cannot tell; it raises what is wrong."""
        try:
            found = run()
        except Refusal as wrong:
            return Check(name, wrong.code is Code.REVOCATION_UNKNOWN and None, wrong.detail)
        except Exception as wrong:  # noqa: BLE001 - whatever a forged file makes a library raise, the check has failed
            return Check(name, False, f"The file does not hold what it should: {wrong}.")
        return Check(name, None if found is None else True, found or "")

    def _key(self, name: str) -> VerifyKey:
        certificate = x509.load_pem_x509_certificate(self._files[f"certificates/{name}.pem"])
        return VerifyKey.from_certificate(certificate.public_bytes(Encoding.DER))

    def _opened(self, name: str) -> Envelope:
        return envelope.read(signature.verify(parse(self._files[f"{name}.xml"]), [self._key(name)], ANYTHING))

    def _certificates(self) -> str:
        manifest = self._told
        claims = {
            "message": manifest.message_certificate,
            "receipt": manifest.receipt_certificate,
            "journal": manifest.journal_certificate,
        }
        for name, claimed in claims.items():
            _same(f"the fingerprint of the {name}'s", self._key(name).fingerprint, claimed)
        return ", ".join(f"{name} {fingerprint}" for name, fingerprint in claims.items())

    def _message(self) -> str:
        said, manifest = self._opened("message"), self._told
        _same("id", said.header.id, manifest.message)
        _same("digest", said.digest, manifest.digest)
        _same(
            "digest of the signed content", hashlib.sha256(self._files["message-signed-content.xml"]).hexdigest(), manifest.digest
        )
        partner = said.header.sender if manifest.direction == "in" else said.header.receiver
        _same("partner", partner, manifest.partner)
        return f"{said.header.kind} {manifest.message}, made {moments.utc_text(said.header.created)}, digest {manifest.digest}"

    def _receipt(self) -> str:
        receipt, manifest = payloads.read_receipt(self._opened("receipt").payload), self._told
        _same("message", receipt.message, manifest.message)
        _same("digest", receipt.digest, manifest.digest)
        if manifest.direction == "in":
            _same("moment", moments.utc_text(receipt.received), moments.utc_text(manifest.at))
        return f"received {moments.utc_text(receipt.received)}"

    def _entry(self) -> str:
        body, manifest = json.loads(self._files["journal/entry.json"]), self._told
        _same("message", body["subject"], manifest.message)
        _same("partner", body["partner"], manifest.partner)
        _same("digest", body["digest"], manifest.digest)
        _same("receipt", body["receipt"], hashlib.sha256(self._files["receipt.xml"]).hexdigest())
        return f"position {manifest.position}"

    def _way(self) -> str:
        node = leaf_hash(self._files["journal/entry.json"])
        for step in self._told.path:
            neighbour = self._files[f"journal/{step.file}"]
            _same("hash", neighbour.hex(), step.hash)
            node = node_hash(neighbour, node) if step.side == "left" else node_hash(node, neighbour)
        _same("root", node.hex(), self._noted("root"))
        return f"{len(self._told.path)} steps"

    def _checkpoint(self) -> str:
        note, key, manifest = self._files["journal/checkpoint.txt"], self._key("journal"), self._told
        row = BY_NAME[manifest.algorithm]
        raw = raw_signature(manifest.algorithm, self._files["journal/checkpoint.sig"])
        if not (row.fits(key.key) and row.made_by(key.key, raw, note)):
            raise ValueError("the signature is not of this checkpoint")
        _same("size", self._noted("size"), str(manifest.size))
        return f"{manifest.size} entries, sealed {self._noted('sealed')}"

    def _noted(self, name: str) -> str:
        found = re.search(rf"^{name} (.+)$", self._files["journal/checkpoint.txt"].decode(), re.MULTILINE)
        if found is None:
            raise ValueError(f"the checkpoint names no {name}")
        return found[1]

    def _trust(self, name: str) -> str:
        der = self._key(name).der
        # What the partner signed may have an authority above it; ours, and a pinned one, stand for themselves.
        roots = [x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER) for pem in self._under("authorities/")]
        theirs = (name == "message") == (self._told.direction == "in")
        certificate = x509.load_der_x509_certificate(der)
        verdict = validate(
            der,
            roots=roots if theirs and roots and certificate.issuer != certificate.subject else [der],
            crls=self._under("revocation/", ".crl"),
            ocsps=self._under("revocation/", ".ocsp"),
            moment=self._told.at.astimezone(UTC),
        )
        if verdict.code is not None:
            raise Refusal(verdict.code, verdict.detail)
        return f"{certificate.subject.rfc4514_string()}, valid to {certificate.not_valid_after_utc.isoformat()}"

    def _under(self, folder: str, suffix: str = "") -> list[bytes]:
        return [content for name, content in sorted(self._files.items()) if name.startswith(folder) and name.endswith(suffix)]


def _same(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise ValueError(f"{what} is {found}, not {expected}")


def der_signature(algorithm: str, raw: bytes) -> bytes:
    """A signature as ``openssl`` takes it: of ECDSA in DER."""
    if not algorithm.startswith("ecdsa"):
        return raw
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def raw_signature(algorithm: str, der: bytes) -> bytes:
    """The inverse of ``der_signature``."""
    if not algorithm.startswith("ecdsa"):
        return der
    size = 48 if "p384" in algorithm else 32
    r, s = decode_dss_signature(der)
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")
