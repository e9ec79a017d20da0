"""What partners prove themselves with: the pins of their data, and certificates they announced by a ``keys`` message.

A partner announces its next certificate in a message signed with a current key, and we accept both until the old one ends: a
rollover needs no common minute. What two people have withdrawn (``void``) is not accepted, wherever it is pinned.

No proof is asked for that the sender holds the new key (choice). A self-signed certificate is such a proof, any other must lead to
an authority pinned for the partner, whose affair it was; and a stranger's certificate, announced, only lets that stranger sign what
says in its signed header whom it is from and to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, bindparam, insert, select

from gateway.core.errors import Code, Refusal
from gateway.core.model import Header
from gateway.core.protocol import Announced
from gateway.node.node import Node
from gateway.store import journal
from gateway.store.active import ActivePartner
from gateway.store.prepared import Prepared
from gateway.store.tables import announced, withdrawn
from gateway.trust.allowed import CertificateRules
from gateway.trust.certificates import ROLES, Pin, Role, Trust, TrustStore
from gateway.wire.algorithms import BY_NAME, VerifyKey

#: Announced certificates of one partner and use that may be good at once: each costs time whenever this partner's trust is judged.
MOST = 8

_WITHDRAWN = Prepared(
    select(withdrawn.c.voiding).where(
        withdrawn.c.partner == bindparam("partner"), withdrawn.c.fingerprint == bindparam("fingerprint")
    )
)


def accept_certificates(
    connection: Connection, node: Node, header: Header, certificates: Iterable[Announced], received: datetime
) -> None:
    """Records what a ``keys`` message announces. Raises ``Refusal`` with a CERTIFICATE_* code for what could never be relied on."""
    sender = header.sender
    for one in certificates:
        role = next(role for role in ROLES if role == one.role)
        fingerprint = sha256(one.certificate).hexdigest()
        known = connection.execute(
            select(announced.c.partner, announced.c.role).where(announced.c.fingerprint == fingerprint)
        ).all()
        if (sender, role) in [tuple(row) for row in known]:
            continue
        _acceptable(node, sender, role, one, received)
        _its_own(connection, node, sender, one, {row.partner for row in known})
        _not_too_many(connection, sender, role, received)
        connection.execute(
            insert(announced).values(
                fingerprint=fingerprint,
                partner=sender,
                role=role,
                certificate=one.certificate,
                since=one.since,
                message_id=header.id,
            )
        )
        body: dict[str, object] = {"role": role, "since": one.since, "message": header.id}
        journal.append(connection, "certificate", fingerprint, body, at=received, partner=sender)


def _no(code: Code, detail: str, **facts: str) -> Refusal:
    return Refusal(code, detail, field="Certificate", facts=facts)


def _acceptable(node: Node, sender: str, role: Role, one: Announced, received: datetime) -> None:
    """As judged for the moment from which it may be used: nobody may announce what would then be refused."""
    try:
        pin, key = Pin.of(role, one.certificate), VerifyKey.from_certificate(one.certificate).key
    except ValueError:
        raise _no(Code.CERTIFICATE_UNSUITABLE, "It is no X.509 certificate in DER with a key of the signature profile.") from None
    rules = CertificateRules(production=node.settings.mode == "production")
    alone = TrustStore({sender: replace(node.trust.trust_of(sender), pins=(pin,))}, rules=rules)
    ((_, verdict),) = alone.verdicts(sender, role, max(received, one.since, pin.not_before))
    # Of an authority's next certificate no revocation list may be at hand yet; it is asked for from now on.
    if verdict.code is not None and not verdict.cannot_tell:
        raise _no(verdict.code, verdict.detail, **verdict.facts)
    binding = node.partners.get(sender).arrangement.binding
    if role == "signing" and not any(BY_NAME[name].fits(key) for name in binding.algorithms):
        agreed = ", ".join(binding.algorithms)
        raise _no(Code.CERTIFICATE_UNSUITABLE, f"No algorithm agreed with {sender} fits the certificate's key: {agreed}.")


def _its_own(connection: Connection, node: Node, sender: str, one: Announced, owners: set[str]) -> None:
    """Neither another partner's (whoever connects with it would be taken for the one who announced it last), nor withdrawn."""
    pinned = (iso for iso, trust in node.trust.trusts().items() for pin in trust.pins if pin.der == one.certificate)
    if {*owners, *pinned} - {sender}:
        raise _no(Code.CERTIFICATE_UNSUITABLE, "The certificate is another partner's.")
    if Gone.of(connection).holds(sender, one.certificate):
        raise _no(Code.CERTIFICATE_REVOKED, "This certificate, or another one of its key, was withdrawn.")


def _not_too_many(connection: Connection, sender: str, role: str, received: datetime) -> None:
    mine = select(announced.c.certificate).where(announced.c.partner == sender, announced.c.role == role)
    good = [der for der in connection.execute(mine).scalars() if x509.load_der_x509_certificate(der).not_valid_after_utc > received]
    if len(good) >= MOST:
        raise _no(Code.CERTIFICATE_UNSUITABLE, f"{MOST} announced certificates for this use have not ended yet.")


@dataclass(frozen=True, slots=True)
class Gone:
    """What is withdrawn: (partner, fingerprint) of certificates and (partner, digest) of their keys."""

    marks: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, connection: Connection) -> Gone:
        rows = connection.execute(select(withdrawn)).all()
        return cls(frozenset((row.partner, mark) for row in rows for mark in (row.fingerprint, row.key) if mark))

    def holds(self, partner: str, der: bytes) -> bool:
        return not self.marks.isdisjoint({(partner, sha256(der).hexdigest()), (partner, key_digest(der))})


def withdrawn_now(connection: Connection, partner: str, fingerprint: str) -> bool:
    """Whether this very certificate is withdrawn, asked of the database: a node's memory may be a poll behind."""
    return _WITHDRAWN.row(connection, partner=partner, fingerprint=fingerprint) is not None


def all_of(connection: Connection, live: ActivePartner) -> list[tuple[Role, bytes, datetime | None]]:
    """(use, DER, the moment named for an announced one) of every certificate of a partner, withdrawn ones among them."""
    found: list[tuple[str, bytes, datetime | None]] = [(name, der_of(pem), None) for name, pem in live.bundle.certificates]
    said = select(announced).where(announced.c.partner == live.bundle.iso).order_by(announced.c.since)
    found += [(row.role, row.certificate, row.since) for row in connection.execute(said)]
    return [(role, der, since) for name, der, since in found for role in ROLES if role == name]


def trusts(connection: Connection, partners: Mapping[str, ActivePartner], skew: timedelta) -> dict[str, Trust]:
    """What each partner may prove itself with. An announced certificate counts ``skew`` before the moment its partner named: the first
    message signed with it is stamped by the partner's clock, which may be ahead of ours."""
    gone, found = Gone.of(connection), {}
    for iso, live in partners.items():
        pins = tuple(
            Pin.of(role, der, since=since and since - skew)
            for role, der, since in all_of(connection, live)
            if not gone.holds(iso, der)
        )
        roots = tuple(der_of(pem) for name, pem in live.bundle.certificates if name == "authority")
        found[iso] = Trust(pins, roots, min_rsa_bits=live.arrangement.binding.min_rsa_bits)
    return found


def key_digest(der: bytes) -> str:
    """SHA-256 (hex) of a certificate's public key: another certificate of the same key has the same."""
    public = x509.load_der_x509_certificate(der).public_key()
    return sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def der_of(pem: str) -> bytes:
    """The certificate in a PEM file that the loader has checked."""
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
