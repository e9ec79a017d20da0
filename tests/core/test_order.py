"""The order of issue: laws for whatever was said, and the corners of reissues (exchange/RULES.md, Numbers)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.fold import fold
from gateway.core.model import Header, Kind, Picture, PlacedStatement, Priority, Standing, Statement, priority_of
from gateway.core.order import SKEW, in_order_of_issue
from gateway.core.place import place
from gateway.core.reissue import as_first_said

ZONE = ZoneInfo("Asia/Singapore")
NOON = datetime(2026, 6, 15, 4, tzinfo=UTC)
GRANT, LOSS = Standing.VALID, Standing.SUSPENDED


def placed(standing: Standing = LOSS, kind: Kind = Kind.NOTICE, *, at: float = 0, **fields: Any) -> PlacedStatement:
    """``at``: made so many seconds after noon; received a day later, unless said otherwise."""
    issued = NOON + timedelta(seconds=at)
    usual: dict[str, Any] = {
        "statement": Statement(tin="SG123456789012", standing=standing, level=fields.pop("level", None)),
        "issued": issued,
        "takes_effect": issued,
        "pictured": kind in (Kind.LIST, Kind.RESPONSE),
        "message_id": f"{standing}-{kind}-{at}-{fields.get('sequence', 0)}-{fields.get('epoch', 0)}",
        "digest": "00",
        "received": NOON + timedelta(days=1),
        "priority": priority_of(kind),
    }
    return PlacedStatement(**(usual | fields))


def stands(*said: PlacedStatement, at: float = 86_400) -> set[str | None]:
    """The levels of what is valid so many seconds after noon."""
    moment = int((NOON + timedelta(seconds=at)).timestamp())
    found = ((one.level, one.standing_at(moment, moment)) for one in fold(said, ZONE).authorisations)
    return {level for level, stand in found if stand and stand.standing.grants}


# ---------------------------------------------------------------- laws


@st.composite
def histories(draw: st.DrawFn) -> list[PlacedStatement]:
    """Up to seven messages within twenty minutes, numbered or not, some of which say others again, known or not, annulled or held."""
    count = draw(st.integers(2, 7))
    said: list[PlacedStatement] = []
    for number in range(count):
        kind = draw(st.sampled_from([Kind.NOTICE, Kind.NOTICE, Kind.UPDATE, Kind.LIST, Kind.RESPONSE]))
        one = placed(
            draw(st.sampled_from([GRANT, GRANT, Standing.REINSTATED, LOSS, LOSS, Standing.REVOKED])),
            kind,
            at=draw(st.integers(0, 20)) * 60,
            sequence=draw(st.integers(0, 4)),
            epoch=draw(st.integers(0, 1)),
            level=draw(st.sampled_from([None, "A", "B"])),
            message_id=f"m{number}",
            held=draw(st.sampled_from([False, False, True])),
        )
        if not one.pictured:
            refers_to = draw(st.sampled_from([None, None, *(f"m{other}" for other in range(count)), "m99"]))
            effect = one.issued + timedelta(minutes=draw(st.sampled_from([0, 0, -10, 10])))
            voided = draw(st.sampled_from([None, None, None, NOON]))
            stated = msgspec.structs.replace(one.statement, effective=None if effect == one.issued else effect)
            one = msgspec.structs.replace(one, refers_to=refers_to, takes_effect=effect, voided=voided, statement=stated)
        said.append(one)
    return said


def essence(said: list[PlacedStatement]) -> list[tuple[Any, ...]]:
    """What an answer rests on, but for the names of the messages."""
    timeline = fold(said, ZONE)
    tracks = [(one.level, one.number, [(stand.since, stand.standing) for stand in one.stands]) for one in timeline.authorisations]
    return [*sorted(tracks, key=str), (timeline.held is None,)]


@given(histories(), st.randoms(use_true_random=False))
def test_neither_ids_nor_arrival_change_an_answer(said: list[PlacedStatement], chance: Random) -> None:
    ids = [f"m{number}" for number in range(len(said))]
    other = dict(zip(ids, chance.sample([f"{number}x" for number in range(90)], len(ids)), strict=True))
    renamed = [
        msgspec.structs.replace(one, message_id=other[one.message_id], refers_to=other.get(one.refers_to or "", one.refers_to))
        for one in said
    ]
    chance.shuffle(renamed)
    assert essence(renamed) == essence(said)


@given(histories())
def test_nothing_is_lost_or_added_by_ordering(said: list[PlacedStatement]) -> None:
    assert sorted(one.message_id for one in in_order_of_issue(said)) == [f"m{number}" for number in range(len(said))]
    again = as_first_said(said)
    assert [(one.message_id, one.statement, one.held, one.voided) for one in again] == [
        (one.message_id, one.statement, one.held, one.voided) for one in said
    ]


@given(
    st.lists(st.tuples(st.integers(0, 7200), st.booleans()), min_size=1, max_size=6), st.sampled_from([Kind.UPDATE, Kind.NOTICE])
)
def test_within_one_class_and_epoch_the_numbers_are_the_order(said: list[tuple[int, bool]], kind: Kind) -> None:
    history = [placed(GRANT if grants else LOSS, kind, at=at, sequence=number) for number, (at, grants) in enumerate(said, 1)]
    assert [one.sequence for one in in_order_of_issue(history)] == list(range(1, len(said) + 1))
    assert stands(*history) == ({None} if said[-1][1] else set())


@given(st.integers(-900, 900), st.sampled_from([Kind.UPDATE, Kind.RESPONSE, Kind.LIST, Kind.NOTICE]), st.integers(0, 3))
def test_across_classes_the_moment_and_within_the_skew_the_loss(at: int, kind: Kind, sequence: int) -> None:
    """A notice takes away at noon; of another class or epoch is granted before or after it."""
    loss = placed(LOSS, Kind.NOTICE, sequence=2)
    grant = placed(GRANT, kind, at=at, sequence=sequence, epoch=1)
    later = timedelta(seconds=at) >= SKEW
    assert stands(loss, grant) == ({None} if later else set())


# ---------------------------------------------------------------- authorisations fold separately


@pytest.mark.parametrize(("apart", "valid"), [(120, set()), (300, {"A"})])
def test_a_message_is_a_grant_for_what_it_grants_and_a_loss_for_what_it_takes(apart: int, valid: set[str | None]) -> None:
    """A is taken by a notice; an update grants it and takes B: within the skew A stays taken, whatever becomes of B."""
    first = [placed(GRANT, Kind.UPDATE, at=-3600, level=level, message_id="first") for level in ("A", "B")]
    taken = placed(LOSS, Kind.NOTICE, level="A")
    both = [
        placed(standing, Kind.UPDATE, at=apart, level=level, message_id="both") for standing, level in ((GRANT, "A"), (LOSS, "B"))
    ]
    assert stands(*first, taken, *both) == valid


# ---------------------------------------------------------------- reissues


def test_a_reissue_stands_where_it_was_first_said() -> None:
    said = placed(LOSS, sequence=1, message_id="first")
    then = placed(GRANT, at=600, sequence=2, message_id="then")
    again = placed(LOSS, at=1200, sequence=3, message_id="again", refers_to="first")
    once_more = placed(LOSS, at=1800, sequence=4, message_id="once more", refers_to="again")
    assert stands(said, then, again, once_more) == {None}
    assert stands(then, again) == set(), "what it repeats never came: it is news"
    assert stands(then, once_more, again) == set()
    assert stands(msgspec.structs.replace(said, voided=NOON), then, again) == {None}, "annulled, it still says when"
    found = as_first_said([said, again, once_more])
    assert {(one.issued, one.takes_effect, one.sequence, one.epoch) for one in found} == {(said.issued, said.issued, 1, 0)}


@pytest.mark.parametrize(
    "other",
    [
        placed(LOSS, Kind.UPDATE, at=-600, message_id="first"),
        placed(LOSS, Kind.LIST, at=-600, message_id="first"),
        placed(LOSS, Kind.RESPONSE, at=-600, message_id="first"),
        placed(Standing.DELISTED, Kind.LIST, at=-600, message_id="first", derived=True),
    ],
    ids=lambda other: str(other.message_id and other.priority),
)
def test_only_a_message_of_its_own_kind_is_said_again(other: PlacedStatement) -> None:
    again = placed(LOSS, message_id="again", refers_to="first")
    assert as_first_said([other, again])[-1] == again
    assert stands(placed(GRANT, at=-300, message_id="then"), other, again) == set()


def test_an_effect_that_is_stated_stays_and_one_that_is_not_is_of_then() -> None:
    said = placed(LOSS, message_id="first", received=NOON - timedelta(seconds=60))
    stated = Statement(tin="SG123456789012", standing=LOSS, effective=NOON + timedelta(days=2))
    announced = placed(at=600, message_id="announced", refers_to="first", statement=stated, takes_effect=NOON + timedelta(days=2))
    again = placed(at=600, message_id="again", refers_to="first")
    assert [one.takes_effect for one in as_first_said([said, announced, again])] == [
        NOON,
        NOON + timedelta(days=2),
        NOON - timedelta(seconds=60),
    ], "by our receipt of what it repeats at the latest"


@pytest.mark.parametrize("circle", [("a",), ("a", "b"), ("a", "b", "c")])
def test_messages_that_name_each_other_are_all_news(circle: tuple[str, ...]) -> None:
    said = [
        placed(at=at, message_id=name, refers_to=after)
        for at, (name, after) in enumerate(zip(circle, circle[1:] + circle[:1], strict=True))
    ]
    assert [*as_first_said(said)] == said
    beside = placed(at=9, message_id="beside", refers_to="a")
    assert as_first_said([*said, beside])[-1] == beside


# ---------------------------------------------------------------- placing


def header(kind: Kind, created: datetime, **fields: Any) -> Header:
    return Header(id="m", kind=kind, sender="SG", receiver="CN", environment="test", created=created, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("ahead", [0, 1, 240])
@pytest.mark.parametrize("stated", [None, 0, -0.5, -100])
def test_what_has_taken_effect_by_a_clock_that_is_ahead_has_taken_effect(ahead: float, stated: float | None) -> None:
    """Half a second: a moment written to the second beside a header's written to the millisecond."""
    created = NOON + timedelta(seconds=ahead)
    effective = None if stated is None else created + timedelta(seconds=stated)
    said = Statement(tin="SG1", standing=LOSS, effective=effective)
    one = place(said, header(Kind.NOTICE, created), ZONE, digest="00", received=NOON)
    assert one.takes_effect == min(NOON, effective or created)
    assert (one.issued, one.statement.effective) == (created, effective)


def test_what_is_announced_takes_effect_when_it_says() -> None:
    effective = NOON + timedelta(seconds=241)
    said = Statement(tin="SG1", standing=LOSS, effective=effective)
    one = place(said, header(Kind.NOTICE, NOON + timedelta(seconds=240)), ZONE, digest="00", received=NOON)
    assert one.takes_effect == effective


@pytest.mark.parametrize("kind", [Kind.LIST, Kind.RESPONSE])
def test_a_picture_refers_to_nothing_that_it_would_say_again(kind: Kind) -> None:
    of = header(kind, NOON, refers_to="query", picture=Picture(as_of=NOON))
    one = place(Statement(tin="SG1", standing=LOSS), of, ZONE, digest="00", received=NOON)
    assert (one.refers_to, one.pictured) == (None, True)
    assert one.priority in (Priority.BULK, Priority.NORMAL)
