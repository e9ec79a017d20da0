"""What partners prove themselves with: the pins of their data, and certificates they announced by a ``keys`` message.

A partner announces its next certificate in a message signed with a current key, and we accept both until the old one ends: a
rollover needs no common minute. What two people have withdrawn (``void``) is not accepted, wherever it is pinned.

It proves that it holds the new key: that key signs who announces it to whom, for what and from when (``core.protocol.possession``).
In envelope 1, the form of before, there is no such proof. What was announced so lets its holder sign as the partner that announced it,
and nothing else: it never keeps another partner from announcing it too, for nobody may squat another's next certificate, and where
several have no more than announced it for TLS, it proves none of them. Our own certificates are nobody else's, whatever proves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import Connection, bindparam, insert, select, update

from gateway.core.errors import Code, Refusal
from gateway.core.model import Header
from gateway.core.moments import FIRST, bounded
from gateway.core.protocol import Announced, possession
from gateway.exchange.certificates.server import SERVERS, server_trust
from gateway.node.node import Node
from gateway.node.signing import CannotSign
from gateway.partners import Bundle
from gateway.settings import Settings
from gateway.store import journal
from gateway.store.active import ActivePartner
from gateway.store.prepared import Prepared
from gateway.store.problems import Problems
from gateway.store.tables import announced, withdrawn
from gateway.trust.allowed import CertificateRules
from gateway.trust.certificates import ROLES, Pin, Role, Trust, TrustStore
from gateway.trust.keys import KeyRing
from gateway.wire.algorithms import BY_NAME, VerifyKey, made_by
from gateway.wire.certificate import ask, from_der, from_pem, validity_of

#: What a certificate file of partner data is called for, in the words of the wire.
_AS = {"client": "tls"}
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
        this = (announced.c.fingerprint == fingerprint) & (announced.c.partner == sender) & (announced.c.role == role)
        known = connection.execute(select(announced.c.proven).where(this)).scalar_one_or_none()
        if known is not None and (known or one.proof is None):
            continue
        _acceptable(node, sender, role, one, received)
        proven = _proven(node, header, one)
        _its_own(connection, node, sender, one)
        if known is None:
            _not_too_many(connection, sender, role, received)
            values = {"fingerprint": fingerprint, "partner": sender, "role": role, "certificate": one.certificate}
            connection.execute(insert(announced).values(**values, since=one.since, message_id=header.id, proven=proven))
        else:
            connection.execute(update(announced).where(this).values(proven=True))
        body: dict[str, object] = {"role": role, "since": one.since, "message": header.id, "proven": proven}
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


def _proven(node: Node, header: Header, one: Announced) -> bool:
    """Whether the sender showed that it holds the key; it must where that is agreed."""
    if one.proof is None:
        if node.partners.get(header.sender).arrangement.binding.envelope > 1:
            raise Refusal(
                Code.CERTIFICATE_UNSUITABLE,
                "The certificate is announced without a proof that its key is held.",
                field="Certificate",
                remedy="Announce it in envelope 2, with the signature of the new key: schemas/exchange/2/exchange.xsd says of what.",
            )
        return False
    if not made_by(one.certificate, one.proof.algorithm, one.proof.value, possession(header.sender, header.receiver, one)):
        raise _no(Code.CERTIFICATE_UNSUITABLE, "The proof is not the signature of the certificate's key for this announcement.")
    return True


def _its_own(connection: Connection, node: Node, sender: str, one: Announced) -> None:
    """Neither ours, nor another partner's by more than its word, nor withdrawn."""
    if key_digest(one.certificate) in _our_keys(node.settings):
        raise _no(Code.CERTIFICATE_UNSUITABLE, "The certificate is of a key of the receiving gateway.")
    same = announced.c.certificate == one.certificate
    owners = set(connection.execute(select(announced.c.partner).where(same, announced.c.proven)).scalars())
    owners |= {iso for iso, trust in node.trust.trusts().items() for pin in trust.pins if pin.proven and pin.der == one.certificate}
    if owners - {sender}:
        raise _no(Code.CERTIFICATE_UNSUITABLE, "The certificate is another partner's.")
    if Gone.of(connection).holds(sender, one.certificate):
        raise _no(Code.CERTIFICATE_REVOKED, "This certificate, or another one of its key, was withdrawn.")


def _our_keys(settings: Settings) -> frozenset[str]:
    """Digests of all public keys of ours: of now, to come, past and dropped."""
    try:
        return frozenset(key_digest(key.certificate) for key in KeyRing(settings.keys).all())
    except Refusal as refusal:
        raise CannotSign(f"{refusal.detail} {refusal.remedy}") from refusal  # a fault of ours, and no verdict


def _not_too_many(connection: Connection, sender: str, role: str, received: datetime) -> None:
    mine = select(announced.c.certificate).where(announced.c.partner == sender, announced.c.role == role)
    good = [der for der in connection.execute(mine).scalars() if _ends(der) > received]
    if len(good) >= MOST:
        raise _no(Code.CERTIFICATE_UNSUITABLE, f"{MOST} announced certificates for this use have not ended yet.")


def _ends(der: bytes) -> datetime:
    try:
        return validity_of(der).ends
    except ValueError:  # recorded by a release before this one, and good for nothing
        return FIRST


@dataclass(frozen=True, slots=True)
class Gone:
    """What is withdrawn: (partner, fingerprint) of certificates and (partner, digest) of their keys."""

    marks: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, connection: Connection) -> Gone:
        rows = connection.execute(select(withdrawn)).all()
        return cls(frozenset((row.partner, mark) for row in rows for mark in (row.fingerprint, row.key) if mark))

    def holds(self, partner: str, der: bytes) -> bool:
        return not self.marks.isdisjoint({(partner, sha256(der).hexdigest()), (partner, key_of(der))})


def withdrawn_now(connection: Connection, partner: str, fingerprint: str) -> bool:
    """Whether this very certificate is withdrawn, asked of the database: a node's memory may be a poll behind."""
    return _WITHDRAWN.row(connection, partner=partner, fingerprint=fingerprint) is not None


class Owned(NamedTuple):
    """A certificate (DER) of a partner, for what it is, the moment named where it was announced, and whether it is proven to be its own."""

    role: Role
    der: bytes
    since: datetime | None
    proven: bool


def all_of(connection: Connection, live: ActivePartner) -> list[Owned]:
    """Every certificate of a partner, withdrawn ones among them."""
    found = [(_AS.get(name, name), _der_or_text(pem), None, True) for name, pem in live.bundle.certificates]
    said = select(announced).where(announced.c.partner == live.bundle.iso).order_by(announced.c.since)
    found += [(row.role, row.certificate, row.since, row.proven) for row in connection.execute(said)]
    return [Owned(role, der, since, proven) for name, der, since, proven in found for role in ROLES if role == name]


def trusts(
    connection: Connection, partners: Mapping[str, ActivePartner], skew: timedelta, problems: Problems | None = None
) -> dict[str, Trust]:
    """What each partner may prove itself with. An announced certificate counts ``skew`` before the moment its partner named: the first
    message signed with it is stamped by the partner's clock, which may be ahead of ours.

    A certificate that cannot be read is good for nothing, and a problem of its partner alone. A partner of which nothing can be told is
    left out.
    """
    gone, found = Gone.of(connection), dict[str, Trust]()
    for iso, live in partners.items():
        with (problems or Problems()).apart(iso, "trust"):
            found[iso], unread = _trust(connection, live, gone, skew)
            if unread:
                raise ValueError(f"certificates that cannot be read: {'; '.join(unread)}")
    return found


def _trust(connection: Connection, live: ActivePartner, gone: Gone, skew: timedelta) -> tuple[Trust, list[str]]:
    """What one partner may prove itself with, and what of it cannot be read."""
    pins, roots, unread = list[Pin](), list[bytes](), list[str]()
    for one in all_of(connection, live):
        try:
            if not gone.holds(live.bundle.iso, one.der):
                since = None if one.since is None else bounded(one.since) - skew
                pins.append(Pin.of(one.role, one.der, since=since, proven=one.proven))
        except ValueError as error:
            unread.append(f"{one.role} {sha256(one.der).hexdigest()[:16]}: {error}")
    for name, pem in live.bundle.certificates:
        try:
            roots += [der_of(pem)] if name == "authority" else []
        except ValueError as error:
            unread.append(f"authority: {error}")
    server = server_trust(live.bundle, partial(gone.holds, live.bundle.iso))
    return Trust(tuple(pins), tuple(roots), min_rsa_bits=live.arrangement.binding.min_rsa_bits, server=server), unread


def pinned(bundle: Bundle) -> Trust:
    """What partner data alone would have it prove itself with. Raises ``ValueError`` for what the loader would not have taken."""
    found = [(_AS.get(name, name), der_of(pem)) for name, pem in bundle.certificates if name not in SERVERS]
    pins = tuple(Pin.of(role, der) for name, der in found for role in ROLES if role == name)
    roots = tuple(der for name, der in found if name == "authority")
    return Trust(pins, roots, min_rsa_bits=bundle.arrangement.binding.min_rsa_bits, server=server_trust(bundle))


def key_digest(der: bytes) -> str:
    """SHA-256 (hex) of a certificate's public key: another certificate of the same key has the same. Raises ``ValueError``."""
    certificate = from_der(der)
    public = ask(lambda: certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return sha256(public).hexdigest()


def key_of(der: bytes) -> str:
    """``key_digest``; of a certificate that cannot be read its own digest, so that it is like no other."""
    try:
        return key_digest(der)
    except ValueError:
        return sha256(der).hexdigest()


def _der_or_text(pem: str) -> bytes:
    try:
        return der_of(pem)
    except ValueError:
        return pem.encode()


def der_of(pem: str) -> bytes:
    """The certificate in a PEM file that the loader has checked. Raises ``ValueError``."""
    return from_pem(pem.encode()).public_bytes(Encoding.DER)
