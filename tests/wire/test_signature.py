"""Signing and verifying: every vector of tests/vectors/signature within its bounds, and the laws that hold for all messages."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import pickle
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.trust import selfsigned
from gateway.trust.selfsigned import Subject
from gateway.wire.algorithms import ALGORITHMS, KeySigner, Policy, VerifyKey
from gateway.wire.signature import Verified, sign, verify
from gateway.wire.xml import canonical, escape, parse
from tests.rig.bounds import answer, code, judged
from tests.rig.vectors import load
from tests.rig.volume import times
from tests.trust.pki import BEGINS, ENDS
from tests.wire.forge import forge, pinned, policy
from tests.wire.kit import ALL, certificate, message, private_key, signer, verify_key


@pytest.mark.parametrize("vector", load("signature"), ids=lambda vector: vector["id"])
def test_vector(vector: dict[str, Any]) -> None:
    data, keys, agreed = forge(vector), pinned(vector), policy(vector)
    outcome = answer(lambda: verify(parse(data), keys, agreed), len(data), floor(data) if vector.get("dense") else 0.0)
    assert code(outcome) == vector["code"], outcome
    if isinstance(outcome, Verified):
        assert outcome.content == canonical(parse(message()))


def floor(data: bytes) -> float:
    """Seconds of CPU that libxml2 takes to read this, to write its canonical form and to forget it: nobody who verifies can do without."""
    seconds = []
    for _ in range(3):
        began = time.process_time()
        canonical(etree.fromstring(data))
        seconds.append(time.process_time() - began)
    return min(seconds)


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_what_is_signed_is_what_verifies(algorithm: str) -> None:
    by = signer(algorithm)
    signed = sign(message(), by)
    verified = verify(parse(signed), [VerifyKey.from_certificate(by.certificate or b"")], ALL)
    assert verified.content == canonical(parse(message()))
    assert verified.digest == hashlib.sha256(verified.content).hexdigest()
    assert verified.fingerprint == hashlib.sha256(by.certificate or b"").hexdigest()
    assert verified.algorithm == by.algorithm == algorithm
    # The gateway never needs more than the content: it reads again as the same.
    assert canonical(parse(verified.content)) == verified.content


def refused(data: bytes) -> Refusal:
    with pytest.raises(Refusal) as caught:
        verify(parse(data), [verify_key("p256")], ALL)
    return caught.value


def laid_out(data: bytes, blanks: str, *, all_of_it: bool = False) -> bytes:
    """Indented, the signature only with ``all_of_it``."""
    root = etree.fromstring(data)
    signature = root[-1]
    if not all_of_it:
        root.remove(signature)
    etree.indent(root, blanks)
    if not all_of_it:
        root.append(signature)
    return etree.tostring(root)


def bare(data: bytes) -> bytes:
    return etree.tostring(etree.fromstring(data, etree.XMLParser(remove_blank_text=True)))


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (laid_out(sign(message(), signer()), "  "), "it was indented afterwards"),
        (bare(sign(laid_out(message(), "  ", all_of_it=True), signer())), "it was indented by two blanks"),
        (laid_out(sign(laid_out(message(), "    ", all_of_it=True), signer()), "\t"), "it was indented by four blanks"),
        (
            bare(sign(laid_out(message(), "\t", all_of_it=True).replace(b"\n", b"&#13;\n"), signer()).replace(b"&#13;", b"")),
            "by a tab, .*with other line ends",
        ),
        (sign(message().replace(b"Quay ", b"Quay&#13;\n"), signer()).replace(b"&#13;", b"\r"), "ended in CR LF"),
        (laid_out(sign(message(), signer()), "  ", all_of_it=True), "indented after it was signed"),
    ],
)
def test_what_was_laid_out_anew_after_it_was_signed_is_told_so(sent: bytes, said: str) -> None:
    refusal = refused(sent)
    assert refusal.code in (Code.SIGNATURE_DIGEST, Code.SIGNATURE_INVALID)
    assert re.search(said, refusal.detail), refusal.detail
    assert refusal.remedy.startswith("Sign last")


def test_what_was_changed_otherwise_is_not_called_laid_out_anew() -> None:
    for changed in (b"Quay Roads", b"Quay  Road"):
        refusal = refused(laid_out(sign(message(), signer()).replace(b"Quay Road", changed), "  "))
        assert (refusal.code, refusal.detail[-12:]) == (Code.SIGNATURE_DIGEST, "as received.")


def test_a_renewed_certificate_of_an_announced_key_is_told_so() -> None:
    key = private_key("p256")
    made = selfsigned.builder(key.public_key(), Subject("renewed"), demo=True, begins=BEGINS, ends=ENDS)
    renewed = KeySigner(key, selfsigned.sign(made, key), "ecdsa-p256-sha256")
    refusal = refused(sign(message(), renewed))
    assert refusal.code is Code.SIGNATURE_INVALID
    assert f"its key is, in {verify_key('p256').fingerprint}" in refusal.detail
    assert "Announce the renewed certificate" in refusal.remedy
    stranger = KeySigner(private_key("other-p256"), renewed.certificate, "ecdsa-p256-sha256")
    assert "its key is" not in refused(sign(message(), stranger)).detail


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.text("ab<&\"'\u00e9\u6e2f\t\n\r \U0001f6a2", max_size=8), max_size=4
    ),
    st.lists(st.text("ab<&>\"'\u00e9\u6e2f\t\n \U0001f6a2", max_size=12), max_size=4),
    st.sampled_from(["", "\n", "<?xml version='1.0' encoding='utf-8'?>"]),
)
@settings(max_examples=times(100))
def test_signing_any_document(attributes: dict[str, str], texts: list[str], before: str) -> None:
    inside = "".join(f"<b>{escape(text)}</b>" for text in texts)
    start = "a" + "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    unsigned = f"{before}<{start}>{inside}</a>" if inside else f"{before}<{start}/>"
    content = canonical(parse(unsigned.encode()))
    by = signer("ed25519")
    signed = sign(unsigned.encode(), by)
    assert signed == sign(unsigned.encode(), by)
    assert verify(parse(signed), [verify_key("ed25519")], ALL).content == content


def test_a_list_whose_canonical_form_repeats_a_declaration_on_each_record_can_be_read_again() -> None:
    records = b"".join(b"<c:Operator><a:Id>%d</a:Id></c:Operator>" % number for number in range(500))
    unsigned = b"<e xmlns:a='urn:a' xmlns:c='urn:c'>" + records + b"</e>"
    content = verify(parse(sign(unsigned, signer())), [verify_key("p256")], ALL).content
    assert content.count(b"xmlns") == 1000
    assert len(parse(content)) == 500


def test_only_the_signature_value_differs_between_two_signings() -> None:
    first, second = (sign(message(), signer()) for _ in range(2))
    start, end = first.index(b"<ds:SignatureValue>"), first.index(b"</ds:SignatureValue>")
    assert first != second
    assert (first[:start], first[end:]) == (second[:start], second[end:])


@pytest.mark.parametrize(
    ("unsigned", "expected"),
    [
        (b"<a><!-- x --></a>", Code.XML_COMMENT),
        (b"<a", Code.XML_MALFORMED),
        (sign(b"<a/>", signer()), Code.SIGNATURE_MISPLACED),
    ],
)
def test_what_we_would_refuse_we_do_not_sign(unsigned: bytes, expected: Code) -> None:
    with pytest.raises(Refusal) as caught:
        sign(unsigned, signer())
    assert caught.value.code is expected


def test_only_verify_makes_a_verified() -> None:
    with pytest.raises(TypeError):
        Verified(b"<a/>", "", "ed25519", "", b"", object())
    verified = verify(parse(sign(message(), signer())), [verify_key("p256")], ALL)
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(verified, content=b"<evil/>")  # type: ignore[call-arg]  # the seal cannot be given
    with pytest.raises(dataclasses.FrozenInstanceError):
        verified.content = b"<evil/>"  # type: ignore[misc]  # the very thing the type forbids
    # A worker process hands its result back.
    assert pickle.loads(pickle.dumps(verified)) == copy.copy(verified) == verified


def test_the_administrator_learns_which_certificate_was_expected_and_which_came() -> None:
    root = parse(sign(message(), signer(name="other-p256")))
    outcome = judged(lambda: verify(root, [verify_key("p256")], ALL))
    assert isinstance(outcome, Refusal)
    assert outcome.facts["certificates expected"] == verify_key("p256").fingerprint
    assert outcome.facts["certificate in KeyInfo"] == verify_key("other-p256").fingerprint
    assert verify_key("p256").fingerprint not in outcome.detail


def test_a_changed_document_is_told_by_reference_and_digest() -> None:
    signed = sign(message(), signer()).replace(b"XA000000000000", b"XA666666666666")
    outcome = judged(lambda: verify(parse(signed), [verify_key("p256")], ALL))
    assert isinstance(outcome, Refusal)
    assert 'Reference URI=""' in outcome.detail
    assert len(outcome.facts["digest signed"]) == len(outcome.facts["digest received"]) == 64


def test_a_signer_whose_key_does_not_fit_is_no_signer() -> None:
    for name, algorithm in (
        ("p256", "ecdsa-p384-sha384"),
        ("p256", "rsa-sha256"),
        ("k256", None),
        ("p521", None),
        ("p256", "ecdsa-sha1"),
    ):
        with pytest.raises(ValueError, match="does not fit"):
            KeySigner(private_key(name), None, algorithm)
    assert KeySigner(private_key("rsa-3072")).algorithm == "rsa-pss-sha256"


@pytest.mark.parametrize("name", ["k256", "p521"])
def test_a_certificate_of_another_kind_cannot_be_pinned(name: str) -> None:
    with pytest.raises(ValueError, match="no kind"):
        VerifyKey.from_certificate(certificate(name))


def test_the_policy_bounds_rsa_sizes() -> None:
    signed = sign(message(), signer("rsa-sha256"))
    assert code(judged(lambda: verify(parse(signed), [verify_key("rsa-3072")], Policy(ALGORITHMS, 3072, 3072)))) == "accepted"
    for least, most in ((3073, 8192), (2048, 3071)):
        with pytest.raises(Refusal) as caught:
            verify(parse(signed), [verify_key("rsa-3072")], Policy(ALGORITHMS, least, most))
        assert caught.value.code is Code.SIGNATURE_KEY_SIZE
