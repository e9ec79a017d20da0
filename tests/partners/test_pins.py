"""The files of a certs folder say in their name what they are for, and hold nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.partners import Bundle, PartnerFaults, load_one, open_bundle
from gateway.trust.selfsigned import Subject, builder, generate, sign

NOW = datetime.now(UTC)
KEY = generate("ecdsa-p256-sha256")
DER = sign(builder(KEY.public_key(), Subject("Example"), demo=False, begins=NOW, ends=NOW + timedelta(days=365)), KEY)
PEM = x509.load_der_x509_certificate(DER).public_bytes(Encoding.PEM)
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
_YEAR = (NOW, NOW + timedelta(days=365))
AUTHORITY = (
    x509.CertificateBuilder(x509.Name([]), x509.Name([]), KEY.public_key(), 1, *_YEAR)
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    .sign(KEY, SHA256())
    .public_bytes(Encoding.PEM)
)


def loaded(base: Path, **files: bytes) -> Bundle:
    certs = base / "site" / "xa" / "certs"
    certs.mkdir()
    for name, content in files.items():
        (certs / name.replace("__", "-").replace("_", ".")).write_bytes(content)
    return load_one(base / "partners" / "xa", base / "schemas", base / "site")


def test_each_file_is_for_what_it_says(base: Path) -> None:
    files = {
        "server__1_pem": PUBLIC,
        "server__2_pem": PEM,
        "client__1_pem": PEM,
        "signing__2026_pem": PEM,
        "authority_pem": AUTHORITY,
    }
    bundle = loaded(base, **files)
    texts = {"server": {PUBLIC.decode(), PEM.decode()}, "client": {PEM.decode()}, "signing": {PEM.decode()}}
    texts["authority"] = {AUTHORITY.decode()}
    assert {role: {pem for one, pem in bundle.certificates if one == role} for role in texts} == texts
    assert open_bundle(bundle.content, "XA").certificates == bundle.certificates


@pytest.mark.parametrize(
    ("name", "content", "problem", "remedy"),
    [
        ("signing__1_crt", PEM, "Nothing reads this file.", "Rename it to signing-1.pem."),
        ("signing__1_PEM", PEM, "Nothing reads this file.", "Rename it to signing-1.pem."),
        ("server__1_cer", DER, "Nothing reads this file.", "openssl x509 -inform der -in server-1.cer -out server-1.pem"),
        ("notes_txt", b"call them", "Nothing reads this file.", "Certificates are PEM files"),
        ("Server__1_pem", PEM, "The name does not say", "Did you mean server-1.pem?"),
        ("singing__1_pem", PEM, "The name does not say", "Did you mean signing-1.pem?"),
        ("tls__1_pem", PEM, "The name does not say which end", "server-1.pem if its server shows it, client-1.pem if it connects"),
        ("client__1_pem", b"\xef\xbb\xbf" + PEM, "The file begins with a byte order mark.", "without one"),
        ("client__1_pem", PUBLIC, "This is no X.509 certificate in PEM.", "one certificate"),
        ("server__1_pem", PUBLIC.replace(b"A", b"!", 1), "This is no public key in PEM.", "one certificate"),
        ("server__1_pem", PEM + b"-----BEGIN RSA PRIVATE KEY-----\n", "A private key stands in this file.", "Take it out"),
    ],
)
def test_what_is_misnamed_or_holds_something_else(base: Path, name: str, content: bytes, problem: str, remedy: str) -> None:
    with pytest.raises(PartnerFaults) as caught:
        loaded(base, **{name: content})
    (fault,) = caught.value.faults
    assert fault.problem.startswith(problem)
    assert remedy in fault.remedy


def test_a_key_beside_an_authority_of_the_same_server(base: Path) -> None:
    with pytest.raises(PartnerFaults, match="the key alone would count"):
        loaded(base, server__1_pem=PUBLIC, server__2_pem=AUTHORITY)


def test_a_name_of_before_stays_what_it_was(base: Path) -> None:
    """Whatever was activated is opened as it was: ``tls`` is what the partner connects with."""
    bundle = loaded(base, client__1_pem=PEM)
    before = open_bundle(bundle.content.replace(b'"client"', b'"tls"'), "XA")
    assert before.faults == ()
    assert before.certificates == (("tls", PEM.decode()),)
