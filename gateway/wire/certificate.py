"""Certificates and revocation lists as strangers give them: whatever cannot be read is a ``ValueError``.

The library says other things too: ``InvalidVersion`` of a version that does not exist, ``UnsupportedAlgorithm`` of a key it does not
know. Neither is a ``ValueError``, and a stranger must not choose which way we fail.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

S = TypeVar("S")
T = TypeVar("T")


def from_der(der: bytes) -> x509.Certificate:
    return _read(x509.load_der_x509_certificate, der)


def from_pem(pem: bytes) -> x509.Certificate:
    return _read(x509.load_pem_x509_certificate, pem)


def list_from_der(der: bytes) -> x509.CertificateRevocationList:
    return _read(x509.load_der_x509_crl, der)


def public_key(certificate: x509.Certificate) -> object:
    """Its key, of whatever kind that is."""
    return _read(x509.Certificate.public_key, certificate)


def _read(read: Callable[[S], T], given: S) -> T:
    try:
        return read(given)
    except (x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from None
