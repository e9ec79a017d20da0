"""The story comes out as said, and what it leaves behind can be asked from the terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rig.machine import REPO

pytestmark = pytest.mark.xdist_group("demo")
HONG_KONG = "HK"


class Told:
    """A home in which the story was told."""

    def __init__(self, home: Path, said: str) -> None:
        self.home, self.said = home, said

    def run(self, *arguments: str, expect: int = 0) -> str:
        done = aeo_gateway(self.home, *arguments)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout or done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))


def aeo_gateway(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"AEO_HOME": str(home), "COLUMNS": "160", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli.main", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=REPO,
        timeout=180,
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    home = tmp_path_factory.mktemp("demo") / "home"
    done = aeo_gateway(home, "demo", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    return Told(home, done.stdout)


def code(told: Told, partner: str, standing: str) -> str:
    """A code of this partner that stands so, found as a person would: in its latest message about it."""
    for row in told.json("message", "list", "--partner", partner, "--most", "200"):
        if row["direction"] == "in" and row["kind"] in ("list", "notice"):
            body: str = told.json("message", "show", row["id"])["body"]
            for word in re.findall(rf"\b{partner}[0-9A-Z]{{5,}}\b", body):
                if told.json("operator", "show", word)[-1]["statement"]["standing"] == standing:
                    return str(word)
    raise AssertionError(f"no {standing} operator of {partner}")


def test_every_step_came_out(told: Told) -> None:
    assert "Every step came out as said." in told.said
    for step in ("signature-digest", "foreign-operator", "suspended", "nothing is granted"):
        assert step in told.said


def test_the_suspended_operator_is_refused_in_both_languages(told: Told) -> None:
    suspended = code(told, HONG_KONG, "suspended")
    answer = told.json("eligible", suspended, "--direction", "import")
    assert (answer["verdict"], answer["grant"]) == ("not-eligible", False)
    assert answer["reasons"][0]["code"] == "suspended"
    assert answer["evidence"][0]["message_id"]
    assert "Not eligible" in told.run("eligible", suspended)
    assert "暂停" in told.run("eligible", suspended, "--lang", "zh")


def test_a_granted_operator_says_its_measures(told: Told) -> None:
    granted = code(told, HONG_KONG, "valid")
    answer = told.json("eligible", granted, "--direction", "import")
    assert answer["grant"] is True
    assert {one["measure"] for one in answer["measures"]} >= {"I", "D"}
    assert told.json("eligible", granted, "--direction", "export")["reasons"][0]["code"] == "direction-not-covered"


def test_partners_and_messages_are_listed(told: Told) -> None:
    rows = told.json("partner", "list")
    assert len(rows) == 31
    assert sum(row["members"] for row in rows) == 57
    assert "31 arrangements, 57 members" in told.run("partner", "list")
    shown = told.run("partner", "show", HONG_KONG)
    assert "GACC Announcement 2014/64" in shown
    assert "✓" in told.run("partner", "check", HONG_KONG)
    states = {row["state"] for row in told.json("message", "list", "--most", "100")}
    assert {"accepted", "delivered", "refused"} <= states
    assert "signature-digest" in told.run("message", "list", "--most", "100")


def test_a_declaration_is_read(told: Told) -> None:
    answer = told.json("declaration", str(REPO / "gateway" / "sandbox" / "declaration.xml"))
    assert {one["role"] for one in answer["answers"]} == {"overseas-consignor", "other"}


def test_what_is_not_there_is_said_with_its_remedy(told: Told) -> None:
    assert "aeo-gateway message list" in told.run("message", "show", "nothing-of-that-name", expect=2)
    assert "not-found" in told.run("operator", "show", "SG000000000000", expect=2)


def test_another_home_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    done = aeo_gateway(tmp_path, "demo", "--once")
    assert done.returncode != 0
    assert (tmp_path / "precious").read_text() == "mine"


def test_lists_questions_and_the_journal_have_their_commands(told: Told) -> None:
    assert told.json("list", "held") == []
    assert "aeo-gateway list held" in told.run("list", "release", "7", "--reason", "none waits", expect=2)
    granted = code(told, HONG_KONG, "valid")
    asked = told.json("ask", granted)
    assert told.json("message", "show", asked["message"])["kind"] == "query"
    assert "no partner" in told.run("ask", "XX1", expect=2).lower()
    told.run("journal", "verify")
    assert told.json("outbox", "list") is not None


def test_a_switch_for_nobody_is_refused(told: Told) -> None:
    """Under a mistyped code it would stop nobody, and nobody would notice."""
    granted = code(told, HONG_KONG, "valid")
    for wrong in (("stop", granted.lower()), ("stop", ""), ("stop", "QQ"), ("disruption", "declare", "QQ")):
        assert "not-found" in told.run(*wrong, "--reason", "a test", expect=2)
    assert "data-invalid" in told.run("stop", granted, "--reason", " ", expect=2)
    assert "is no moment" in told.run("stop", granted, "--reason", "a test", "--until", "tomorrow", expect=2)


def test_what_the_terminal_cannot_ask_is_said_in_a_sentence(told: Told) -> None:
    assert "not UTF-8" in told.run("eligible", "SG\udcff", expect=2)
    assert "is no day" in told.run("eligible", "SG1", "--on", "2026-02-30", expect=2)
    assert "question-invalid" in told.run("eligible", "SG1", "--as-known-at", "2999-01-01T00:00:00Z", expect=2)
    assert "not-found" in told.run("eligible", "SG1", "--as-known-at", "2020-01-01 00:00", expect=2)
    assert "malformed" in told.run("eligible", "A" * 5_000)
