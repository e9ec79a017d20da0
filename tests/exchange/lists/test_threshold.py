"""What changes too much at once waits for a person: lists, updates and notices (exchange/RULES.md, Lists; issue 13, Thresholds)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import msgspec
import pytest
from sqlalchemy import Connection

from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.exchange import void
from gateway.exchange.lists import review
from gateway.exchange.offline import inbound
from gateway.exchange.offline.inbound import Effect
from gateway.exchange.offline.read import Mailed, read
from gateway.store import listings
from gateway.store.tables import applied_change, listing
from tests.exchange.lists.test_lists import europe, made, say, standings, state
from tests.rig.gateway import GatewayFixture
from tests.rig.people import person
from tests.rig.shipped import chosen

__all__ = ["europe"]  # a fixture


def lost(one: Statement) -> Statement:
    return msgspec.structs.replace(one, standing=Standing.SUSPENDED)


def renewed(gateway: GatewayFixture, one: Statement, days: int) -> Statement:
    """The same certificate, to another day."""
    return msgspec.structs.replace(one, expires=(gateway.now + timedelta(days=days)).date())


def tell(gateway: GatewayFixture, said: Sequence[Statement], kind: Kind = Kind.UPDATE) -> str:
    return gateway.send(gateway.boxes["SG"].message(kind, said)).header.refers_to or ""


def listed(gateway: GatewayFixture, count: int, most: int = 1000) -> list[Statement]:
    """So many stand, by a first list of yesterday."""
    gateway.threshold("SG", most)
    said = made(gateway, count)
    say(gateway, said)
    gateway.later(days=1)
    return said


def counted(gateway: GatewayFixture) -> list[tuple[int, int]]:
    return [(row.granting, row.omitting) for row in gateway.rows(applied_change)]


def decide(gateway: GatewayFixture, decision: str) -> None:
    (held,) = gateway.do(listings.held_lists)
    job = partial({"release": review.release, "drop": review.drop}[decision], live=gateway.live(), identity=held.id)
    gateway.do(partial(job, settings=gateway.node.settings, who=person("a person"), reason="asked", at=gateway.now))


def annul(gateway: GatewayFixture, message_id: str) -> None:
    def by_two(connection: Connection) -> None:
        one = void.propose_message(connection, message_id, reason="forged", who=person("alice"), at=gateway.now)
        void.confirm(connection, gateway.partners, one.id, who=person("bob"), at=gateway.now)

    gateway.do(by_two)


def valid(*said: Sequence[Statement]) -> list[str]:
    return ["valid"] * sum(map(len, said))


# ---------------------------------------------------------------- whatever the partner's size


@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_list_of_nobody_is_held(gateway: GatewayFixture, count: int) -> None:
    said = listed(gateway, count)
    say(gateway, [])
    assert state(gateway) == ["applied", "held"]
    assert standings(gateway, said) == valid(said)
    timelines = [gateway.timeline(one.tin) for one in said]
    assert all(one is not None and one.held is not None for one in timelines), "every answer warns"
    decide(gateway, "release")
    assert standings(gateway, said) == ["delisted"] * count, "that is what a person is for"


@pytest.mark.parametrize(
    ("standing", "omitting", "becomes"),
    [
        (40, 8, "applied"),
        (40, 9, "held"),
        (15, 3, "applied"),
        (14, 3, "held"),
        (10, 2, "applied"),
        (4, 3, "held"),
        (3, 2, "applied"),
    ],
)
def test_more_than_a_fifth_and_three_or_more_are_held(gateway: GatewayFixture, standing: int, omitting: int, becomes: str) -> None:
    said = listed(gateway, standing)
    say(gateway, said[omitting:])
    assert state(gateway) == ["applied", becomes]
    assert standings(gateway, said[:omitting]) == (["delisted"] * omitting if becomes == "applied" else valid(said[:omitting]))


@pytest.mark.parametrize(("percent", "becomes"), [(50, "applied"), (49, "held"), (100, "applied"), (0, "held")])
def test_the_share_is_a_setting(gateway: GatewayFixture, percent: int, becomes: str) -> None:
    said = listed(gateway, 10)
    gateway.change("SG", omission_share=chosen(percent))
    say(gateway, said[5:])
    assert state(gateway) == ["applied", becomes]


def test_no_share_lets_a_list_of_nobody_pass(gateway: GatewayFixture) -> None:
    listed(gateway, 2)
    gateway.change("SG", omission_share=chosen(100))
    say(gateway, [])
    assert state(gateway)[-1] == "held"


def test_who_is_suspended_stands_no_more_and_is_no_part_of_the_share(gateway: GatewayFixture) -> None:
    """Of 20 listed five are suspended: three of the other fifteen are exactly a fifth of those who stand, and four are more."""
    said = listed(gateway, 20)
    tell(gateway, [lost(one) for one in said[:5]], Kind.NOTICE)
    gateway.later(hours=1)
    say(gateway, said[8:])
    assert state(gateway) == ["applied", "applied"]
    gateway.later(hours=1)
    say(gateway, said[11:])
    assert state(gateway)[-1] == "held", "three of twelve"


def test_a_share_of_a_member_is_of_those_of_the_member(europe: GatewayFixture) -> None:
    """Four Germans are nothing of the Union and everything of Germany."""
    gateway = europe
    gateway.threshold("EU", 1000)
    said = made(gateway, 200, "EU")
    germans = [one for one in said if one.tin.startswith("DE")][:4]
    others = [one for one in said if not one.tin.startswith("DE")]
    assert len(germans) == 4
    say(gateway, [*germans, *others], "EU")
    gateway.later(days=1)
    say(gateway, germans[3:], "EU", scope="DE")
    assert state(gateway) == ["applied", "held"]
    gateway.later(hours=1)
    say(gateway, [*germans[3:], *others], "EU")
    assert state(gateway)[-1] == "applied", "three of all of them"
    gateway.later(hours=1)
    say(gateway, [], "EU", scope="DE")
    assert state(gateway)[-1] == "held", "one German is left, and a list of nobody is held"
    assert standings(gateway, germans) == [*["delisted"] * 3, "valid"]


def test_a_list_of_nobody_of_a_member_without_operators_changes_nothing(europe: GatewayFixture) -> None:
    gateway = europe
    germans = [one for one in made(gateway, 200, "EU") if one.tin.startswith("DE")]
    say(gateway, germans, "EU")
    gateway.later(days=1)
    say(gateway, [], "EU", scope="FR")
    assert state(gateway) == ["applied", "applied"]
    assert standings(gateway, germans) == valid(germans)


@pytest.mark.parametrize("count", [0, 1, 30])
def test_the_first_list_is_never_held(gateway: GatewayFixture, count: int) -> None:
    """Not even one that names nobody of those whom updates granted before it."""
    gateway.threshold("SG", 3)
    said = made(gateway, 33)
    tell(gateway, said[:3])
    gateway.later(hours=1)
    say(gateway, said[3 : 3 + count])
    assert state(gateway) == ["applied"]
    assert standings(gateway, said[:3]) == ["delisted"] * 3
    assert standings(gateway, said[3 : 3 + count]) == ["valid"] * count
    assert counted(gateway) == [(3, 0)], "nor is it counted"


# ---------------------------------------------------------------- what counts, by partner and day


def test_it_counts_across_lists_updates_and_notices_of_a_day(gateway: GatewayFixture) -> None:
    said = listed(gateway, 20, most=3)
    more = made(gateway, 30)[20:]
    say(gateway, [*said, more[0]])
    gateway.later(hours=1)
    tell(gateway, more[1:2])
    tell(gateway, more[2:3], Kind.NOTICE)
    assert counted(gateway) == [(3, 0)]
    tell(gateway, more[3:4])
    assert standings(gateway, more[:4]) == ["valid", "valid", "valid", None]
    gateway.later(hours=1)
    say(gateway, [*said, *more[:3], more[4]])
    assert state(gateway) == ["applied", "applied", "held", "held"]
    gateway.later(hours=1)
    say(gateway, [*said[3:], *more[:3]])
    assert state(gateway)[-1] == "applied", "what is omitted counts by itself, and of what waits nothing was counted"
    assert counted(gateway) == [(3, 3)]


def test_a_day_is_one_at_home(gateway: GatewayFixture) -> None:
    """Midnight in Beijing is four in the afternoon in London."""
    said = listed(gateway, 3, most=1)
    more = made(gateway, 6)[3:]
    gateway.now = datetime.fromisoformat("2026-06-20T15:59:59+00:00")
    tell(gateway, more[:1])
    tell(gateway, more[1:2])
    gateway.later(seconds=1)
    tell(gateway, more[2:3])
    assert standings(gateway, [*said, *more]) == [*valid(said), "valid", None, "valid"]


def test_partners_are_counted_apart(gateway: GatewayFixture) -> None:
    listed(gateway, 3, most=1)
    gateway.threshold("HK", 1)
    tell(gateway, made(gateway, 4)[3:])
    theirs = made(gateway, 4, "HK")
    say(gateway, theirs[:3], "HK")
    gateway.later(seconds=1)
    gateway.send(gateway.boxes["HK"].message(Kind.UPDATE, theirs[3:]), "HK")
    assert standings(gateway, theirs) == valid(theirs)


def test_what_a_person_released_is_not_counted(gateway: GatewayFixture) -> None:
    listed(gateway, 3, most=2)
    more = made(gateway, 9)[3:]
    tell(gateway, more[:4])
    decide(gateway, "release")
    assert standings(gateway, more[:4]) == valid(more[:4])
    tell(gateway, more[4:6])
    assert standings(gateway, more) == valid(more), "two are still free"
    assert counted(gateway) == [(2, 0)]


@pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.NOTICE])
def test_what_is_raised_to_a_recognised_level_is_granted(gateway: GatewayFixture, kind: Kind) -> None:
    gateway.threshold("SG", 2)
    raised = made(gateway)
    low = [msgspec.structs.replace(one, level="STP") for one in raised]
    say(gateway, low)
    gateway.later(days=1)
    tell(gateway, [msgspec.structs.replace(one, level="STP-Plus") for one in raised[:3]], kind)
    assert state(gateway) == ["applied", "held"]
    for one in raised:
        timeline = gateway.timeline(one.tin)
        assert timeline is not None
        assert [each.level for each in timeline.authorisations] == ["STP"]


@pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.NOTICE, Kind.LIST])
def test_renewals_and_stated_losses_neither_count_nor_wait(gateway: GatewayFixture, kind: Kind) -> None:
    said = listed(gateway, 8, most=1)
    news = [*(renewed(gateway, one, 2000) for one in said[:4]), *map(lost, said[4:])]
    if kind is Kind.LIST:
        say(gateway, news)
    else:
        tell(gateway, news, kind)
    assert {*state(gateway)} == {"applied"}
    assert standings(gateway, said) == [*["valid"] * 4, *["suspended"] * 4]
    for one in said[:4]:
        timeline = gateway.timeline(one.tin)
        assert timeline is not None
        assert timeline.authorisations[0].periods[-1].expires == (gateway.now + timedelta(days=2000)).date().toordinal()
    assert counted(gateway) == []
    gateway.later(hours=1)
    tell(gateway, said[4:5])
    assert standings(gateway, said[4:5]) == ["valid"], "to reinstate is to grant, and one is free"
    assert counted(gateway) == [(1, 0)]
    gateway.later(minutes=10)
    tell(gateway, said[5:6])
    assert standings(gateway, said[5:6]) == ["suspended"]


def test_what_was_omitted_before_the_threshold_fell_holds_no_grant(gateway: GatewayFixture) -> None:
    said = listed(gateway, 20)
    say(gateway, said[3:])
    gateway.threshold("SG", 2)
    gateway.later(minutes=10)
    tell(gateway, said[:1])
    assert standings(gateway, said[:1]) == ["valid"]


def test_an_unknown_threshold_lets_nothing_pass_but_losses_and_renewals(gateway: GatewayFixture) -> None:
    said = listed(gateway, 3)
    gateway.change("SG", threshold=type(gateway.terms("SG").threshold)())
    tell(gateway, [lost(said[0]), renewed(gateway, said[1], 2000)])
    assert state(gateway) == ["applied"]
    tell(gateway, made(gateway, 4)[3:])
    assert state(gateway) == ["applied", "held"]


# ---------------------------------------------------------------- while it waits


def test_omissions_in_several_parts_are_weighed_together(gateway: GatewayFixture) -> None:
    said = listed(gateway, 10)
    then = gateway.now
    say(gateway, said[:4], as_of=then, part=1, parts=2)
    gateway.later(minutes=1)
    assert (state(gateway)[-1], standings(gateway, said)) == ("waiting", valid(said))
    say(gateway, [lost(said[4]), *said[5:7]], as_of=then, part=2, parts=2)
    assert state(gateway)[-1] == "held", "three of ten"
    assert standings(gateway, said) == [*["valid"] * 4, "suspended", *["valid"] * 5]
    gateway.later(hours=1)
    decide(gateway, "release")
    assert standings(gateway, said) == [*["valid"] * 4, "suspended", *["valid"] * 2, *["delisted"] * 3]


@pytest.mark.parametrize("decision", ["release", "drop", "annul"])
def test_a_held_update_is_released_dropped_or_annulled(gateway: GatewayFixture, decision: str) -> None:
    said = listed(gateway, 3, most=2)
    more = made(gateway, 6)[3:]
    message_id = tell(gateway, [lost(said[0]), renewed(gateway, said[1], 2000), *more])
    assert standings(gateway, [*said, *more]) == ["suspended", "valid", "valid", None, None, None]
    gateway.deliver()
    outcomes = dict(gateway.results()[message_id])
    assert outcomes == {one.tin: "accepted" for one in said[:2]} | {one.tin: "held" for one in more}
    (held,) = gateway.do(listings.held_lists)
    assert (held.scope, held.granting, held.omitting, held.messages) == (listings.UPDATE, 3, 0, (message_id,))
    gateway.later(hours=1)
    if decision == "annul":
        annul(gateway, message_id)
    else:
        decide(gateway, decision)
    expected = {
        "release": ["suspended", "valid", "valid", *valid(more)],
        "drop": ["suspended", "valid", "valid", None, None, None],
        "annul": [*valid(said), None, None, None],
    }
    assert standings(gateway, [*said, *more]) == expected[decision]
    assert state(gateway)[-1] == ("released" if decision == "release" else "dropped")
    assert gateway.do(listings.held_lists) == []
    timelines = filter(None, (gateway.timeline(one.tin) for one in [*said, *more]))
    assert all(one.held is None for one in timelines)


def test_a_stated_loss_goes_before_what_is_released_after_it(gateway: GatewayFixture) -> None:
    listed(gateway, 3, most=2)
    more = made(gateway, 6)[3:]
    tell(gateway, more)
    gateway.later(hours=1)
    tell(gateway, [lost(more[0])], Kind.NOTICE)
    gateway.later(hours=1)
    decide(gateway, "release")
    assert standings(gateway, more) == ["suspended", "valid", "valid"]


def test_a_list_that_comes_while_an_update_waits_and_does_not_name_whom_it_grants(gateway: GatewayFixture) -> None:
    """Issued after the update: what is then released is what the list had already overtaken."""
    said = listed(gateway, 3, most=2)
    more = made(gateway, 6)[3:]
    tell(gateway, more)
    before = gateway.now
    gateway.later(hours=1)
    say(gateway, [*said, more[0]])
    assert state(gateway) == ["applied", "held", "applied"]
    assert standings(gateway, more) == ["valid", None, None]
    gateway.later(hours=1)
    decide(gateway, "release")
    assert standings(gateway, [*said, *more]) == [*valid(said), "valid", "delisted", "delisted"]
    (derived,) = [one for one in gateway.said(more[1].tin) if one.derived]
    assert derived.received == gateway.now > before, "known from the decision on"


def test_an_update_that_comes_while_a_list_waits(gateway: GatewayFixture) -> None:
    """It answers for whom it names; the rest still waits, and the released list takes away nothing that was granted after it."""
    said = listed(gateway, 10)
    say(gateway, said[3:])
    assert state(gateway)[-1] == "held"
    gateway.later(hours=1)
    tell(gateway, [renewed(gateway, said[0], 2000), lost(said[1])])
    answered = [timeline and timeline.held is not None for timeline in map(gateway.timeline, [one.tin for one in said[:3]])]
    assert answered == [False, False, True]
    gateway.later(hours=1)
    decide(gateway, "release")
    assert standings(gateway, said[:3]) == ["valid", "suspended", "delisted"]


def test_an_older_list_released_after_a_newer_one_was_applied(gateway: GatewayFixture) -> None:
    said = listed(gateway, 3, most=2)
    more = made(gateway, 6)[3:]
    say(gateway, [*said, *more])
    gateway.later(hours=1)
    say(gateway, [*said, more[0]])
    assert state(gateway) == ["applied", "held", "applied"]
    gateway.later(hours=1)
    decide(gateway, "release")
    assert standings(gateway, [*said, *more]) == [*valid(said), "valid", "delisted", "delisted"]


# ---------------------------------------------------------------- by mail


def _mailed(gateway: GatewayFixture, said: Sequence[Statement], kind: Kind) -> Effect:
    """Transcribed by one person and confirmed by another; what the first was told that it would do."""
    written = io.StringIO(newline="")
    rows = [(one.tin, one.standing, one.name, one.level, one.granted, one.expires) for one in said]
    csv.writer(written).writerows([("tin", "standing", "name", "level", "granted", "expires"), *rows])
    mail = Mailed(file="mail.csv", body=written.getvalue().encode(), kind=kind, as_of=gateway.now)
    found = read(gateway.node, gateway.live(), mail, gateway.now)
    assert not found.refused, found.refused
    done = gateway.do(
        lambda c: inbound.propose(c, gateway.live(), mail, found, reason="a mail", who=person("alice"), at=gateway.now)
    )
    assert done.made is not None
    number = done.made.id
    gateway.do(
        lambda c: inbound.confirm(
            c, number, inbound.again(c, gateway.node, inbound.waiting(c, number)), who=person("bob"), at=gateway.now
        )
    )
    return done.would


def test_what_was_mailed_goes_the_same_way(gateway: GatewayFixture) -> None:
    listed(gateway, 10, most=3)
    said, more = made(gateway, 10), made(gateway, 17)[10:]
    would = _mailed(gateway, [*said, *more[:2]], Kind.LIST)
    assert (would.held, len(would.granting), would.omitting) == (False, 2, ())
    gateway.later(hours=1)
    would = _mailed(gateway, [lost(said[0]), *more[2:4]], Kind.UPDATE)
    assert (would.held, len(would.granting)) == (True, 2), "two more are more than three"
    assert standings(gateway, [said[0], *more[:4]]) == ["suspended", "valid", "valid", None, None]
    gateway.later(hours=1)
    would = _mailed(gateway, [*said[1:7], *more[:2]], Kind.LIST)
    assert (would.held, len(would.omitting)) == (True, 3), "three of eleven"
    assert standings(gateway, said) == ["suspended", *["valid"] * 9]
    assert [row.state for row in gateway.rows(listing)] == ["applied", "applied", "held", "held"]
    assert counted(gateway) == [(2, 0)]


def test_a_picture_is_measured_by_what_stood_at_its_moment(gateway: GatewayFixture) -> None:
    """A late list that omits whom updates granted after it omits nobody."""
    said = listed(gateway, 3)
    late = gateway.boxes["SG"].message(Kind.LIST, said, picture=Picture(as_of=gateway.now))
    gateway.later(minutes=10)
    more = made(gateway, 9)[3:]
    tell(gateway, more)
    gateway.later(minutes=10)
    gateway.send(late)
    assert state(gateway) == ["applied", "applied"]
    assert standings(gateway, more) == valid(more)
