"""The one screen: ticks, warnings and crosses, and what to do."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import Code, Refusal
from gateway.net import Identity
from gateway.onboarding.check import check
from gateway.onboarding.finding import Checked, Mark
from gateway.onboarding.rehearsal.keys import make, pem
from gateway.partners import open_bundle
from gateway.partners.canonical import canonical
from gateway.sandbox import server
from gateway.sandbox.box import Box
from gateway.sandbox.listen import listening
from gateway.settings import ROOT
from tests.rig.shipped import shipped

pytestmark = pytest.mark.process

NOW = datetime.now(UTC)


def look(iso: str, site: Path | None = None, schemas: Path = ROOT / "schemas", **more: Any) -> Checked:
    asked: dict[str, Any] = {"production": False, "online": False} | more
    return check(ROOT / "partners", schemas, site, iso, now=NOW, **asked)


def marked(checked: Checked, mark: Mark) -> str:
    return "\n".join(point.what for point in checked.points if point.mark is mark)


@pytest.mark.parametrize("iso", ["SG", "BY", "EU", "HK"])
def test_shipped_data_holds(iso: str) -> None:
    checked = look(iso)
    assert checked.passed, marked(checked, Mark.BAD)
    ticked = marked(checked, Mark.OK)
    for said in (
        "profile is complete",
        "nothing is imported",
        "every code of the XSD is mapped",
        "written and read back",
        "examples",
    ):
        assert said in ticked
    assert all(point.remedy for point in checked.points if point.mark is not Mark.OK)


def test_faults_of_the_files_are_crosses(tmp_path: Path) -> None:
    folder = tmp_path / "sg"
    folder.mkdir()
    (folder / "site.toml").write_text('[binding]\nendpoint = "ftp://example.org"\naccept_for = "soon"\n', "utf-8")
    checked = look("SG", tmp_path)
    assert not checked.passed
    assert checked.digest == ""
    assert len([point for point in checked.points if point.mark is Mark.BAD]) == 2


def test_an_example_that_reads_otherwise_is_a_cross(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    folder = tmp_path / "schemas" / "party" / "1" / "examples" / "accepted"
    (folder / "list.json").write_text("{}", "utf-8")
    assert "reads otherwise" in marked(look("SG", schemas=tmp_path / "schemas"), Mark.BAD)


def with_certificates(place: Path, **binding: str) -> Path:
    bundle = shipped("SG")
    keys = make("SG", bundle.arrangement.binding, NOW)
    certificates = place / "sg" / "certs"
    certificates.mkdir(parents=True)
    (certificates / "signing-1.pem").write_text(pem(keys.current), "utf-8")
    (certificates / "signing-0.pem").write_text(pem(keys.expired), "utf-8")
    lines = [f"{name} = {value}" for name, value in binding.items()]
    (place / "sg" / "site.toml").write_text("\n".join(["[binding]", *lines, ""]), "utf-8")
    return place


def test_certificates(tmp_path: Path) -> None:
    checked = look("SG", with_certificates(tmp_path), production=True)
    assert "expired" in marked(checked, Mark.BAD) or "accepted until" in marked(checked, Mark.BAD)
    assert "demonstration key" in marked(checked, Mark.BAD)
    assert "chain, usage, dates and algorithms hold" in marked(checked, Mark.OK)
    assert "ends in" in marked(checked, Mark.WARN)


def test_who_is_spoken_to_in_envelope_1_is_warned_of(tmp_path: Path) -> None:
    """Its data of before says nothing of an envelope: nobody proves there that it holds the key that it announces."""
    assert "envelope 1" not in marked(look("SG"), Mark.WARN)
    checked = look("SG", with_certificates(tmp_path, envelope="1"))
    assert "spoken to in envelope 1" in marked(checked, Mark.WARN)
    stored = json.loads(shipped("SG").content)
    del stored["partner"]["binding"]["envelope"]
    before = open_bundle(canonical(stored), "SG")
    assert (before.faults, before.arrangement.binding.envelope) == ((), 1)


def test_online(tmp_path: Path) -> None:
    bundle = shipped("SG")
    box = Box(bundle, make("SG", bundle.arrangement.binding, NOW).current, "CN", (), lambda: datetime.now(UTC))
    with listening(server.create_app(box, "http://127.0.0.1:1/exchange")) as url:
        site = with_certificates(tmp_path, endpoint=f'"{url}/exchange"', private_addresses="true")
        ticked = marked(look("SG", site, online=True), Mark.OK)
        assert "answers (HTTP 405)" in ticked
        assert "s apart" in ticked
        assert "was not asked" in marked(look("SG", site), Mark.WARN)
    assert "connection" in marked(look("SG", site, online=True), Mark.BAD)


def test_an_address_that_leads_nowhere_gets_no_tick(tmp_path: Path) -> None:
    bundle = shipped("SG")
    box = Box(bundle, make("SG", bundle.arrangement.binding, NOW).current, "CN", (), lambda: datetime.now(UTC))
    with listening(server.create_app(box, "http://127.0.0.1:1/exchange")) as url:
        site = with_certificates(tmp_path, endpoint=f'"{url}/elsewhere"', private_addresses="true")
        assert "answers (HTTP 404)" in marked(look("SG", site, online=True), Mark.WARN)


def test_a_private_address_is_not_asked(tmp_path: Path) -> None:
    site = with_certificates(tmp_path, endpoint='"https://127.0.0.1/exchange"')
    assert "address-not-allowed" in marked(look("SG", site, online=True), Mark.BAD)


def test_who_guards_the_address_and_what_we_present_is_said(tmp_path: Path) -> None:
    def no_key(name: str) -> Identity:
        raise Refusal(Code.DATA_INVALID, f"There is no key named {name}.", remedy=f"aeo-gateway key create {name}")

    binding = {"endpoint": '"https://partner.example/exchange"', "client_key": '"line"', "proxy": '"http://proxy.example:3128"'}
    checked = look("SG", with_certificates(tmp_path / "there", **binding, resolve='"proxy"'), online=True, identity=no_key)
    assert "is the proxy's to guard" in marked(checked, Mark.WARN)
    assert "our key line cannot be presented: There is no key named line." in marked(checked, Mark.BAD)
    checked = look("SG", with_certificates(tmp_path / "here", **binding, addresses='["10.20.0.0/16"]'))
    assert "its endpoint may be at 10.20.0.0/16 and nowhere else" in marked(checked, Mark.OK)
    assert "proxy's to guard" not in marked(checked, Mark.WARN)


def test_clock() -> None:
    from gateway.onboarding.connectivity import _clock

    assert _clock("Mon, 01 Jan 2024 00:00:00 GMT").mark is Mark.BAD
    assert _clock("").mark is Mark.WARN
    assert _clock(f"{datetime.now(UTC) - timedelta(seconds=3):%a, %d %b %Y %H:%M:%S} GMT").mark is Mark.OK
