"""Answers from what is known now, and again as it was known then."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.clearance.answer import Asked, ListCoverage
from gateway.clearance.as_known import AsKnown
from gateway.clearance.parties import domestic
from gateway.core.arrangement import Direction
from gateway.core.errors import Refusal
from gateway.core.home import Tier
from gateway.core.model import Kind, Picture, Standing
from gateway.core.question import Answer, Party, Reason
from gateway.domestic.record import Record
from gateway.domestic.rules import LegalGround, MeasureStatus
from gateway.exchange.tell import feed as tell
from gateway.partners.canonical import canonical
from gateway.store import partners
from tests.rig.node import START
from tests.rig.people import person
from tests.rig.shipped import shipped
from tests.rig.web import WebFixture

IMPORT = Direction.IMPORT


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebFixture]:
    with WebFixture(tmp_path, ("SG", "EU")) as made:
        yield made


def then(web: WebFixture, asked: Asked, moment: datetime) -> Answer:
    with web.node.database.reading() as connection:
        return AsKnown(connection, web.node.partners, moment).answer(asked, web.now)


def reasons(answer: Answer) -> list[Reason]:
    return [why.code for why in answer.reasons]


DAY = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({}, None),
        ({"*": 3}, 3),
        ({"DE": 4}, 4),
        ({"FR": 4}, None),
        ({"*": 3, "DE": 4}, 4),
        ({"*": 5, "DE": 4}, 5),
        ({"*": 3, "FR": 4}, 3),
    ],
)
def test_an_operators_data_reaches_as_far_as_the_later_list_that_covers_it(lists: dict[str, int], expected: int | None) -> None:
    reach = ListCoverage({("EU", scope): DAY + timedelta(days=days) for scope, days in lists.items()} | {("SG", "*"): DAY})
    found = reach.of(shipped("EU").arrangement, "DE123456789012345").as_of
    assert found == (None if expected is None else DAY + timedelta(days=expected))


def test_nothing_is_answered_before_anything_was_activated(web: WebFixture) -> None:
    (code, *_) = web.listed("SG")
    with pytest.raises(Refusal, match="not-found"):
        then(web, Asked(code=code), START - timedelta(days=500))


def test_statements_count_from_when_they_were_received(web: WebFixture) -> None:
    before = web.now - timedelta(seconds=1)
    (code, *_) = web.listed("SG")
    listed = web.now
    web.later(hours=1)
    web.send(web.boxes["SG"].status_message(code, Standing.SUSPENDED))
    asked = Asked(code=code, direction=IMPORT)
    assert reasons(web.answers.answer(asked)) == [Reason.SUSPENDED]
    assert then(web, asked, listed).grant
    assert reasons(then(web, asked, web.now)) == [Reason.SUSPENDED]
    unheard = then(web, asked, before)
    assert reasons(unheard) == [Reason.DATA_TOO_OLD, Reason.OPERATOR_UNKNOWN]
    assert (unheard.data_as_of, unheard.known_at, unheard.ask_again) == (None, before, None)


def test_a_code_is_known_only_from_when_it_was_stated(web: WebFixture) -> None:
    """A code that begins with AEO is itself and not another one's, but only once a partner has stated it."""
    web.listed("SG")
    with web.node.database.reading() as connection:
        (code, *_) = web.boxes["SG"].operators
        assert AsKnown(connection, web.node.partners, web.now).known(code)
        assert not AsKnown(connection, web.node.partners, web.now - timedelta(seconds=1)).known(code)
        assert not AsKnown(connection, web.node.partners, web.now).known("SG000000000000")


def test_lists_count_from_when_their_last_part_was_here(web: WebFixture) -> None:
    box = web.boxes["EU"]
    box.make_up(4)
    code = next(iter(box.operators))
    whole, as_of = tuple(box.operators.values()), web.now
    web.send(box.message(Kind.LIST, whole[:2], picture=Picture(as_of=as_of, part=1, parts=2)))
    web.later(minutes=10)
    waiting = web.now - timedelta(seconds=1)
    web.send(box.message(Kind.LIST, whole[2:], picture=Picture(as_of=as_of, part=2, parts=2)))
    assert web.answers.currency(box.bundle.arrangement, code).as_of == as_of
    assert then(web, Asked(code=code), web.now).data_as_of == as_of
    assert then(web, Asked(code=code), waiting).data_as_of is None


def test_partner_data_and_law_are_those_of_that_time(web: WebFixture) -> None:
    (code, *_) = web.listed("SG")
    asked, before = Asked(code=code, direction=IMPORT), web.now
    web.later(hours=1)
    raw = json.loads(shipped("SG").content)
    raw["partner"]["terms"]["in_force"] = [{"from": "2013-03-15", "value": False, "setting": "a test"}]
    content = canonical(raw)
    with web.node.database.write.begin() as connection:
        partners.activate(connection, "SG", sha256(content).hexdigest(), content, at=web.now, who=person("a test"), reason="a test")
    web.refresh()
    assert reasons(web.answers.answer(asked)) == [Reason.NOT_IN_FORCE]
    known = then(web, asked, before)
    assert known.grant
    assert known.arrangement_digest == shipped("SG").digest
    assert reasons(then(web, asked, web.now)) == [Reason.NOT_IN_FORCE]


def test_a_suspended_exchange_ends_no_benefits(web: WebFixture) -> None:
    (code, *_) = web.listed("SG")
    with web.node.database.write.begin() as connection:
        partners.set_state(connection, "SG", "suspended", at=web.now, who=person("a test"), reason="a test")
    web.refresh()
    assert web.answers.answer(Asked(code=code, direction=IMPORT)).grant


USCC, CUSTOMS_CODE = "91310000MA1FL0000X", "3101960001"


def record(tier: Tier, since: date, status: MeasureStatus = MeasureStatus.ACTIVE, ground: LegalGround | None = None) -> Record:
    return Record(
        uscc=USCC,
        name_zh="虚构贸易有限公司",
        tier=tier,
        tier_since=since,
        measure_status=status,
        measure_since=since,
        customs_code=CUSTOMS_CODE,
        ground=ground,
    )


def feed(web: WebFixture, one: Record) -> None:
    """Has credit management state it; an hour passes."""
    web.node.writer.do(lambda connection: tell.follow(connection, web.node, [one], web.now, who=person("a feed")))
    web.later(hours=1)


def party(web: WebFixture, identity: str, on: date, known_at: datetime | None = None) -> Party:
    with web.node.database.reading() as connection:
        (found,) = domestic(connection, (identity,), on, known_at)
    return found


def test_a_domestic_party_is_known_by_either_code_and_as_of_then(web: WebFixture) -> None:
    day = web.now.date()
    assert party(web, USCC, day) == Party(id=USCC, known=False)
    unheard = web.now
    web.later(hours=1)
    web.node.writer.do(
        lambda connection: tell.follow(
            connection, web.node, [record(Tier.GENERAL, date(2026, 4, 1))], web.now, who=person("a feed")
        )
    )
    general = web.now
    web.later(hours=1)
    feed(web, record(Tier.DISCREDITED, date(2026, 6, 10)))

    assert party(web, USCC, day) == Party(id=USCC, tier=Tier.DISCREDITED)
    assert party(web, f" {CUSTOMS_CODE} ", day).tier is Tier.DISCREDITED
    assert party(web, USCC, date(2026, 6, 9)).tier is Tier.GENERAL
    assert party(web, USCC, date(2021, 1, 1)).tier is None
    assert party(web, USCC, day, unheard) == Party(id=USCC, known=False)
    assert party(web, USCC, day, general).tier is Tier.GENERAL
    assert party(web, CUSTOMS_CODE, day, web.now).tier is Tier.DISCREDITED


def test_what_a_person_let_through_counts_from_then(web: WebFixture) -> None:
    day = web.now.date()
    feed(web, record(Tier.DISCREDITED, date(2026, 4, 1)))
    feed(web, record(Tier.ADVANCED, date(2026, 6, 10)))
    held = web.now
    assert party(web, USCC, day).tier is not Tier.ADVANCED
    web.later(hours=1)
    (waiting,) = web.node.writer.do(tell.waiting)
    web.node.writer.do(lambda connection: tell.let_through(connection, web.node, waiting.id, who=person("a test"), at=web.now))
    assert party(web, USCC, day).tier is Tier.ADVANCED
    assert party(web, USCC, day, held).tier is not Tier.ADVANCED
    assert party(web, USCC, day, web.now).tier is Tier.ADVANCED


def test_a_discredited_party_prevails_now_and_then(web: WebFixture) -> None:
    (code, *_) = web.listed("SG")
    asked, before = Asked(code=code, direction=IMPORT, parties=(USCC,)), web.now
    web.later(hours=1)
    feed(web, record(Tier.DISCREDITED, date(2026, 4, 1)))
    answer = web.answers.answer(asked, (party(web, USCC, web.now.date()),))
    assert reasons(answer) == [Reason.DOMESTIC_PARTY_PREVAILS]
    assert reasons(then(web, asked, web.now)) == [Reason.DOMESTIC_PARTY_PREVAILS]
    assert then(web, asked, before).grant
