"""Keys in a token, for real: SoftHSM2, in this process and in spawned workers."""

from __future__ import annotations

import multiprocessing
import secrets
import subprocess
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pkcs11 import Attribute, KeyType, Mechanism, PKCS11Error, lib
from pkcs11.util.ec import encode_named_curve_parameters

from gateway.core.errors import Code, Refusal
from gateway.trust import pkcs11
from gateway.trust.keys import KeyRing, Purpose, create_token_key
from gateway.trust.pkcs11 import Token, open_signer, public_key
from gateway.trust.selfsigned import Subject
from gateway.trust.validate import validate
from gateway.wire.algorithms import BY_NAME, VerifyKey
from tests.rig.machine import need_tool

pytestmark = pytest.mark.process

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PIN = "1234"
SUBJECT = Subject("gateway.example")
ALGORITHMS = {
    "rsa-sha256": "rsa",
    "rsa-sha512": "rsa",
    "rsa-pss-sha256": "rsa",
    "rsa-pss-sha384": "rsa",
    "ecdsa-p256-sha256": "p256",
    "ecdsa-p384-sha384": "p384",
    "ed25519": "ed25519",
}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh SoftHSM2 token "gateway" that holds one key of each kind; gives the path of the module."""
    tool = Path(need_tool("softhsm2-util")).resolve()
    found = [path for place in ("lib", "lib64") for path in (tool.parents[1] / place).glob("**/libsofthsm2.so")]
    assert found, "softhsm2-util is there and its module is not"
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        for label in ("gateway", "other"):
            arguments = ["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "5678"]
            subprocess.run([str(tool), *arguments], check=True, capture_output=True)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            pool.submit(_make_keys, str(found[0])).result()
        yield str(found[0])


def _make_keys(module: str) -> None:
    """In a process of its own, for a token has one login in each and ours may not write."""
    session: Any = lib(module).get_token(token_label="gateway").open(user_pin=PIN, rw=True)
    for label, bits in (("rsa", 3072), ("rsa-again", 3072), ("rsa-small", 2048)):
        session.generate_keypair(KeyType.RSA, bits, store=True, label=label)
    for label, curve in (("p256", "secp256r1"), ("p384", "secp384r1")):
        parameters = session.create_domain_parameters(
            KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
        )
        parameters.generate_keypair(store=True, label=label)
    # Edwards curves are named by a PrintableString (PKCS #11 v3.0, 2.3.5).
    named = bytes.fromhex("130c") + b"edwards25519"
    edwards = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: named}, local=True)
    edwards.generate_keypair(mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label="ed25519")


def token(module: str, key: str, label: str = "gateway") -> Token:
    return Token(module, label, key)


@pytest.mark.parametrize(("algorithm", "key"), ALGORITHMS.items())
def test_signs_what_verifies(module: str, algorithm: str, key: str) -> None:
    signer = open_signer(token(module, key), PIN, algorithm, None)
    assert (signer.algorithm, signer.certificate) == (algorithm, None)
    public = public_key(token(module, key), PIN)
    for data in (b"", b"data", secrets.token_bytes(100_000)):
        assert BY_NAME[algorithm].made_by(public, signer.sign(data), data)


@pytest.mark.parametrize(("algorithm", "key"), ALGORITHMS.items())
def test_a_recorded_key_has_a_certificate_that_stands(module: str, tmp_path: Path, algorithm: str, key: str) -> None:
    made = create_token_key(tmp_path, "gateway", algorithm, SUBJECT, Purpose.PRODUCTION, token(module, key), PIN, 365, now=NOW)
    assert validate(made.certificate, roots=[made.certificate], moment=NOW).passed
    assert not (made.folder / "key.pem").exists()
    assert PIN not in (made.folder / "key.json").read_text()
    # Signed by the token, not by the throwaway that filled the form.
    made.x509.verify_directly_issued_by(made.x509)
    opened = KeyRing(tmp_path).current("gateway", NOW, production=True)
    signature = opened.signer(PIN).sign(b"data")
    assert BY_NAME[algorithm].made_by(VerifyKey.from_certificate(made.certificate).key, signature, b"data")


def test_rotation_names_the_new_key_of_the_token(module: str, tmp_path: Path) -> None:
    first = token(module, "rsa")
    create_token_key(tmp_path, "gateway", "rsa-pss-sha256", SUBJECT, Purpose.PRODUCTION, first, PIN, 365, now=NOW)
    ring, switch = KeyRing(tmp_path), NOW + timedelta(days=30)
    for wrong in (None, first):
        with pytest.raises(Refusal, match="make a new key there"):
            ring.rotate("gateway", PIN, 365, signs_from=switch, now=NOW, token=wrong)
    new = ring.rotate("gateway", PIN, 365, signs_from=switch, now=NOW, token=token(module, "rsa-again"))
    assert ring.current("gateway", switch, production=True) == new


@pytest.mark.parametrize(
    ("label", "key", "pin", "algorithm", "sentence"),
    [
        ("nowhere", "rsa", PIN, "rsa-sha256", "no token labelled nowhere"),
        ("gateway", "none", PIN, "rsa-sha256", "holds no PRIVATE_KEY labelled none"),
        ("gateway", "rsa", "0000", "rsa-sha256", "PIN does not open"),
        ("other", "rsa", "0000", "rsa-sha256", "PIN does not open"),
        ("gateway", "rsa", PIN, "md5", "no such algorithm"),
    ],
)
def test_what_is_wrong_is_named(module: str, label: str, key: str, pin: str, algorithm: str, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence) as caught:
        open_signer(token(module, key, label), pin, algorithm, None)
    assert caught.value.code is Code.DATA_INVALID
    assert pin not in str(caught.value)


def test_a_module_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="cannot be opened"):
        open_signer(token(str(tmp_path / "none.so"), "rsa"), PIN, "rsa-sha256", None)


@pytest.mark.parametrize(("key", "algorithm"), [("rsa", "ecdsa-p256-sha256"), ("p256", "ecdsa-p384-sha384"), ("rsa", "md5")])
def test_an_algorithm_for_another_kind_of_key(module: str, tmp_path: Path, key: str, algorithm: str) -> None:
    with pytest.raises(Refusal, match="does not fit"):
        create_token_key(tmp_path, "gateway", algorithm, SUBJECT, Purpose.DEMO, token(module, key), PIN, 30, now=NOW)


def test_the_wrong_label_is_found_before_anything_is_signed_with_it(module: str, tmp_path: Path) -> None:
    made = create_token_key(tmp_path, "gateway", "rsa-sha256", SUBJECT, Purpose.DEMO, token(module, "rsa"), PIN, 30, now=NOW)
    for label, algorithm in (("rsa-again", "rsa-sha256"), ("p256", "ecdsa-p256-sha256")):
        with pytest.raises(Refusal, match="is not the key of the certificate"):
            open_signer(token(module, label), PIN, algorithm, made.certificate)


def test_small_keys_are_not_recorded(module: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="at least 3072 bits"):
        create_token_key(tmp_path, "gateway", "rsa-sha256", SUBJECT, Purpose.DEMO, token(module, "rsa-small"), PIN, 30, now=NOW)


def test_threads_share_the_session(module: str) -> None:
    signer = open_signer(token(module, "p256"), PIN, "ecdsa-p256-sha256", None)
    public = public_key(token(module, "p256"), PIN)
    data = [secrets.token_bytes(32) for _ in range(200)]
    with ThreadPoolExecutor(8) as pool:
        signatures = list(pool.map(signer.sign, data))
    assert all(BY_NAME["ecdsa-p256-sha256"].made_by(public, made, one) for made, one in zip(signatures, data, strict=True))


def _sign_in_worker(where: Token, data: bytes) -> bytes:
    return open_signer(where, PIN, "ecdsa-p256-sha256", None).sign(data)


def test_spawned_workers_open_their_own_session(module: str) -> None:
    where = token(module, "p256")
    here = open_signer(where, PIN, "ecdsa-p256-sha256", None)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = list(pool.map(_sign_in_worker, [where] * 4, [b"data"] * 4))
    public = public_key(where, PIN)
    assert all(BY_NAME["ecdsa-p256-sha256"].made_by(public, made, b"data") for made in (*there, here.sign(b"data")))


def test_a_token_that_another_process_is_writing_is_looked_for_again(module: str) -> None:
    """SoftHSM2 writes a token's file at each login: of many processes that start together, some see no token at first."""
    with multiprocessing.get_context("spawn").Pool(6, maxtasksperchild=1) as pool:
        signatures = pool.starmap(_sign_in_worker, [(token(module, "p256"), b"data")] * 24, chunksize=1)
    public = public_key(token(module, "p256"), PIN)
    assert all(BY_NAME["ecdsa-p256-sha256"].made_by(public, made, b"data") for made in signatures)


def test_a_lost_session_is_opened_again(module: str) -> None:
    signer = open_signer(token(module, "p256"), PIN, "ecdsa-p256-sha256", None)
    pkcs11._session(module, "gateway", PIN)._open.close()
    assert BY_NAME["ecdsa-p256-sha256"].made_by(public_key(token(module, "p256"), PIN), signer.sign(b"data"), b"data")


def test_a_token_that_is_gone_is_our_fault_and_may_come_back(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = open_signer(token(module, "p256"), PIN, "ecdsa-p256-sha256", None)
    session = pkcs11._session(module, "gateway", PIN)

    def gone(*_: Any) -> bytes:
        raise PKCS11Error

    with monkeypatch.context() as broken:
        broken.setattr(session, "_find", gone)
        with pytest.raises(Refusal) as caught:
            signer.sign(b"data")
    assert caught.value.code is Code.INTERNAL
    assert caught.value.code.row.retryable
    assert signer.sign(b"data")
