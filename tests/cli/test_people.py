"""Who sits at a terminal, and what is said where nobody does."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.rig.terminal import Terminal

pytestmark = pytest.mark.long

PRODUCTION = {"AEO_MODE": "production", "AEO_TWO_PEOPLE": "true"}


@pytest.fixture
def demo(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path / "home", capsys, monkeypatch)


@pytest.fixture
def production(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path / "home", capsys, monkeypatch, PRODUCTION)


def test_the_demonstration_has_somebody_at_its_terminal(demo: Terminal) -> None:
    assert "Zhang San (made up) (person)" in demo.run("whoami")
    assert len(demo.json("principal", "list")) == 2
    second = {"AEO_TOKEN_FILE": str(demo.home / "second.token")}
    other = Terminal(demo.home, demo.capsys, demo.monkeypatch, second)
    assert other.json("whoami")["name"] == "Li Si (made up)"


def test_nobody_decides_before_anybody_is_known(production: Terminal) -> None:
    said = production.run("token", "create", "a feed", "--scope", "domestic:write", expect=2)
    assert "Nobody is known to this installation yet" in said
    assert "aeo-gateway init NAME" in said
    said = production.run("init", "Zhang Wei", "--email", "zhang@customs.example")
    assert "http://127.0.0.1:8100/sign-in/" in " ".join(said.split())
    assert "knows people already" in production.run("init", "Mallory", expect=2)
    said = production.run("token", "create", "a feed", "--scope", "domestic:write", expect=2)
    assert "Nobody is signed in at this terminal" in said
    assert "aeo-gateway login" in said


def test_an_emergency_is_told_in_red_and_is_never_one_of_two(production: Terminal) -> None:
    production.run("init", "Zhang Wei")
    assert "needs a reason" in production.run("--emergency", " ", "principal", "list", expect=2)
    said = production.run("--emergency", "nobody can sign in", "principal", "link", "Zhang Wei", "--reason", "locked out")
    assert "EMERGENCY" in said
    assert "nobody can sign in" in said
    assert "/sign-in/" in said
    refused = production.run(
        "--emergency", "hurry", "principal", "add", "Mallory", "--role", "approver", "--reason", "hurry", expect=2
    )
    assert "takes two people" in refused
    afterwards = production.run("whoami", who="Li Na")
    assert "Li Na" in afterwards
    assert "EMERGENCY" in afterwards
    assert "EMERGENCY" in production.run("principal", "acknowledge", "Zhang Wei", who="Li Na", expect=2)


def test_only_a_person_signs_in_at_a_terminal(demo: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    made = demo.json("token", "create", "a feed", "--scope", "domestic:write")
    for typed, said in ((made["token"], "a feed is a system"), ("aeo_wrong", "nobody's token"), ("", "nobody's token")):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed + "\n"))
        assert said in demo.run("login", "--token", expect=2)
    monkeypatch.setattr("sys.stdin", io.StringIO((demo.home / "second.token").read_text()))
    assert "Signed in as Li Si" in demo.run("login", "--token")


def test_a_token_that_others_can_read_is_refused(demo: Terminal) -> None:
    demo.run("whoami")
    (demo.home / "terminal.token").chmod(0o644)
    said = demo.run("whoami", expect=2)
    assert "Others can read" in said
    assert "chmod 600" in said
    (demo.home / "terminal.token").chmod(0o600)
    demo.run("logout")
    assert "Nobody is signed in" in demo.run("whoami", expect=2)


def test_a_role_bounds_what_a_person_may_do(demo: Terminal) -> None:
    said = demo.run("principal", "add", "Wang Fang", "--role", "viewer", "--reason", "a colleague")
    assert "/sign-in/" in said
    shown = {row["name"]: row["roles"] for row in demo.json("principal", "list")}
    assert shown["Wang Fang"] == ["viewer"]
    assert "is now auditor" in demo.run("principal", "roles", "Wang Fang", "--role", "auditor", "--reason", "moved")
    assert "may do nothing here any more" in demo.run("principal", "disable", "Wang Fang", "--reason", "left")


def test_what_takes_two_is_one_table(demo: Terminal) -> None:
    shown = demo.json("settings", "show")
    assert shown["two_people"]["annulment"] is True
    assert shown["two_people"]["roles"] is False
    assert shown["settings"]["AEO_KEY_PASSPHRASE"] == ""
    asked = Terminal(demo.home, demo.capsys, demo.monkeypatch, {"AEO_TWO_PEOPLE": "true", "AEO_KEY_PASSPHRASE": "a secret"})
    shown = asked.json("settings", "show")
    assert [name for name, two in shown["two_people"].items() if not two] == ["list-drop"]
    assert "a secret" not in asked.run("settings", "show")
