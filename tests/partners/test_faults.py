"""Every fault by one change of a sound partner, and all faults of all files at once."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.partners import PartnerFaults, load_all, load_one, read_bundle
from tests.rig.shipped import PARTNERS, SCHEMAS

CASES: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "faults.toml").read_text(encoding="utf-8"))["case"]


def spoil(base: Path, case: dict[str, Any]) -> None:
    with (base / "site/xa/site.toml").open("a", encoding="utf-8") as site:
        site.write(case.get("site", "") + "\n")
    path = base / case["file"]
    if "whole" in case:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(case["whole"], encoding="utf-8")
        return
    if "bytes" in case:
        path.write_bytes(bytes(case["bytes"]))
        return
    text = path.read_text(encoding="utf-8")
    for old, new in ((case["old"], case["new"]), case.get("and", ("", ""))):
        assert not old or text.count(old) == 1, "a change has exactly one place"
        text = text.replace(old, new) if old else text + new
    path.write_text(text, encoding="utf-8")


def test_the_base_is_sound(base: Path) -> None:
    assert list(load_all(base / "partners", base / "schemas", base / "site")) == ["XA"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_fault(base: Path, case: dict[str, Any]) -> None:
    spoil(base, case)
    with pytest.raises(PartnerFaults) as caught:
        load_all(base / "partners", base / "schemas", base / "site")
    found = [(fault.key, fault.problem) for fault in caught.value.faults]
    for key, begins in case["faults"]:
        assert any(key == place and problem.startswith(begins) for place, problem in found), found
    if case.get("some"):
        return
    assert len(found) == len(case["faults"]), found
    place = base / case.get("in", case["file"])
    # A stray folder is named itself, since it has no file to blame; a dialect's files are named as they lie under schemas/.
    named = {str(place), str(place.parent), str(place.parent / "partner.toml"), case.get("in", case["file"])}
    named |= {str(base / case["also"])} if "also" in case else set()
    assert {fault.file for fault in caught.value.faults} <= named
    assert all(fault.remedy and str(fault).count(fault.remedy) for fault in caught.value.faults)
    assert case.get("remedy", "") in str(caught.value)


def test_all_faults_of_all_files_at_once(base: Path) -> None:
    """Many changes that touch different places of the same files: each is reported, none hides another."""
    together = [case for case in CASES if case["id"] in TOGETHER]
    for case in together:
        spoil(base, case)
    with pytest.raises(PartnerFaults) as caught:
        load_all(base / "partners", base / "schemas", base / "site")
    found = {(fault.key, fault.problem) for fault in caught.value.faults}
    for case in together:
        for key, begins in case["faults"]:
            assert any(key == place and problem.startswith(begins) for place, problem in found), (case["id"], key)


TOGETHER = (
    "unknown-key",
    "a-term-says-nothing",
    "no-such-zone",
    "two-provenances",
    "source-not-used",
    "consent-nobody-asks-for",
    "retried-messages-too-old",
    "no-such-algorithm",
    "no-partner-file",
    "common-scope",
    "common-measure-missing",
    "site-shares-more",
    "site-for-nobody",
    "certificate-of-no-role",
)


def test_two_arrangements_cannot_claim_one_prefix(base: Path) -> None:
    other = base / "partners" / "xb"
    other.mkdir()
    text = (base / "partners" / "xa" / "partner.toml").read_text(encoding="utf-8").replace('iso = "XA"', 'iso = "XB"')
    claim = (
        '\n[[members]]\niso = "XB"\nname = { en = "B", zh = "乙" }\nadministration = "unknown"\nzone = "UTC"\nprefixes = ["XA"]\n'
    )
    (other / "partner.toml").write_text(text + claim, encoding="utf-8")
    with pytest.raises(PartnerFaults, match="XA claims the codes that begin with XA too"):
        load_all(base / "partners", base / "schemas")


def test_text_that_is_not_utf8(base: Path) -> None:
    (base / "partners" / "xa" / "partner.toml").write_bytes(b"iso = '\xff'")
    with pytest.raises(PartnerFaults, match="not UTF-8"):
        load_one(base / "partners" / "xa", base / "schemas")


def test_a_key_is_never_taken_for_a_certificate(base: Path) -> None:
    certs = base / "site" / "xa" / "certs"
    certs.mkdir()
    (certs / "signing-1.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", encoding="utf-8")
    with pytest.raises(PartnerFaults, match=r"no X\.509 certificate"):
        load_one(base / "partners" / "xa", base / "schemas", base / "site")


def test_the_shipped_partners_have_no_faults() -> None:
    assert len(load_all(PARTNERS, SCHEMAS)) == len([path for path in PARTNERS.iterdir() if path.is_dir()])


def test_a_pinned_certificate_is_part_of_the_bundle_and_nothing_beside_it(base: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Customs")])
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 1, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    )
    pem = builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()
    without = load_one(base / "partners" / "xa", base / "schemas", base / "site")
    certs = base / "site" / "xa" / "certs"
    certs.mkdir()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    (certs / "signing-2026.pem").write_text("For Example Customs\n" + pem + secret, encoding="utf-8")
    with pytest.raises(PartnerFaults, match="A private key stands in this file"):
        load_one(base / "partners" / "xa", base / "schemas", base / "site")
    (certs / "signing-2026.pem").write_text("For Example Customs\n" + pem + "PRIVATE: for their eyes\n", encoding="utf-8")
    bundle = load_one(base / "partners" / "xa", base / "schemas", base / "site")
    assert bundle.certificates == (("signing", pem),)
    assert b"PRIVATE" not in bundle.content
    assert bundle.digest != without.digest
    assert read_bundle(bundle.content) == bundle
