"""What is answered by a pattern is what the long way answers, to the byte, whatever happens in between."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clearance.answer import Asked, ListCoverage
from gateway.clearance.render import render
from gateway.clearance.wording import Language
from gateway.core.access import Scope
from gateway.core.arrangement import Direction, Mode, Role
from gateway.core.fold import fold
from gateway.core.history import pack
from gateway.core.model import PlacedStatement, Standing, Statement
from gateway.core.question import Disruption, Stop, Switches, Verdict
from gateway.web.api.questions import encode
from tests.rig.node import START
from tests.rig.volume import times
from tests.rig.web import WebFixture

#: A confirmed pattern and a level (SG), modes by date (HK), an unconfirmed pattern and members (EU), no pattern at all (BR).
ISOS = ("SG", "HK", "EU", "BR")
CODES = {
    "SG": ("SG123456789012", "SG123456789013", "SG1"),
    "HK": ("HK1234567890", "HK1234567891"),
    "EU": ("FR12345678901234", "FR12345678901235", "DE AEOF 00025/08", "PL1"),
    "BR": ("BR1", "BR2"),
}
EVERY = [code for codes in CODES.values() for code in codes]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFixture]:
    with WebFixture(tmp_path_factory.mktemp("alike"), ISOS) as made:
        yield made


@pytest.fixture(scope="module")
def headers(web: WebFixture) -> dict[str, str]:
    """Made once: the clock of these tests goes back, and who holds a token is remembered by it."""
    return web.token(Scope.CLEARANCE_READ)


def say(code: str, standing: Standing = Standing.VALID, *, days: int = -30, **more: Any) -> PlacedStatement:
    """One statement, ``days`` from the start."""
    at = START + timedelta(days=days)
    level = {"SG": "STP-Plus", "FR": "AEOF", "DE": "AEOF", "PL": "AEOF"}.get(code[:2])
    flags = {name: more.pop(name) for name in ("transcribed", "held", "derived") if name in more}
    statement = Statement(tin=code, standing=standing, **{"name": "Made-up", "level": level} | more)
    return PlacedStatement(
        statement=statement,
        issued=at,
        takes_effect=at,
        pictured=False,
        message_id=f"m{days}",
        digest="9f" * 32,
        received=at,
        **flags,
    )


def tell(web: WebFixture, code: str, *told: PlacedStatement) -> None:
    arrangement = web.answers.arrangement_for(code)
    assert arrangement is not None
    web.index.apply([(code, pack(fold(told, arrangement.zone_of(code))))])


def check_both(web: WebFixture, asked: Asked, language: Language = Language.EN) -> bytes | None:
    """What the pattern gives (None: nothing), after a look at whether the long way gives the same."""
    way = (asked.direction, asked.mode, asked.role, asked.on, language)
    quick = web.service.alike.answer(way, asked.code, web.now)
    answer = web.answers.answer(asked)
    said = render(answer, web.answers.law, language)
    web.service.alike.learn(way, asked, answer, said)
    assert quick is None or quick == encode(said)
    return quick


def plain(web: WebFixture) -> None:
    """Everybody is valid, nothing is stopped, every list is of yesterday."""
    web.now = START
    web.answers._reach = ListCoverage({(iso, "*"): START - timedelta(days=1) for iso in ISOS})
    web.answers.switches = Switches()
    web.index.load((), 0)
    web.index.heard(web.now)
    for code in EVERY:
        tell(web, code, say(code))


SHAPES: tuple[tuple[dict[str, Any], ...], ...] = (
    ({"level": None},),
    ({"level": "AEOC"},),
    ({"expires": date(2026, 6, 20)},),
    ({"granted": date(2026, 6, 18)},),
    ({"name": "Other", "days": -20}, {}),
    ({}, {"standing": Standing.SUSPENDED, "days": -10}),
    ({}, {"standing": Standing.SUSPENDED, "days": 3}),
    ({}, {"standing": Standing.SUSPENDED, "days": -10}, {"standing": Standing.REINSTATED, "days": -5}),
    ({}, {"number": "2", "days": -5}),
    ({}, {"held": True, "days": -5}),
    ({"transcribed": True},),
    ({}, {"days": -5, "expires": date(2026, 12, 31)}),
)
steps = st.one_of(
    st.tuples(st.just("pass"), st.sampled_from([0.4, 1, 3600, 86_400, 5 * 86_400, 34 * 86_400, -7200])),
    st.tuples(st.just("tell"), st.tuples(st.sampled_from(EVERY), st.sampled_from(SHAPES))),
    st.tuples(st.just("switch"), st.sampled_from(["none", "operator", "arrangement", "later", "disruption"])),
    st.tuples(st.just("list"), st.sampled_from(ISOS)),
    st.tuples(st.just("silence"), st.none()),
)
ways: tuple[dict[str, Any], ...] = (
    {"direction": Direction.IMPORT},
    {},
    {"direction": Direction.EXPORT},
    {"direction": Direction.IMPORT, "mode": Mode.LAND},
    {"direction": Direction.IMPORT, "role": Role.CONSIGNEE},
    {"on": date(2026, 6, 15)},
    {"on": date(2026, 6, 20), "direction": Direction.IMPORT},
    {"on": date(2026, 5, 1)},
)


def switched(how: str, now: datetime) -> Switches:
    stop = Stop(target="SG123456789012", since=now, reason="r", by="a person")
    later = Stop(target="SG", since=now + timedelta(days=2), reason="r", by="a person")
    return {
        "none": Switches(),
        "operator": Switches(operators={stop.target: [stop]}),
        "arrangement": Switches(arrangements={"HK": [Stop(target="HK", since=now, reason="r", by="a person")]}),
        "later": Switches(arrangements={"SG": [later]}),
        "disruption": Switches(disruptions={"*": [Disruption(where="*", since=now, what="flood", by="a person")]}),
    }[how]


@pytest.mark.long
@settings(max_examples=times(200), deadline=None)
@given(chosen=st.lists(st.sampled_from(ways), min_size=1, max_size=2), done=st.lists(steps, max_size=8))
def test_is_what_the_long_way_answers(web: WebFixture, chosen: list[dict[str, Any]], done: list[tuple[str, Any]]) -> None:
    plain(web)
    for what, how in [("ask", None), *done]:
        if what == "pass":
            web.later(seconds=how)
        elif what == "tell":
            code, shape = how
            tell(web, code, *(say(code, **({"standing": Standing.VALID} | one)) for one in shape))
        elif what == "switch":
            web.answers.switches = switched(how, web.now)
        elif what == "list":
            web.answers._reach = ListCoverage({(iso, "*"): web.now for iso in ISOS if iso != how})
        elif what == "silence":
            web.now += web.settings.current_within * 2
        for way in chosen * 2:
            for code in EVERY:
                check_both(web, Asked(code=code, **way))


@pytest.mark.parametrize("shape", SHAPES)
def test_whoever_is_not_like_the_others_goes_the_long_way(web: WebFixture, shape: tuple[dict[str, Any], ...]) -> None:
    for way in ways:
        plain(web)
        for days in (0.0, 2.0, 2.0, 3.0):
            web.later(days=days)
            for _ in range(2):
                for code in EVERY:
                    check_both(web, Asked(code=code, **way))
            for code in EVERY:
                tell(web, code, *(say(code, **({"standing": Standing.VALID} | one)) for one in shape))
                check_both(web, Asked(code=code, **way))
                tell(web, code, say(code))


def test_learns_nothing_of_a_day_that_was_still_to_come(web: WebFixture) -> None:
    plain(web)
    tomorrow = Asked(code="SG123456789012", on=START.date() + timedelta(days=1))
    check_both(web, tomorrow)
    answer = web.answers.answer(tomorrow)
    web.later(days=1)
    check_both(web, tomorrow)
    web.service.alike.learn("way", tomorrow, answer, render(answer, web.answers.law, Language.EN))
    assert web.service.alike.answer("way", tomorrow.code, web.now) is None


@pytest.mark.parametrize(("first", "next_"), [CODES["SG"][:2], CODES["HK"], CODES["EU"][:2], CODES["BR"]])
def test_serves_the_next_operator_of_a_member(web: WebFixture, first: str, next_: str) -> None:
    plain(web)
    asked: dict[str, Any] = {"direction": Direction.IMPORT, "mode": Mode.LAND}
    eligible = web.answers.answer(Asked(code=first, **asked)).verdict is Verdict.ELIGIBLE
    assert check_both(web, Asked(code=first, **asked)) is None, "nothing was learned yet"
    check_both(web, Asked(code=first, **asked))
    assert (check_both(web, Asked(code=next_, **asked)) is not None) == eligible


def test_serves_the_usual(web: WebFixture) -> None:
    plain(web)
    for code in ("SG123456789012", "FR12345678901234"):
        for _ in range(3):
            last = check_both(web, Asked(code=code, direction=Direction.IMPORT))
        assert last is not None, f"the pattern does not serve {code}"


@pytest.mark.parametrize("more", [{"name": "Other"}, {"manifest": "SG9"}, {"parties": ("91350211M000100Y43",)}])
def test_learns_from_nothing_unusual(web: WebFixture, more: dict[str, Any]) -> None:
    plain(web)
    for _ in range(3):
        assert check_both(web, Asked(code="SG123456789012", **more)) is None


def test_a_revocation_ends_it_at_once(web: WebFixture) -> None:
    plain(web)
    code = "SG123456789012"
    for _ in range(3):
        last = check_both(web, Asked(code=code))
    assert last is not None
    tell(web, code, say(code), say(code, Standing.REVOKED, days=-1))
    assert check_both(web, Asked(code=code)) is None
    assert web.answers.answer(Asked(code=code)).grant is False


def test_forgets_ways_of_asking_that_are_too_many(web: WebFixture) -> None:
    plain(web)
    alike, asked = web.service.alike, Asked(code="SG123456789012")
    check_both(web, asked)
    answer = web.answers.answer(asked)
    for way in range(3_000):
        alike.learn(way, asked, answer, render(answer, web.answers.law, Language.EN))
    assert len(alike._patterns) <= 1_024


def test_over_http_the_second_answer_is_as_the_first(web: WebFixture, headers: dict[str, str]) -> None:
    plain(web)
    ask = "/v1/eligibility?code=SG123456789012&direction=import"
    answers = [web.client.get(ask, headers=headers).json() for _ in range(3)]
    batch = web.client.post("/v1/eligibility", json={"codes": ["SG123456789012"] * 3, "direction": "import"}, headers=headers)
    assert answers[0] == answers[1] == answers[2] == batch.json()["answers"][2]
    assert datetime.fromisoformat(answers[0]["moment"]).astimezone(UTC) == web.now


def test_a_code_that_stands_twice_is_refused_whatever_was_learned(web: WebFixture, headers: dict[str, str]) -> None:
    plain(web)
    one, other = "code=SG123456789012", "code=SG123456789013"
    for query in (f"direction=import&{one}", f"{one}&direction=import"):
        for _ in range(3):
            assert web.client.get(f"/v1/eligibility?{query}", headers=headers).status_code == 200
    for query in (f"{one}&{other}", f"{other}&{one}", f"{other}&direction=import&{one}", f"{other}&{one}&direction=import"):
        assert web.client.get(f"/v1/eligibility?{query}", headers=headers).json()["code"] == "question-invalid"
