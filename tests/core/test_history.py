"""Folding: laws that hold for whatever was said, in whatever order it arrived."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.fold import fold
from gateway.core.history import Timeline, midnight, pack, unpack
from gateway.core.model import PlacedStatement, Standing, Statement

ZONE = ZoneInfo("Asia/Singapore")
START = datetime(2026, 1, 1, tzinfo=UTC)
LOSSES = [standing for standing in Standing if not standing.grants]


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


def seconds(number: int) -> int:
    return int(hour(number).timestamp())


hours = st.integers(0, 12)
days = st.none() | st.integers(-2, 6).map(lambda number: date(2026, 1, 1) + timedelta(days=number))
levels = st.sampled_from([None, "A", "B"])
numbers = st.sampled_from([None, "1", "2"])


@st.composite
def told(draw: st.DrawFn) -> PlacedStatement:
    """Any statement within half a day: pictures take effect when they are issued, their losses perhaps before."""
    pictured = draw(st.booleans())
    standing = draw(st.sampled_from(Standing))
    issued = draw(hours)
    effect = min(issued, draw(hours)) if pictured and not standing.grants else issued if pictured else draw(hours)
    message = f"{'list' if pictured else 'notice'}-{issued}-{draw(st.integers(0, 1))}"
    return PlacedStatement(
        statement=Statement(
            tin="SG123456789012",
            standing=standing,
            name=draw(st.sampled_from([None, "Alpha", "Beta"])),
            level=draw(levels),
            number=draw(numbers),
            granted=draw(days),
            expires=draw(days),
        ),
        issued=hour(issued),
        takes_effect=hour(effect),
        pictured=pictured,
        message_id=message,
        digest=message.encode().hex(),
        received=hour(issued),
        derived=standing is Standing.DELISTED,
        held=draw(st.sampled_from([False, False, False, True])),
        transcribed=message.endswith("1"),
    )


histories = st.lists(told(), max_size=7)


def valid(timeline: Timeline, at: int) -> set[tuple[str | None, str | None]]:
    """Which authorisations stand at a moment."""
    stood = {(one.level, one.number): one.standing_at(at, at) for one in timeline.authorisations}
    return {identity for identity, stand in stood.items() if stand and stand.standing.grants}


def every_standing(timeline: Timeline) -> list[object]:
    return [[one.standing_at(seconds(number), seconds(number)) for number in range(14)] for one in timeline.authorisations]


@given(histories, st.randoms(use_true_random=False))
def test_arrival_order_does_not_matter(history: list[PlacedStatement], random: Random) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)
    assert fold(shuffled, ZONE) == fold(history, ZONE)


@given(told())
def test_what_is_said_once_is_as_if_it_were_said_twice(one: PlacedStatement) -> None:
    """What stands alone is folded by a shorter way of its own."""
    assert fold([one], ZONE) == fold([one, one], ZONE)


@given(histories)
def test_packing_loses_nothing(history: list[PlacedStatement]) -> None:
    timeline = fold(history, ZONE)
    assert unpack(pack(timeline)) == timeline


@given(histories)
def test_tracks_ascend_and_say_nothing_twice(history: list[PlacedStatement]) -> None:
    for authorisation in fold(history, ZONE).authorisations:
        for track in (authorisation.stands, authorisation.periods):
            since = [segment.since for segment in track]
            assert since == sorted(set(since))


@given(histories, told(), st.sampled_from(LOSSES), st.integers(0, 13))
def test_another_loss_never_grants(history: list[PlacedStatement], other: PlacedStatement, standing: Standing, at: int) -> None:
    """A loss told besides leaves no authorisation valid that was not."""
    statement = msgspec.structs.replace(other.statement, standing=standing, granted=None, expires=None)
    loss = msgspec.structs.replace(other, statement=statement, message_id="another", derived=standing is Standing.DELISTED)
    assert valid(fold([*history, loss], ZONE), seconds(at)) <= valid(fold(history, ZONE), seconds(at))


def test_a_graver_loss_in_an_announced_one_s_place_is_no_easier_lifted() -> None:
    """Suspended from one o'clock, announced; revoked at once besides; at one o'clock a list still names the operator."""

    def said(standing: Standing, *, issued: int, effect: int, pictured: bool = False) -> PlacedStatement:
        return PlacedStatement(
            statement=Statement(tin="SG123456789012", standing=standing),
            issued=hour(issued),
            takes_effect=hour(effect),
            pictured=pictured,
            message_id=f"{standing}-{issued}",
            digest="00",
            received=hour(issued),
        )

    suspended = said(Standing.SUSPENDED, issued=0, effect=1)
    revoked = said(Standing.REVOKED, issued=0, effect=0)
    listed = said(Standing.VALID, issued=1, effect=1, pictured=True)
    assert not valid(fold([suspended, listed], ZONE), seconds(2))
    assert not valid(fold([suspended, revoked, listed], ZONE), seconds(2))


@given(histories, told())
def test_a_late_older_statement_overrules_nothing_issued_after_it(history: list[PlacedStatement], later: PlacedStatement) -> None:
    """Whatever came before: from its effect on, the statement issued last stands, until what was announced before it comes."""
    last = msgspec.structs.replace(
        later,
        issued=hour(20),
        takes_effect=hour(20),
        message_id="last",
        held=False,
        statement=msgspec.structs.replace(later.statement, level="A", number="1"),
    )
    left = valid(fold([last, *history], ZONE), seconds(20))
    if last.statement.standing.grants:
        assert ("A", "1") in left
    else:
        assert all(level not in (None, "A") or number not in (None, "1") for level, number in left)


@given(histories, told(), st.integers(0, 13))
def test_a_held_grant_and_a_held_omission_change_nothing(history: list[PlacedStatement], other: PlacedStatement, at: int) -> None:
    for standing, derived in ((Standing.VALID, False), (Standing.DELISTED, True)):
        statement = msgspec.structs.replace(other.statement, standing=standing)
        held = msgspec.structs.replace(other, statement=statement, message_id="held", held=True, derived=derived)
        with_it = fold([*history, held], ZONE)
        assert every_standing(with_it) == every_standing(fold(history, ZONE))


@given(histories, st.sampled_from(["A", "B"]), st.sampled_from(["1", "2"]))
def test_a_last_picture_shows_all_there_is(history: list[PlacedStatement], level: str, number: str) -> None:
    """Of what had begun only the authorisation stands that the latest picture names."""
    picture = PlacedStatement(
        statement=Statement(tin="SG123456789012", standing=Standing.VALID, level=level, number=number),
        issued=hour(200),
        takes_effect=hour(200),
        pictured=True,
        message_id="last",
        digest="00",
        received=hour(200),
    )
    assert valid(fold([*history, picture], ZONE), seconds(200)) == {(level, number)}


@given(histories, st.integers(0, 13))
def test_the_next_change_is_the_next(history: list[PlacedStatement], at: int) -> None:
    timeline = fold(history, ZONE)
    coming = timeline.next_change_after(seconds(at))
    for authorisation in timeline.authorisations:
        now = authorisation.standing_at(seconds(at), seconds(at)), authorisation.period_at(seconds(at))
        just_before = seconds(13) + 10**7 if coming is None else coming - 1
        assert (authorisation.standing_at(just_before, just_before), authorisation.period_at(just_before)) == now
        assert coming is None or coming > seconds(at)


@given(st.lists(hours, min_size=1, max_size=6, unique=True))
def test_a_picture_never_lifts_what_was_announced(pictures: list[int]) -> None:
    announced = PlacedStatement(
        statement=Statement(tin="SG1", standing=Standing.REVOKED),
        issued=hour(0),
        takes_effect=hour(13),
        pictured=False,
        message_id="n",
        digest="00",
        received=hour(0),
    )
    seen = [
        msgspec.structs.replace(
            announced,
            statement=Statement(tin="SG1", standing=Standing.VALID),
            issued=hour(number),
            takes_effect=hour(number),
            pictured=True,
            message_id=f"l{number}",
        )
        for number in pictures
    ]
    assert valid(fold([announced, *seen], ZONE), seconds(13)) == set()


def test_an_end_in_the_last_year_there_is_is_no_end() -> None:
    one = PlacedStatement(
        statement=Statement(tin="SG1", standing=Standing.VALID, granted=date(1960, 1, 1), expires=date.max),
        issued=hour(0),
        takes_effect=hour(0),
        pictured=True,
        message_id="l",
        digest="00",
        received=hour(0),
    )
    (period,) = fold([one], ZONE).authorisations[0].periods
    assert (period.since, period.until) == (midnight(date(1960, 1, 1), ZONE), None)


def test_nothing_told() -> None:
    assert fold([], ZONE) == Timeline((), None, (), ())


def test_small_enough_for_half_a_million() -> None:
    """With its key, an entry of a dictionary and both objects' headers an operator takes at most 500 bytes."""
    one = PlacedStatement(
        statement=Statement(
            tin="SG123456789012",
            standing=Standing.VALID,
            name="A Company Name of Forty Characters, Ltd.",
            level="STP-Plus",
            number="STP-2019-0042",
            granted=date(2024, 1, 1),
            expires=date(2026, 12, 31),
        ),
        issued=hour(0),
        takes_effect=hour(0),
        pictured=True,
        message_id="0190f6b4-7f2a-7c31-9a6f-3f0c5d1e2b4a",
        digest="ab" * 32,
        received=hour(1),
    )
    monthly = [
        msgspec.structs.replace(one, issued=hour(month), takes_effect=hour(month), received=hour(month), message_id=f"l{month}")
        for month in range(36)
    ]
    packed = pack(fold([one, *monthly], ZONE))
    key, headers, entry = len("SG123456789012"), 49 + 33, 104
    assert len(packed) + key + headers + entry <= 500
