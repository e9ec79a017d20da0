"""What partners announce for themselves: overlap without a common minute, and nothing that could never be relied on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import structs
from sqlalchemy import text

from gateway.core.model import Kind, Standing
from gateway.core.protocol import Announced, Proof, possession
from gateway.exchange.certificates import partner
from gateway.exchange.receive.receive import judge_again
from gateway.node.signing import CannotSign
from gateway.store import tables
from gateway.store.tables import intake, microseconds
from gateway.trust import selfsigned
from gateway.trust.keys import Key, KeyRing, Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from gateway.wire import payloads
from gateway.wire.algorithms import KeySigner
from gateway.wire.signature import Signer
from tests.rig.gateway import GatewayFixture
from tests.rig.keys import announced
from tests.trust.pki import Pki


@pytest.fixture
def met(gateway: GatewayFixture) -> GatewayFixture:
    """Its partners' certificates are pinned in their data."""
    gateway.pin_certificates()
    return gateway


def key_of(gateway: GatewayFixture, name: str, days: int = 365) -> Key:
    """A key made now."""
    return create_file_key(gateway.folder(name), name, "ecdsa-p256-sha256", Subject(name), Purpose.DEMO, "", days, now=gateway.now)


def announce(
    gateway: GatewayFixture, *keys: Key | bytes, since: datetime | None = None, role: str = "signing", iso: str = "SG"
) -> bytes:
    """The announcement of these keys, each proven; or of certificates whose keys the partner has not."""
    box, mine = gateway.boxes[iso], gateway.boxes[iso].signer
    said = [
        announced(box, mine, key, since, role) if isinstance(key, bytes) else announced(box, key.signer(""), None, since, role)
        for key in keys
    ]
    return box.protocol_message(Kind.KEYS, payloads.write_keys(said))


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
    heard(met, announce(met, fresh, since=switch))
    new = fresh.signer("")
    assert (outcome(met), outcome(met, new)) == ("receipt", "certificate-not-yet-valid")
    for ahead in (timedelta(minutes=-4), timedelta(0), timedelta(minutes=4), timedelta(days=30)):
        met.now = switch + ahead
        assert (outcome(met), outcome(met, new)) == ("receipt", "receipt"), ahead
    (end,) = [one.not_after for one in met.node.trust.trust_of("SG").pins if one.der == met.boxes["SG"].signer.certificate]
    later_key = key_of(met, "sg-later")
    heard(met, announce(met, later_key))
    later = later_key.signer("")
    KeyRing(met.keys).rotate("gateway", "", 365, signs_from=met.now + timedelta(days=1), now=met.now)
    met.now = end + timedelta(seconds=2)
    assert (outcome(met), outcome(met, later)) == ("certificate-expired", "receipt")


def test_while_our_own_key_has_ended_nobody_is_refused_for_it(met: GatewayFixture) -> None:
    """What comes is kept without a verdict, and judged when there is a key again."""
    met.now = met.ours.x509.not_valid_after_utc - timedelta(days=1)
    fresh = key_of(met, "sg-next")
    heard(met, announce(met, fresh))
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
        fresh = met.key(f"sg{generation}")
        heard(met, announce(met, fresh))
        box.signer = fresh.signer("")
        assert outcome(met) == "receipt"
    assert outcome(met, before) == "receipt"
    assert len(met.rows(tables.announced)) == len(met.journal("certificate")) == 3


def test_one_certificate_may_be_announced_for_both_uses_and_again(met: GatewayFixture) -> None:
    fresh = met.key("sg-next")
    heard(met, announce(met, fresh))
    heard(met, announce(met, fresh, role="tls"))
    heard(met, announce(met, fresh))
    assert sorted((row.role, row.partner) for row in met.rows(tables.announced)) == [("signing", "SG"), ("tls", "SG")]
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
    assert met.rows(tables.announced) == []


def test_a_key_of_no_agreed_algorithm_is_refused(met: GatewayFixture) -> None:
    key = create_file_key(met.folder("rsa"), "rsa", "rsa-pss-sha256", Subject("rsa"), Purpose.DEMO, "", 9, now=met.now)
    met.bind("SG", algorithms=("ecdsa-p256-sha256",))
    assert met.refused(announce(met, key)) == "certificate-unsuitable"
    heard(met, announce(met, key, role="tls"))
    met.bind("SG", algorithms=("ecdsa-p256-sha256", "rsa-pss-sha256"))
    heard(met, announce(met, key))
    assert outcome(met, key.signer("")) == "receipt"


def test_another_partners_announcement_cannot_be_taken_over(met: GatewayFixture) -> None:
    fresh = met.key("hk-next")
    heard(met, announce(met, fresh, iso="HK"), "HK")
    assert met.refused(announce(met, fresh)) == "certificate-unsuitable"
    assert met.refused(announce(met, fresh, role="tls")) == "certificate-unsuitable"


def test_there_is_an_end_to_how_many_are_good_at_once(met: GatewayFixture) -> None:
    many = [met.key(f"many{number}") for number in range(partner.MOST + 1)]
    heard(met, announce(met, *many[: partner.MOST]))
    assert met.refused(announce(met, many[-1])) == "certificate-unsuitable"
    assert met.refused(announce(met, met.key("fresh"), many[0])) == "certificate-unsuitable"
    assert len(met.rows(tables.announced)) == partner.MOST


def test_a_list_of_announcements_holds_whole_or_not_at_all(met: GatewayFixture) -> None:
    assert met.refused(announce(met, met.key("good"), b"no certificate")) == "certificate-unsuitable"
    assert met.rows(tables.announced) == []
    assert met.journal("certificate") == []


def test_an_authoritys_next_certificate_counts_where_the_authority_is_pinned(met: GatewayFixture) -> None:
    made = Pki.of({"leaf": {"issuer": "root"}})
    met.node.trust.put("SG", replace(met.node.trust.trust_of("SG"), roots=(made.get("root"),)))
    prover = KeySigner(made.private("leaf"), made.get("leaf"))
    met.send(met.boxes["SG"].protocol_message(Kind.KEYS, payloads.write_keys([announced(met.boxes["SG"], prover)])))
    assert [row.certificate for row in met.rows(tables.announced)] == [made.get("leaf")]


def test_demonstration_keys_stay_out_of_production(met: GatewayFixture) -> None:
    met.node.settings = met.settings.model_copy(update={"mode": "production"})
    assert met.refused(announce(met, met.key("demo"))) == "certificate-unsuitable"


def test_what_was_taken_says_so_to_a_partner_that_uses_it_at_once(met: GatewayFixture) -> None:
    """The answer to the very announcement is a receipt, so the partner knows that it may switch."""
    fresh = met.key("sg-next")
    assert met.send(announce(met, fresh)).header.kind is Kind.RECEIPT
    met.follow_certificates()
    met.boxes["SG"].signer = fresh.signer("")
    tins = met.listed(count=2)
    assert met.standing(tins[0]) is Standing.VALID


# ---------------------------------------------------------------- who holds the key, and whose it is


def say(gateway: GatewayFixture, *said: Announced, iso: str = "SG", **fields: Any) -> bytes:
    """Whatever is announced so."""
    return gateway.boxes[iso].protocol_message(Kind.KEYS, payloads.write_keys(said), **fields)


def signed_as(signer: Signer, sender: str, receiver: str, one: Announced) -> Proof:
    return Proof(signer.algorithm, signer.sign(possession(sender, receiver, one)))


@pytest.mark.parametrize(
    "change",
    [
        lambda one, key, other: structs.replace(one, proof=signed_as(key, "HK", "CN", one)),
        lambda one, key, other: structs.replace(one, proof=signed_as(key, "SG", "HK", one)),
        lambda one, key, other: structs.replace(one, role="tls"),
        lambda one, key, other: structs.replace(one, since=one.since + timedelta(seconds=1)),
        lambda one, key, other: structs.replace(one, certificate=other.certificate),
        lambda one, key, other: structs.replace(one, proof=signed_as(other, "SG", "CN", one)),
        lambda one, key, other: structs.replace(one, proof=Proof(key.algorithm, bytes(64))),
        lambda one, key, other: structs.replace(one, proof=Proof("ecdsa-p384-sha384", one.proof.value)),
        lambda one, key, other: structs.replace(one, proof=Proof("ed25519", one.proof.value)),
        lambda one, key, other: structs.replace(one, proof=Proof("of-no-profile", one.proof.value)),
        lambda one, key, other: structs.replace(one, proof=Proof(key.algorithm, one.proof.value + b"\0")),
    ],
    ids=["sender", "receiver", "role", "moment", "certificate", "key", "zeros", "curve", "family", "algorithm", "length"],
)
def test_a_proof_is_of_one_key_for_one_announcement(met: GatewayFixture, change: Callable[..., Announced]) -> None:
    key, other = met.key("sg-next").signer(""), met.key("thief").signer("")
    good = announced(met.boxes["SG"], key)
    answer = met.receive(say(met, change(good, key, other)))
    assert answer.refusal is not None
    assert (str(answer.refusal.code), "proof" in answer.refusal.detail) == ("certificate-unsuitable", True)
    assert met.rows(tables.announced) == []
    heard(met, say(met, good))
    assert outcome(met, key) == "receipt"


def test_where_envelope_2_is_agreed_nothing_is_taken_without_a_proof(met: GatewayFixture) -> None:
    key = met.key("sg-next")
    bare = Announced("signing", key.certificate, met.now)
    assert met.refused(say(met, bare)) == "envelope-invalid", "its schema asks for the proof"
    speak(met, "SG", 1)
    old = say(met, bare)
    met.bind("SG", envelope=2)
    assert met.refused(old) == "certificate-unsuitable", "envelope 1 is read, but it is no way around"
    assert met.rows(tables.announced) == []


def speak(gateway: GatewayFixture, iso: str, version: int) -> None:
    """Has a partner and us agree on a version of the envelope."""
    gateway.bind(iso, envelope=version)
    gateway.boxes[iso].bundle = gateway.live(iso).bundle


def test_in_envelope_1_an_announcement_holds_as_before_and_is_noted_as_unproven(met: GatewayFixture) -> None:
    speak(met, "SG", 1)
    key = met.key("sg-next")
    heard(met, announce(met, key))
    assert outcome(met, key.signer("")) == "receipt"
    assert [row.proven for row in met.rows(tables.announced)] == [False]
    speak(met, "SG", 2)
    heard(met, announce(met, key))
    assert [row.proven for row in met.rows(tables.announced)] == [True], "what is proven later is proven"
    assert outcome(met, key.signer("")) == "receipt"


def test_nobody_squats_anothers_next_certificate(met: GatewayFixture) -> None:
    """In envelope 1 a partner may announce whatever certificate it has seen. It gains nothing, and keeps nothing from its owner."""
    speak(met, "SG", 1)
    key = met.key("hk-next")
    for role in ("signing", "tls"):
        heard(met, announce(met, key, role=role))
    for role in ("signing", "tls"):
        heard(met, announce(met, key, role=role, iso="HK"), "HK")
    assert met.node.trust.owner(key.certificate, met.now) == "HK", "who proved it"
    met.boxes["HK"].signer = key.signer("")
    met.send(met.boxes["HK"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING)), "HK")
    other = met.key("hk-later")
    heard(met, announce(met, other, role="tls", iso="HK"), "HK")
    assert met.refused(announce(met, other, role="tls")) == "certificate-unsuitable", "what is proven is nobody else's"


def test_of_two_who_only_say_that_a_certificate_is_theirs_it_proves_none(met: GatewayFixture) -> None:
    for iso in ("SG", "HK"):
        speak(met, iso, 1)
    key = met.key("hk-next")
    for iso in ("SG", "HK"):
        heard(met, announce(met, key, role="tls", iso=iso), iso)
    assert met.node.trust.owner(key.certificate, met.now) is None
    assert [one.partner for one in met.node.trust.claims(key.certificate, met.now)] == ["SG", "HK"]


def test_a_certificate_of_ours_is_nobody_elses(met: GatewayFixture) -> None:
    """Neither of the key of now, nor of one to come, nor another certificate of the same key."""
    ring = KeyRing(met.keys)
    coming = ring.rotate("gateway", "", 365, signs_from=met.now + timedelta(days=9), now=met.now)
    private = load_pem_private_key((met.ours.folder / "key.pem").read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    made = selfsigned.builder(private.public_key(), Subject("ours"), demo=True, begins=met.now, ends=met.now + timedelta(days=9))
    again = selfsigned.sign(made, private)
    for version in (1, 2):
        speak(met, "SG", version)
        for one, der in ((met.ours, met.ours.certificate), (coming, coming.certificate), (met.ours, again)):
            answer = met.receive(say(met, announced(met.boxes["SG"], one.signer(""), der)))
            assert answer.refusal is not None
            assert (str(answer.refusal.code), "receiving gateway" in answer.refusal.detail) == ("certificate-unsuitable", True)
    assert met.rows(tables.announced) == []


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("since", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_from_a_moment_that_nobody_can_mean_is_refused_and_everybody_goes_on(
    met: GatewayFixture, version: int, since: datetime
) -> None:
    """It got a receipt once, and seconds later no partner's trust could be loaded."""
    speak(met, "SG", version)
    assert met.refused(announce(met, met.key("sg-next"), since=since)) == "envelope-invalid"
    met.follow_certificates()
    assert outcome(met) == "receipt"


def test_what_was_kept_of_such_a_moment_before_harms_nobody(met: GatewayFixture) -> None:
    """A release before this one gave a receipt: what it kept is read as within bounds, and what cannot be read is left out."""
    key = met.key("sg-next")
    heard(met, announce(met, key))
    extremes = {"1": microseconds(datetime.min.replace(tzinfo=UTC)), "2": 2**62, "3": -(2**62)}
    for number, since in extremes.items():
        with met.database.write.begin() as connection:
            copied = {"partner": "SG", "role": "signing", "message_id": number, "proven": False}
            connection.execute(
                text("INSERT INTO announced (fingerprint, role, partner, certificate, since, message_id, proven)"
                     " VALUES (:fingerprint, :role, :partner, :certificate, :since, :message_id, :proven)"),
                {**copied, "fingerprint": number * 64, "certificate": key.certificate if number != "3" else b"none", "since": since},
            )  # fmt: skip
    problems = met.partners.problems
    with met.database.reading() as connection:
        found = partner.trusts(connection, met.partners.all(), met.settings.clock_skew, problems)
    assert [(one.partner, one.what) for one in problems.now()] == [("SG", "trust")]
    assert (len(found["SG"].pins), len(found["HK"].pins)) == (4, 1)
    for iso, trust in found.items():
        met.trust.put(iso, trust)
    assert outcome(met) == "receipt"
