"""Against xmlsec1: both ways, for every algorithm that its common versions know (PSS and EdDSA came with 1.3)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway.wire.profile import DS, ENVELOPED, EXCLUSIVE
from tests.rig.machine import need_tool
from tests.wire.differential.documents import DOCUMENTS, assert_verifies_here, key_of, ours, uris, write_keys

pytestmark = pytest.mark.process

KNOWN = ["ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-sha256", "rsa-sha384", "rsa-sha512"]
TEMPLATE = (
    '<Signature xmlns="{ds}">\n  <SignedInfo>\n    <CanonicalizationMethod Algorithm="{c14n}"/>\n    <SignatureMethod Algorithm="{signature}"/>\n'
    '    <Reference URI="">\n      <Transforms>\n        <Transform Algorithm="{enveloped}"/>\n        <Transform Algorithm="{c14n}"/>\n'
    '      </Transforms>\n      <DigestMethod Algorithm="{digest}"/>\n      <DigestValue/>\n    </Reference>\n  </SignedInfo>\n'
    "  <SignatureValue/>\n  <KeyInfo>\n    <X509Data/>\n  </KeyInfo>\n</Signature>"
)


def xmlsec1(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([need_tool("xmlsec1"), *arguments], capture_output=True, text=True, check=False)


def verified_there(signed: bytes, algorithm: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "signed.xml").write_bytes(signed)
    return xmlsec1("--verify", "--pubkey-cert-der", write_keys(folder, key_of(algorithm))["der"], folder / "signed.xml")


@pytest.mark.parametrize("algorithm", KNOWN)
def test_what_we_sign_verifies_there(algorithm: str, tmp_path: Path) -> None:
    for unsigned in DOCUMENTS.values():
        answer = verified_there(ours(algorithm, unsigned, key_info=False), algorithm, tmp_path)
        assert answer.returncode == 0, answer.stderr


def test_what_was_changed_does_not(tmp_path: Path) -> None:
    changed = ours("ecdsa-p256-sha256", DOCUMENTS["one record"], key_info=False).replace(b"Quay", b"Key")
    assert verified_there(changed, "ecdsa-p256-sha256", tmp_path).returncode != 0


@pytest.mark.parametrize("algorithm", KNOWN)
def test_what_is_signed_there_verifies_here(algorithm: str, tmp_path: Path) -> None:
    signature, digest = uris(algorithm)
    template = TEMPLATE.format(ds=DS, c14n=EXCLUSIVE, enveloped=ENVELOPED, signature=signature, digest=digest).encode()
    files = write_keys(tmp_path, key_of(algorithm))
    for unsigned in DOCUMENTS.values():
        end = unsigned.rindex(b"</")
        (tmp_path / "template.xml").write_bytes(unsigned[:end] + template + unsigned[end:])
        answer = xmlsec1("--sign", "--privkey-pem", f"{files['pem']},{files['certificate']}", tmp_path / "template.xml")
        assert answer.returncode == 0, answer.stderr
        assert_verifies_here(answer.stdout.encode(), algorithm, unsigned)
