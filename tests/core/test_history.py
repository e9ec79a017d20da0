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
from gateway.core.model import DIALECT_KINDS, Kind, PlacedStatement, Standing, Statement, priority_of

ZONE = ZoneInfo("Asia/Singapore")
START = datetime(2026, 1, 1, tzinfo=UTC)
LOSSES = [standing for standing in Standing if not standing.grants]


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def seconds(number: int) -> int:
    return int(hour(number).timestamp())


hours = st.integers(0, 12)
minutes = st.integers(0, 59)
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


@st.composite
def exchanges(
    draw: st.DrawFn, kinds: tuple[Kind, ...] = (Kind.LIST, Kind.RESPONSE, Kind.UPDATE, Kind.NOTICE)
) -> list[PlacedStatement]:
    """Messages of every class within the hour, some with two statements: numbered as their clocks say, otherwise, or not at all."""
    count = draw(st.integers(0, 5))
    numbers = draw(st.permutations(range(1, count + 1)))
    history: list[PlacedStatement] = []
    for at, number in enumerate(numbers):
        kind, issued = draw(st.sampled_from(kinds)), minute(draw(minutes))
        pictured = kind in (Kind.LIST, Kind.RESPONSE)
        sequence, epoch = draw(st.sampled_from([2 * number, 2 * number, 0])), draw(st.integers(0, 1))  # the odd ones are left free
        for one in draw(st.lists(told(), min_size=1, max_size=2)):
            said, grants = one.statement, one.statement.standing.grants
            effect = minute(draw(minutes))
            history.append(
                msgspec.structs.replace(
                    one,
                    statement=msgspec.structs.replace(said, standing=said.standing if pictured else stated(said.standing)),
                    issued=issued,
                    takes_effect=issued if pictured and grants else min(issued, effect) if pictured else effect,
                    pictured=pictured,
                    message_id=f"m{at}",
                    digest=f"{at:02}",
                    received=issued,
                    derived=pictured and said.standing is Standing.DELISTED,
                    held=one.held and kind is Kind.LIST,
                    sequence=sequence,
                    epoch=epoch,
                    priority=priority_of(kind),
                )
            )
    return history


def stated(standing: Standing) -> Standing:
    """What an update or notice says: a delisting follows from a picture, and nobody states it."""
    return Standing.WITHDRAWN if standing is Standing.DELISTED else standing


def said(
    standing: Standing, kind: Kind, issued: datetime, *, effect: datetime | None = None, number: int = 0, epoch: int = 0
) -> PlacedStatement:
    """One message of its own, of the authorisation A 1."""
    message = f"{standing}-{kind}-{issued:%H%M%S}-{number}"
    return PlacedStatement(
        statement=Statement(tin="SG123456789012", standing=standing, level="A", number="1"),
        issued=issued,
        takes_effect=effect or issued,
        pictured=kind in (Kind.LIST, Kind.RESPONSE),
        message_id=message,
        digest=message.encode().hex(),
        received=issued,
        derived=standing is Standing.DELISTED,
        sequence=number,
        epoch=epoch,
        priority=priority_of(kind),
    )


histories = st.lists(told(), max_size=7)
everything = histories | exchanges()


def valid(timeline: Timeline, at: int) -> set[tuple[str | None, str | None]]:
    """Which authorisations stand at a moment."""
    stood = {(one.level, one.number): one.standing_at(at, at) for one in timeline.authorisations}
    return {identity for identity, stand in stood.items() if stand and stand.standing.grants}


def every_standing(timeline: Timeline) -> list[object]:
    return [[one.standing_at(seconds(number), seconds(number)) for number in range(14)] for one in timeline.authorisations]


@given(everything, st.randoms(use_true_random=False))
def test_arrival_order_does_not_matter(history: list[PlacedStatement], random: Random) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)
    assert fold(shuffled, ZONE) == fold(history, ZONE)


def essence(timeline: Timeline) -> list[object]:
    """What an answer rests on, without the messages it is found in."""
    tracks = [
        (
            one.level,
            one.number,
            [stand[:2] for stand in map(msgspec.structs.astuple, one.stands)],
            [period[:4] for period in map(msgspec.structs.astuple, one.periods)],
        )
        for one in timeline.authorisations
    ]
    return [timeline.names, timeline.local_name, timeline.held is None, sorted(tracks, key=str)]


@given(everything, st.data())
def test_ids_order_nothing(history: list[PlacedStatement], data: st.DataObject) -> None:
    """Other ids for the same messages: the same answers."""
    ids = sorted({one.message_id for one in history})
    named = dict(zip(ids, data.draw(st.permutations(ids)), strict=True))
    renamed = [msgspec.structs.replace(one, message_id=f"id-{named[one.message_id]}") for one in history]
    assert essence(fold(renamed, ZONE)) == essence(fold(history, ZONE))


@given(told())
def test_what_is_said_once_is_as_if_it_were_said_twice(one: PlacedStatement) -> None:
    """What stands alone is folded by a shorter way of its own."""
    assert fold([one], ZONE) == fold([one, one], ZONE)


@given(everything)
def test_packing_loses_nothing(history: list[PlacedStatement]) -> None:
    timeline = fold(history, ZONE)
    assert unpack(pack(timeline)) == timeline


@given(everything)
def test_tracks_ascend_and_say_nothing_twice(history: list[PlacedStatement]) -> None:
    for authorisation in fold(history, ZONE).authorisations:
        for track in (authorisation.stands, authorisation.periods):
            since = [segment.since for segment in track]
            assert since == sorted(set(since))


@given(everything, told(), st.sampled_from(LOSSES), st.integers(0, 13))
def test_another_loss_never_grants(history: list[PlacedStatement], other: PlacedStatement, standing: Standing, at: int) -> None:
    """A loss told besides leaves no authorisation valid that was not."""
    statement = msgspec.structs.replace(other.statement, standing=standing, granted=None, expires=None)
    loss = msgspec.structs.replace(other, statement=statement, message_id="another", derived=standing is Standing.DELISTED)
    assert valid(fold([*history, loss], ZONE), seconds(at)) <= valid(fold(history, ZONE), seconds(at))


@given(exchanges(), st.sampled_from(LOSSES), minutes, minutes, st.sampled_from([Kind.UPDATE, Kind.NOTICE]), st.integers(0, 5))
def test_another_numbered_loss_never_grants(
    history: list[PlacedStatement], standing: Standing, issued: int, at: int, kind: Kind, number: int
) -> None:
    """Nor does one that its sender numbered, whatever its clock said and shows of the clock before it."""
    loss = said(standing, kind, minute(issued), number=2 * number + 1)
    seen = int(minute(at).timestamp())
    assert valid(fold([*history, loss], ZONE), seen) <= valid(fold(history, ZONE), seen)


def test_a_graver_loss_in_an_announced_one_s_place_is_no_easier_lifted() -> None:
    """Suspended from one o'clock, announced; revoked at once besides; at one o'clock a list still names the operator."""
    suspended = said(Standing.SUSPENDED, Kind.NOTICE, hour(0), effect=hour(1))
    revoked = said(Standing.REVOKED, Kind.NOTICE, hour(0))
    listed = said(Standing.VALID, Kind.LIST, hour(1))
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


@given(everything, told(), st.integers(0, 13))
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


@given(
    st.sampled_from([one for one in LOSSES if one is not Standing.DELISTED]),
    st.lists(st.tuples(hours, st.sampled_from([Kind.LIST, Kind.RESPONSE])), min_size=1, max_size=6, unique=True),
    st.integers(0, 13),
)
def test_a_picture_never_lifts_what_was_announced(loss: Standing, pictures: list[tuple[int, Kind]], at: int) -> None:
    """Whatever lists and responses showed before it comes, from its effect on it stands; and an annulment then voids what was before."""
    announced = said(loss, Kind.NOTICE, hour(-1), effect=hour(13))
    seen = [said(Standing.VALID, kind, hour(number)) for number, kind in pictures]
    timeline = fold([announced, *seen], ZONE)
    assert valid(timeline, seconds(13)) == set()
    (authorisation,) = timeline.authorisations
    once_in_effect = authorisation.standing_at(seconds(at), seconds(13))
    assert (once_in_effect is not None and once_in_effect.standing is Standing.ANNULLED) == (loss is Standing.ANNULLED)
    if min(pictures)[0] <= at < 13:
        assert valid(timeline, seconds(at)) == {("A", "1")}  # before that it is not


CLASSES = st.sampled_from([Kind.UPDATE, Kind.NOTICE])


@given(CLASSES.flatmap(lambda kind: st.tuples(st.just(kind), exchanges(kinds=(kind,)))), minutes, st.sampled_from(Standing))
def test_the_highest_number_has_the_last_word(
    numbered: tuple[Kind, list[PlacedStatement]], issued: int, standing: Standing
) -> None:
    """Within one class and epoch, whatever the clocks say."""
    kind, history = numbered
    history = [msgspec.structs.replace(one, sequence=one.sequence or 2 * int(one.message_id[1:]) + 1, epoch=0) for one in history]
    last = said(stated(standing), kind, minute(issued), number=99)
    for at in range(issued, 60):
        stands = ("A", "1") in valid(fold([last, *history], ZONE), int(minute(at).timestamp()))
        assert stands == standing.grants


#: Who said the loss, and who the grant: of two classes, or of two epochs of one.
ACROSS = [
    (one, other) for one in Kind if one in DIALECT_KINDS for other in DIALECT_KINDS if priority_of(one) is not priority_of(other)
]


@given(
    exchanges(),
    st.sampled_from(
        [(loses, grants) for loses, grants in ACROSS if Kind.QUERY not in (loses, grants)] + [(Kind.NOTICE, Kind.NOTICE)]
    ),
    st.sampled_from([one for one in LOSSES if one is not Standing.DELISTED]),
    st.integers(-299, 299),
    st.booleans(),
)
def test_a_loss_within_the_skew_of_a_grant_of_another_class_stands(
    history: list[PlacedStatement], kinds: tuple[Kind, Kind], loss: Standing, apart: int, numbered: bool
) -> None:
    """Closer than five minutes clocks cannot tell which was first; five minutes later a grant is later."""
    loses, grants = kinds
    lost = said(loss, loses, hour(3), number=97 * numbered)
    granted = said(Standing.VALID, grants, hour(3) + timedelta(seconds=apart), number=99 * numbered, epoch=2)
    at = seconds(4)
    assert ("A", "1") not in valid(fold([*history, lost, granted], ZONE), at)
    later = said(Standing.VALID, grants, hour(3) + timedelta(minutes=5), number=99 * numbered, epoch=2)
    assert ("A", "1") in valid(fold([*history, lost, later], ZONE), at)


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
