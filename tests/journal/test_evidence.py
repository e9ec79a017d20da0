"""Evidence: one file that an outsider can check, by our command and with public tools alone."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select

from gateway.core.errors import Code, Refusal
from gateway.core.merkle import includes, leaf_hash
from gateway.core.model import Kind, Standing
from gateway.journal import evidence, proof
from gateway.journal.evidence import _sides, _way
from gateway.partners import read_bundle
from gateway.partners.canonical import canonical
from gateway.store import journal, partners
from gateway.store.tables import entry, message
from gateway.wire import payloads
from tests.rig.gateway import GatewayFixture
from tests.rig.machine import need_tool
from tests.rig.people import person

pytestmark = pytest.mark.long

CODE = "SG123456789012"


def received(gateway: GatewayFixture) -> str:
    (tin, *_) = gateway.listed()
    for _ in range(7):
        gateway.later(seconds=1)
        said = gateway.send(gateway.boxes["SG"].status_message(tin, Standing.SUSPENDED))
        gateway.seal()
    gateway.later(seconds=1)
    gateway.send(gateway.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING)))
    gateway.seal()
    return said.header.refers_to or ""


def sent(gateway: GatewayFixture) -> str:
    message_id = gateway.ask(CODE)
    gateway.deliver()
    gateway.seal()
    return message_id


def exported(gateway: GatewayFixture, message_id: str) -> bytes:
    activate_box(gateway)
    with gateway.database.reading() as connection:
        return evidence.export(connection, gateway.settings.model_copy(update={"home": gateway.keys.parent}), message_id)


def activate_box(gateway: GatewayFixture) -> None:
    """Puts the certificate that the box signs with into the partner's data, as an administrator would."""
    (pin,) = gateway.node.trust.trust_of("SG").pins
    pem = x509.load_der_x509_certificate(pin.der).public_bytes(Encoding.PEM).decode()
    content = json.loads(gateway.live().bundle.content)
    bundle = read_bundle(canonical({**content, "certificates": [["signing", pem]]}))
    gateway.do(
        lambda connection: partners.activate(
            connection, "SG", bundle.digest, bundle.content, at=gateway.now, who=person("test"), reason="test"
        )
    )


@pytest.mark.parametrize("story", [received, sent])
def test_evidence_holds_by_itself(gateway: GatewayFixture, story: Callable[[GatewayFixture], str]) -> None:
    checks = proof.verify(exported(gateway, story(gateway)))
    assert [one.name for one in checks if one.holds is False] == []
    assert [one.name for one in checks if one.holds is None] == ["whose the certificates are"]
    assert len(checks) == 9


@pytest.mark.process
@pytest.mark.parametrize("story", [received, sent])
def test_the_readme_s_own_commands_say_the_same(
    gateway: GatewayFixture, story: Callable[[GatewayFixture], str], tmp_path: Path
) -> None:
    """The very commands of the README, run as they stand."""
    for tool in ("xmlsec1", "openssl", "sha256sum"):
        need_tool(tool)
    folder = tmp_path / "evidence"
    ZipFile(BytesIO(exported(gateway, story(gateway)))).extractall(folder)
    outcome = _by_hand(folder)
    assert outcome.returncode == 0, outcome.stderr
    told = json.loads((folder / "evidence.json").read_text())
    assert outcome.stdout.count(told["digest"]) == 3, "of the content, in the receipt, in the journal"
    root = re.search(r"root (\w+)", outcome.stdout)
    assert root is not None
    assert outcome.stdout.count(root[1]) == 2
    assert "Verified OK" in outcome.stdout
    changed = folder / "message.xml"
    changed.write_bytes(changed.read_bytes().replace(b"Created>2026", b"Created>2025", 1))
    assert _by_hand(folder).returncode != 0


def _by_hand(folder: Path) -> subprocess.CompletedProcess[str]:
    lines = (folder / "README.txt").read_text().splitlines()
    commands = [line.strip() for line in lines if line.startswith("    ")]
    assert len(commands) >= 15
    script = "set -e\n" + "\n".join(commands)
    return subprocess.run(["sh", "-c", script], cwd=folder, capture_output=True, text=True, check=False)


def test_the_same_evidence_is_the_same_file(gateway: GatewayFixture) -> None:
    message_id = received(gateway)
    assert exported(gateway, message_id) == exported(gateway, message_id)


def _changed(packed: bytes, name: str, edit: Callable[[bytes], bytes]) -> bytes:
    with ZipFile(BytesIO(packed)) as archive:
        files = {one: archive.read(one) for one in archive.namelist()}
    files[name] = edit(files[name])
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        for one, content in files.items():
            archive.writestr(one, content)
    return out.getvalue()


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_whatever_is_changed_in_it_shows(gateway: GatewayFixture) -> None:
    packed = exported(gateway, received(gateway))
    with ZipFile(BytesIO(packed)) as archive:
        names = [name for name in archive.namelist() if name != "README.txt"]
    assert any(name.startswith("journal/0") for name in names)
    for name in names:
        if name != "evidence.json":
            assert any(one.holds is False for one in proof.verify(_changed(packed, name, _flip))), name


@pytest.mark.parametrize("claim", ["message", "partner", "digest", "size", "path", "message_certificate"])
def test_no_claim_stands_by_itself(gateway: GatewayFixture, claim: str) -> None:
    def edit(content: bytes) -> bytes:
        told: dict[str, Any] = json.loads(content)
        others = {"message": "another-message", "partner": "HK", "size": 1, "path": []}
        told[claim] = others.get(claim, "00" * 32)
        return json.dumps(told).encode()

    checks = proof.verify(_changed(exported(gateway, received(gateway)), "evidence.json", edit))
    assert any(one.holds is False for one in checks)


@pytest.mark.parametrize("packed", [b"", b"PK\x03\x04", b"<xml/>"])
def test_what_is_no_evidence_is_refused(packed: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        proof.verify(packed)
    assert refused.value.code is Code.DATA_INVALID


def test_a_certificate_that_had_expired_shows(gateway: GatewayFixture) -> None:
    def edit(content: bytes) -> bytes:
        told: dict[str, Any] = json.loads(content)
        told["at"] = (gateway.now + timedelta(days=4000)).isoformat()
        return json.dumps(told).encode()

    checks = proof.verify(_changed(exported(gateway, received(gateway)), "evidence.json", edit))
    assert {one.holds for one in checks if "relied on" in one.name} == {False}


@pytest.mark.parametrize("what", ["unknown", "not delivered", "not sealed", "not kept"])
def test_where_there_is_none_it_says_why(gateway: GatewayFixture, what: str) -> None:
    message_id = "unknown-message" if what == "unknown" else gateway.ask(CODE)
    if what in ("not sealed", "not kept"):
        gateway.listed()
        message_id = gateway.rows(message)[0].message_id
    if what == "not kept":
        gateway.do(lambda connection: connection.execute(message.update().values(body=None, pruned=gateway.now)))
    with pytest.raises(Refusal) as refused:
        exported(gateway, message_id)
    assert refused.value.code is Code.NOT_FOUND


def test_every_entry_of_a_journal_of_any_shape_leads_to_its_checkpoint(gateway: GatewayFixture) -> None:
    """Batches of every size, so that old and new neighbours meet in every way."""
    chance = [1, 2, 3, 1, 5, 8, 1, 1, 7, 4, 16, 2, 9]
    for batch in chance:
        for number in range(batch):
            gateway.do(partial(journal.append, kind="test", subject=str(number), body={}, at=gateway.now))
        gateway.seal()
    with gateway.database.reading() as connection:
        entries = connection.execute(select(entry).order_by(entry.c.position)).all()
        for row in entries:
            steps, sealed = _way(connection, row.position)
            path = [bytes.fromhex(step.hash) for step in steps]
            assert includes(bytes.fromhex(sealed.root), sealed.size, leaf_hash(row.body), row.position, path)
            assert len(list(_sides(row.position, sealed.size))) == len(path)
