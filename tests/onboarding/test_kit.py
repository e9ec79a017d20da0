"""The kit is what it says: every kind of message in it verifies with the script beside it, and is accepted by the partner it is for."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind
from gateway.onboarding.kit import kit
from gateway.onboarding.rehearsal.keys import der, make, pem
from gateway.onboarding.verify_message import main, problem
from gateway.sandbox.box import Box
from gateway.wire.algorithms import ALGORITHMS, VerifyKey
from tests.rig.shipped import ISOS, shipped
from tests.rig.volume import one_in

pytestmark = pytest.mark.long

NOW = datetime.now(UTC)


def opened(iso: str) -> tuple[dict[str, bytes], Box]:
    bundle = shipped(iso)
    key = make("CN", bundle.arrangement.binding, NOW).current
    made = kit(bundle, administration="CN", signer=key, certificates={"gateway-1": pem(key)}, endpoint="", clock=lambda: NOW)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    partner = Box(
        bundle, make(iso, bundle.arrangement.binding, NOW).current, "CN", [VerifyKey.from_certificate(der(key))], lambda: NOW
    )
    return files, partner


@pytest.mark.parametrize("iso", one_in(5, ISOS))
def test_every_partner_would_accept_our_messages(iso: str) -> None:
    files, partner = opened(iso)
    certificate = files["certificates/gateway-1.pem"]
    for name, body in files.items():
        if name.startswith("messages/"):
            assert problem(body, certificate) is None
            status, _, _ = partner.receive(body)
            assert status == 200, name
    kinds = {one.header.kind for one in partner.received}
    assert kinds == set(Kind) - {Kind.CASE, Kind.CASE_REPLY}


def test_says_every_refusal_and_every_term() -> None:
    files, _ = opened("SG")
    refusals, profile = files["refusals.md"].decode(), files["profile.md"].decode()
    assert all(f"`{code}`" in refusals for code in Code)
    assert "Our endpoint: not settled yet" in profile
    assert "| consent of the Chinese AEO |" in profile
    assert "schemas/party/1/party.xsd" in files


@pytest.mark.process
def test_the_verifier_runs_alone(tmp_path: Path) -> None:
    files, _ = opened("SG")
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "changed.xml").write_bytes(files["messages/list.xml"].replace(b"Made-up", b"Changed", 1))
    command = [sys.executable, "-I", "verify_message.py", "certificates/gateway-1.pem", "messages/list.xml", "changed.xml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "messages/list.xml: signature holds" in done.stdout
    assert "changed.xml: NOT VERIFIED: the content is not what was signed" in done.stdout


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_the_verifier_knows_every_algorithm(algorithm: str) -> None:
    from gateway.trust import selfsigned
    from gateway.wire import signature
    from gateway.wire.algorithms import KeySigner

    def signer() -> KeySigner:
        private = selfsigned.generate(algorithm)
        made = selfsigned.builder(
            private.public_key(), selfsigned.Subject("test"), demo=True, begins=NOW, ends=datetime(2100, 1, 1, tzinfo=UTC)
        )
        return KeySigner(private, selfsigned.sign(made, private), algorithm)

    key, other = signer(), signer()
    message = signature.sign(b"<a><b>text</b></a>", key)
    assert problem(message, pem(key).encode()) is None
    assert problem(message, pem(other).encode()) == "the key of this certificate did not make the signature"


@pytest.mark.parametrize("broken", [b"<a/>", b"<a", b'<a xmlns:d="http://www.w3.org/2000/09/xmldsig#"><d:Signature/></a>'])
def test_the_verifier_says_what_is_no_message(broken: bytes) -> None:
    assert problem(broken, b"")


def test_the_verifier_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "certificate.pem" in capsys.readouterr().out


@pytest.mark.parametrize(
    "endpoint",
    [
        "exchange",
        "http://aeo.example/exchange",
        "ftp://aeo.example/",
        "https://",
        "https://[",
        "https://u:p@aeo.example/",
        "https://a b/",
    ],
)
def test_an_address_that_no_partner_could_call_is_refused(endpoint: str) -> None:
    bundle = shipped("SG")
    key = make("CN", bundle.arrangement.binding, NOW).current
    with pytest.raises(Refusal, match="no address that a partner can call") as caught:
        kit(bundle, administration="CN", signer=key, certificates={}, endpoint=endpoint, clock=lambda: NOW)
    assert "https://HOST/exchange" in caught.value.remedy


@pytest.mark.parametrize(
    "endpoint", ["https://aeo.example/exchange", "http://127.0.0.1:8100/exchange", "http://[::1]:8100/exchange"]
)
def test_an_address_that_a_partner_can_call_stands_in_the_profile(endpoint: str) -> None:
    bundle = shipped("SG")
    key = make("CN", bundle.arrangement.binding, NOW).current
    made = kit(bundle, administration="CN", signer=key, certificates={}, endpoint=endpoint, clock=lambda: NOW)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert f"Our endpoint: {endpoint}." in archive.read("aeo-kit-sg/profile.md").decode()
