"""The only door to the certificate library: certificates, revocation lists and responses as strangers give them.

Whatever cannot be read is a ``ValueError`` here, whatever the library says: a version that does not exist, a key that it does not know, an
extension that stands twice, a name of a kind that it cannot hold, a panic of its own. A stranger must not choose which way we fail. And
every moment is bounded (``core.moments``): 99991231235959Z says that there is no end (RFC 5280, 4.1.2.5), and what is reckoned from it
must not leave the calendar. Nothing outside of this file asks the library for a moment or an extension
(``tests/test_moments.py`` holds that).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from cryptography import x509
from cryptography.x509 import ocsp

from gateway.core.moments import bounded

T = TypeVar("T")
E = TypeVar("E", bound=x509.ExtensionType)


class Validity(NamedTuple):
    """From when until when a certificate is valid, both moments included."""

    begins: datetime
    ends: datetime


class Freshness(NamedTuple):
    """When a list or response was issued, and when the next one comes; None: it does not say."""

    issued: datetime
    next: datetime | None


def from_der(der: bytes) -> x509.Certificate:
    return ask(lambda: x509.load_der_x509_certificate(der))


def from_pem(pem: bytes) -> x509.Certificate:
    return ask(lambda: x509.load_pem_x509_certificate(pem))


def list_from_der(der: bytes) -> x509.CertificateRevocationList:
    return ask(lambda: x509.load_der_x509_crl(der))


def response_from_der(der: bytes) -> ocsp.OCSPResponse:
    return ask(lambda: ocsp.load_der_ocsp_response(der))


def public_key(certificate: x509.Certificate) -> object:
    """Its key, of whatever kind that is."""
    return ask(certificate.public_key)


def names(certificate: x509.Certificate) -> tuple[str, str]:
    """Its subject and its issuer, as text for people."""
    return ask(lambda: (certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()))


def validity(certificate: x509.Certificate) -> Validity:
    return ask(lambda: Validity(bounded(certificate.not_valid_before_utc), bounded(certificate.not_valid_after_utc)))


@lru_cache(maxsize=1_024)
def validity_of(der: bytes) -> Validity:
    """The same of a certificate in DER, kept: a partner's are looked at again and again."""
    return validity(from_der(der))


def list_freshness(found: x509.CertificateRevocationList) -> Freshness:
    return ask(lambda: _freshness(found.last_update_utc, found.next_update_utc))


def response_freshness(found: ocsp.OCSPResponse) -> Freshness:
    return ask(lambda: _freshness(found.this_update_utc, found.next_update_utc))


def _freshness(issued: datetime, following: datetime | None) -> Freshness:
    return Freshness(bounded(issued), None if following is None else bounded(following))


def extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    """What its extension of this kind says; None: it has none."""

    def look() -> E | None:
        try:
            return certificate.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None

    return ask(look)


def extensions(certificate: x509.Certificate) -> Sequence[x509.Extension[Any]]:
    """All of its extensions."""
    return ask(lambda: list(certificate.extensions))


def ask(read: Callable[[], T]) -> T:
    """What ``read`` asks the library for about what somebody else made. Raises ``ValueError`` for whatever the library fails by."""
    try:
        return read()
    except (ValueError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is about what somebody else made
        raise ValueError(f"{type(error).__name__}: {error}"[:300]) from None
    except BaseException as error:
        # The library is in Rust, and what it panics by is no Exception: it would end the thread, and what runs on it.
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"the certificate library failed: {error}"[:300]) from None
