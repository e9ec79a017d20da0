"""Complete lists: parts, scope, the baseline, the threshold, what is late, and what a person decides (exchange/RULES.md, Lists)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import Decision
from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.exchange import void
from gateway.exchange.lists import review
from gateway.node.committed import Change
from gateway.store import listings, proposals, statements
from gateway.store.database import Database
from gateway.store.proposals import Proposal
from gateway.store.tables import entry, listing, proposal
from tests.rig.gateway import GatewayFixture
from tests.rig.node import START
from tests.rig.people import person


def say(gateway: GatewayFixture, said: Sequence[Statement], iso: str = "SG", **picture: object) -> str:
    """One message of a complete list; its id."""
    shown = Picture(**({"as_of": gateway.now} | picture))  # type: ignore[arg-type]
    return gateway.send(gateway.boxes[iso].message(Kind.LIST, said, picture=shown), iso).header.refers_to or ""


def made(gateway: GatewayFixture, count: int = 6, iso: str = "SG") -> list[Statement]:
    return gateway.boxes[iso].invent(count, 1)


def standings(gateway: GatewayFixture, said: Sequence[Statement]) -> list[str | None]:
    found = [gateway.standing(one.tin) for one in said]
    return [one and one.value for one in found]


def state(gateway: GatewayFixture) -> list[str]:
    return [row.state for row in gateway.rows(listing)]


@pytest.fixture
def europe(database: Database, tmp_path: Path) -> Iterator[GatewayFixture]:
    """An arrangement of several members."""
    with GatewayFixture(tmp_path / "home", ["EU"], database) as gateway:
        yield gateway


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_parts_apply_together_in_whatever_order_they_come(gateway: GatewayFixture, order: tuple[int, ...]) -> None:
    said = made(gateway)
    parts = {1: said[:2], 2: said[2:4], 3: said[4:]}
    ids = {}
    for part in order[:-1]:
        ids[part] = say(gateway, parts[part], as_of=START, part=part, parts=3)
        gateway.later(seconds=1)
    assert standings(gateway, said) == [None] * 6, "incomplete parts grant nothing"
    ids[order[-1]] = say(gateway, parts[order[-1]], as_of=START, part=order[-1], parts=3)
    assert standings(gateway, said) == ["valid"] * 6
    gateway.deliver()
    of_parts = [(one.header.refers_to, [record.outcome for record in one.results]) for one in gateway.boxes["SG"].received]
    waiting = [(ids[part], ["waiting"] * 2) for part in order[:-1]]
    assert of_parts[:2] == waiting
    assert sorted(of_parts[2:]) == sorted((ids[part], ["accepted"] * 2) for part in order), "each part gets its own result"


def test_as_known_between_two_parts_the_list_had_said_nothing(gateway: GatewayFixture) -> None:
    said = made(gateway, 4)
    say(gateway, said[:2], as_of=START, part=1, parts=2)
    between = gateway.now
    gateway.later(hours=1)
    say(gateway, said[2:], as_of=START, part=2, parts=2)
    with gateway.database.reading() as connection:
        tins = [one.tin for one in said]
        assert statements.statements_known_at(connection, "SG", tins, between) == {}
        assert len(statements.statements_known_at(connection, "SG", tins, gateway.now)) == 4


def test_a_part_sent_twice_under_another_id_or_of_another_count_is_refused(gateway: GatewayFixture) -> None:
    said = made(gateway)
    say(gateway, said[:2], part=1, parts=3)
    for part, parts in ((1, 3), (2, 4)):
        body = gateway.boxes["SG"].message(Kind.LIST, said[2:4], picture=Picture(as_of=START, part=part, parts=parts))
        assert gateway.refused(body) == "list-incomplete"


def test_two_parts_that_speak_of_one_authorisation_are_refused(gateway: GatewayFixture) -> None:
    said = made(gateway, 2)
    say(gateway, said, part=1, parts=2)
    body = gateway.boxes["SG"].message(Kind.LIST, said[:1], picture=Picture(as_of=START, part=2, parts=2))
    assert gateway.refused(body) == "operator-repeated"
    assert standings(gateway, said) == [None, None]


def test_a_list_of_the_same_moment_is_refused_once_one_is_applied(gateway: GatewayFixture) -> None:
    say(gateway, made(gateway))
    body = gateway.boxes["SG"].message(Kind.LIST, made(gateway)[:1], picture=Picture(as_of=START))
    assert gateway.refused(body) == "list-incomplete"


# ---------------------------------------------------------------- whom it no longer names


def test_whom_a_list_no_longer_names_is_delisted_as_of_its_moment(gateway: GatewayFixture) -> None:
    said = made(gateway)
    say(gateway, said)
    gateway.later(days=1)
    say(gateway, said[1:])
    assert standings(gateway, said) == ["delisted", *["valid"] * 5]
    (derived,) = [one for one in gateway.said(said[0].tin) if one.derived]
    assert derived.takes_effect == gateway.now


def test_whom_a_statement_issued_later_granted_is_not_delisted(gateway: GatewayFixture) -> None:
    said = made(gateway)
    say(gateway, said[:-1])
    as_of = gateway.now
    gateway.later(days=1)
    gateway.send(gateway.boxes["SG"].message(Kind.NOTICE, said[-1:]))
    gateway.later(hours=1)
    say(gateway, said[:-1], as_of=as_of + (gateway.now - as_of) / 2)
    assert standings(gateway, said) == ["valid"] * 6


def test_a_list_of_one_member_speaks_of_that_member_only(europe: GatewayFixture) -> None:
    gateway = europe
    said = [one for one in made(gateway, 200, "EU") if one.tin[:2] in ("DE", "FR")]
    germans = [one for one in said if one.tin.startswith("DE")]
    french = [one for one in said if one.tin.startswith("FR")]
    assert len(germans) > 1
    assert french
    say(gateway, said, "EU")
    gateway.later(days=1)
    say(gateway, germans[1:], "EU", scope="DE")
    assert standings(gateway, germans) == ["delisted", *["valid"] * (len(germans) - 1)]
    assert set(standings(gateway, french)) == {"valid"}
    body = gateway.boxes["EU"].message(Kind.LIST, french, picture=Picture(as_of=gateway.now, scope="DE"))
    assert gateway.refused(body) == "foreign-operator"


def test_what_was_issued_before_a_list_that_does_not_name_it_comes_too_late(gateway: GatewayFixture) -> None:
    said = made(gateway)
    gateway.send(gateway.boxes["SG"].message(Kind.NOTICE, said[1:2]))
    late = gateway.boxes["SG"].message(Kind.NOTICE, said[:1])
    gateway.later(days=1)
    say(gateway, said[1:])
    gateway.later(seconds=1)
    gateway.send(late)
    assert standings(gateway, said[:2]) == ["delisted", "valid"]


def test_a_late_older_list_overrules_nothing(gateway: GatewayFixture) -> None:
    said = made(gateway)
    say(gateway, said)
    gateway.later(days=2)
    say(gateway, said[:-1])
    body = gateway.boxes["SG"].message(Kind.LIST, said[1:], picture=Picture(as_of=START + (gateway.now - START) / 2))
    gateway.send(body)
    assert standings(gateway, said) == [*["valid"] * 5, "delisted"]


# ---------------------------------------------------------------- the threshold


def test_the_first_list_is_the_baseline_whatever_its_size(gateway: GatewayFixture) -> None:
    gateway.threshold("SG", 2)
    say(gateway, made(gateway))
    assert state(gateway) == ["applied"]


def test_the_first_list_of_one_member_is_no_baseline_once_the_whole_was_listed(europe: GatewayFixture) -> None:
    gateway = europe
    gateway.threshold("EU", 1)
    said = [one for one in made(gateway, 200, "EU") if one.tin.startswith("DE")]
    say(gateway, said, "EU")
    gateway.later(days=1)
    say(gateway, said[3:], "EU", scope="DE")
    assert state(gateway) == ["applied", "held"]


def test_a_list_of_the_whole_is_the_baseline_of_the_members_not_yet_listed(europe: GatewayFixture) -> None:
    gateway = europe
    gateway.threshold("EU", 1)
    said = made(gateway, 200, "EU")
    germans = [one for one in said if one.tin.startswith("DE")]
    say(gateway, germans, "EU", scope="DE")
    gateway.later(days=1)
    say(gateway, said, "EU")
    assert state(gateway) == ["applied", "applied"]


def _held(gateway: GatewayFixture) -> list[Statement]:
    """Six stand; a list then suspends one, omits three and grants three new: more than two of either waits for a person."""
    gateway.threshold("SG", 2)
    said = made(gateway, 9)
    say(gateway, said[:6])
    gateway.later(days=1)
    say(gateway, [msgspec.structs.replace(said[0], standing=Standing.SUSPENDED), *said[1:3], *said[6:]])
    assert state(gateway) == ["applied", "held"]
    return said


def test_while_a_list_is_held_its_losses_count_its_omissions_warn_and_its_grants_grant_nothing(gateway: GatewayFixture) -> None:
    said = _held(gateway)
    assert standings(gateway, said) == ["suspended", *["valid"] * 5, *[None] * 3]
    for one in said[3:6]:
        timeline = gateway.timeline(one.tin)
        assert timeline is not None
        assert timeline.held is not None
    gateway.deliver()
    outcomes = dict(next(results for results in gateway.results().values() if ("held" in dict(results).values())))
    assert outcomes == {one.tin: "accepted" for one in said[:3]} | {one.tin: "held" for one in said[6:]}


def test_the_threshold_counts_across_the_messages_of_a_day(gateway: GatewayFixture) -> None:
    gateway.threshold("SG", 3)
    said = made(gateway, 9)
    say(gateway, said)
    for _ in range(2):
        gateway.later(hours=1)
        said = said[2:]
        say(gateway, said)
    assert state(gateway) == ["applied", "applied", "held"]
    gateway.later(days=1)
    say(gateway, said)
    assert state(gateway)[-1] == "applied", "another day"


@pytest.mark.parametrize("most", [2, 3])
def test_a_list_that_raises_operators_to_a_recognised_level_grants(gateway: GatewayFixture, most: int) -> None:
    """Singapore's STP lends nothing, its STP-Plus does."""
    gateway.threshold("SG", most)
    raised = [msgspec.structs.replace(one, level="STP-Plus") for one in made(gateway)]
    said = [msgspec.structs.replace(one, level="STP") for one in raised[:3]] + raised[3:]
    say(gateway, said)
    gateway.later(days=1)
    say(gateway, raised)
    assert state(gateway) == ["applied", "applied" if most == 3 else "held"]
    for one in raised[:3]:
        timeline = gateway.timeline(one.tin)
        assert timeline is not None
        levels = [each.level for each in timeline.authorisations if (stand := each.stands[-1]) and stand.standing.grants]
        assert levels == (["STP-Plus"] if most == 3 else ["STP"]), "held, it grants nothing new"


def test_a_list_that_renews_what_had_run_out_grants(gateway: GatewayFixture) -> None:
    gateway.threshold("SG", 2)
    said = [msgspec.structs.replace(one, expires=(START + timedelta(days=30)).date()) for one in made(gateway)]
    say(gateway, said)
    gateway.later(days=60)
    say(gateway, [msgspec.structs.replace(one, expires=(START + timedelta(days=700)).date()) for one in said])
    assert state(gateway) == ["applied", "held"]


@pytest.mark.parametrize("kind", [Kind.UPDATE, Kind.NOTICE])
def test_what_an_update_or_a_notice_grants_beyond_the_threshold_waits_and_its_losses_do_not(
    gateway: GatewayFixture, kind: Kind
) -> None:
    gateway.threshold("SG", 2)
    said = made(gateway)
    say(gateway, said[:2])
    box = gateway.boxes["SG"]
    gateway.send(box.message(kind, [said[2]]))
    lost = msgspec.structs.replace(said[0], standing=Standing.SUSPENDED)
    gateway.send(box.message(kind, [lost, said[1], *said[3:5]]))
    assert standings(gateway, said) == ["suspended", "valid", "valid", None, None, None]
    assert state(gateway) == ["applied", "held"]
    gateway.send(box.message(kind, [said[5]]))
    assert standings(gateway, said)[5] == "valid", "of what waits nothing was counted"
    _decide(gateway, "release", 2)
    assert standings(gateway, said) == ["suspended", *["valid"] * 5]


# ---------------------------------------------------------------- a person decides


def _decide(gateway: GatewayFixture, decision: str, identity: int | None = None, who: str = "a person") -> Change | Proposal:
    (held,) = gateway.do(listings.held_lists) if identity is None else (None,)
    chosen = identity if held is None else held.id
    decide = {"release": review.release, "drop": review.drop}[decision]
    return gateway.do(
        partial(
            decide,
            live=gateway.live(),
            identity=chosen,  # type: ignore[arg-type]
            settings=gateway.node.settings,
            who=person(who),
            reason="asked the partner",
            at=gateway.now,
        )
    )


def test_a_person_releases_a_held_list(gateway: GatewayFixture) -> None:
    said = _held(gateway)
    before = gateway.now
    gateway.later(hours=1)
    changed = _decide(gateway, "release")
    assert isinstance(changed, Change)
    assert standings(gateway, said) == ["suspended", "valid", "valid", *["delisted"] * 3, *["valid"] * 3]
    assert set(changed.timelines) == {one.tin for one in said[3:]}
    assert gateway.journal("decision")
    with gateway.database.reading() as connection:
        (told, *_) = statements.statements_known_at(connection, "SG", [said[6].tin], before)[said[6].tin]
    assert told.held, "as known before it was still held"


def test_releasing_delists_also_who_came_in_meanwhile_and_is_not_named(gateway: GatewayFixture) -> None:
    late = made(gateway, 10)[9]
    body = gateway.boxes["SG"].message(Kind.NOTICE, [late])
    said = _held(gateway)
    gateway.later(hours=1)
    gateway.send(body)
    assert standings(gateway, [late]) == ["valid"]
    _decide(gateway, "release")
    assert standings(gateway, [late]) == ["delisted"]
    assert standings(gateway, said)[3] == "delisted"


def test_a_person_drops_a_held_list_and_its_losses_stay(gateway: GatewayFixture) -> None:
    said = _held(gateway)
    gateway.later(hours=1)
    _decide(gateway, "drop")
    assert standings(gateway, said) == ["suspended", *["valid"] * 5, *[None] * 3]
    timeline = gateway.timeline(said[4].tin)
    assert timeline is not None
    assert timeline.held is None
    assert state(gateway) == ["applied", "dropped"]


def test_a_list_is_decided_once(gateway: GatewayFixture) -> None:
    _held(gateway)
    _decide(gateway, "drop")
    with pytest.raises(Refusal) as refused:
        _decide(gateway, "release", 2)
    assert refused.value.code is Code.NOT_FOUND


# ---------------------------------------------------------------- two people decide


@pytest.fixture
def asking(gateway: GatewayFixture) -> GatewayFixture:
    """Its settings ask for two people."""
    gateway.node.settings = gateway.settings.model_copy(update={"two_people": True})
    return gateway


def test_two_people_release_a_held_list(asking: GatewayFixture) -> None:
    said = _held(asking)
    before = standings(asking, said)
    for who in ("alice", "alice"):
        proposed = _decide(asking, "release", who=who)
        assert isinstance(proposed, Proposal)
        assert proposed.sentence == "Proposed by alice. It comes in force when a second person releases the very same list."
    assert (standings(asking, said), state(asking)) == (before, ["applied", "held"])
    asking.later(hours=1)
    assert isinstance(_decide(asking, "release", who="bob"), Change)
    assert standings(asking, said) == ["suspended", "valid", "valid", *["delisted"] * 3, *["valid"] * 3]
    (decided,) = [msgspec.json.decode(row.body) for row in asking.rows(entry) if row.kind == "decision"]
    assert decided["who"] == ["alice", "bob"]
    assert _open(asking) == []


def test_one_person_drops_a_held_list_whatever_another_proposed(asking: GatewayFixture) -> None:
    _held(asking)
    _decide(asking, "release", who="alice")
    assert isinstance(_decide(asking, "drop", who="bob"), Change)
    assert _open(asking) == []
    (ended,) = [row for row in asking.rows(proposal) if row.state == "ended"]
    assert ended.because == "the list was dropped"


def test_annulling_what_a_held_list_says_ends_what_is_proposed_of_it(asking: GatewayFixture) -> None:
    _held(asking)
    _decide(asking, "release", who="alice")
    (held,) = asking.do(listings.held_lists)

    def annul(connection: Connection) -> None:
        one = void.propose_message(connection, held.messages[0], reason="forged", who=person("alice"), at=asking.now)
        void.confirm(connection, asking.partners, one.id, who=person("bob"), at=asking.now)

    asking.do(annul)
    assert _open(asking) == []
    with pytest.raises(Refusal, match="waits for a person"):
        _decide(asking, "release", held.id, who="bob")


def _open(gateway: GatewayFixture) -> list[Proposal]:
    with gateway.database.reading() as connection:
        return proposals.open_now(connection, *Decision)
