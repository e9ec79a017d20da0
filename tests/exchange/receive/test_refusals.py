"""What our administrator reads of a refusal, and what nobody reads anywhere: a secret."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.core.errors import Refusal
from gateway.core.model import Kind
from gateway.store.tables import metadata
from gateway.trust.keys import KeyRing, Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from gateway.views import messages as views
from gateway.views.search import MessageSearch, search
from gateway.wire import payloads
from gateway.wire.algorithms import VerifyKey
from tests.rig.gateway import GatewayFixture


def ping(gateway: GatewayFixture, **said: object) -> bytes:
    return gateway.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING), **said)  # type: ignore[arg-type]


def by_a_stranger(gateway: GatewayFixture) -> bytes:
    return ping(gateway, signer=gateway.key("stranger").signer(""))


def from_the_future(gateway: GatewayFixture) -> bytes:
    return ping(gateway, created=gateway.now + timedelta(minutes=9))


def too_old(gateway: GatewayFixture) -> bytes:
    return ping(gateway, created=gateway.now - timedelta(days=9))


def changed(gateway: GatewayFixture) -> bytes:
    return ping(gateway, id="before").replace(b"<x:Id>before", b"<x:Id>after-")


def by_an_expired_key(gateway: GatewayFixture) -> bytes:
    body = ping(gateway, created=gateway.now + timedelta(days=400))
    ours = KeyRing(gateway.keys).rotate("gateway", "", 900, signs_from=gateway.now + timedelta(days=1), now=gateway.now)
    gateway.boxes["SG"].gateway_keys = (VerifyKey.from_certificate(ours.certificate),)
    gateway.later(days=400)
    return body


@dataclass(frozen=True)
class Case:
    """``facts`` are patterns by name; ``{ours}`` stands for the partner's pinned certificate."""

    made: Callable[[GatewayFixture], bytes]
    code: str
    facts: dict[str, str]


_DIGEST, _MOMENT = "[0-9a-f]{64}", r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
CASES = [
    Case(by_a_stranger, "signature-invalid", {"certificates expected": "{ours}", "certificate in KeyInfo": _DIGEST}),
    Case(changed, "signature-digest", {"digest signed": _DIGEST, "digest received": _DIGEST, "certificate": "{ours}"}),
    Case(from_the_future, "created-in-future", {"created": "2026-06-15T04:09:00.*", "received": "2026-06-15T04:00:00.*"}),
    Case(too_old, "too-old", {"created": "2026-06-06T04:00:00.*", "received": "2026-06-15T04:00:00.*"}),
    Case(
        by_an_expired_key,
        "certificate-expired",
        {"certificate": "{ours}", "our clock": _MOMENT, "accepted": f"{_MOMENT} to {_MOMENT}"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_the_administrator_reads_what_was_expected_and_what_came(gateway: GatewayFixture, case: Case) -> None:
    gateway.pin_certificates()
    (ours,) = [one.fingerprint for one in gateway.node.trust.trust_of("SG").pins]
    answer = gateway.receive(case.made(gateway))
    assert answer.refusal is not None
    with gateway.database.reading() as connection:
        (latest, *_) = search(connection, MessageSearch(partner="SG", most=1)).messages
        shown = views.shown(connection, latest["id"])
    assert shown is not None
    assert (shown["code"], shown["id"][:7]) == (case.code, "intake-")
    for name, pattern in case.facts.items():
        assert re.fullmatch(pattern.replace("{ours}", ours), shown["facts"][name]), (name, shown["facts"])
    # The partner reads the code and the sentence, and no fact that is ours alone.
    refused = payloads.read_refusal(gateway.boxes["SG"].check(answer.signed or b"").payload)
    assert refused.code == case.code
    assert "expected" not in (answer.signed or b"").decode()


def test_a_broken_reference_is_named_to_the_partner(gateway: GatewayFixture) -> None:
    gateway.pin_certificates()
    refusal = gateway.receive(changed(gateway)).refusal
    assert refusal is not None
    assert 'Reference URI=""' in refusal.detail


def test_nothing_secret_leaks(gateway: GatewayFixture, caplog: pytest.LogCaptureFixture) -> None:
    """No private key and no passphrase in anything that is kept, sent, logged or raised."""
    caplog.set_level(logging.DEBUG)
    gateway.pin_certificates()
    passphrase = "open sesame 41"
    locked = create_file_key(
        gateway.keys, "locked", "ecdsa-p256-sha256", Subject("locked"), Purpose.PRODUCTION, passphrase, 9, now=gateway.now
    )
    said: list[str] = []
    for case in CASES:
        answer = gateway.receive(case.made(gateway))
        said += [(answer.signed or b"").decode(), repr(answer.refusal), repr(answer.refusal and answer.refusal.facts)]
    for attempt in ("", passphrase[:-1] + "2"):
        with pytest.raises(Refusal) as refused:
            locked.signer(attempt)
        said += traceback.format_exception(refused.value)
    gateway.deliver()
    with gateway.database.reading() as connection:
        said += [repr(row) for table in metadata.sorted_tables for row in connection.execute(table.select())]
    said += [caplog.text, repr(gateway.settings), repr(gateway.node), repr(locked), repr(locked.signer(passphrase))]
    everything = "\n".join(said)
    secrets = [passphrase, passphrase[:-1] + "2"]
    for key in KeyRing(gateway.keys).all():
        pem = (key.folder / "key.pem").read_bytes()
        secrets += pem.decode().splitlines()[1:3]  # what follows is the public key
        private = load_pem_private_key(pem, passphrase.encode() if key.id == locked.id else None)
        assert isinstance(private, EllipticCurvePrivateKey)
        number = private.private_numbers().private_value
        secrets += [str(number), f"{number:x}"]
    assert [secret for secret in secrets if secret in everything] == []
