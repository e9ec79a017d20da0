"""Which signatures count: allowed by name, at every step of a path and on every revocation list and response.

The library that walks paths asks about certificates only; here the same answer is given for everything that it verifies.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from asn1crypto import algos, keys
from asn1crypto.x509 import Certificate
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko_certvalidator.policy_decl import AlgorithmUsageConstraint, AlgorithmUsagePolicy
from pyhanko_certvalidator.sig_validate import DefaultSignatureValidator

from gateway.wire.certificate import ask

HASHES = frozenset({"sha256", "sha384", "sha512"})
_SIGNATURES = frozenset({"rsassa_pkcs1v15", "rsassa_pss", "ecdsa", "ed25519"})
_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})


@dataclass(frozen=True, slots=True)
class CertificateRules:
    """What certificates must satisfy. Sizes are bits of RSA moduli; ``issuer_rsa_bits`` is for the authorities above.

    ``revocation`` "declared": asked where a certificate names a list or responder, or a list of its issuer is at hand;
    "required": asked of every certificate below the root.
    """

    production: bool = False
    min_rsa_bits: int = 3072
    issuer_rsa_bits: int = 2048
    max_rsa_bits: int = 8192
    revocation: Literal["declared", "required"] = "declared"


def signature_holds(signature: bytes, data: bytes, algorithm: algos.SignedDigestAlgorithm, signer: x509.Certificate) -> bool:
    """Whether ``signer``'s key made ``signature`` over ``data``, with an algorithm and a key that are accepted."""
    try:
        key = ask(lambda: Certificate.load(signer.public_bytes(Encoding.DER)).public_key)
        ask(lambda: Signatures(CertificateRules()).validate_signature(signature, data, key, algorithm))
    except ValueError:
        return False
    return True


def _problem(algorithm: algos.SignedDigestAlgorithm, key: keys.PublicKeyInfo | None, rules: CertificateRules) -> str | None:
    """What is wrong with a signature's algorithm or key. Allowed by name: what is not known is not allowed."""
    name = algorithm.signature_algo
    if name not in _SIGNATURES or (name != "ed25519" and algorithm.hash_algo not in HASHES):
        return f"{algorithm['algorithm'].native} is not accepted"
    if key is None or name == "ed25519":
        return None
    if name == "ecdsa":
        return None if key.algorithm == "ec" and key.curve[1] in _CURVES else "the curve is not accepted"
    if rules.issuer_rsa_bits <= key.bit_size <= rules.max_rsa_bits:
        return None
    return f"the RSA key has {key.bit_size} bits"


class Algorithms(AlgorithmUsagePolicy):
    """For the signatures of certificates."""

    def __init__(self, rules: CertificateRules) -> None:
        self._rules = rules

    def signature_algorithm_allowed(
        self,
        algo: algos.SignedDigestAlgorithm,
        moment: datetime | None,
        public_key: keys.PublicKeyInfo | None,
    ) -> AlgorithmUsageConstraint:
        problem = _problem(algo, public_key, self._rules)
        return AlgorithmUsageConstraint(problem is None, failure_reason=problem)


class Signatures(DefaultSignatureValidator):
    """For every signature, those of revocation lists and responses among them."""

    def __init__(self, rules: CertificateRules) -> None:
        self._rules = rules

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: keys.PublicKeyInfo,
        signature_algorithm: algos.SignedDigestAlgorithm,
        *more: Any,
    ) -> None:
        if _problem(signature_algorithm, public_key_info, self._rules) is not None:
            raise InvalidSignature
        super().validate_signature(signature, signed_data, public_key_info, signature_algorithm, *more)
