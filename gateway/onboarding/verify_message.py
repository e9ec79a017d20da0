"""Checks the signature of an exchange message:  python verify_message.py certificate.pem message.xml ...

Needs Python 3.9 or later with `lxml` and `cryptography`, and nothing else. It shows how a signature of the exchange is made up:
one Signature, the last child of the document; one Reference, to the whole document without it; exclusive canonicalisation; RSA-PSS,
RSA, ECDSA (r and s one after the other) or Ed25519. It checks signatures only: not dates of certificates, schemas or meaning.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import sys
from pathlib import Path

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from lxml import etree
except ImportError as missing:
    sys.exit(f"{missing.name} is not installed: python -m pip install lxml cryptography")

DS = "{http://www.w3.org/2000/09/xmldsig#}"
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def problem(message: bytes, certificate: bytes) -> str | None:
    """Why the message was not signed as it stands with the key of the certificate (PEM), or None if it was."""
    try:
        root = etree.fromstring(message, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        return f"this is no XML: {error}"
    signatures = list(root.iter(f"{DS}Signature"))
    if len(signatures) != 1 or root[-1] is not signatures[0]:
        return "there must be one Signature, and it must be the last child of the document"
    info = signatures[0].find(f"{DS}SignedInfo")
    value = signatures[0].findtext(f"{DS}SignatureValue")
    references = [] if info is None else info.findall(f"{DS}Reference")
    if info is None or value is None or len(references) != 1 or references[0].get("URI") != "":
        return "there must be one Reference, to the whole document"
    method = references[0].find(f"{DS}DigestMethod")
    name = "" if method is None else method.get("Algorithm", "")[-6:]
    if name not in ("sha256", "sha384", "sha512"):
        return "the digest must be SHA-256, SHA-384 or SHA-512"
    bare = copy.deepcopy(root)
    bare.remove(bare[-1])
    digest = hashlib.new(name, etree.tostring(bare, method="c14n", exclusive=True, with_comments=False)).digest()
    if base64.b64decode(references[0].findtext(f"{DS}DigestValue") or "") != digest:
        return "the content is not what was signed"
    return _signature(info, base64.b64decode(value), certificate)


def _signature(info: etree._Element, value: bytes, certificate: bytes) -> str | None:
    """The signature over SignedInfo in its canonical form."""
    method = info.find(f"{DS}SignatureMethod")
    algorithm = "" if method is None else method.get("Algorithm", "")
    signed = etree.tostring(info, method="c14n", exclusive=True, with_comments=False)
    digest = next((one for bits, one in HASHES.items() if f"sha{bits}" in algorithm), hashes.SHA256())
    key = x509.load_pem_x509_certificate(certificate).public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
            key.verify(value, signed, pss if "MGF1" in algorithm else padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            half = len(value) // 2
            both = (int.from_bytes(part, "big") for part in (value[:half], value[half:]))
            key.verify(encode_dss_signature(*both), signed, ec.ECDSA(digest))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(value, signed)
        else:
            return "the certificate has a key of another kind"
    except InvalidSignature:
        return "the key of this certificate did not make the signature"
    return None


def main(arguments: list[str]) -> int:
    """0 when every message verifies."""
    if len(arguments) < 2:
        sys.stdout.write(f"{__doc__}\n")
        return 2
    pem = Path(arguments[0]).read_bytes()
    found = {name: problem(Path(name).read_bytes(), pem) for name in arguments[1:]}
    for name, wrong in found.items():
        sys.stdout.write(f"{name}: {'signature holds' if wrong is None else 'NOT VERIFIED: ' + wrong}\n")
    return 0 if not any(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
