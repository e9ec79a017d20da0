"""Only what was checked and rehearsed to the letter comes in force, by two people where the settings ask for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from gateway.core.errors import Refusal
from gateway.onboarding import activation
from gateway.onboarding.finding import Checked, Finding, Mark
from gateway.onboarding.rehearsal import Rehearsal, RehearsalStep
from gateway.onboarding.rehearsal.results import same
from gateway.partners import Bundle, read_bundle
from gateway.partners.canonical import canonical
from gateway.settings import Settings, from_environment
from gateway.store import partners as stored
from gateway.store.database import Database
from tests.rig.people import person
from tests.rig.shipped import shipped

pytestmark = pytest.mark.long

AT = datetime(2026, 4, 1, tzinfo=UTC)
GOOD = RehearsalStep("first contact", "It answers.", (same("answer", "receipt", "receipt"),), (), 0.1)
BAD = RehearsalStep("first contact", "It answers.", (same("answer", "receipt", "nothing"),), (), 0.1)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return shipped("SG")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    database = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    database.migrate()
    with database.write.begin() as opened:
        stored.activate(opened, stored.LAW, "0" * 64, b"{}", at=AT, who=person("a"), reason="-")
        yield opened
    database.close()


def settings(**chosen: str) -> Settings:
    return from_environment({"AEO_MODE": "production", **{f"AEO_{name.upper()}": value for name, value in chosen.items()}})


def rehearsed(connection: Connection, bundle: Bundle, step: RehearsalStep = GOOD) -> None:
    told = Rehearsal(bundle.iso, "Singapore", bundle.digest, "party 1", "the partner in a box", AT, (step,))
    activation.note_rehearsal(connection, told, who=person("a"), at=AT)


def activate(connection: Connection, bundle: Bundle, chosen: Settings, who: str = "a", *points: Finding) -> str:
    checked = Checked(bundle.iso, bundle.digest, points)
    return activation.put_in_force(connection, bundle, checked, chosen, who=person(who), reason="-", at=AT)


def test_not_without_a_rehearsal(connection: Connection, bundle: Bundle) -> None:
    with pytest.raises(Refusal, match="passed no rehearsal"):
        activate(connection, bundle, settings())
    assert stored.in_force_now(connection, "SG") is None


def test_after_a_rehearsal_of_the_very_same_data(connection: Connection, bundle: Bundle) -> None:
    rehearsed(connection, bundle)
    assert activate(connection, bundle, settings()).startswith("Activated SG")
    assert stored.in_force_now(connection, "SG") == bundle.digest
    assert "Nothing changed" in activate(connection, bundle, settings())


def test_not_after_one_of_other_data_or_one_that_failed_later(connection: Connection, bundle: Bundle) -> None:
    other = json.loads(bundle.content)
    other["partner"]["programme"] = "another"
    rehearsed(connection, read_bundle(canonical(other)))
    with pytest.raises(Refusal, match="passed no rehearsal"):
        activate(connection, bundle, settings())
    rehearsed(connection, bundle)
    rehearsed(connection, bundle, BAD)
    with pytest.raises(Refusal, match="passed no rehearsal"):
        activate(connection, bundle, settings())


def test_names_every_fault_at_once(connection: Connection, bundle: Bundle) -> None:
    crosses = (Finding(Mark.BAD, "The XSD is broken.", "Mend it."), Finding(Mark.BAD, "The clock is wrong.", "Set it."))
    with pytest.raises(Refusal) as caught:
        activate(connection, bundle, settings(), "a", *crosses, Finding(Mark.WARN, "A detail.", "-"))
    for said in ("The XSD is broken. Mend it.", "The clock is wrong.", "passed no rehearsal"):
        assert said in caught.value.detail
    assert "A detail" not in caught.value.detail


def test_demo_mode_asks_for_no_rehearsal_and_says_so(connection: Connection, bundle: Bundle) -> None:
    assert "demo mode" in activate(connection, bundle, settings(mode="demo"))


def test_two_people(connection: Connection, bundle: Bundle) -> None:
    rehearsed(connection, bundle)
    chosen = settings(two_people="true")
    assert "second person" in activate(connection, bundle, chosen, "a")
    assert "second person" in activate(connection, bundle, chosen, "a")
    assert stored.in_force_now(connection, "SG") is None
    assert activate(connection, bundle, chosen, "b").startswith("Activated SG")
    stored.set_state(connection, "SG", "retired", at=datetime.now(UTC), who=person("b"), reason="a test")
    assert "second person" in activate(connection, bundle, chosen, "b"), "what a proposed was used up"
    assert activate(connection, bundle, chosen, "a").startswith("Activated SG")


@pytest.mark.parametrize("again", ["Alice", " alice", "ａｌｉｃｅ", "ali\u200bce"])
def test_a_name_that_only_looks_different_is_no_second_person(again: str, connection: Connection, bundle: Bundle) -> None:
    rehearsed(connection, bundle)
    chosen = settings(two_people="true")
    first = activate(connection, bundle, chosen, "alice")
    assert first == "Proposed by alice. It comes in force when a second person activates the very same data."
    assert activate(connection, bundle, chosen, again) == first
    assert stored.in_force_now(connection, "SG") is None


def test_what_is_retired_comes_back_by_activation_only(connection: Connection, bundle: Bundle) -> None:
    rehearsed(connection, bundle)
    activate(connection, bundle, settings())
    with pytest.raises(Refusal, match="reason"):
        stored.set_state(connection, "SG", "retired", at=datetime.now(UTC), who=person("a"), reason=" ")
    stored.set_state(connection, "SG", "retired", at=datetime.now(UTC), who=person("a"), reason="a test")
    for state in ("active", "suspended"):
        with pytest.raises(Refusal, match="SG is retired"):
            stored.set_state(connection, "SG", state, at=datetime.now(UTC), who=person("a"), reason="a test")
    assert activate(connection, bundle, settings()).startswith("Activated SG")


def test_two_people_for_the_law_too_but_for_the_first(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    database.migrate()
    chosen = settings(two_people="true")

    def put(digest: str, who: str) -> str:
        return activation.put_law_in_force(opened, digest * 64, b"{}", chosen, who=person(who), reason="-", at=AT)

    with database.write.begin() as opened:
        assert put("0", "a").endswith("activated.")
        assert put("0", "a").endswith("nothing changed.")
        assert "second person" in put("1", "a")
        assert "second person" in put("1", "a")
        assert stored.in_force_now(opened, stored.LAW) == "0" * 64
        assert put("1", "b").endswith("activated.")
        assert "second person" in put("0", "b")
    database.close()
