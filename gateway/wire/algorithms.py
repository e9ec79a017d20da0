"""The algorithms of the signature profile, and what signs and verifies with them.

A short name fixes everything: ``ecdsa-p256-sha256`` is that curve with that hash and no other, so neither side can be talked
into a weaker pair. SHA-1, MD5, DSA and HMAC have no name here and so cannot be allowed by any policy.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from gateway.wire.certificate import from_der, public_key

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

#: Per curve: bytes in each of r and s, and the order of the group (SEC 2 v2, 2.4.2 and 2.5.1).
_CURVES = {
    "secp256r1": (32, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "secp384r1": (48, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973),
}
_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
_ECDSA = {name: ec.ECDSA(digest) for name, digest in _HASHES.items()}
_PSS = "http://www.w3.org/2007/05/xmldsig-more#"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_ENC = "http://www.w3.org/2001/04/xmlenc#"


@dataclass(frozen=True)
class Algorithm:
    """One row of the profile. ``uri`` stands in SignatureMethod; ``digest`` names the hash, which the Reference uses too when we
    sign; ``family`` is "rsa", "rsa-pss", "ed25519" or the name of a curve."""

    name: str
    uri: str
    digest: str
    family: str

    def fits(self, key: PublicKey) -> bool:
        """Whether ``key`` is of the kind, and on the curve, that this algorithm needs."""
        if isinstance(key, ec.EllipticCurvePublicKey):
            return self.family == key.curve.name
        return self.family in (("rsa", "rsa-pss") if isinstance(key, rsa.RSAPublicKey) else ("ed25519",))

    @property
    def padding(self) -> padding.PKCS1v15 | padding.PSS:
        """RFC 9231, 2.3.10 for PSS: MGF1 with the same hash, the salt as long as the hash."""
        digest = _HASHES[self.digest]
        return padding.PKCS1v15() if self.family == "rsa" else padding.PSS(padding.MGF1(digest), digest.digest_size)

    def made_by(self, key: PublicKey, value: bytes, data: bytes) -> bool:
        """Whether ``value``, the bytes of a SignatureValue, is ``key``'s signature of ``data``."""
        try:
            if isinstance(key, ec.EllipticCurvePublicKey):
                size, order = _CURVES[self.family]
                r, s = int.from_bytes(value[:size], "big"), int.from_bytes(value[size:], "big")
                # Exact length and range: DER is refused here, and zeros, which broken libraries took for valid (CVE-2022-21449).
                if len(value) != 2 * size or not 0 < r < order or not 0 < s < order:
                    return False
                key.verify(encode_dss_signature(r, s), data, _ECDSA[self.digest])
            elif isinstance(key, rsa.RSAPublicKey):
                key.verify(value, data, self.padding, _HASHES[self.digest])
            else:
                key.verify(value, data)
        except (InvalidSignature, ValueError):
            return False
        return True

    def sign(self, key: PrivateKey, data: bytes) -> bytes:
        """The inverse of ``made_by``."""
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(data, self.padding, _HASHES[self.digest])
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(data)
        size, _ = _CURVES[self.family]
        r, s = decode_dss_signature(key.sign(data, _ECDSA[self.digest]))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")


_TABLE = (
    *(Algorithm(f"rsa-pss-sha{bits}", f"{_PSS}sha{bits}-rsa-MGF1", f"sha{bits}", "rsa-pss") for bits in (256, 384, 512)),
    *(Algorithm(f"rsa-sha{bits}", f"{_MORE}rsa-sha{bits}", f"sha{bits}", "rsa") for bits in (256, 384, 512)),
    Algorithm("ecdsa-p256-sha256", f"{_MORE}ecdsa-sha256", "sha256", "secp256r1"),
    Algorithm("ecdsa-p384-sha384", f"{_MORE}ecdsa-sha384", "sha384", "secp384r1"),
    Algorithm("ed25519", "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519", "sha256", "ed25519"),
)
BY_NAME = {algorithm.name: algorithm for algorithm in _TABLE}
BY_URI = {algorithm.uri: algorithm for algorithm in _TABLE}
#: Every short name a policy may hold.
ALGORITHMS = frozenset(BY_NAME)
#: What a Reference may be digested with.
DIGESTS = {f"{_ENC}sha256": "sha256", f"{_MORE}sha384": "sha384", f"{_ENC}sha512": "sha512"}
DIGEST_URI = {name: uri for uri, name in DIGESTS.items()}


class Signer(Protocol):
    """Something that signs with one private key, wherever that is kept.

    ``algorithm`` is one of ``ALGORITHMS``; ``certificate`` is DER, written into KeyInfo where there is one. ``sign`` hashes
    ``data`` itself and returns the bytes of SignatureValue: for ECDSA r and s one after the other, never DER.
    """

    @property
    def algorithm(self) -> str: ...
    @property
    def certificate(self) -> bytes | None: ...
    def sign(self, data: bytes) -> bytes: ...


class KeySigner:
    """A ``Signer`` around a private key in memory. Without ``algorithm``: PSS with SHA-256 for RSA, what fits the curve otherwise.

    Raises ``ValueError`` where key and algorithm do not fit.
    """

    def __init__(self, key: PrivateKey, certificate: bytes | None = None, algorithm: str | None = None) -> None:
        fitting = [row for row in _TABLE if algorithm in (None, row.name) and row.fits(key.public_key())]
        if not fitting:
            raise ValueError(f"{algorithm or 'no algorithm of the profile'} does not fit this key")
        self._key, self._row = key, fitting[0]
        self.certificate = certificate

    @property
    def algorithm(self) -> str:
        return self._row.name

    def sign(self, data: bytes) -> bytes:
        return self._row.sign(self._key, data)


def made_by(certificate: bytes, algorithm: str, value: bytes, data: bytes) -> bool:
    """Whether the key of ``certificate`` (DER) made the signature ``value`` (raw) of ``data``; never by an algorithm that is not of the
    profile. Raises ``ValueError`` for what is no certificate with a key of the profile."""
    key, row = VerifyKey.from_certificate(certificate).key, BY_NAME.get(algorithm)
    return row is not None and row.fits(key) and row.made_by(key, value, data)


@dataclass(frozen=True)
class Policy:
    """What a partner may sign with. ``algorithms`` are of ``ALGORITHMS``; with none, nothing verifies. Sizes are bits of RSA moduli."""

    algorithms: frozenset[str] = frozenset()
    min_rsa_bits: int = 3072
    max_rsa_bits: int = 8192

    def allows_size(self, key: PublicKey) -> bool:
        """Curves have one size; for RSA, a small modulus can be factored and a huge one takes seconds to use."""
        return not isinstance(key, rsa.RSAPublicKey) or self.min_rsa_bits <= key.key_size <= self.max_rsa_bits


@dataclass(frozen=True)
class VerifyKey:
    """A pinned key. ``fingerprint`` is the SHA-256 of its certificate ``der``, in lower-case hex."""

    key: PublicKey
    fingerprint: str
    der: bytes

    @classmethod
    def from_certificate(cls, der: bytes) -> VerifyKey:
        """Raises ``ValueError`` for what is no certificate, or one whose key no algorithm of the profile uses."""
        key = public_key(from_der(der))
        if not isinstance(key, PublicKey) or not any(row.fits(key) for row in _TABLE):
            raise ValueError("the key of the certificate is of no kind that the profile uses")
        return cls(key, hashlib.sha256(der).hexdigest(), der)
