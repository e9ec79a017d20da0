"""What a partner may be told, and what of it is news: the tables under tests/cases/projection."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.home import own_code
from gateway.core.model import OPTIONAL_FIELDS, Standing, Statement
from gateway.domestic.enterprise import Enterprise
from gateway.domestic.projection import (
    ENDS,
    SOURCES,
    Silence,
    SilenceReason,
    changes,
    in_list,
    kind_of,
    next_change,
    project,
    shared_on,
)
from gateway.domestic.record import Record
from gateway.domestic.tiers import apply
from tests.domestic.given import Case, arrangement, cases, enterprise, label, record
from tests.rig.volume import times

STANDINGS = cases("projection", "standing")
NEWS = cases("projection", "news")


def said_of(now: Statement | Silence) -> dict[str, Any]:
    if isinstance(now, Silence):
        return {"silent": now.why, "since": now.since}
    fields = {name: getattr(now, name) for name in OPTIONAL_FIELDS}
    return {"says": now.standing, "code": now.tin} | {name: value for name, value in fields.items() if value is not None}


@pytest.mark.parametrize("case", STANDINGS, ids=label)
def test_what_may_be_said(case: Case) -> None:
    terms = case.get("terms", {})
    expected = (
        case["expected"]
        if "silent" in case["expected"] or "shared" in terms
        else {"name": "Made-Up Sample Enterprise Ltd", **case["expected"]}
    )
    state = enterprise(case["given"])
    assert state is not None
    assert said_of(project(state, arrangement(terms), case["on"])) == expected


@pytest.mark.parametrize("case", NEWS, ids=label)
def test_what_is_news(case: Case) -> None:
    partner = arrangement(case.get("terms", {}))
    state: Enterprise | None = None
    last: Statement | None = None
    for step in case["steps"]:
        if "said" in step:
            said = record(step["said"])
            assert isinstance(said, Record), said
            state = apply(state, said, confirmed=step.get("confirmed", False)).state
        assert state is not None
        news = changes(last, project(state, partner, step["on"]), shared_on(partner, step["on"]))
        assert [f"{statement.standing} {statement.tin}" for statement in news] == step["told"]
        if news:
            last = news[-1]
            assert kind_of(news) == step["kind"]
        for field in ("effective", "name"):
            if field in step:
                assert last is not None
                assert (getattr(last, field) or "none") == step[field]
        if "next" in step:
            assert next_change(state, partner, step["on"]) == step["next"]


def test_every_reason_for_silence_and_every_end_has_a_case() -> None:
    assert {case["expected"]["silent"] for case in STANDINGS if "silent" in case["expected"]} == set(SilenceReason)
    told = {words.split()[0] for case in NEWS for step in case["steps"] for words in step["told"]}
    assert told == {Standing.VALID, Standing.SUSPENDED, Standing.REINSTATED, *ENDS.values()}
    assert all(case["why"] and case["source"] for case in (*STANDINGS, *NEWS))


# ---------------------------------------------------------------- laws


ADVANCED = {
    "tier": "advanced-certified",
    "since": date(2026, 4, 20),
    "certified_on": date(2026, 4, 20),
    "recertify_by": date(2031, 4, 20),
}
ON = date(2026, 6, 1)


@st.composite
def told(draw: st.DrawFn) -> Statement:
    name = st.none() | st.just("Told before")
    return Statement(
        tin=draw(st.sampled_from(["AEOCN9900000000", "CN9900000000"])),
        standing=draw(st.sampled_from(Standing)),
        name=draw(name),
        address=draw(name),
    )


def now_at(measures: str, tier: str, shared: frozenset[str]) -> Statement | Silence:
    state = enterprise([{**ADVANCED, "tier": tier, "measures": measures}])
    assert state is not None
    return project(state, arrangement({"shared": sorted(shared)}), ON)


STATES = st.builds(
    lambda measures, tier, shared: (now_at(measures, tier, shared), shared),
    st.sampled_from(["active", "suspended", "rectifying"]),
    st.sampled_from(["advanced-certified", "certified", "discredited"]),
    st.frozensets(st.sampled_from(OPTIONAL_FIELDS)),
)


@settings(max_examples=times(300), deadline=None)
@given(st.none() | told(), STATES)
def test_news_is_told_once_and_says_only_what_may_be_said(
    last: Statement | None, state: tuple[Statement | Silence, frozenset[str]]
) -> None:
    now, shared = state
    news = changes(last, now, shared)
    for statement in news:
        present = {name for name in OPTIONAL_FIELDS if getattr(statement, name) is not None}
        assert present <= shared & {*SOURCES, "effective"}
        words = msgspec.json.encode(statement).decode()
        assert not any(secret in words for secret in ("certified", "compliance", "discredited", "rectif", "case"))
    if news:
        assert changes(news[-1], now, shared) == ()
    known = last is not None and last.standing in (Standing.VALID, Standing.REINSTATED, Standing.SUSPENDED)
    if not known:
        assert all(statement.standing is Standing.VALID for statement in news)
    listed = in_list(last, now)
    assert listed is None or listed == now
    assert (listed is not None) is (isinstance(now, Statement) and (known or now.standing is Standing.VALID))


def test_our_own_code_is_understood_in_every_form_in_use() -> None:
    assert own_code("AEOCN9900000000") == own_code("CN9900000000") == "9900000000"
    for other in ("AEOCN99000000001", "9900000000", "CN990000000", "SG9900000000", "aeocn9900000000"):
        assert own_code(other) is None
