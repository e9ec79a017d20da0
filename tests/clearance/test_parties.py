"""Who the domestic parties of a declaration are: what was typed, who had a customs code then, and how they stood, as known now or then."""

from __future__ import annotations

from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clearance.parties import domestic, domestic_of
from gateway.core.home import Tier
from gateway.core.question import Party
from gateway.store.database import Database
from tests.rig.enterprises import made_uscc, row
from tests.rig.node import START
from tests.rig.telling import TellingFixture
from tests.rig.volume import times

CODE, FIRST, SECOND = "9900000001", made_uscc(1), made_uscc(2)
TODAY = date(2026, 6, 15)
GENERAL = {"tier": "general-compliance", "certified_on": None}
DISCREDITED = {"tier": "discredited", "certified_on": None}


@pytest.fixture
def telling(database: Database, tmp_path: Path) -> TellingFixture:
    """A gateway without partners, on each database; its clock begins at noon in China."""
    return TellingFixture(tmp_path, [], database)


def party(telling: TellingFixture, typed: str, on: date | None = None, known_at: datetime | None = None) -> Party:
    with telling.database.reading() as connection:
        (found,) = domestic(connection, (typed,), on or telling.now.date(), known_at)
    return found


def say(telling: TellingFixture, *rows: dict[str, object], **span: float) -> datetime:
    """The feed says this, and every row is taken; the moment. Then time passes."""
    report = telling.feed(*rows)
    assert (report.taken, report.refused) == (len(rows), [])
    at = telling.now
    telling.now += timedelta(**(span or {"hours": 1}))
    return at


# ---------------------------------------------------------------- a code that passes on


def test_a_code_is_that_of_who_had_it_on_the_day_and_as_was_known_then(telling: TellingFixture) -> None:
    """The first enterprise, Discredited, gives its code up; the second, of General Compliance, takes it nine days later."""
    unheard = telling.now - timedelta(hours=1)
    say(telling, row(1, **DISCREDITED), row(2, customs_code=None, **GENERAL), days=10)
    before = telling.now - timedelta(seconds=1)
    given_up = say(telling, row(1, customs_code=None, **DISCREDITED), days=9)
    between = telling.now - timedelta(seconds=1)
    taken = say(telling, row(2, customs_code=CODE, **GENERAL), days=1)
    first, gone = (Party(id=CODE, tier=Tier.DISCREDITED, passed_on=day) for day in (None, given_up.date()))
    second = Party(id=CODE, tier=Tier.GENERAL, passed_on=taken.date())
    assert (given_up.date(), taken.date()) == (date(2026, 6, 25), date(2026, 7, 4))

    # As known now: by the day asked about.
    assert party(telling, CODE) == second
    assert party(telling, CODE, date(2026, 7, 4)) == second
    for day in (date(2026, 7, 3), date(2026, 6, 25), date(2026, 6, 24), date(2026, 5, 1)):
        assert party(telling, CODE, day) == gone, day
    # As known then: the table of then, whatever the day.
    assert party(telling, CODE, known_at=unheard) == Party(id=CODE, known=False)
    assert party(telling, CODE, known_at=before) == first
    assert party(telling, CODE, known_at=between) == gone
    assert party(telling, CODE, date(2026, 5, 1), telling.now) == gone
    assert party(telling, CODE, known_at=telling.now) == second
    # By its USCC an enterprise is itself, and nothing passed on.
    assert party(telling, FIRST) == Party(id=FIRST, tier=Tier.DISCREDITED)
    assert party(telling, SECOND) == Party(id=SECOND, tier=Tier.GENERAL)


def test_a_code_given_up_and_taken_by_nobody_names_who_had_it_last(telling: TellingFixture) -> None:
    """Or whoever is Discredited could shed that by a change of code."""
    say(telling, row(1, **DISCREDITED))
    changed = say(telling, row(1, customs_code="9900000701", **DISCREDITED))
    assert party(telling, CODE) == Party(id=CODE, tier=Tier.DISCREDITED, passed_on=changed.date())
    assert party(telling, "9900000701") == Party(id="9900000701", tier=Tier.DISCREDITED)
    assert party(telling, "9900000701", date(2026, 5, 1)) == Party(id="9900000701", tier=Tier.DISCREDITED)


def test_the_state_is_that_of_the_holder_and_of_now(telling: TellingFixture) -> None:
    """Who had the code then is judged by all that is known of it now, on the day asked about."""
    say(telling, row(1, **GENERAL))
    say(telling, row(1, customs_code=None, **GENERAL))
    say(telling, row(2, customs_code=CODE, **GENERAL), days=3)
    say(telling, row(1, customs_code=None, ground="downgrade", **(DISCREDITED | {"tier_since": "2026-06-01"})))
    assert party(telling, CODE, date(2026, 6, 14)).tier is Tier.DISCREDITED
    assert party(telling, CODE, date(2026, 5, 31)).tier is Tier.GENERAL
    assert party(telling, CODE).tier is Tier.GENERAL


def test_several_records_of_one_feed_and_day(telling: TellingFixture) -> None:
    """The last of a day has the code on it; all came at one moment."""
    say(
        telling,
        row(1, **DISCREDITED),
        row(1, customs_code=None, **DISCREDITED),
        row(2, customs_code=CODE, **GENERAL),
        row(2, customs_code=None, **GENERAL),
        row(3, customs_code=CODE, tier="certified"),
    )
    assert party(telling, CODE) == Party(id=CODE, tier=Tier.CERTIFIED, passed_on=TODAY)
    assert party(telling, CODE, TODAY - timedelta(days=1)) == Party(id=CODE, tier=Tier.DISCREDITED, passed_on=TODAY)
    assert party(telling, CODE, known_at=telling.now) == party(telling, CODE)


def test_a_day_begins_in_china(telling: TellingFixture) -> None:
    say(telling, row(1, **DISCREDITED), hours=11, minutes=59)
    assert telling.now.isoformat() == "2026-06-15T15:59:00+00:00"
    telling.now += timedelta(minutes=1)
    say(telling, row(1, customs_code=None, **DISCREDITED), row(2, customs_code=CODE, **GENERAL))
    assert party(telling, CODE, date(2026, 6, 15)).tier is Tier.DISCREDITED
    assert party(telling, CODE, date(2026, 6, 16)) == Party(id=CODE, tier=Tier.GENERAL, passed_on=date(2026, 6, 16))


def test_who_had_it_again_never_lost_it(telling: TellingFixture) -> None:
    say(telling, row(1, **DISCREDITED), days=2)
    without = say(telling, row(1, customs_code=None, **DISCREDITED), days=2)
    assert party(telling, CODE).passed_on == without.date()
    say(telling, row(1, **DISCREDITED), days=2)
    assert party(telling, CODE) == Party(id=CODE, tier=Tier.DISCREDITED)
    assert party(telling, CODE, without.date()) == Party(id=CODE, tier=Tier.DISCREDITED)
    assert party(telling, CODE, known_at=without + timedelta(hours=1)).passed_on == without.date()


def test_a_code_goes_back_and_forth_between_two(telling: TellingFixture) -> None:
    say(telling, row(1, **DISCREDITED), days=2)
    say(telling, row(1, customs_code=None, **DISCREDITED), row(2, customs_code=CODE, **GENERAL), days=2)
    say(telling, row(2, customs_code=None, **GENERAL), row(1, **DISCREDITED), days=2)
    days = (date(2026, 6, 14), date(2026, 6, 17), date(2026, 6, 18), date(2026, 6, 19), date(2026, 6, 21))
    found = [(party(telling, CODE, day).tier, party(telling, CODE, day).passed_on) for day in days]
    assert found == [
        (Tier.DISCREDITED, date(2026, 6, 17)),
        (Tier.GENERAL, date(2026, 6, 19)),
        (Tier.GENERAL, date(2026, 6, 19)),
        (Tier.DISCREDITED, date(2026, 6, 19)),
        (Tier.DISCREDITED, date(2026, 6, 19)),
    ]


def test_a_record_that_changes_nothing_of_the_code_changes_nothing_of_who_has_it(telling: TellingFixture) -> None:
    say(telling, row(1, **GENERAL), days=1)
    say(telling, row(1, name_zh="虚构更名企业有限公司", **GENERAL), days=1)
    say(telling, row(1, ground="downgrade", **(DISCREDITED | {"tier_since": "2026-06-16"})), days=1)
    assert party(telling, CODE) == Party(id=CODE, tier=Tier.DISCREDITED)
    assert telling.feed(row(1, ground="downgrade", **(DISCREDITED | {"tier_since": "2026-06-16"}))).repeated == 1
    assert party(telling, CODE) == Party(id=CODE, tier=Tier.DISCREDITED)


def test_what_waits_for_a_person_has_its_code_already(telling: TellingFixture) -> None:
    """A code is no gain: who it belongs to holds at once, and letting the gain through passes nothing on."""
    say(telling, row(1, **DISCREDITED), days=1)
    report = telling.feed(row(1, customs_code="9900000701", ground="other", tier_since="2026-06-16"))
    held = report.flagged[0].record
    assert held is not None
    telling.now += timedelta(days=1)
    assert party(telling, "9900000701").tier is Tier.DISCREDITED
    telling.confirm(held)
    assert party(telling, "9900000701") == Party(id="9900000701", tier=Tier.ADVANCED)
    assert party(telling, CODE).passed_on == date(2026, 6, 16)


# ---------------------------------------------------------------- what was typed


@pytest.mark.parametrize(
    ("typed", "number", "slips"),
    [
        (CODE, CODE, ()),
        (FIRST, FIRST, ()),
        (f"CN{CODE}", CODE, ("country",)),
        (f"AEOCN{CODE}", CODE, ("country",)),
        (f"CN{FIRST}", FIRST, ("country",)),
        (f"AEOCN{FIRST}", FIRST, ("country",)),
        (f"aeo<cn{CODE}>", CODE, ("lower-case", "brackets", "country")),
        (f"AEO{CODE}", CODE, ("prefix",)),
        (f"AEO <{FIRST}>", FIRST, ("brackets", "prefix")),
        (f"＜ＣＮ{CODE}＞", CODE, ("full-width", "brackets", "country")),
        ("９９００００００01", CODE, ("full-width",)),
        (f" {CODE}\n", CODE, ("blanks",)),
        ("99 0000 0001", CODE, ("blanks",)),
        ("9900-000001", CODE, ("hyphens",)),
        ("CN 9900－000001", CODE, ("full-width", "hyphens", "blanks", "country")),
        ("CN\u20109900\u2013000001", CODE, ("hyphens", "country")),
        ("CN\xa09900\u2014\u2014000001", CODE, ("blanks", "hyphens", "country")),
        (FIRST.lower(), FIRST, ("lower-case",)),
        (f"{FIRST[:8]}-{FIRST[8:]}", FIRST, ("hyphens",)),
    ],
)
def test_a_party_is_read_as_an_overseas_code_is_and_told_as_folded(
    telling: TellingFixture, typed: str, number: str, slips: tuple[str, ...]
) -> None:
    at = say(telling, row(1, **DISCREDITED))
    for known_at in (None, at):
        found = party(telling, typed, known_at=known_at)
        assert (found.id, found.tier, found.known) == (number, Tier.DISCREDITED, True)
        assert (found.declared, tuple(map(str, found.slips))) == ((typed, slips) if slips else (None, ()))


@pytest.mark.parametrize(
    "typed",
    ["", "NO", "AEO", "CN", "AEOCN", "-", "\x00", "\ud800", "９" * 9, "99000000011", CODE[:-1] + "O", "x" * 400, "a stranger", "%"],
)
def test_what_is_no_number_is_known_to_nobody(telling: TellingFixture, typed: str) -> None:
    at = say(telling, row(1, **DISCREDITED))
    for known_at in (None, at):
        found = party(telling, typed, known_at=known_at)
        assert (found.tier, found.suspended, found.known, found.passed_on) == (None, False, False, None)


def test_one_typed_twice_is_one_party(telling: TellingFixture) -> None:
    say(telling, row(1, **DISCREDITED))
    with telling.database.reading() as connection:
        found = domestic(connection, (CODE, f"CN{CODE}", f"AEOCN{CODE}", FIRST, FIRST), TODAY)
    assert [(one.id, one.declared) for one in found] == [(CODE, f"CN{CODE}"), (FIRST, None)]


# ---------------------------------------------------------------- how it stands


@pytest.mark.parametrize(
    ("status", "suspended"), [("active", False), ("partially-suspended", False), ("suspended", True), ("rectifying", True)]
)
def test_suspended_is_who_is_suspended_as_a_whole(telling: TellingFixture, status: str, suspended: bool) -> None:
    at = say(telling, row(1, measure_status=status))
    for known_at in (None, at):
        assert party(telling, CODE, known_at=known_at) == Party(id=CODE, tier=Tier.ADVANCED, suspended=suspended)


#: What feeds say one after another, each some days after the one before: who has which code, and whether it is Discredited.
_FEEDS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.lists(st.tuples(st.integers(1, 3), st.sampled_from((CODE, "9900000002", None)), st.booleans()), max_size=4),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=times(30), deadline=None)
@given(_FEEDS)
@pytest.mark.long
def test_as_known_then_is_what_was_answered_then(feeds: list[tuple[int, list[tuple[int, str | None, bool]]]]) -> None:
    """Whatever came later; and of a code the law in one line: who took it last by that day, or else who had it first."""
    with TemporaryDirectory() as folder, closing(Database(f"sqlite:///{folder}/gateway.db")) as database:
        database.migrate()
        telling = TellingFixture(Path(folder), [], database)
        answered: list[tuple[datetime, str, date, Party]] = []
        took: list[tuple[str, date, str]] = []
        has: dict[str, str | None] = {}
        days = [TODAY + timedelta(days=day) for day in range(-1, 18, 3)]
        for pause, said in feeds:
            for number, code, bad in said:
                uscc, tier = made_uscc(number), DISCREDITED if bad else GENERAL
                telling.feed(row(number, customs_code=code, **tier))
                if code and code not in has.values():
                    took.append((code, telling.now.date(), uscc))
                if code is None or code not in has.values():
                    has[uscc] = code
            for code in (CODE, "9900000002"):
                for day in days:
                    found = party(telling, code, day)
                    answered.append((telling.now, code, day, found))
                    takers = [uscc for one, _, uscc in took if one == code]
                    by_then = [uscc for one, since, uscc in took if one == code and since <= day]
                    assert found.known is bool(takers)
                    if takers:
                        assert found.tier is party(telling, (by_then or takers[:1])[-1], day).tier
            telling.now += timedelta(days=pause, minutes=1)
        for moment, code, day, found in answered:
            assert party(telling, code, day, moment) == found


def test_many_are_looked_up_as_each_alone(telling: TellingFixture) -> None:
    """Of forty enterprises a third passed its code on to the next but one; asked about on three days, now and as known at each step."""
    moments = [say(telling, *(row(number, **(DISCREDITED if number % 2 else GENERAL)) for number in range(40)), days=2)]
    moments.append(say(telling, *(row(number, customs_code=None, **GENERAL) for number in range(0, 40, 3)), days=2))
    moments.append(
        say(telling, *(row(number + 2, customs_code=f"99{number:08d}", **GENERAL) for number in range(0, 36, 3)), days=2)
    )
    days = (date(2026, 6, 14), date(2026, 6, 18), date(2026, 6, 21))
    asked = [((f"99{number:08d}", f"CN {made_uscc(number + 1)}"), day) for number in range(39) for day in days]
    for known_at in (None, START - timedelta(days=1), *moments):
        with telling.database.reading() as connection:
            together = domestic_of(connection, asked, known_at)
            assert [*together] == asked
            for ids, on in asked:
                assert together[ids, on] == domestic(connection, ids, on, known_at)
