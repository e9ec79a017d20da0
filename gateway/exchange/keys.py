"""Certificates partners announce for themselves: signed with a current key, so that a rollover needs no common minute."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, insert, select

from gateway.core.errors import Code, Refusal
from gateway.exchange.node import Node
from gateway.store import journal
from gateway.store.tables import announced
from gateway.wire import envelope
from gateway.wire.envelope import Envelope


def take(connection: Connection, node: Node, said: Envelope, received: datetime) -> None:
    """Records what a ``keys`` message announces; it was signed with a key the partner holds already.

    Another partner's certificate is refused: whoever connects with it would otherwise be taken for the one who announced it last.
    """
    sender = said.header.sender
    for one in envelope.read_keys(said):
        try:
            x509.load_der_x509_certificate(one.certificate)
        except ValueError:
            raise Refusal(
                Code.CERTIFICATE_UNSUITABLE, "What is announced is no X.509 certificate in DER.", field="Certificate"
            ) from None
        fingerprint = sha256(one.certificate).hexdigest()
        owner = connection.execute(select(announced.c.partner).where(announced.c.fingerprint == fingerprint)).scalar_one_or_none()
        if owner == sender:
            continue
        pinned = (
            iso
            for iso in node.partners.all()
            if iso != sender
            for pin in node.trust.trust_of(iso).pins
            if pin.der == one.certificate
        )
        if owner is not None or next(pinned, None):
            raise Refusal(Code.CERTIFICATE_UNSUITABLE, "The certificate is another partner's.", field="Certificate")
        connection.execute(
            insert(announced).values(
                fingerprint=fingerprint,
                partner=sender,
                role=one.role,
                certificate=one.certificate,
                since=one.since,
                message_id=said.header.id,
            )
        )
        journal.append(
            connection,
            "certificate",
            fingerprint,
            {"role": one.role, "since": one.since, "message": said.header.id},
            at=received,
            partner=sender,
        )


def pins(connection: Connection) -> list[tuple[str, str, bytes, datetime]]:
    """(partner, role, DER, accepted since) of every announced certificate that was not withdrawn."""
    rows = connection.execute(select(announced).where(announced.c.withdrawn.is_(None)).order_by(announced.c.since))
    return [(row.partner, row.role, row.certificate, row.since) for row in rows]


def der_of(pem: str) -> bytes:
    """The certificate in a PEM file that the loader has checked."""
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
