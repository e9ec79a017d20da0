"""Signing and verifying the same profile with signxml, as somebody would who has no profile of his own."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import Certificate
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, SignatureConstructionMethod, SignatureMethod
from signxml.signer import XMLSigner
from signxml.verifier import XMLVerifier

_SIGNER = XMLSigner(
    method=SignatureConstructionMethod.enveloped,
    signature_algorithm=SignatureMethod.ECDSA_SHA256,
    c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
)


def sign(unsigned: bytes, key: bytes | ec.EllipticCurvePrivateKey, certificate: str | Certificate) -> bytes:
    """Key and certificate as PEM, which is how its documentation shows it, or prepared."""
    chain = certificate if isinstance(certificate, str) else [certificate]
    return etree.tostring(_SIGNER.sign(etree.fromstring(unsigned), key=key, cert=chain))


def verify(signed: bytes, certificate: str | Certificate) -> None:
    """Raises what signxml raises."""
    XMLVerifier().verify(signed, x509_cert=certificate)
