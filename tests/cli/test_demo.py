"""The story comes out as said, and what it leaves behind can be asked from the terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.rig.machine import REPO
from tests.rig.terminal import Terminal, program

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.process]
HONG_KONG = "HK"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home in which the story was told, and what was said."""
    home = tmp_path_factory.mktemp("demo") / "home"
    done = program(home, "demo", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    return home, done.stdout


@pytest.fixture
def terminal(told: tuple[Path, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(told[0], capsys, monkeypatch)


def code(terminal: Terminal, partner: str, standing: str) -> str:
    """A code of this partner that stands so, found as a person would: in its latest message about it."""
    for row in terminal.json("message", "list", "--partner", partner, "--most", "200"):
        if row["direction"] == "in" and row["kind"] in ("list", "notice"):
            body: str = terminal.json("message", "show", row["id"])["body"]
            for word in re.findall(rf"\b{partner}[0-9A-Z]{{5,}}\b", body):
                if terminal.json("operator", "show", word)[-1]["statement"]["standing"] == standing:
                    return str(word)
    raise AssertionError(f"no {standing} operator of {partner}")


def test_every_step_came_out(told: tuple[Path, str]) -> None:
    assert "Every step came out as said." in told[1]
    for step in ("signature-digest", "foreign-operator", "suspended", "nothing is granted"):
        assert step in told[1]


def test_the_suspended_operator_is_refused_in_both_languages(terminal: Terminal) -> None:
    suspended = code(terminal, HONG_KONG, "suspended")
    answer = terminal.json("eligible", suspended, "--direction", "import")
    assert (answer["verdict"], answer["grant"]) == ("not-eligible", False)
    assert answer["reasons"][0]["code"] == "suspended"
    assert answer["evidence"][0]["message_id"]
    assert "Not eligible" in terminal.run("eligible", suspended)
    assert "暂停" in terminal.run("eligible", suspended, "--lang", "zh")


def test_a_granted_operator_says_its_measures(terminal: Terminal) -> None:
    granted = code(terminal, HONG_KONG, "valid")
    answer = terminal.json("eligible", granted, "--direction", "import")
    assert answer["grant"] is True
    assert {one["measure"] for one in answer["measures"]} >= {"I", "D"}
    assert terminal.json("eligible", granted, "--direction", "export")["reasons"][0]["code"] == "direction-not-covered"


def test_partners_and_messages_are_listed(terminal: Terminal) -> None:
    rows = terminal.json("partner", "list")
    assert len(rows) == 31
    assert sum(row["members"] for row in rows) == 57
    assert "31 arrangements, 57 members" in terminal.run("partner", "list")
    shown = terminal.run("partner", "show", HONG_KONG)
    assert "GACC Announcement 2014/64" in shown
    assert "✓" in terminal.run("partner", "check", HONG_KONG)
    states = {row["state"] for row in terminal.json("message", "list", "--most", "100")}
    assert {"accepted", "delivered", "refused"} <= states
    assert "signature-digest" in terminal.run("message", "list", "--most", "100")


def test_a_declaration_is_read(terminal: Terminal) -> None:
    answer = terminal.json("declaration", str(REPO / "gateway" / "sandbox" / "declaration.xml"))
    assert {one["role"] for one in answer["answers"]} == {"overseas-consignor", "other"}


def test_what_is_not_there_is_said_with_its_remedy(terminal: Terminal) -> None:
    assert "aeo-gateway message list" in terminal.run("message", "show", "nothing-of-that-name", expect=2)
    assert "not-found" in terminal.run("operator", "show", "SG000000000000", expect=2)


def test_another_home_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    done = program(tmp_path, "demo", "--once")
    assert done.returncode != 0
    assert (tmp_path / "precious").read_text() == "mine"


def test_lists_questions_and_the_journal_have_their_commands(terminal: Terminal) -> None:
    assert terminal.json("list", "held") == []
    assert "aeo-gateway list held" in terminal.run("list", "release", "7", "--reason", "none waits", expect=2)
    granted = code(terminal, HONG_KONG, "valid")
    asked = terminal.json("ask", granted)
    assert terminal.json("message", "show", asked["message"])["kind"] == "query"
    assert "no partner" in terminal.run("ask", "XX1", expect=2).lower()
    terminal.run("journal", "verify")
    assert terminal.json("outbox", "list") is not None


def test_a_switch_for_nobody_is_refused(terminal: Terminal) -> None:
    """Under a mistyped code it would stop nobody, and nobody would notice."""
    granted = code(terminal, HONG_KONG, "valid")
    for wrong in (("stop", granted.lower()), ("stop", ""), ("stop", "QQ"), ("disruption", "declare", "QQ")):
        assert "not-found" in terminal.run(*wrong, "--reason", "a test", expect=2)
    assert "data-invalid" in terminal.run("stop", granted, "--reason", " ", expect=2)
    assert "is no moment" in terminal.run("stop", granted, "--reason", "a test", "--until", "tomorrow", expect=2)


def test_what_the_terminal_cannot_ask_is_said_in_a_sentence(terminal: Terminal) -> None:
    assert "not UTF-8" in terminal.run("eligible", "SG\udcff", expect=2)
    assert "is no day" in terminal.run("eligible", "SG1", "--on", "2026-02-30", expect=2)
    assert "question-invalid" in terminal.run("eligible", "SG1", "--as-known-at", "2999-01-01T00:00:00Z", expect=2)
    assert "not-found" in terminal.run("eligible", "SG1", "--as-known-at", "2020-01-01 00:00", expect=2)
    assert "malformed" in terminal.run("eligible", "A" * 5_000)
