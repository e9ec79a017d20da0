"""Keys, warnings, voids and the start of production, from a terminal, as the program that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from gateway.store.database import Database
from gateway.trust.keys import Purpose, create_file_key
from gateway.trust.selfsigned import Subject
from tests.rig.databases import migrate
from tests.rig.shipped import activate, installed
from tests.rig.terminal import Terminal, program

pytestmark = pytest.mark.long

PASSPHRASE = "correct horse battery staple 7Q"


@dataclass
class Safe(Terminal):
    """A terminal that opens keys; it never says with what."""

    environment: Mapping[str, str] = field(default_factory=lambda: {"AEO_KEY_PASSPHRASE": PASSPHRASE})

    def run(self, *arguments: str, expect: int = 0, who: str = "") -> str:
        said = super().run(*arguments, expect=expect, who=who)
        assert PASSPHRASE not in said
        return said

    def start(self, command: str = "serve", passphrase: str = PASSPHRASE) -> str:
        """What a production start complains of."""
        done = program(self.home, command, AEO_MODE="production", AEO_KEY_PASSPHRASE=passphrase, COLUMNS="400")
        said = done.stdout + done.stderr
        assert done.returncode == 2, said
        assert PASSPHRASE not in said
        assert "Traceback" not in said
        return said

    def partner(self, iso: str, settings: str, certificate: str | None = None) -> None:
        """A partner as shipped, with what an administrator enters, in force."""
        folder = self.home / "site" / iso.lower()
        (folder / "certs").mkdir(parents=True)
        (folder / "site.toml").write_text(settings, "utf-8")
        if certificate:
            (folder / "certs" / "signing-1.pem").write_text(certificate, "ascii")
        with closing(Database(migrate(f"sqlite:///{self.home / 'gateway.db'}"))) as database, database.write.begin() as connection:
            activate(connection, [installed(iso, self.home / "site")], datetime.now(UTC) - timedelta(days=1))


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Safe:
    return Safe(tmp_path / "home", capsys, monkeypatch)


def certificate(folder: Path, purpose: Purpose) -> str:
    """Of a partner."""
    now = datetime.now(UTC)
    return create_file_key(folder, "partner", "ecdsa-p256-sha256", Subject("partner"), purpose, PASSPHRASE, 90, now=now).pem


@pytest.mark.process
@pytest.mark.parametrize("command", ["serve", "courier"])
def test_production_names_everything_that_is_missing_at_once(command: str, terminal: Safe, tmp_path: Path) -> None:
    terminal.run("key", "create", "--purpose", "demo")
    demo = certificate(tmp_path / "demo", Purpose.DEMO)
    terminal.partner("SG", '[binding]\nendpoint = "http://127.0.0.1:9/exchange"\nprivate_addresses = true\n', demo)
    line = 'endpoint = "https://hk.example/exchange"\naddresses = ["10.2.0.0/16", "127.0.0.0/8"]\nclient_key = "line"\n'
    terminal.partner("HK", f"[binding]\n{line}")
    said = terminal.start(command, passphrase="")
    for part in (
        "AEO_KEY_PASSPHRASE is empty",
        "AEO_TWO_PEOPLE is not set",
        "gateway-1 is a demo key",
        "SG: binding.private_addresses",
        "SG: binding.endpoint is http://127.0.0.1:9/exchange",
        "SG: the signing certificate",
        "HK: it is connected and no signing certificate",
        "HK: binding.addresses names 127.0.0.0/8",
        "HK: binding.client_key: There is no key named line",
    ):
        assert part in said


@pytest.mark.process
def test_production_without_anything_says_what_to_do_first(terminal: Safe) -> None:
    said = terminal.start()
    assert "There is no key named gateway" in said
    assert "aeo-gateway key create gateway --purpose production" in said
    assert "No partner is active" in said


@pytest.mark.process
def test_a_wrong_passphrase_is_named_without_a_secret(terminal: Safe) -> None:
    terminal.run("key", "create")
    assert "The passphrase does not open" in terminal.start(passphrase="not it")


@pytest.mark.process
def test_a_key_file_that_others_may_read_is_refused(terminal: Safe) -> None:
    terminal.run("key", "create")
    key = terminal.home / "keys" / "gateway-1" / "key.pem"
    key.chmod(0o644)
    said = terminal.start()
    assert "is open to others than its owner" in said
    assert f"chmod 600 {key}" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("key", "create", "--country", "CHINA"), "two capital letters"),
        (("key", "create", "--days", "999999999"), "is not in the range"),
        (("key", "create", "--days", "0"), "is not in the range"),
        (("key", "rotate", "--switch", "999999999"), "is not in the range"),
        (("key", "rotate"), "aeo-gateway key create gateway"),
        (("lift", "99999999999999999999", "--reason", "r"), "not-found"),
        (("disruption", "end", "99999999999999999999", "--reason", "r"), "not-found"),
        (("lift", "1"), "--reason"),
        (("disruption", "end", "1"), "--reason"),
        (("lift", "1", "--reason", " "), "A reason must be given"),
        (("void", "confirm", "99999999999999999999"), "not-found"),
        (("partner", "confirm", "99999999999999999999"), "not-found"),
        (("list", "drop", "99999999999999999999", "--reason", "r"), "not-found"),
        (("domestic", "confirm", "99999999999999999999"), "not-found"),
        (("message", "show", "intake-99999999999999999999"), "not-found"),
        (("message", "show", "intake-²"), "not-found"),
        (("eligible", "SG123456789012"), "aeo-gateway partner activate --all"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(arguments: tuple[str, ...], said: str, terminal: Safe) -> None:
    assert said in " ".join(terminal.run(*arguments, expect=2).replace("│", " ").split())


def test_the_life_of_a_key(terminal: Safe) -> None:
    """Made, listed, rolled over, shown, exported; never a word of its secret."""
    terminal.run("key", "create", "--days", "40")
    assert "aeo-gateway key rotate gateway" in terminal.run("key", "create", expect=2)
    (warning,) = terminal.json("warnings")
    assert (warning["kind"], warning["name"], warning["succeeded"]) == ("our-key", "gateway-1", False)
    assert "gateway-1" in terminal.run("warnings")
    terminal.run("key", "rotate", "--switch", "3")
    assert [(row["id"], row["state"]) for row in terminal.json("key", "list")] == [("gateway-1", "current"), ("gateway-2", "next")]
    assert [row["succeeded"] for row in terminal.json("warnings")] == [True]
    shown = terminal.json("key", "show", "gateway-2")
    assert (shown["purpose"], shown["held_by"], shown["announced"]) == ("production", "file", [])
    assert terminal.run("key", "export-certificate", "gateway-2").startswith("-----BEGIN CERTIFICATE-----")
    assert terminal.run("key", "export-certificate", "gateway") == terminal.run("key", "export-certificate", "gateway-1"), (
        "the one that signs"
    )
    assert "already to take over" in terminal.run("key", "rotate", expect=2)
    assert "cannot be opened through" in terminal.run("key", "create", "other", "--token", "nothing.so", "t", "k", expect=2)
    held = (terminal.home / "keys" / "gateway-2" / "key.pem").read_text()
    assert "ENCRYPTED" in held
    for arguments in (("key", "show", "gateway-2"), ("key", "list"), ("warnings",)):
        assert held.splitlines()[1] not in terminal.run(*arguments)


def test_a_partner_that_has_not_acknowledged_the_next_certificate_is_warned_of(terminal: Safe) -> None:
    terminal.partner("SG", '[binding]\nendpoint = "https://sg.example/exchange"\n')
    terminal.run("key", "create")
    terminal.run("key", "rotate")
    (warning,) = terminal.json("warnings")
    assert (warning["owner"], warning["name"]) == ("gateway", "gateway-2 is not acknowledged by SG")


def test_a_key_stolen_during_a_rollover(terminal: Safe) -> None:
    terminal.partner("SG", '[binding]\nendpoint = "https://sg.example/exchange"\n')
    terminal.run("key", "create")
    assert "aeo-gateway key rotate gateway" in terminal.run("key", "hasten", expect=2)
    terminal.run("key", "rotate")
    refused = terminal.run("key", "rotate", expect=2)
    assert "key hasten gateway" in refused
    assert "key drop gateway" in refused
    assert "gateway-2 never signs" in terminal.run("key", "drop")
    terminal.run("key", "rotate")
    assert "The switch is brought forward" in terminal.run("key", "hasten", "--at", "2020-01-01", expect=2)
    assert "is no moment" in terminal.run("key", "hasten", "--at", "soon", expect=2)
    said = " ".join(terminal.run("key", "hasten").split())
    assert "Not acknowledged by SG" in said
    assert "aeo-gateway key export-certificate gateway-3" in said
    states = [(row["id"], row["state"]) for row in terminal.json("key", "list")]
    assert states == [("gateway-1", "retired"), ("gateway-3", "current"), ("gateway-2", "dropped")]


def test_a_void_from_a_terminal_needs_something_to_annul(terminal: Safe) -> None:
    terminal.partner("SG", "")
    assert "Nothing was ever annulled" in terminal.run("void", "list")
    assert "No partner is known" in terminal.run("void", "propose", "--message", "m-1", "--reason", "r", expect=2)
    both = ("--message", "m-1", "--certificate", "0" * 64, "--since", "2026-01-01")
    assert "Give either" in terminal.run("void", "propose", *both, "--reason", "r", expect=2)
    assert "Nothing to annul has the number 1" in terminal.run("void", "confirm", "1", expect=2)


def test_a_void_from_a_terminal(terminal: Safe, tmp_path: Path) -> None:
    pinned = certificate(tmp_path / "keys", Purpose.PRODUCTION)
    terminal.partner("SG", "", pinned)
    fingerprint = x509.load_pem_x509_certificate(pinned.encode()).fingerprint(hashes.SHA256()).hex()
    asked = ("--certificate", fingerprint, "--since", "2026-01-01", "--reason", "It was stolen.")
    assert fingerprint in terminal.run("void", "propose", *asked, who="A. One")
    assert "second person" in terminal.run("void", "confirm", "1", who="A. One", expect=2)
    assert fingerprint in terminal.run("void", "confirm", "1", who="B. Two")
    (row,) = terminal.json("void", "list")
    assert (row["proposed_by"], row["confirmed_by"], row["messages"], row["operators"]) == ("A. One", "B. Two", 0, 0)
    assert "A. One" in terminal.run("void", "list")
