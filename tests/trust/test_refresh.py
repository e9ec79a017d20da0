"""The background task that keeps revocation knowledge fresh, and the folder it keeps it in."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.net import Response
from gateway.running.background import Background, Task
from gateway.trust import revocation
from gateway.trust.certificates import TrustStore
from gateway.trust.refresh import Folder, refresh
from gateway.trust.revocation import Revocation, RevocationEvidence
from tests.trust.pki import MOMENT, Pki
from tests.trust.test_revocation import LIST, PKI, EvidenceInMemory, Servers, trust

DAY = timedelta(days=1)


def fact(url: str = LIST, der: bytes = b"1", about: str = "") -> RevocationEvidence:
    return RevocationEvidence("ocsp" if about else "crl", url, about, der, MOMENT, MOMENT + DAY, MOMENT)


def test_the_folder_keeps_and_replaces(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "revocation")
    assert list(folder.all()) == []
    for one in (fact(), fact("http://ca.example/../../etc"), fact(about="ab"), fact(about="cd")):
        folder.put(one)
    folder.put(fact(der=b"2"))
    kept = {(one.kind, one.url, one.about): one.der for one in Folder(tmp_path / "revocation").all()}
    assert kept == {
        ("crl", LIST, ""): b"2",
        ("crl", "http://ca.example/../../etc", ""): b"1",
        ("ocsp", LIST, "ab"): b"1",
        ("ocsp", LIST, "cd"): b"1",
    }
    assert {path.suffix for path in (tmp_path / "revocation").iterdir()} == {".fact"}


def test_a_damaged_file_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = Folder(tmp_path)
    folder.put(fact())
    (tmp_path / "bad.fact").write_bytes(b"\xc1")
    (tmp_path / "half.building").write_bytes(b"")
    assert list(folder.all()) == [fact()]
    assert "bad.fact is passed over" in caplog.text


def test_it_goes_on_until_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    """Also over a fault of ours; and what it judged, messages need not wait for."""
    evidence, servers = EvidenceInMemory(broken=True), Servers({LIST: PKI.crl({})})
    known = Revocation(evidence, servers.fetch)
    store = TrustStore({"XA": trust()}, known)

    async def story() -> None:
        background, pause = Background(), timedelta(milliseconds=5)
        background.start([Task(name="revocation", step=partial(refresh, known, store, lambda: MOMENT), every=pause, late=pause)])
        while "disk full" not in caplog.text:
            await asyncio.sleep(0.005)
        evidence.broken = False
        while not known.facts() or ("XA", "signing") not in store._judged:
            await asyncio.sleep(0.005)
        await background.stop()

    asyncio.run(asyncio.wait_for(story(), 60))
    assert store.keys_for("XA", "signing", MOMENT)
    assert set(store.trusts()) == {"XA"}


def test_a_node_started_anew_knows_what_it_knew(tmp_path: Path) -> None:
    async def no_network(url: str, body: bytes | None) -> Response:
        raise AssertionError("asked")

    known = Revocation(Folder(tmp_path), Servers({LIST: PKI.crl({})}).fetch)
    asyncio.run(known.refresh(_sources(PKI), MOMENT))
    again = Revocation(Folder(tmp_path), no_network)
    moment: datetime = MOMENT + DAY
    assert TrustStore({"XA": trust()}, again).keys_for("XA", "signing", moment)
    asyncio.run(again.refresh(_sources(PKI), moment))


def _sources(pki: Pki) -> list[revocation.Source]:
    return list(revocation.sources(trust(pki)))
