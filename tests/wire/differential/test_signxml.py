"""Against signxml: both ways, for every algorithm that it knows (no EdDSA)."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureConstructionMethod, SignatureMethod
from signxml.exceptions import InvalidSignature
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from gateway.wire.algorithms import ALGORITHMS
from tests.wire.differential.documents import DOCUMENTS, assert_verifies_here, key_of, ours, pem_certificate, uris
from tests.wire.kit import private_key

pytestmark = pytest.mark.long

KNOWN = sorted(ALGORITHMS - {"ed25519"})


def assert_verifies_there(signed: bytes, algorithm: str) -> None:
    signature, digest = uris(algorithm)
    expected = SignatureConfiguration(
        signature_methods=frozenset({SignatureMethod(signature)}), digest_algorithms=frozenset({DigestAlgorithm(digest)})
    )
    XMLVerifier().verify(signed, x509_cert=pem_certificate(key_of(algorithm)).decode(), expect_config=expected)


@pytest.mark.parametrize("algorithm", KNOWN)
def test_what_we_sign_verifies_there(algorithm: str) -> None:
    for unsigned in DOCUMENTS.values():
        assert_verifies_there(ours(algorithm, unsigned), algorithm)


def test_what_was_changed_does_not() -> None:
    with pytest.raises(InvalidSignature):
        assert_verifies_there(ours("ecdsa-p256-sha256", DOCUMENTS["one record"]).replace(b"Quay", b"Key"), "ecdsa-p256-sha256")


@pytest.mark.parametrize("algorithm", KNOWN)
def test_what_is_signed_there_verifies_here(algorithm: str) -> None:
    name = key_of(algorithm)
    signature, digest = uris(algorithm)
    by = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod(signature),
        digest_algorithm=DigestAlgorithm(digest),
        c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
    )
    key = private_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for unsigned in DOCUMENTS.values():
        signed = by.sign(etree.fromstring(unsigned), key=key, cert=pem_certificate(name).decode())
        assert_verifies_here(etree.tostring(signed), algorithm, unsigned)
