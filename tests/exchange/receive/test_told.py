"""What a partner's developer reads of a mistake that many programs make: what it was, and not how it was found."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.core.errors import Refusal
from gateway.core.model import Kind
from gateway.core.moments import utc_text
from gateway.trust import selfsigned
from gateway.trust.selfsigned import Subject
from gateway.wire import envelope, payloads, signature
from gateway.wire.algorithms import KeySigner
from tests.rig.gateway import GatewayFixture
from tests.rig.keys import announced


def ping(gateway: GatewayFixture, created: str) -> Refusal:
    """How a ping is refused that was made at a moment written so."""
    box = gateway.boxes["SG"]
    header = box.header(Kind.PING)
    unsigned = envelope.write(header, payloads.write_empty(Kind.PING), box.version)
    written = unsigned.replace(f"<x:Created>{utc_text(header.created)}<".encode(), f"<x:Created>{created}<".encode())
    assert written != unsigned
    refusal = gateway.receive(signature.sign(written, box.signer)).refusal
    assert refusal is not None
    return refusal


@pytest.mark.parametrize(
    ("created", "example"),
    [
        ("2026-06-15T04:00:00.1234567Z", "write it like 2026-06-15T04:00:00.123456Z."),
        ("2026-06-15T12:00:00.123456789+08:00", "write it like 2026-06-15T04:00:00.123456Z."),
        ("2026-06-15T12:00:00+08:00", "write it like 2026-06-15T04:00:00Z."),
        ("2026-06-15T04:00:00", "write it like 2026-06-15T04:00:00Z, if UTC is meant: it names no time zone."),
    ],
)
def test_a_moment_that_is_written_otherwise_is_told_by_example(gateway: GatewayFixture, created: str, example: str) -> None:
    refusal = ping(gateway, created)
    assert (str(refusal.code), refusal.field) == ("envelope-invalid", "Created")
    assert refusal.detail == f"The envelope breaks its schema: Created cannot be {created}; {example}"


def test_a_certificate_announced_from_now_by_a_fast_clock_is_refused_for_the_moment_only(gateway: GatewayFixture) -> None:
    gateway.pin_certificates()
    box, private = gateway.boxes["SG"], ec.generate_private_key(ec.SECP256R1())
    theirs = gateway.now + timedelta(minutes=4)
    made = selfsigned.builder(
        private.public_key(), Subject("fast"), demo=True, begins=theirs + selfsigned.BACKDATED, ends=theirs + timedelta(days=9)
    )
    fresh = KeySigner(private, selfsigned.sign(made, private), "ecdsa-p256-sha256")
    one = announced(box, fresh, None, theirs, "signing")
    gateway.send(box.protocol_message(Kind.KEYS, payloads.write_keys([one]), created=theirs))
    gateway.follow_certificates()
    body = box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING), signer=fresh, created=theirs)
    refused = gateway.receive(body)
    assert refused.refusal is not None
    assert str(refused.refusal.code) == "certificate-not-yet-valid"
    assert payloads.read_refusal(box.check(refused.signed or b"").payload).retryable
    gateway.later(minutes=4)
    gateway.follow_certificates()
    assert gateway.receive(body).refusal is None, "the very same bytes"
