"""``decide`` beside an account of SEMANTICS.md that shares no code with it, and the promise of ``ask_again``."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.arrangement import Direction, Mode, Role
from gateway.core.home import Tier
from gateway.core.model import Standing
from gateway.core.question import Answer, Disruption, Party, Stop
from tests.core import oracle
from tests.core.cases import Given, TableLine, ask

NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)

#: Who states, whom, and at which level: east and west of China, a member of the EU, imports only and both ways.
STATED = (
    ("SG", "SG123456789012", "STP-Plus"),
    ("SG", "SG123456789012", "STP"),
    ("NZ", "NZ1234", None),
    ("CL", "CL760000001", None),
    ("EU", "FI1234567", "AEOF"),
    ("EU", "PT123456789", "AEOC"),
    ("GB", "GB123456789000", None),
    ("KZ", "KZ0001W1", None),
)

#: Instants thick about the day asked on and its midnights, and now and then a second off.
hours = st.integers(-72, 72) | st.integers(-24 * 80, 24 * 80)
moments = st.builds(lambda hour, off: NOON + timedelta(hours=hour, seconds=off), hours, st.sampled_from([0, 0, 0, -1, 1]))
days = st.integers(-3, 3).map(lambda number: date(2026, 6, 15) + timedelta(days=number)) | st.integers(-80, 80).map(
    lambda number: date(2026, 6, 15) + timedelta(days=number)
)
some = st.none() | days
ours: dict[str, Any] = {"reason": "inquiry", "by": "approver 7"}


@st.composite
def lines(draw: st.DrawFn, level: str | None) -> TableLine:
    kind = draw(st.sampled_from(["list", "response", "update", "notice"]))
    made = draw(moments)
    delisted = kind == "list" and draw(st.booleans()) and draw(st.booleans())
    says = Standing.DELISTED if delisted else draw(st.sampled_from([one for one in Standing if one is not Standing.DELISTED]))
    when: dict[str, Any] = {kind: made}
    return TableLine(
        **when,
        says=says,
        derived=delisted,
        effective=None if delisted else draw(st.none() | days | moments),
        level=level,
        granted=None if delisted else draw(some),
        expires=None if delisted else draw(some),
        received=draw(st.none() | moments.filter(lambda one: one >= made)),
        held=kind == "list" and draw(st.sampled_from([False, False, True])),
        voided=draw(st.none() | st.none() | moments),
    )


@st.composite
def ends(draw: st.DrawFn) -> dict[str, Any]:
    since = draw(moments)
    return {"since": since, "until": draw(st.none() | moments.filter(lambda one: one > since))}


rarely = st.sampled_from([0, 0, 0, 1])


@st.composite
def questions(draw: st.DrawFn) -> Given:
    partner, tin, level = draw(st.sampled_from(STATED))
    now = draw(moments)
    stops = [Stop(target=draw(st.sampled_from([partner, tin, "CL"])), **draw(ends()), **ours) for _ in range(draw(rarely))]
    disruptions = [
        Disruption(where=draw(st.sampled_from(["*", partner, "BR"])), **draw(ends()), what="storm", by="approver 7")
        for _ in range(draw(rarely))
    ]
    terms: dict[str, Any] = {}
    if draw(rarely):
        name, value = draw(
            st.sampled_from(
                [
                    ("in_force", False),
                    ("in_force", "unknown"),
                    ("directions", "unknown"),
                    ("measures", "unknown"),
                    ("modes", "unknown"),
                    ("modes", ["land"]),
                    ("levels", "unknown"),
                    ("stop_after", "unknown"),
                    ("stop_after", 3),
                ]
            )
        )
        terms = {name: value}
    unknown_law: list[dict[str, Any]] = [
        {},
        {},
        {"prevailing": "unknown"},
        {"suspended_prevails": "unknown"},
        {"suspended_prevails": False},
    ]
    tiers = st.sampled_from([None, *Tier])
    return Given(
        partner=partner,
        tin=tin,
        now=now,
        as_of=draw(moments | st.just("never")),
        told=tuple(draw(st.lists(lines(level), max_size=5))),
        known=(tin,),
        terms=terms,
        law=draw(st.sampled_from(unknown_law)),
        stops=tuple(stops),
        disruptions=tuple(disruptions),
        current=draw(st.sampled_from([True, True, True, False])),
        on=draw(some | st.just(now.astimezone(oracle.CHINA).date())),
        direction=draw(st.none() | st.sampled_from(Direction)),
        mode=draw(st.none() | st.sampled_from(Mode)),
        role=draw(st.none() | st.none() | st.sampled_from(Role)),
        parties=tuple(Party(id="1", tier=draw(tiers), suspended=draw(st.booleans())) for _ in range(draw(rarely))),
        known_at=draw(st.none() | st.none() | moments.filter(lambda one: one <= now)),
    )


@settings(max_examples=600)
@given(questions())
def test_every_answer_is_what_the_rules_say_one_instant_at_a_time(given_: Given) -> None:
    answer = ask(given_)
    for one in answer.directions:
        found = oracle.Verdict(
            one.verdict, frozenset(each.measure for each in one.measures), frozenset(why.code for why in one.reasons)
        )
        assert found == oracle.expected(given_, one.direction)
    assert answer.grant == any(oracle.expected(given_, one.direction).measures for one in answer.directions)


def essence(answer: Answer) -> tuple[Any, ...]:
    """An answer without its moment and its ages."""
    return answer.verdict, answer.measures, answer.reasons, [caution.code for caution in answer.warnings], answer.evidence


@settings(max_examples=600)
@given(questions(), st.floats(0, 1))
def test_no_answer_changes_before_it_says_to_ask_again(given_: Given, share: float) -> None:
    first = ask(given_)
    assert first.ask_again is None or first.ask_again > given_.now
    until = first.ask_again or given_.now + timedelta(days=400)
    later = min(given_.now + share * (until - given_.now), until - timedelta(microseconds=1))
    assert essence(ask(msgspec.structs.replace(given_, now=later))) == essence(first)
