"""What is true of every answer, beside the tables of cases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import day
from gateway.core.arrangement import Direction, Measure, MeasureScope
from gateway.core.declared import Declared
from gateway.core.eligibility import decide
from gateway.core.home import Tier
from gateway.core.model import Standing
from gateway.core.question import Answer, Currency, Disruption, Party, Question, Stop, Switches, Verdict
from gateway.core.terms import Dated, Provenance, Term
from tests.core.cases import Given, TableLine, ask
from tests.rig.shipped import arrangements, law

NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)
GRANTED = Given(direction=Direction.IMPORT, told=(TableLine(list=datetime(2026, 6, 1, tzinfo=UTC), level="STP-Plus"),))
STOP: dict[str, Any] = {"since": NOW - timedelta(days=1), "reason": "inquiry", "by": "approver 7"}

#: Each makes an answer that is granted without it one that is not.
DEFECTS: list[dict[str, Any]] = [
    {"code": "NO"},
    {"code": "SG1234"},
    {"code": "SG123456789013"},
    {"code": "SG12345678901２2"},
    {"direction": Direction.EXPORT},
    {"role": "other"},
    {"current": False},
    {"as_of": "never"},
    {"as_of": NOW - timedelta(days=71)},
    {"told": ()},
    {"then": (TableLine(notice=NOW, says=Standing.SUSPENDED),)},
    {"then": (TableLine(list=NOW, says=Standing.DELISTED, derived=True),)},
    {"then": (TableLine(update=NOW, level="STP-Plus", expires=date(2026, 6, 14)),)},
    {"stops": (Stop(target="SG", **STOP),)},
    {"stops": (Stop(target="SG123456789012", **STOP),)},
    {"parties": (Party(id="1", tier=Tier.DISCREDITED),)},
    {"parties": (Party(id="1", suspended=True),)},
    {"terms": {"in_force": False}},
    {"terms": {"measures": "unknown"}},
    {"terms": {"directions": "unknown"}},
    {"terms": {"modes": ["land"]}},
    {"terms": {"levels": ["STP"]}},
    {"terms": {"stop_after": "unknown"}},
]


def test_granted_without_a_defect() -> None:
    assert ask(GRANTED).grant


@given(st.lists(st.sampled_from(DEFECTS), min_size=1, max_size=4))
def test_any_defect_takes_the_grant(defects: list[dict[str, Any]]) -> None:
    """Whatever else is wrong besides, one defect is enough, and no two make up for each other."""
    given_ = GRANTED
    for defect in defects:
        given_ = msgspec.structs.replace(given_, **defect)
    answer = ask(given_)
    assert not answer.grant
    assert not answer.measures
    assert answer.reasons


@given(st.integers(0, 40 * 24))
def test_the_answer_stays_until_it_says(hours: int) -> None:
    """Asked at any hour before ``ask_again``, the same answer; then another."""
    then = (
        TableLine(notice=NOW, says=Standing.SUSPENDED, effective=date(2026, 6, 20)),
        TableLine(notice=NOW + timedelta(seconds=1), says=Standing.REINSTATED, effective=date(2026, 6, 25)),
    )
    given_ = msgspec.structs.replace(GRANTED, then=then, now=NOW + timedelta(hours=hours))
    answer = ask(given_)
    assert answer.ask_again is not None
    said = answer.verdict, answer.reasons, [caution.code for caution in answer.warnings]
    for moment, same in ((answer.ask_again - timedelta(seconds=1), True), (answer.ask_again, False)):
        again = ask(msgspec.structs.replace(given_, now=moment))
        assert ((again.verdict, again.reasons, [caution.code for caution in again.warnings]) == said) is same


def test_measures_carry_their_scope_and_code_of_the_day() -> None:
    """Clearance's own code is dated data; a measure the law has no words for has none."""
    code = Term((Dated(date(2020, 1, 1), "R10", Provenance("setting")), Dated(date(2026, 6, 10), "R11", Provenance("setting"))))
    words = dict(law().measures)
    words[Measure.I] = replace(words[Measure.I], clearance_code=code)
    del words[Measure.P]
    arrangement = replace(arrangements()["SG"], digest="")
    rules = replace(law(), measures=words, digest="")

    def codes(on: date) -> dict[Measure, str | None]:
        return {one.measure: one.clearance_code for one in day.terms_of(arrangement, rules, on).granted((Direction.IMPORT,), True)}

    assert codes(date(2026, 6, 9)) == {Measure.I: "R10", Measure.P: None, Measure.E: None, Measure.R: None}
    assert codes(date(2026, 6, 10))[Measure.I] == "R11"
    assert {measure: measure.scope for measure in Measure} == {
        **dict.fromkeys("DIPEK", MeasureScope.DECLARATION),
        **dict.fromkeys("LS", MeasureScope.OPERATOR),
        "R": MeasureScope.EVENT,
    }


def test_terms_are_kept_by_digest_and_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day, "_days", {})
    monkeypatch.setattr(day, "_KEPT", 2)
    arrangement, days = arrangements()["SG"], [date(2026, 6, number) for number in (1, 2, 3)]
    first = day.terms_of(arrangement, law(), days[0])
    assert day.terms_of(arrangement, law(), days[0]) is first
    for on in days[1:]:
        day.terms_of(arrangement, law(), on)
    assert len(day._days) == 1
    assert day.terms_of(replace(arrangement, digest=""), law(), days[2]) is not day.terms_of(arrangement, law(), days[2])


def test_an_answer_names_what_it_rests_on() -> None:
    answer = ask(GRANTED)
    (used,) = answer.evidence
    assert (used.message_id, bytes.fromhex(used.digest), used.issued, used.says) == (
        "m1",
        b"m1",
        datetime(2026, 6, 1, tzinfo=UTC),
        "valid",
    )
    assert (answer.arrangement_digest, answer.law_digest) == (arrangements()["SG"].digest, law().digest)
    assert (answer.data_as_of, answer.data_age) == (datetime(2026, 6, 1, tzinfo=UTC), 14 * 86_400 + 4 * 3_600)


def test_an_answer_survives_json() -> None:
    given_ = msgspec.structs.replace(
        GRANTED,
        direction=None,
        disruptions=(Disruption(where="SG", since=NOW, what="storm", by="approver 7"),),
        then=(TableLine(notice=NOW, says=Standing.SUSPENDED, transcribed=True),),
    )
    for one in (GRANTED, given_):
        assert msgspec.json.decode(msgspec.json.encode(ask(one)), type=Answer) == ask(one)


def test_nothing_is_asked_of_nobody() -> None:
    """Without arrangement, timeline or list the answer still stands: no exception reaches a declaration."""
    answer = decide(
        Question(code="QQ1", now=NOW),
        Declared(text="QQ1", readings=("QQ1",)),
        arrangement=None,
        timeline=None,
        currency=Currency(),
        switches=Switches(operators={"QQ1": [Stop(target="QQ1", **STOP)]}),
        law=law(),
        current=True,
    )
    assert answer.verdict is Verdict.NOT_ELIGIBLE
    assert [why.code for why in answer.reasons] == ["stopped-by-us", "no-arrangement"]


def _every_fact(answer: Answer) -> Iterator[str]:
    yield from (fact for why in answer.reasons for fact in why.facts.values())
    yield from (fact for caution in answer.warnings for fact in caution.facts.values())


@pytest.mark.parametrize("defect", DEFECTS, ids=str)
def test_facts_are_words(defect: dict[str, Any]) -> None:
    assert all(isinstance(fact, str) for fact in _every_fact(ask(msgspec.structs.replace(GRANTED, **defect))))


@pytest.mark.parametrize("on", [date.min, date.max])
def test_any_day_can_be_asked_about(on: date) -> None:
    assert ask(msgspec.structs.replace(GRANTED, on=on)).on == on
