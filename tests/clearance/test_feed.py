"""How far domestic parties are known: what the feed claims, as of when, and past what age nobody is known; now, and as known then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.clearance.answer import Asked
from gateway.clearance.as_known import AsKnown
from gateway.clearance.parties import domestic
from gateway.core.arrangement import Direction
from gateway.core.question import Answer, Feed, Reason, Verdict, Warn
from gateway.domestic.claim import NOTHING, Claim
from gateway.domestic.record import decode
from gateway.exchange.tell import feed
from gateway.store import feed_claims
from gateway.store.tables import entry
from tests.rig.enterprises import made_uscc, row
from tests.rig.people import person
from tests.rig.web import WebFixture

LIMIT = timedelta(days=2)
KNOWN, UNKNOWN = made_uscc(1), made_uscc(999)
ALL = Claim(complete=("all",))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebFixture]:
    """A node on which domestic data of more than two days decides nothing."""
    made = WebFixture(tmp_path, ["SG"], domestic_stop_after=LIMIT)
    yield made
    made.close()


@pytest.fixture
def code(web: WebFixture) -> str:
    return web.listed("SG", 1)[0]


def state(web: WebFixture, *numbers: int, claim: Claim = NOTHING, **said: Any) -> datetime:
    """The feed says this, as a command takes it in, and the node follows; the moment. An hour passes."""
    at = web.now
    rows = [{name: value for name, value in row(number, **said).items() if value is not None} for number in numbers]
    decoded = [(line, decode(one, line)) for line, one in enumerate(rows, 1)]
    with web.node.database.write.begin() as connection:
        feed.import_rows(connection, web.node, decoded, who=person("a test"), at=at, claim=claim)
    web.node.committed.reread()
    web.later(hours=1)
    return at


def ask(web: WebFixture, code: str, *parties: str, at: datetime | None = None, on: date | None = None) -> Answer:
    """As known now; ``at``: as known then."""
    asked = Asked(code=code, direction=Direction.IMPORT, parties=parties, on=on)
    with web.node.database.reading() as connection:
        known = AsKnown(connection, web.node.partners, at or web.now, LIMIT).answer(asked, web.now)
        if at is None:
            answer = web.answers.answer(asked, domestic(connection, parties, on or web.now.date()))
            assert (answer.verdict, answer.reasons, answer.warnings) == (known.verdict, known.reasons, known.warnings)
            return answer
    return known


def feed_at(web: WebFixture, on: date, at: datetime | None = None) -> Feed:
    if at is None:
        return web.answers.feed(on)
    with web.node.database.reading() as connection:
        return AsKnown(connection, web.node.partners, at, LIMIT).feed(on)


SECONDS = int(LIMIT.total_seconds())
TODAY = date(2026, 6, 15)


# ---------------------------------------------------------------- as of when


def test_without_a_statement_it_is_as_of_its_last_record(web: WebFixture) -> None:
    assert feed_at(web, TODAY) == Feed(limit=SECONDS)
    first = state(web, 1)
    assert feed_at(web, TODAY) == Feed(as_of=first, limit=SECONDS)
    last = state(web, 2)
    assert feed_at(web, TODAY) == Feed(as_of=last, limit=SECONDS)
    state(web, 2)  # the same again: no record came
    assert feed_at(web, TODAY) == Feed(as_of=last, limit=SECONDS)
    assert feed_at(web, TODAY, first) == Feed(as_of=first, limit=SECONDS)
    assert feed_at(web, TODAY, first - timedelta(seconds=1)) == Feed(limit=SECONDS)


def test_what_it_stated_last_is_what_it_is_as_of(web: WebFixture) -> None:
    day = datetime(2026, 6, 13, 16, tzinfo=UTC)
    first = state(web, 1, claim=Claim(as_of=day))
    later = state(web, 2)  # a record that states nothing: what was stated before stands
    corrected = state(web, claim=Claim(as_of=day - timedelta(days=1)))
    assert feed_at(web, TODAY).as_of == day - timedelta(days=1)
    for at in (first, later, corrected - timedelta(seconds=1)):
        assert feed_at(web, TODAY, at).as_of == day
    assert feed_at(web, TODAY, corrected).as_of == day - timedelta(days=1)


def test_a_claim_of_a_feed_that_names_nobody_makes_nobody_known(web: WebFixture, code: str) -> None:
    state(web, claim=Claim(complete=("all",), as_of=web.now))
    assert feed_at(web, TODAY) == Feed(limit=SECONDS)
    assert [why.code for why in ask(web, code, KNOWN).reasons] == [Reason.DATA_TOO_OLD]


def test_past_its_age_nobody_is_known_and_the_answer_open(web: WebFixture, code: str) -> None:
    came = state(web, 1)
    answer = ask(web, code, KNOWN)
    ends = came + LIMIT + timedelta(seconds=1)
    assert (answer.grant, answer.ask_again) == (True, ends)
    web.now = ends - timedelta(seconds=1)
    web.index.heard(web.now)
    assert ask(web, code, KNOWN).grant
    web.later(seconds=1)
    for parties in ((KNOWN,), (UNKNOWN,), (KNOWN, UNKNOWN)):
        late = ask(web, code, *parties)
        assert (late.verdict, late.grant) == (Verdict.UNDETERMINED, False)
        (why,) = late.reasons
        assert why.code is Reason.DATA_TOO_OLD
        assert why.facts == {"of": "domestic", "limit": "172800", "as_of": came.isoformat()}
    assert ask(web, code).grant  # who names no party asks nothing of our feed
    assert ask(web, code, KNOWN, at=came).grant
    state(web, 2)
    assert ask(web, code, KNOWN).grant


def test_a_past_day_is_open_too_and_asked_about_again_in_time(web: WebFixture, code: str) -> None:
    web.later(days=1)
    came = state(web, 1)
    assert ask(web, code, KNOWN, on=TODAY).ask_again == came + LIMIT + timedelta(seconds=1)
    assert ask(web, code, on=TODAY).ask_again is None
    web.later(days=2)
    assert ask(web, code, KNOWN, on=TODAY).verdict is Verdict.UNDETERMINED


def test_a_feed_that_never_said_anything_knows_nobody(web: WebFixture, code: str) -> None:
    answer = ask(web, code, KNOWN)
    assert answer.verdict is Verdict.UNDETERMINED
    assert [(why.code, why.facts) for why in answer.reasons] == [(Reason.DATA_TOO_OLD, {"of": "domestic", "limit": "172800"})]


def test_without_a_limit_any_age_does(tmp_path: Path) -> None:
    web = WebFixture(tmp_path, ["SG"])
    (code,) = web.listed("SG", 1)
    state(web, 1)
    web.later(days=60)
    assert feed_at(web, TODAY).limit is None
    asked = Asked(code=code, direction=Direction.IMPORT, parties=(KNOWN,))
    with web.node.database.reading() as connection:
        parties = domestic(connection, asked.parties, web.now.date())
    answer = web.answers.answer(asked, parties)
    assert not [why for why in answer.reasons if why.facts.get("of") == "domestic"]
    web.close()


# ---------------------------------------------------------------- whether it names everybody


def warned(answer: Answer) -> list[tuple[Warn, str]]:
    return [(one.code, one.facts["party"]) for one in answer.warnings]


def test_an_unknown_party_is_warned_of_only_where_the_feed_claims_to_name_all(web: WebFixture, code: str) -> None:
    before = state(web, 1)
    assert warned(ask(web, code, KNOWN, UNKNOWN)) == []
    claimed = state(web, claim=ALL)
    assert warned(ask(web, code, KNOWN, UNKNOWN)) == [(Warn.PARTY_UNKNOWN, UNKNOWN)]
    assert ask(web, code, UNKNOWN).grant  # it warns, and decides nothing
    withdrawn = state(web, claim=Claim(complete=()))
    assert warned(ask(web, code, UNKNOWN)) == []
    # As known then, by what was claimed then.
    assert warned(ask(web, code, UNKNOWN, at=before)) == []
    assert warned(ask(web, code, UNKNOWN, at=claimed)) == [(Warn.PARTY_UNKNOWN, UNKNOWN)]
    assert warned(ask(web, code, UNKNOWN, at=withdrawn)) == []
    # Whoever came later was unknown then.
    state(web, 999, claim=ALL)
    assert warned(ask(web, code, UNKNOWN)) == []
    assert warned(ask(web, code, UNKNOWN, at=claimed)) == [(Warn.PARTY_UNKNOWN, UNKNOWN)]


def test_a_claim_of_some_tiers_warns_of_nobody(web: WebFixture, code: str) -> None:
    """The Discredited named completely, whoever is unknown is not Discredited; and there is nothing to warn of."""
    state(web, 1, claim=Claim(complete=("discredited", "seriously-discredited")))
    assert warned(ask(web, code, UNKNOWN)) == []
    with web.node.database.reading() as connection:
        assert feed_claims.status(connection).complete == ("discredited", "seriously-discredited")


def test_a_claim_of_every_tier_counts_on_days_of_their_order(web: WebFixture) -> None:
    every = ("advanced-certified", "certified", "general-compliance", "discredited", "seriously-discredited")
    state(web, 1, claim=Claim(complete=every))
    assert [feed_at(web, day).complete for day in (date(2026, 4, 1), date(2026, 3, 31))] == [True, False]


# ---------------------------------------------------------------- kept, and in the journal


def claims(web: WebFixture) -> list[tuple[str, dict[str, Any]]]:
    with web.node.database.reading() as connection:
        rows = connection.execute(entry.select().where(entry.c.kind == "domestic", entry.c.subject.like("claim-%")))
        return [(one.subject, json.loads(one.body)) for one in rows]


def test_a_claim_is_journalled_and_the_same_again_does_nothing(web: WebFixture) -> None:
    day = datetime(2026, 6, 14, 16, tzinfo=UTC)
    said = Claim(complete=("discredited",), as_of=day)
    at = state(web, 1, claim=said)
    state(web, 1, claim=said)
    state(web, claim=Claim(as_of=day))
    ((subject, body),) = claims(web)
    assert subject == "claim-1"
    assert (body["complete"], body["as_of"], body["who"], body["at"]) == (
        ["discredited"],
        "2026-06-14T16:00:00Z",
        "a test",
        at.isoformat().replace("+00:00", "Z"),
    )
    state(web, claim=ALL)
    assert [("as_of" in one, one["complete"]) for _, one in claims(web)[1:]] == [(False, ["all"])]


def test_a_claim_counts_once_all_its_rows_are_in(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "AT_ONCE", 2)
    rows = [(line, decode(row(line), line)) for line in range(1, 6)]
    parts = list(feed.in_parts(rows, ALL))
    assert [(len(part), claim) for part, claim in parts] == [(2, NOTHING), (2, NOTHING), (1, ALL)]
    assert list(feed.in_parts([], ALL)) == [([], ALL)]
    assert list(feed.in_parts(rows[:2])) == [(rows[:2], NOTHING)]
