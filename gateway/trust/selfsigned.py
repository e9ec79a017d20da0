"""Certificates for our own keys: self-signed, for signatures only, and marked where they are for demonstrations."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from asn1crypto.x509 import Certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.core.errors import Code, Refusal
from gateway.wire.algorithms import BY_NAME, PrivateKey, PublicKey, Signer
from gateway.wire.certificate import ask

#: Stands in the certificate itself, so that a partner's production gateway refuses it too.
DEMO_MARK = "DEMONSTRATION KEY, NOT FOR PRODUCTION"

#: The smallest RSA modulus we make, in bits.
MIN_RSA_BITS = 3072

#: A partner whose clock is behind ours must not find the certificate "not yet valid".
BACKDATED = timedelta(minutes=10)

_COUNTRY = re.compile("[A-Z]{2}")


@dataclass(frozen=True, slots=True)
class Subject:
    """Who the certificate names. ``country`` is an ISO 3166 code; ``hosts`` are DNS names or addresses, for TLS only."""

    common_name: str
    organisation: str = ""
    country: str = ""
    hosts: tuple[str, ...] = ()


def generate(algorithm: str, rsa_bits: int = MIN_RSA_BITS) -> PrivateKey:
    """A new key for an algorithm of the signature profile. Raises ``Refusal`` (DATA_INVALID) for any other, or too few bits."""
    family = BY_NAME[algorithm].family if algorithm in BY_NAME else None
    match family:
        case "rsa" | "rsa-pss" if rsa_bits >= MIN_RSA_BITS:
            return rsa.generate_private_key(65537, rsa_bits)
        case "rsa" | "rsa-pss":
            raise Refusal(Code.DATA_INVALID, f"An RSA key has at least {MIN_RSA_BITS} bits, not {rsa_bits}.")
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "secp256r1":
            return ec.generate_private_key(ec.SECP256R1())
        case "secp384r1":
            return ec.generate_private_key(ec.SECP384R1())
    raise Refusal(Code.DATA_INVALID, "The signature profile has no such algorithm.", field="algorithm", value=algorithm)


def builder(public: PublicKey, subject: Subject, *, demo: bool, begins: datetime, ends: datetime) -> x509.CertificateBuilder:
    """A certificate with digitalSignature as its only usage, that can issue nothing."""
    parts = (
        (NameOID.COUNTRY_NAME, subject.country),
        (NameOID.ORGANIZATION_NAME, subject.organisation),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, DEMO_MARK if demo else ""),
        (NameOID.COMMON_NAME, subject.common_name),
    )
    if subject.country and not _COUNTRY.fullmatch(subject.country):
        remedy = "Write its two capital letters, as CN."
        raise Refusal(Code.DATA_INVALID, "A country is an ISO 3166 code.", field="country", value=subject.country, remedy=remedy)
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in parts if value])
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins - BACKDATED)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    if subject.hosts:
        made = made.add_extension(x509.SubjectAlternativeName([_host(host) for host in subject.hosts]), critical=False)
    return made


def sign(made: x509.CertificateBuilder, key: PrivateKey) -> bytes:
    """The certificate in DER, signed by a key in memory."""
    return made.sign(key, _hash(key.public_key())).public_bytes(Encoding.DER)


def sign_elsewhere(made: x509.CertificateBuilder, public: PublicKey, signer: Signer) -> bytes:
    """The certificate in DER, signed by a key that cannot leave its token.

    A throwaway key of the same kind fills in everything around the signature, which the token then replaces.
    RSA tokens sign it with PKCS#1 v1.5 and SHA-256, so ``signer`` must too.
    """
    throwaway: PrivateKey
    if isinstance(public, rsa.RSAPublicKey):
        throwaway = rsa.generate_private_key(65537, 2048)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        throwaway = ec.generate_private_key(public.curve)
    else:
        throwaway = ed25519.Ed25519PrivateKey.generate()
    certificate = Certificate.load(sign(made, throwaway))
    signature = signer.sign(certificate["tbs_certificate"].dump())
    if isinstance(public, ec.EllipticCurvePublicKey):
        half = len(signature) // 2
        signature = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    certificate["signature_value"] = signature
    der: bytes = certificate.dump()
    return der


def is_demo(certificate: x509.Certificate) -> bool:
    """Whether the certificate says of itself that it is for demonstrations. Raises ``ValueError`` where it cannot be read."""
    units = ask(lambda: certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME))
    return any(unit.value == DEMO_MARK for unit in units)


_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _hash(public: PublicKey) -> hashes.SHA256 | hashes.SHA384 | None:
    if isinstance(public, ed25519.Ed25519PublicKey):
        return None
    return hashes.SHA384() if isinstance(public, ec.EllipticCurvePublicKey) and public.key_size > 256 else hashes.SHA256()


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
