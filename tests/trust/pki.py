"""Certificates, revocation lists and responses made from the descriptions in tests/vectors/certificates.

Unless a vector says otherwise there are an authority ``root``, an authority ``issuing`` below it and a signing certificate ``leaf``
below that, all valid through 2026. A vector changes fields of these by name, or describes more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from asn1crypto import algos
from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from gateway.trust.selfsigned import DEMO_MARK

BEGINS, ENDS = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
MOMENT = datetime(2026, 6, 1, tzinfo=UTC)
CERTIFICATES: dict[str, dict[str, Any]] = {
    "root": {"issuer": "root", "authority": True},
    "issuing": {"issuer": "root", "authority": True},
    "leaf": {"issuer": "issuing", "usages": ["digital_signature"]},
}
_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
    "encipher_only", "decipher_only",
)  # fmt: skip
_EXTENDED = {
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code": ExtendedKeyUsageOID.CODE_SIGNING,
    "ocsp": ExtendedKeyUsageOID.OCSP_SIGNING,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha1": hashes.SHA1(),
    "md5": hashes.MD5(),
}  # the last two hostile


@cache
def key(kind: str, name: str) -> Any:
    """The key of one certificate; the same all through a test run."""
    del name
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("rsa")))
    if kind == "dsa":
        return dsa.generate_private_key(2048)
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(
        {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1(), "k256": ec.SECP256K1()}[kind]
    )


@dataclass
class Pki:
    """Everything one vector describes. ``get`` gives a certificate by name in DER."""

    described: Mapping[str, dict[str, Any]]
    made: dict[str, x509.Certificate] = field(default_factory=dict)

    @classmethod
    def of(cls, changes: Mapping[str, dict[str, Any]]) -> Pki:
        names = dict.fromkeys((*CERTIFICATES, *changes))
        return cls({name: {**CERTIFICATES.get(name, {}), **changes.get(name, {})} for name in names})

    def private(self, name: str) -> Any:
        said = self.described[name]
        return key(said.get("key", "p256"), said.get("key_of", name))

    def subject(self, name: str) -> x509.Name:
        said = self.described[name]
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, said.get("common_name", name))]
        if said.get("demo"):
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, DEMO_MARK))
        return x509.Name(attributes)

    def get(self, name: str) -> bytes:
        if name == "garbage":
            return b"\x30\x82\x01\x00garbage"
        der = self.certificate(name).public_bytes(Encoding.DER)
        said = self.described[name]
        if said.get("hash", "sha256") != "sha256":
            der = resigned(der, self.private(said["issuer"]), said["hash"])
        if said.get("flip"):
            der = der[:-1] + bytes([der[-1] ^ 1])
        return der

    def certificate(self, name: str) -> x509.Certificate:
        if name not in self.made:
            self.made[name] = self._make(name)
        return self.made[name]

    def _make(self, name: str) -> x509.Certificate:
        said = self.described[name]
        public = self.private(name).public_key()
        serial = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        made = x509.CertificateBuilder(self.subject(said["issuer"]), self.subject(name), public, serial)
        made = made.not_valid_before(said.get("begins", BEGINS)).not_valid_after(said.get("ends", ENDS))
        for extension, critical in _extensions(said):
            made = made.add_extension(extension, critical)
        private = self.private(said["issuer"])
        return made.sign(private, None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256())

    def crl(self, said: dict[str, Any]) -> bytes:
        """A list by ``issuer``, of what is ``revoked`` at ``revoked_at``."""
        issuer = said.get("issuer", "issuing")
        made = x509.CertificateRevocationListBuilder(self.subject(issuer)).last_update(
            said.get("issued", datetime(2026, 5, 31, tzinfo=UTC))
        )
        made = made.next_update(said.get("next", datetime(2026, 6, 7, tzinfo=UTC)))
        for name in said.get("revoked", []):
            at = said.get("revoked_at", datetime(2026, 5, 1, tzinfo=UTC))
            serial = self.certificate(name).serial_number
            made = made.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, at).build())
        der = made.sign(self.private(said.get("signed_by", issuer)), hashes.SHA256()).public_bytes(Encoding.DER)
        return resigned(der, self.private(issuer), said["hash"]) if "hash" in said else der

    def ocsp(self, said: dict[str, Any]) -> bytes:
        """A response about ``about`` by ``by``, whose certificate it carries where it is not the issuer's."""
        about, by = said.get("about", "leaf"), said.get("by", "issuing")
        issuer = self.described[about]["issuer"]
        status = said.get("status", "good")
        made = ocsp.OCSPResponseBuilder().add_response(
            self.certificate(about),
            self.certificate(issuer),
            hashes.SHA1(),
            ocsp.OCSPCertStatus[status.upper()],
            said.get("issued", datetime(2026, 5, 31, tzinfo=UTC)),
            said.get("next", datetime(2026, 6, 7, tzinfo=UTC)),
            said.get("revoked_at", datetime(2026, 5, 1, tzinfo=UTC)) if status == "revoked" else None,
            None,
        )
        made = made.responder_id(ocsp.OCSPResponderEncoding.NAME, self.certificate(by))
        if by != issuer:
            made = made.certificates([self.certificate(by)])
        der = made.sign(self.private(by), hashes.SHA256()).public_bytes(Encoding.DER)
        return resigned(der, self.private(by), said["hash"]) if "hash" in said else der


def _extensions(said: dict[str, Any]) -> list[tuple[x509.ExtensionType, bool]]:
    authority = said.get("authority", False)
    found: list[tuple[x509.ExtensionType, bool]] = []
    if said.get("constraints", True):
        found.append((x509.BasicConstraints(authority, said.get("path_length")), True))
    usages = said.get("usages", ["key_cert_sign", "crl_sign"] if authority else None)
    if usages:
        found.append((x509.KeyUsage(**{usage: usage in usages for usage in _USAGES}), True))
    if "extended" in said:
        found.append((x509.ExtendedKeyUsage([_EXTENDED[one] for one in said["extended"]]), False))
    if "names" in said:
        found.append((x509.SubjectAlternativeName([x509.DNSName(one) for one in said["names"]]), False))
    if "many_names" in said:
        found.append((x509.SubjectAlternativeName([x509.DNSName(f"t{i}.example") for i in range(said["many_names"])]), False))
    if "permitted" in said or "excluded" in said:
        allowed, forbidden = ([x509.DNSName(one) for one in said.get(which, [])] or None for which in ("permitted", "excluded"))
        found.append((x509.NameConstraints(allowed, forbidden), True))
    if "lists" in said:
        points = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in said["lists"]]
        found.append((x509.CRLDistributionPoints(points), False))
    if "raw_lists" in said:  # as no library would write them
        found.append((x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.31"), said["raw_lists"]), False))
    if "responders" in said:
        access = AuthorityInformationAccessOID.OCSP
        places = [x509.AccessDescription(access, x509.UniformResourceIdentifier(url)) for url in said["responders"]]
        found.append((x509.AuthorityInformationAccess(places), False))
    if said.get("unknown_critical"):
        found.append((x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True))
    return found


def resigned(der: bytes, private: Any, digest: str) -> bytes:
    """The same certificate, list or response signed with a hash that no well-meaning library still signs with."""
    whole: Any
    response = None
    if der[:1] and (response := _as_response(der)) is not None:
        whole, inner = response["response_bytes"]["response"].parsed, "tbs_response_data"
    elif _is_list(der):
        whole, inner = asn1_crl.CertificateList.load(der), "tbs_cert_list"
    else:
        whole, inner = asn1.Certificate.load(der), "tbs_certificate"
    scheme = "rsa" if isinstance(private, rsa.RSAPrivateKey) else "ecdsa"
    algorithm = algos.SignedDigestAlgorithm({"algorithm": f"{digest}_{scheme}"})
    if inner != "tbs_response_data":
        whole[inner]["signature"] = algorithm
    whole["signature_algorithm"] = algorithm
    data = whole[inner].dump(force=True)
    if scheme == "rsa":
        whole["signature" if inner != "tbs_certificate" else "signature_value"] = private.sign(
            data, padding.PKCS1v15(), _HASHES[digest]
        )
    else:
        whole["signature" if inner != "tbs_certificate" else "signature_value"] = private.sign(data, ec.ECDSA(_HASHES[digest]))
    if response is not None:
        response["response_bytes"]["response"] = whole
        whole = response
    dumped: bytes = whole.dump(force=True)
    return dumped


def _as_response(der: bytes) -> Any:
    try:
        response = asn1_ocsp.OCSPResponse.load(der)
        return response if response["response_status"].native == "successful" else None
    except (ValueError, TypeError, KeyError):
        return None


def _is_list(der: bytes) -> bool:
    try:
        x509.load_der_x509_crl(der)
    except ValueError:
        return False
    return True


def pem(private: Any) -> bytes:
    """A private key as tools read it."""
    encoded: bytes = private.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return encoded
