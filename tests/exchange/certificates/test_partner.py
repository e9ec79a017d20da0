"""What partners announce for themselves: overlap without a common minute, and nothing that could never be relied on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.core.model import Kind, Standing
from gateway.core.protocol import Announced
from gateway.exchange.certificates import partner
from gateway.exchange.receive.receive import judge_again
from gateway.node.signing import CannotSign
from gateway.store.tables import announced, intake
from gateway.trust import selfsigned
from gateway.trust.keys import Key, KeyRing, Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from gateway.wire import payloads
from gateway.wire.signature import Signer
from tests.rig.gateway import GatewayFixture
from tests.trust.pki import Pki


@pytest.fixture
def met(gateway: GatewayFixture) -> GatewayFixture:
    """Its partners' certificates are pinned in their data."""
    gateway.pin_certificates()
    return gateway


def key_of(gateway: GatewayFixture, name: str, days: int = 365) -> Key:
    """A key made now."""
    return create_file_key(gateway.keys, name, "ecdsa-p256-sha256", Subject(name), Purpose.DEMO, "", days, now=gateway.now)


def announce(
    gateway: GatewayFixture, *certificates: bytes, since: datetime | None = None, role: str = "signing", iso: str = "SG"
) -> bytes:
    said = [Announced(role, der, since or gateway.now) for der in certificates]
    return gateway.boxes[iso].protocol_message(Kind.KEYS, payloads.write_keys(said))


def heard(gateway: GatewayFixture, body: bytes, iso: str = "SG") -> None:
    gateway.send(body, iso)
    gateway.follow_certificates()


def outcome(gateway: GatewayFixture, signer: Signer | None = None) -> str:
    """What becomes of a ping signed so: ``receipt`` or a refusal's code."""
    body = gateway.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING), signer=signer)
    answer = gateway.receive(body)
    return str(answer.refusal.code) if answer.refusal else "receipt"


def test_a_rollover_needs_no_common_minute(met: GatewayFixture) -> None:
    """The partner switches by its own clock, which may be ahead of ours or behind it; both keys are good around that moment."""
    fresh = met.key("sg-next")
    switch = met.now + timedelta(days=7)
    heard(met, announce(met, fresh.certificate, since=switch))
    new = fresh.signer("")
    assert (outcome(met), outcome(met, new)) == ("receipt", "certificate-not-yet-valid")
    for ahead in (timedelta(minutes=-4), timedelta(0), timedelta(minutes=4), timedelta(days=30)):
        met.now = switch + ahead
        assert (outcome(met), outcome(met, new)) == ("receipt", "receipt"), ahead
    (end,) = [one.not_after for one in met.node.trust.trust_of("SG").pins if one.der == met.boxes["SG"].signer.certificate]
    later = key_of(met, "sg-later").signer("")
    heard(met, announce(met, later.certificate or b""))
    KeyRing(met.keys).rotate("gateway", "", 365, signs_from=met.now + timedelta(days=1), now=met.now)
    met.now = end + timedelta(seconds=2)
    assert (outcome(met), outcome(met, later)) == ("certificate-expired", "receipt")


def test_while_our_own_key_has_ended_nobody_is_refused_for_it(met: GatewayFixture) -> None:
    """What comes is kept without a verdict, and judged when there is a key again."""
    met.now = met.ours.x509.not_valid_after_utc - timedelta(days=1)
    fresh = key_of(met, "sg-next")
    heard(met, announce(met, fresh.certificate))
    met.boxes["SG"].signer = fresh.signer("")
    met.later(days=2)
    with pytest.raises(CannotSign, match=r"gateway-1 expired at .* key rotate"):
        outcome(met)
    assert met.rows(intake)[-1].outcome == "pending"
    key_of(met, "gateway")
    met.later(minutes=1)
    assert met.run(judge_again(met.node, met.now)) == 1
    assert met.rows(intake)[-1].outcome == "accepted"


def test_a_chain_of_rollovers_leaves_the_oldest_behind(met: GatewayFixture) -> None:
    box, before = met.boxes["SG"], met.boxes["SG"].signer
    for generation in range(3):
        fresh = met.key(f"sg-{generation}")
        heard(met, announce(met, fresh.certificate))
        box.signer = fresh.signer("")
        assert outcome(met) == "receipt"
    assert outcome(met, before) == "receipt"
    assert len(met.rows(announced)) == len(met.journal("certificate")) == 3


def test_one_certificate_may_be_announced_for_both_uses_and_again(met: GatewayFixture) -> None:
    fresh = met.key("sg-next")
    heard(met, announce(met, fresh.certificate))
    heard(met, announce(met, fresh.certificate, role="tls"))
    heard(met, announce(met, fresh.certificate))
    assert sorted((row.role, row.partner) for row in met.rows(announced)) == [("signing", "SG"), ("tls", "SG")]
    assert met.node.trust.owner(fresh.certificate, met.now) == "SG"


def _expired(gateway: GatewayFixture) -> bytes:
    old = key_of(gateway, "old", days=1)
    gateway.later(days=2)
    return old.certificate


def _of(**said: object) -> Callable[[GatewayFixture], bytes]:
    """A self-signed leaf that differs from a good one in what is said."""
    leaf = {"issuer": "leaf", "usages": ["digital_signature"], **said}
    return lambda _: Pki({"leaf": leaf}).get("leaf")


def _rsa_2048(gateway: GatewayFixture) -> bytes:
    private = rsa.generate_private_key(65537, 2048)
    made = selfsigned.builder(
        private.public_key(), Subject("small"), demo=False, begins=gateway.now, ends=gateway.now + timedelta(9)
    )
    return selfsigned.sign(made, private)


@pytest.mark.parametrize(
    ("what", "made", "code"),
    [
        ("no certificate", lambda _: b"no certificate", "certificate-unsuitable"),
        ("expired", _expired, "certificate-expired"),
        ("an authority's", _of(authority=True, usages=["key_cert_sign", "digital_signature"]), "certificate-unsuitable"),
        ("not for signatures", _of(usages=["key_agreement"]), "certificate-unsuitable"),
        ("a curve that is not of the profile", _of(key="k256"), "certificate-unsuitable"),
        ("an RSA key that is too small", _rsa_2048, "certificate-unsuitable"),
        ("signed with SHA-1", _of(hash="sha1"), "certificate-unsuitable"),
        ("of nobody we trust", lambda _: Pki.of({}).get("leaf"), "certificate-path"),
        ("another partner's", lambda gateway: gateway.boxes["HK"].signer.certificate, "certificate-unsuitable"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else None,
)
def test_what_could_never_be_relied_on_is_refused_when_it_is_announced(
    met: GatewayFixture, what: str, made: Callable[[GatewayFixture], bytes], code: str
) -> None:
    assert met.refused(announce(met, made(met))) == code, what
    assert met.rows(announced) == []


def test_a_key_of_no_agreed_algorithm_is_refused(met: GatewayFixture) -> None:
    key = create_file_key(met.keys, "rsa", "rsa-pss-sha256", Subject("rsa"), Purpose.DEMO, "", 9, now=met.now)
    met.bind("SG", algorithms=("ecdsa-p256-sha256",))
    assert met.refused(announce(met, key.certificate)) == "certificate-unsuitable"
    heard(met, announce(met, key.certificate, role="tls"))
    met.bind("SG", algorithms=("ecdsa-p256-sha256", "rsa-pss-sha256"))
    heard(met, announce(met, key.certificate))
    assert outcome(met, key.signer("")) == "receipt"


def test_another_partners_announcement_cannot_be_taken_over(met: GatewayFixture) -> None:
    fresh = met.key("hk-next")
    heard(met, announce(met, fresh.certificate, iso="HK"), "HK")
    assert met.refused(announce(met, fresh.certificate)) == "certificate-unsuitable"
    assert met.refused(announce(met, fresh.certificate, role="tls")) == "certificate-unsuitable"


def test_there_is_an_end_to_how_many_are_good_at_once(met: GatewayFixture) -> None:
    many = [met.key(f"many-{number}").certificate for number in range(partner.MOST + 1)]
    heard(met, announce(met, *many[: partner.MOST]))
    assert met.refused(announce(met, many[-1])) == "certificate-unsuitable"
    assert met.refused(announce(met, met.key("fresh").certificate, many[0])) == "certificate-unsuitable"
    assert len(met.rows(announced)) == partner.MOST


def test_a_list_of_announcements_holds_whole_or_not_at_all(met: GatewayFixture) -> None:
    assert met.refused(announce(met, met.key("good").certificate, b"no certificate")) == "certificate-unsuitable"
    assert met.rows(announced) == []
    assert met.journal("certificate") == []


def test_an_authoritys_next_certificate_counts_where_the_authority_is_pinned(met: GatewayFixture) -> None:
    made = Pki.of({"leaf": {"issuer": "root"}})
    met.node.trust.put("SG", replace(met.node.trust.trust_of("SG"), roots=(made.get("root"),)))
    met.send(announce(met, made.get("leaf")))
    assert [row.certificate for row in met.rows(announced)] == [made.get("leaf")]


def test_demonstration_keys_stay_out_of_production(met: GatewayFixture) -> None:
    met.node.settings = met.settings.model_copy(update={"mode": "production"})
    assert met.refused(announce(met, met.key("demo").certificate)) == "certificate-unsuitable"


def test_what_was_taken_says_so_to_a_partner_that_uses_it_at_once(met: GatewayFixture) -> None:
    """The answer to the very announcement is a receipt, so the partner knows that it may switch."""
    fresh = met.key("sg-next")
    assert met.send(announce(met, fresh.certificate)).header.kind is Kind.RECEIPT
    met.follow_certificates()
    met.boxes["SG"].signer = fresh.signer("")
    tins = met.listed(count=2)
    assert met.standing(tins[0]) is Standing.VALID
