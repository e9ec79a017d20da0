"""What the independent implementations are given: envelopes in which namespaces, characters and blanks differ."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.wire.algorithms import BY_NAME, DIGEST_URI
from gateway.wire.signature import sign, verify
from gateway.wire.xml import canonical, parse
from tests.wire.kit import ALL, certificate, message, private_key, signer, verify_key

#: By name: envelopes on which implementations of canonicalisation have differed.
DOCUMENTS = {
    "one record": message(),
    "three records": message(3),
    "default namespace, attributes to sort": b"<e xmlns='urn:e' z='1' a='2' xmlns:p='urn:p' p:a='3' xml:lang='en'><f xmlns=''><p:g/></f></e>",
    "unused and repeated prefixes": b"<e xmlns:u='urn:u' xmlns:p='urn:p'><p:f><g><p:h xmlns:p='urn:p'/></g></p:f><p:f xmlns:p='urn:other'/></e>",
    "characters": "<e a='&#9;&#10;&#13;&quot;&lt;&amp;'>&#13;&gt;]]&gt; \u00e9 港口 🚢 <![CDATA[<&>]]></e>".encode(),
    "a declaration and blanks": b"<?xml version='1.0' encoding='UTF-8'?>\r\n<e>\r\n  <f/>\r\n</e>\r\n",
}
KEY_OF = {"ecdsa-p256-sha256": "p256", "ecdsa-p384-sha384": "p384", "ed25519": "ed25519"}


def key_of(algorithm: str) -> str:
    """The name of the key that ``signer`` uses for an algorithm."""
    return KEY_OF.get(algorithm, "rsa-3072")


def uris(algorithm: str) -> tuple[str, str]:
    """Its SignatureMethod, and the DigestMethod that goes with it."""
    row = BY_NAME[algorithm]
    return row.uri, DIGEST_URI[row.digest]


def ours(algorithm: str, unsigned: bytes, *, key_info: bool = True) -> bytes:
    """``unsigned`` as this gateway signs it."""
    return sign(unsigned, signer(algorithm, key_info=key_info))


def assert_verifies_here(signed: bytes, algorithm: str, unsigned: bytes) -> None:
    """What another implementation signed is what this gateway hands on."""
    verified = verify(parse(signed), [verify_key(key_of(algorithm))], ALL)
    assert verified.algorithm == algorithm
    assert verified.content == canonical(parse(unsigned))


def write_keys(folder: Path, name: str) -> dict[str, Path]:
    """The key and certificate of that name as files: ``pem``, ``pk8``, ``certificate`` (PEM) and ``der``."""
    key, der = private_key(name), certificate(name)
    paths = {kind: folder / f"{name}.{kind}" for kind in ("pem", "pk8", "certificate", "der")}
    paths["pem"].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    paths["pk8"].write_bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    paths["certificate"].write_bytes(pem_certificate(name))
    paths["der"].write_bytes(der)
    return paths


def pem_certificate(name: str) -> bytes:
    """The certificate of that name as PEM."""
    return x509.load_der_x509_certificate(certificate(name)).public_bytes(Encoding.PEM)
