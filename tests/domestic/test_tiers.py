"""Tiers by date, and what can follow what: the tables under tests/cases/tiers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import Refusal
from gateway.core.home import Tier
from gateway.domestic.enterprise import DatedStep, Enterprise, at
from gateway.domestic.record import Record
from gateway.domestic.rules import FIRST_DAY, RULES, LegalGround, MeasureStatus, order_on
from gateway.domestic.tiers import Applied, Due, apply, deadlines
from tests.domestic.given import Case, cases, enterprise, label, record
from tests.rig.volume import times

TRANSITIONS = cases("tiers", "order-251", "order-282", "unforeseen")
REFUSED = cases("tiers", "refused")
DEADLINES = cases("tiers", "deadlines")


def judged(case: Case, *, confirmed: bool = False) -> Applied:
    said = record(case["said"])
    assert isinstance(said, Record), said
    return apply(enterprise(case["given"]), said, confirmed=confirmed)


def last(state: Enterprise) -> dict[str, str]:
    return {
        "tier": str(state.tiers[-1].value) if state.tiers else "none",
        "measures": str(state.measures[-1].value) if state.measures else "none",
    }


@pytest.mark.parametrize("case", TRANSITIONS, ids=label)
def test_what_a_record_does(case: Case) -> None:
    expected = case["expected"]
    found = judged(case)
    assert (found.foreseen, found.hold, found.rule) == (expected["foreseen"], expected.get("waits", False), expected.get("rule"))
    assert last(found.state) == {"tier": expected["tier"], "measures": expected["measures"]}
    assert last(found.proposed) == expected.get("confirmed", last(found.state))
    assert judged(case, confirmed=True).state == found.proposed
    assert found.note
    for that in expected.get("on", ()):
        assert str(found.state.tier_on(that["day"]) or "none") == that["tier"]
        assert str(found.state.measures_on(that["day"]) or "none") == that.get(
            "measures", str(found.state.measures_on(that["day"]) or "none")
        )
        assert found.state.listed_on(that["day"]) is that.get("listed", False)


@pytest.mark.parametrize("case", TRANSITIONS, ids=label)
def test_the_same_record_again_changes_nothing(case: Case) -> None:
    said = record(case["said"])
    assert isinstance(said, Record)
    state = judged(case, confirmed=True).state
    again = apply(state, said)
    assert (again.state, again.foreseen, again.hold, again.rule) == (state, True, False, None)


@pytest.mark.parametrize("case", REFUSED, ids=label)
def test_days_and_names_that_cannot_be_meant(case: Case) -> None:
    faults = record(case["said"])
    assert not isinstance(faults, Record)
    assert [(fault.field, case["says"] in fault.detail, bool(fault.remedy), fault.line) for fault in faults] == [
        (case["field"], True, True, 1)
    ]


@pytest.mark.parametrize("case", DEADLINES, ids=label)
def test_what_is_due(case: Case) -> None:
    state = enterprise(case["given"])
    assert state is not None
    found = deadlines([state], case["on"], timedelta(days=case.get("within", 90)))
    assert [{"due": due.due, "day": due.day, "days_left": due.days_left} for due in found] == case["expected"]
    assert all(due.why and due.uscc == state.uscc for due in found)


def test_nothing_is_asked_about_days_before_the_first() -> None:
    state = enterprise([{"tier": "advanced-certified", "since": FIRST_DAY}])
    assert state is not None
    with pytest.raises(Refusal, match="Order 237"):
        state.tier_on(FIRST_DAY - timedelta(days=1))


def test_every_ground_transition_and_deadline_has_a_case() -> None:
    assert {case["said"].get("ground") for case in TRANSITIONS} == {*LegalGround, None}
    assert {case["expected"]["rule"] for case in TRANSITIONS if "rule" in case["expected"]} == {
        rule.id for rule in RULES.transition
    }
    assert {due["due"] for case in DEADLINES for due in case["expected"]} == set(Due)
    assert all(case["why"] and case["source"] for case in (*TRANSITIONS, *REFUSED, *DEADLINES))


def test_every_ground_but_other_has_a_rule() -> None:
    assert {rule.ground for rule in RULES.transition} == set(LegalGround) - {LegalGround.OTHER}


def test_the_rules_name_only_tiers_of_their_time() -> None:
    for rule in RULES.transition:
        assert rule.source
        assert set(rule.after) <= set(order_on(rule.since).tiers)
    assert set(RULES.height) == set(Tier) == {tier for order in RULES.order for tier in order.tiers}


DAYS = st.dates(FIRST_DAY, FIRST_DAY.replace(year=2030))


@st.composite
def records(draw: st.DrawFn) -> Record:
    since, measured = draw(DAYS), draw(DAYS)
    found = record(
        {
            "tier": draw(st.sampled_from(order_on(since).tiers)),
            "since": since,
            "measures": draw(st.sampled_from(MeasureStatus)),
            "from": measured,
            **({"ground": ground} if (ground := draw(st.sampled_from([*LegalGround, None]))) else {}),
        }
    )
    assert isinstance(found, Record)
    return found


def reach(state: Enterprise | None, day: date) -> tuple[int, bool]:
    """How high an enterprise stands on a day, and whether facilitation runs for it as for an AEO."""
    tier = at(state.tiers, day) if state else None
    status = at(state.measures, day) if state else None
    aeo = tier in (Tier.ADVANCED, Tier.CERTIFIED)
    return RULES.height[tier or Tier.GENERAL], aeo and status in (None, MeasureStatus.ACTIVE)


@pytest.mark.long
@settings(max_examples=times(500), deadline=None)
@given(st.lists(records(), max_size=4), records())
def test_every_loss_applies_and_no_unforeseen_gain_does(before: list[Record], said: Record) -> None:
    state = None
    for earlier in before:
        state = apply(state, earlier, confirmed=True).state
    found = apply(state, said)
    assert found.hold is (found.state != found.proposed)
    assert not (found.foreseen and found.hold)
    for day in {step.since for steps in (found.proposed.steps, state.steps if state else ()) for step in steps}:
        was, now, proposed = reach(state, day), reach(found.state, day), reach(found.proposed, day)
        assert now == (proposed if found.foreseen else (min(was[0], proposed[0]), was[1] and proposed[1]))
    for since, values in (track(found.state.tiers), track(found.state.measures)):
        assert since == sorted(set(since))
        assert all(one != other for one, other in pairwise(values))


def track(steps: Iterable[DatedStep[Any]]) -> tuple[list[date], list[object]]:
    return [step.since for step in steps], [step.value for step in steps]
