"""The commands of onboarding, one after another as an administrator says them."""

from __future__ import annotations

import json
import shutil
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.main import app
from gateway.core.errors import Refusal
from gateway.node.context import utc_now
from gateway.settings import ROOT
from gateway.store.database import Database
from gateway.trust.keys import Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from tests.rig.databases import migrate
from tests.rig.machine import REPO
from tests.rig.people import terminal_of

pytestmark = pytest.mark.process

STRANGER = REPO / "tests" / "onboarding" / "draft" / "stranger"
NEW = [
    *(
        "partner",
        "new",
        "QZ",
        "--name",
        "Made-up Country",
        "--name-zh",
        "虚构国",
        "--administration",
        "Customs",
        "--programme",
        "AEO",
    ),
    *("--signed", "2026-01", "--zone", "UTC", "--level", "OR", "--level", "ARGENT", "--dialect", "registre/1"),
    *("--xsd", str(STRANGER / "registre.xsd"), "--sample", str(STRANGER / "message.xml")),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("partners", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name)
        monkeypatch.setenv(f"AEO_{name.upper()}", str(tmp_path / name))
    monkeypatch.setenv("AEO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AEO_MODE", "production")
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "home").mkdir()
    with closing(Database(migrate(f"sqlite:///{tmp_path / 'home' / 'gateway.db'}"))) as database:
        monkeypatch.setenv("AEO_TOKEN_FILE", str(terminal_of("a person", tmp_path / "home", database)))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_from_nothing_to_in_force(place: Path) -> None:
    assert "4 questions" in run(*NEW).output
    assert run("partner", "check", "QZ").exit_code == 1
    shutil.copyfile(STRANGER / "answers.toml", place / "schemas" / "registre" / "1" / "draft.toml")
    assert "No question is left" in run(*NEW).output
    assert run("partner", "check", "QZ").exit_code == 0
    assert run("partner", "activate", "--law").exit_code == 0
    refused = run("partner", "activate", "QZ")
    assert isinstance(refused.exception, Refusal)
    assert "passed no rehearsal" in str(refused.exception)
    tried = run("partner", "rehearse", "QZ")
    assert tried.exit_code == 0, tried.output
    assert {path.name for path in (place / "home" / "rehearsals").iterdir()} == {"qz.html", "qz.json", "junit.xml"}
    assert "Activated QZ" in run("partner", "activate", "QZ").output
    assert "Nothing changes" in run("partner", "diff", "QZ").output
    file = place / "partners" / "qz" / "partner.toml"
    file.write_text(file.read_text("utf-8").replace('"Customs"', '"Customs Service"'), "utf-8")
    assert json.loads(run("partner", "diff", "QZ", "--json").output)["changes"] == ["Profile: administration changed."]
    assert isinstance(run("partner", "activate", "QZ").exception, Refusal)
    assert "QZ is retired" in run("partner", "retire", "QZ", "--reason", "a test").output


def test_all_or_nothing(place: Path) -> None:
    for folder in (place / "partners").iterdir():
        if folder.is_dir() and folder.name not in ("sg", "by"):
            shutil.rmtree(folder)
    refused = run("partner", "activate", "--all")
    assert isinstance(refused.exception, Refusal)
    assert refused.exception.detail.count("passed no rehearsal") == 2
    assert run("partner", "diff", "SG").exception is not None


def test_kit(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEO_MODE", "demo")
    create_file_key(place / "home" / "keys", "gateway", "ed25519", Subject("test"), Purpose.DEMO, "", 30, now=utc_now())
    made = run("partner", "kit", "SG", "--out", str(place / "kit.zip"), "--endpoint", "https://example.org/exchange")
    assert made.exit_code == 0, made.output
    with zipfile.ZipFile(place / "kit.zip") as archive:
        assert "https://example.org/exchange" in archive.read("aeo-kit-sg/profile.md").decode()
    assert "cannot be written" in str(run("partner", "kit", "SG", "--out", str(place / "nowhere" / "kit.zip")).exception)


def test_a_box_without_the_gateways_certificate_says_so(place: Path) -> None:
    (place / "no.pem").write_text("no certificate")
    for file in ("no.pem", "absent.pem"):
        given = ("--gateway-certificate", str(place / file), "--home", str(place / "box"))
        found = run("sandbox", "SG", "--gateway", "http://127.0.0.1:1/exchange", *given).exception
        assert isinstance(found, Refusal)
        assert "cannot be read as a certificate" in found.detail


@pytest.mark.parametrize("iso", ["../x", "Q", "QQQ"])
def test_a_code_that_leads_elsewhere_is_refused(place: Path, iso: str) -> None:
    assert isinstance(run(*NEW[:2], iso, *NEW[3:]).exception, Refusal)
