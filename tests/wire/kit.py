"""Keys, certificates and messages that the signature tests share. Keys are made anew for every run."""

from __future__ import annotations

import datetime
import hashlib
import random
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateway.wire.algorithms import ALGORITHMS, KeySigner, Policy, PrivateKey, VerifyKey

ALL = Policy(ALGORITHMS)

ENVELOPE = (
    '<x:Exchange xmlns:x="urn:aeo-gateway:exchange:1"><x:Header><x:Id>m-1</x:Id><x:Kind>update</x:Kind><x:Sender>XA</x:Sender></x:Header>'
    '<x:Payload><l:OperatorList xmlns:l="urn:example:aeo:1" version="1.0">{records}</l:OperatorList></x:Payload></x:Exchange>'
)
RECORD = (
    "<l:Operator><l:Party><l:Role>AE</l:Role><l:ID>XA{number:012d}</l:ID><l:Name>Harbour &amp; Sons {number}</l:Name><l:LocalName>海港贸易有限公司 {number}</l:LocalName><l:Address>"
    "<l:Line>{number} Quay Road</l:Line><l:City>Porttown</l:City><l:Post>{number:06d}</l:Post><l:Country>XA</l:Country></l:Address></l:Party>"
    '<l:Auth type="AEOS"><l:Number>XA/{number}/2026</l:Number><l:Status>valid</l:Status><l:From>01/02/2026</l:From><l:To>2029-01-31</l:To>'
    "<l:Since>2019-06-01</l:Since><l:Office>XAPRT{number:06d}</l:Office><l:Decision>D-{number}</l:Decision><l:Remark>Ém{number} 港口 запись</l:Remark></l:Auth></l:Operator>"
)


def message(records: int = 1) -> bytes:
    """An unsigned envelope of so many operators, about 600 bytes each."""
    return ENVELOPE.format(records="".join(RECORD.format(number=number) for number in range(records))).encode()


@cache
def private_key(name: str) -> PrivateKey:
    """``p256``, ``p384``, ``p521``, ``k256``, ``ed25519`` or ``rsa-<bits>``; ``other-<name>`` is another of the same kind."""
    kind = name.removeprefix("other-")
    curves = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1(), "k256": ec.SECP256K1()}
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, int(kind.removeprefix("rsa-")))


@cache
def certificate(name: str) -> bytes:
    """A self-signed certificate (DER) of the key of that name."""
    key = private_key(name)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"test {name}")])
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=3650))
        .add_extension(x509.KeyUsage(True, *[False] * 8), critical=True)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


@cache
def verify_key(name: str) -> VerifyKey:
    """The pinned key of that name. ``huge-rsa`` has a modulus of 16,384 bits that nobody can sign with."""
    if name == "huge-rsa":
        modulus = random.Random(1).getrandbits(16384) | 1 | 1 << 16383
        der = b"huge-rsa"
        return VerifyKey(rsa.RSAPublicNumbers(65537, modulus).public_key(), hashlib.sha256(der).hexdigest(), der)
    return VerifyKey.from_certificate(certificate(name))


def signer(algorithm: str = "ecdsa-p256-sha256", *, name: str | None = None, key_info: bool = True) -> KeySigner:
    """A signer for an algorithm of the profile, with the key called ``name`` or the usual one of that kind."""
    kind = {"ecdsa-p256-sha256": "p256", "ecdsa-p384-sha384": "p384", "ed25519": "ed25519"}.get(algorithm, "rsa-3072")
    name = name or kind
    return KeySigner(private_key(name), certificate(name) if key_info else None, algorithm)
