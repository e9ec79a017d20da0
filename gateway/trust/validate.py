"""May this certificate be relied on at this moment? Three answers: yes, no and why, or cannot tell now.

``judge`` asks, in this order; the first no or cannot-tell speaks:
1. the certificate itself: readable, of bearable size, its key of an allowed kind and size, digitalSignature among its usages, no
   authority's certificate, no demo certificate in production;
2. pinned itself (it is among ``roots``): then only its own dates count, for it is its own trust anchor;
3. otherwise a path to one of ``roots``: signatures, dates, constraints (RFC 5280, through pyhanko-certvalidator), with an allowed
   algorithm at every step;
4. revocation of everything below the root, from the lists and responses given. Nothing is ever fetched here.

Not checked: the name in the certificate. Which partner it speaks for is decided by the pin; a TLS server's name by the handshake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.core.errors import Code, Refusal
from gateway.trust.allowed import HASHES, CertificateRules
from gateway.trust.path import MAX_CERTIFICATE, check_path, guarded
from gateway.trust.selfsigned import is_demo
from gateway.wire.algorithms import BY_NAME, PublicKey
from gateway.wire.certificate import extensions, from_der, names, public_key, validity

Usage = Literal["signing", "tls"]

#: Rules where nothing else is agreed.
DEFAULT = CertificateRules()

_TLS = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


@dataclass(frozen=True, slots=True)
class PathVerdict:
    """``code`` None: may be relied on. REVOCATION_UNKNOWN: cannot tell now. Any other code: no. ``facts`` are for our administrator."""

    code: Code | None
    detail: str = ""
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return self.code is None

    @property
    def cannot_tell(self) -> bool:
        return self.code is Code.REVOCATION_UNKNOWN


def validate(
    certificate: bytes,
    *,
    intermediates: Sequence[bytes] = (),
    roots: Sequence[bytes],
    crls: Iterable[bytes] = (),
    ocsps: Iterable[bytes] = (),
    moment: datetime,
    usage: Usage = "signing",
    rules: CertificateRules = DEFAULT,
) -> PathVerdict:
    """The verdict on ``certificate`` (DER, as everything here) at ``moment`` (aware). Raises nothing that bytes can cause."""
    # What ends at a second ends with it: dates in certificates have no fractions.
    moment = moment.replace(microsecond=0)
    facts = {"certificate": hashlib.sha256(certificate).hexdigest()}
    try:
        leaf = _readable(certificate, facts)
        _suitable(leaf, usage, rules)
        _in_time(leaf, moment)
        if certificate not in roots:
            check_path(certificate, intermediates, roots, crls, ocsps, moment, rules)
    except Refusal as no:
        return PathVerdict(no.code, no.detail, facts | no.facts)
    return PathVerdict(None, facts=facts)


def _no(code: Code, detail: str, **facts: str) -> Refusal:
    return Refusal(code, detail, facts=facts)


def _readable(der: bytes, facts: dict[str, str]) -> x509.Certificate:
    if len(der) > MAX_CERTIFICATE:
        raise _no(Code.CERTIFICATE_UNSUITABLE, f"The certificate has {len(der)} bytes; {MAX_CERTIFICATE} are accepted.")

    def read() -> x509.Certificate:
        certificate = from_der(der)
        facts["subject"], facts["issuer"] = (name[:200] for name in names(certificate))
        begins, ends = validity(certificate)
        facts["valid"] = f"{begins.isoformat()} to {ends.isoformat()}"
        return certificate

    return guarded(read, Code.CERTIFICATE_UNSUITABLE, "The certificate")


def _suitable(leaf: x509.Certificate, usage: Usage, rules: CertificateRules) -> None:
    """1: what the certificate says of itself."""

    def problem() -> str | None:
        if leaf.version is not x509.Version.v3:
            return "it is not of version 3 and so cannot say what it is for"
        public = public_key(leaf)
        if not isinstance(public, PublicKey) or not any(algorithm.fits(public) for algorithm in BY_NAME.values()):
            return "its key is neither RSA nor P-256, P-384 or Ed25519"
        if isinstance(public, rsa.RSAPublicKey) and not rules.min_rsa_bits <= public.key_size <= rules.max_rsa_bits:
            return f"its RSA key has {public.key_size} bits; {rules.min_rsa_bits} to {rules.max_rsa_bits} are accepted"
        if leaf.signature_hash_algorithm is not None and leaf.signature_hash_algorithm.name not in HASHES:
            return f"it is signed with {leaf.signature_hash_algorithm.name.upper()}"
        if rules.production and is_demo(leaf):
            return "it is for demonstrations and this is a production gateway"
        return _usage_problem(leaf, usage)

    found = guarded(problem, Code.CERTIFICATE_UNSUITABLE, "The certificate")
    if found is not None:
        raise _no(Code.CERTIFICATE_UNSUITABLE, f"The certificate may not be used for this: {found}.")


def _usage_problem(leaf: x509.Certificate, usage: Usage) -> str | None:
    every = extensions(leaf)
    by_kind = {type(one.value): one.value for one in every}
    constraints = by_kind.get(x509.BasicConstraints)
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca:
        return "it is an authority's certificate"
    allowed = by_kind.get(x509.KeyUsage)
    if isinstance(allowed, x509.KeyUsage):
        if allowed.key_cert_sign or allowed.crl_sign:
            return "its key may sign certificates or revocation lists"
        if not allowed.digital_signature:
            return "digitalSignature is not among its usages"
    elif usage == "signing":
        return "it does not say that its key is for digitalSignature"
    if x509.NameConstraints in by_kind:
        return "it constrains names, as only authorities may"
    if any(one.critical and isinstance(one.value, x509.UnrecognizedExtension) for one in every):
        return "it has a critical extension that is not known here"
    extended = by_kind.get(x509.ExtendedKeyUsage)
    if usage == "tls" and isinstance(extended, x509.ExtendedKeyUsage) and not _TLS & set(extended):
        return "TLS is not among its extended usages"
    return None


def _in_time(leaf: x509.Certificate, moment: datetime) -> None:
    begins, ends = validity(leaf)
    if moment < begins:
        raise _no(
            Code.CERTIFICATE_NOT_YET_VALID,
            f"The certificate is valid from {begins.isoformat()}.",
        )
    if moment > ends:
        raise _no(Code.CERTIFICATE_EXPIRED, f"The certificate expired at {ends.isoformat()}.")
