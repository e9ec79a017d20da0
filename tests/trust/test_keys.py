"""Our own keys: made, kept from others, rolled over at a known moment, and never a demo key in production."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import Code, Refusal
from gateway.trust import rollover
from gateway.trust.allowed import CertificateRules
from gateway.trust.endings import of_keys
from gateway.trust.keys import Key, KeyRing, Purpose, State, create_file_key, open_key, read_secret
from gateway.trust.selfsigned import DEMO_MARK, Subject
from gateway.trust.validate import validate
from gateway.wire.algorithms import ALGORITHMS, BY_NAME, VerifyKey

NOW = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
DAY = timedelta(days=1)
SUBJECT = Subject("gateway.example", "Example Administration", "XA", ("gateway.example", "192.0.2.1"))


def make(
    directory: Path, name: str = "gateway", algorithm: str = "ecdsa-p256-sha256", purpose: Purpose = Purpose.PRODUCTION
) -> Key:
    return create_file_key(directory, name, algorithm, SUBJECT, purpose, "a passphrase", 365, now=NOW)


def raises_refusal(sentence: str) -> pytest.RaisesExc[Refusal]:
    return pytest.raises(Refusal, match=sentence, check=lambda refusal: refusal.code is Code.DATA_INVALID)


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_a_key_of_every_algorithm_signs_and_its_certificate_stands(tmp_path: Path, algorithm: str) -> None:
    key = make(tmp_path, algorithm=algorithm)
    signer = open_key(key.folder).signer("a passphrase")
    assert signer.algorithm == algorithm
    assert signer.certificate == key.certificate
    verify = VerifyKey.from_certificate(key.certificate)
    assert verify.fingerprint == key.fingerprint
    assert BY_NAME[algorithm].made_by(verify.key, signer.sign(b"data"), b"data")
    assert validate(key.certificate, roots=[key.certificate], moment=NOW, rules=CertificateRules(production=True)).passed


def test_what_the_certificate_says(tmp_path: Path) -> None:
    key = make(tmp_path)
    certificate = x509.load_pem_x509_certificate(key.pem.encode())
    assert certificate.subject.rfc4514_string() == "CN=gateway.example,O=Example Administration,C=XA"
    assert certificate.not_valid_before_utc == NOW - timedelta(minutes=10)
    assert certificate.not_valid_after_utc == NOW + 365 * DAY
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(name.value) for name in names} == {"gateway.example", "192.0.2.1"}
    assert key == open_key(key.folder)
    assert key.id == "gateway-1"


def test_the_key_is_for_its_owner_only(tmp_path: Path) -> None:
    key = make(tmp_path)
    secret = key.folder / "key.pem"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert key.folder.stat().st_mode & 0o777 == 0o700
    assert b"ENCRYPTED" in secret.read_bytes()
    for mode in (0o640, 0o604, 0o660, 0o644):
        secret.chmod(mode)
        with raises_refusal("open to others"):
            key.signer("a passphrase")
    secret.chmod(0o400)
    assert key.signer("a passphrase").sign(b"x")
    secret.unlink()
    with raises_refusal("cannot be read"):
        key.signer("a passphrase")


def test_a_passphrase_may_be_in_a_file_of_the_owner(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_text("a passphrase")
    file.chmod(0o644)
    with raises_refusal("open to others"):
        read_secret(file)
    file.chmod(0o600)
    assert read_secret(file) == b"a passphrase"


@pytest.mark.parametrize("passphrase", ["wrong", ""])
def test_a_wrong_passphrase_is_named_and_nothing_else(tmp_path: Path, passphrase: str) -> None:
    key = make(tmp_path)
    with raises_refusal("passphrase does not open") as caught:
        key.signer(passphrase)
    assert "a passphrase" not in str(caught.value)
    assert caught.value.remedy == "Check AEO_KEY_PASSPHRASE."


def test_only_a_demo_key_does_without_a_passphrase(tmp_path: Path) -> None:
    with raises_refusal("needs a passphrase"):
        create_file_key(tmp_path, "gateway", "ed25519", SUBJECT, Purpose.PRODUCTION, "", 30, now=NOW)
    key = create_file_key(tmp_path, "gateway", "ed25519", SUBJECT, Purpose.DEMO, "", 30, now=NOW)
    assert key.signer("").sign(b"x")
    assert (key.folder / "key.pem").stat().st_mode & 0o777 == 0o600


def test_another_key_beside_the_certificate_is_found(tmp_path: Path) -> None:
    one, two = make(tmp_path, "one"), make(tmp_path, "two")
    (one.folder / "key.pem").write_bytes((two.folder / "key.pem").read_bytes())
    with raises_refusal("is not the key of the certificate"):
        one.signer("a passphrase")


@pytest.mark.parametrize(
    ("name", "algorithm", "bits", "sentence"),
    [
        ("Gateway", "ed25519", 3072, "small letters"),
        ("../gateway", "ed25519", 3072, "small letters"),
        ("", "ed25519", 3072, "small letters"),
        ("gateway-2", "ed25519", 3072, "must not look like an id"),
        ("gateway", "rsa-sha1", 3072, "no such algorithm"),
        ("gateway", "dsa", 3072, "no such algorithm"),
        ("gateway", "rsa-pss-sha256", 2048, "at least 3072 bits"),
    ],
)
def test_keys_that_are_not_made(tmp_path: Path, name: str, algorithm: str, bits: int, sentence: str) -> None:
    with raises_refusal(sentence):
        create_file_key(tmp_path, name, algorithm, SUBJECT, Purpose.DEMO, "", 30, now=NOW, rsa_bits=bits)
    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "gateway-1").mkdir()
    (tmp_path / "gateway-1" / "something").touch()
    with raises_refusal("cannot be written"):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["gateway-1"]


@pytest.mark.parametrize("damage", ["key.json", "certificate.pem"])
def test_a_damaged_directory_is_named(tmp_path: Path, damage: str) -> None:
    key = make(tmp_path)
    (key.folder / damage).write_text("{")
    with raises_refusal("does not hold a readable key"):
        KeyRing(tmp_path).all()


def test_a_demo_key_is_refused_in_production(tmp_path: Path) -> None:
    key = make(tmp_path, purpose=Purpose.DEMO)
    ring = KeyRing(tmp_path)
    assert ring.current("gateway", NOW, production=False) == key
    with raises_refusal("AEO_MODE is production and gateway-1 is a demo key: a production key named gateway is missing"):
        ring.current("gateway", NOW, production=True)
    # Nor does it become one by editing.
    file = key.folder / "key.json"
    file.write_text(file.read_text().replace('"demo"', '"production"'))
    assert DEMO_MARK in key.x509.subject.rfc4514_string().replace("\\,", ",")
    with raises_refusal("is a demo key"):
        ring.current("gateway", NOW, production=True)
    assert not validate(key.certificate, roots=[key.certificate], moment=NOW, rules=CertificateRules(production=True)).passed


def test_the_start_names_what_is_missing(tmp_path: Path) -> None:
    with raises_refusal("There is no key named gateway") as caught:
        KeyRing(tmp_path / "none").current("gateway", NOW, production=True)
    assert caught.value.remedy == "aeo-gateway key create gateway --purpose production"
    make(tmp_path)
    with raises_refusal("expired at 2027-06-01T08:30:00"):
        KeyRing(tmp_path).current("gateway", NOW + 366 * DAY, production=True)


def test_rotation_switches_every_node_at_one_moment(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    with raises_refusal("no key named gateway"):
        ring.rotate("gateway", "a passphrase", 365, signs_from=NOW + DAY, now=NOW)
    old = make(tmp_path, algorithm="rsa-sha256")
    switch = NOW + 300 * DAY
    later = switch - 30 * DAY
    new = ring.rotate("gateway", "a passphrase", 365, signs_from=switch, now=later)
    assert (new.id, new.record.algorithm, new.record.subject) == ("gateway-2", "rsa-sha256", SUBJECT)
    assert new.fingerprint != old.fingerprint
    public = new.x509.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    assert public.key_size == 3072
    second = timedelta(seconds=1)
    assert ring.current("gateway", switch - second, production=True) == old
    assert ring.current("gateway", switch, production=True) == new
    assert ring.states("gateway", switch - second) == {"gateway-1": State.CURRENT, "gateway-2": State.NEXT}
    assert ring.states("gateway", switch) == {"gateway-1": State.RETIRED, "gateway-2": State.CURRENT}
    # Announced at once, so it must be valid at once; and both are valid around the switch.
    assert new.x509.not_valid_before_utc <= later
    assert old.x509.not_valid_after_utc > switch
    assert new.x509.not_valid_after_utc == switch + 365 * DAY
    assert new.signer("a passphrase").sign(b"x")
    with raises_refusal("gateway-2 is already to take over"):
        ring.rotate("gateway", "a passphrase", 365, signs_from=switch + DAY, now=later)


@pytest.mark.parametrize("signs_from", [NOW - DAY, NOW, NOW + 366 * DAY])
def test_a_switch_in_the_past_or_after_the_end_is_refused(tmp_path: Path, signs_from: datetime) -> None:
    make(tmp_path)
    with raises_refusal("The switch lies after now"):
        KeyRing(tmp_path).rotate("gateway", "a passphrase", 365, signs_from=signs_from, now=NOW)


def test_an_announced_switch_is_brought_forward(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    old = make(tmp_path)
    with raises_refusal("No key is to take over from gateway"):
        rollover.bring_forward(ring, "gateway", "a passphrase", signs_from=NOW, now=NOW)
    new = ring.rotate("gateway", "a passphrase", 365, signs_from=NOW + 30 * DAY, now=NOW)
    later = NOW + DAY
    for moment in (later - DAY, NOW + 30 * DAY, NOW + 31 * DAY):
        with raises_refusal("The switch is brought forward"):
            rollover.bring_forward(ring, "gateway", "a passphrase", signs_from=moment, now=later)
    with raises_refusal("passphrase does not open"):
        rollover.bring_forward(ring, "gateway", "another", signs_from=later, now=later)
    assert ring.current("gateway", later, production=True) == old, "nothing changed"
    done = rollover.bring_forward(ring, "gateway", "a passphrase", signs_from=later, now=later)
    assert (done.id, done.fingerprint, done.record.signs_from) == (new.id, new.fingerprint, later)
    assert ring.states("gateway", later) == {"gateway-1": State.RETIRED, "gateway-2": State.CURRENT}
    assert {path.name for path in done.folder.iterdir()} == {"key.json", "certificate.pem", "key.pem"}
    assert ring.rotate("gateway", "a passphrase", 365, signs_from=later + DAY, now=later).id == "gateway-3"


def test_a_dropped_key_never_signs_and_makes_room_for_another(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    old = make(tmp_path)
    with raises_refusal("No key is to take over from gateway"):
        rollover.drop(ring, "gateway", now=NOW)
    with raises_refusal("no key named gateway-1"):
        rollover.drop(ring, "gateway-1", now=NOW)
    stolen = ring.rotate("gateway", "a passphrase", 365, signs_from=NOW + DAY, now=NOW)
    assert rollover.drop(ring, "gateway", now=NOW).fingerprint == stolen.fingerprint
    with raises_refusal("No key is to take over from gateway"):
        rollover.drop(ring, "gateway", now=NOW)
    assert ring.current("gateway", NOW + 2 * DAY, production=True) == old
    another = ring.rotate("gateway", "a passphrase", 365, signs_from=NOW + 3 * DAY, now=NOW)
    assert another.id == "gateway-3", "an id is never given again"
    assert [*ring.states("gateway", NOW + 3 * DAY).values()] == [State.RETIRED, State.DROPPED, State.CURRENT]
    warned = {ending.name: ending.succeeded for ending in of_keys(ring.all())}
    assert warned == {"gateway-1": True, "gateway-3": False}


def test_a_folder_that_cannot_be_written_leaves_the_key_as_it_was(tmp_path: Path) -> None:
    make(tmp_path)
    new = KeyRing(tmp_path).rotate("gateway", "a passphrase", 365, signs_from=NOW + DAY, now=NOW)
    (new.folder / "key.json.new").mkdir()
    with raises_refusal("cannot be written"):
        rollover.drop(KeyRing(tmp_path), "gateway", now=NOW)
    assert open_key(new.folder) == new


@given(st.lists(st.integers(1, 300), min_size=1, max_size=4), st.integers(0, 1500))
@settings(max_examples=15, deadline=None)
def test_there_is_always_exactly_one_current_key(tmp_path_factory: pytest.TempPathFactory, steps: list[int], day: int) -> None:
    directory = tmp_path_factory.mktemp("keys")
    create_file_key(directory, "gateway", "ed25519", SUBJECT, Purpose.DEMO, "", 400, now=NOW)
    now = NOW
    for step in steps:
        switch = now + timedelta(days=step)
        KeyRing(directory).rotate("gateway", "", 400, signs_from=switch, now=now)
        now = switch
    moment = NOW + timedelta(days=day)
    states = list(KeyRing(directory).states("gateway", moment).values())
    assert states.count(State.CURRENT) == 1
    assert states == sorted(states, key=[State.RETIRED, State.CURRENT, State.NEXT].index)
