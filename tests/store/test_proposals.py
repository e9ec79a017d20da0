"""What takes two people: proposed once, agreed to by somebody else and to the letter, ended by what overtakes it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec
import pytest
from sqlalchemy import Connection, select

from gateway.core.access import PrincipalKind
from gateway.core.errors import Refusal
from gateway.core.four_eyes import Decision
from gateway.store import partners, proposals
from gateway.store.database import Database
from gateway.store.proposals import Matter, Proposal
from gateway.store.tables import entry
from tests.rig.people import person

AT = datetime(2026, 6, 15, 4, tzinfo=UTC)
LIST = Matter(Decision.LIST_RELEASE, "a" * 64, "SG", 5)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write.begin() as opened:
        yield opened


def together(connection: Connection, who: str, matter: Matter = LIST, *, two_people: bool = True) -> tuple[str, ...] | Proposal:
    return proposals.propose_or_agree(connection, matter, two_people=two_people, who=person(who), reason="looked at", at=AT)


def noted(connection: Connection) -> list[tuple[str, dict[str, object]]]:
    """What the journal says of proposals: subject, and what each entry says besides who is meant."""
    rows = connection.execute(select(entry.c.subject, entry.c.body).where(entry.c.kind == "proposal").order_by(entry.c.id))
    said = [(row.subject, msgspec.json.decode(row.body)) for row in rows]
    return [(subject, {name: body[name] for name in body if name in ("who", "ended", "proposed_by")}) for subject, body in said]


def test_the_first_call_proposes_and_a_second_persons_same_call_decides(connection: Connection) -> None:
    first = together(connection, "alice")
    assert isinstance(first, Proposal)
    assert first.sentence == "Proposed by alice. It comes in force when a second person releases the very same list."
    assert together(connection, " ALICE") == first, "at most one of a person and content"
    assert proposals.open_now(connection, Decision.LIST_RELEASE) == [first]
    assert together(connection, "bob") == ("alice", "bob")
    assert proposals.open_now(connection, Decision.LIST_RELEASE) == []
    assert noted(connection) == [("list-5", {"who": "alice"})], "the decision itself names both"


def test_a_second_person_agrees_to_the_very_same_and_to_nothing_else(connection: Connection) -> None:
    together(connection, "alice")
    for other in (LIST._replace(digest="b" * 64), LIST._replace(partner="HK"), LIST._replace(decision=Decision.GAINS)):
        assert isinstance(together(connection, "bob", other), Proposal)


def test_where_one_person_is_enough_what_was_proposed_is_done_with(connection: Connection) -> None:
    together(connection, "alice")
    assert together(connection, "bob", two_people=False) == ("bob",)
    assert proposals.open_now(connection, *Decision) == []
    assert noted(connection)[1:] == [("list-5", {"ended": "decided by bob alone", "proposed_by": "alice"})]


def test_who_proposed_the_same_besides_hears_that_it_was_agreed_to(connection: Connection) -> None:
    first, second = Matter(Decision.ANNULMENT, "a" * 64, "SG", 1), Matter(Decision.ANNULMENT, "a" * 64, "SG", 2)
    for matter, who in ((first, "alice"), (second, "carol")):
        proposals.propose(connection, matter, who=person(who), reason="-", at=AT)
    proposals.agree(connection, Decision.ANNULMENT, 1, who=person("bob"), at=AT)
    assert noted(connection)[2:] == [("void-2", {"ended": "bob agreed to the same, as alice proposed it", "proposed_by": "carol"})]
    with pytest.raises(Refusal, match=r"Number 2 is not open\. It ended: bob agreed"):
        proposals.agree(connection, Decision.ANNULMENT, 2, who=person("bob"), at=AT)


def test_only_what_is_open_is_agreed_to_and_by_somebody_else(connection: Connection) -> None:
    agree = partial(proposals.agree, connection, Decision.ANNULMENT, at=AT)
    with pytest.raises(Refusal, match="Number 1 is not open"):
        agree(1, who=person("bob"))
    proposals.propose(connection, Matter(Decision.ANNULMENT, "a" * 64, "SG", 1), who=person("alice"), reason="-", at=AT)
    with pytest.raises(Refusal, match="second person"):
        agree(1, who=person("Alice"))
    agree(1, who=person("bob"))
    with pytest.raises(Refusal, match="Number 1 is not open"):
        agree(1, who=person("carol"))


def test_an_emergency_is_never_one_of_two(connection: Connection) -> None:
    who = person("emergency:0", kind=PrincipalKind.EMERGENCY)
    ask = partial(proposals.propose_or_agree, connection, LIST, who=who, reason="-", at=AT)
    with pytest.raises(Refusal, match="takes two people"):
        ask(two_people=True)
    together(connection, "alice")
    with pytest.raises(Refusal, match="takes two people"):
        ask(two_people=True)
    assert ask(two_people=False) == ("emergency:0",)


def test_a_system_proposes_and_never_confirms(connection: Connection) -> None:
    who = person("a feed", kind=PrincipalKind.SYSTEM)
    together(connection, "alice")
    proposed = proposals.propose_or_agree(connection, LIST, two_people=True, who=who, reason="-", at=AT)
    assert isinstance(proposed, Proposal)
    assert proposed.proposed_by == "a feed"
    proposals.propose(connection, Matter(Decision.ANNULMENT, "a" * 64, "SG", 1), who=person("alice"), reason="-", at=AT)
    with pytest.raises(Refusal, match="a feed is a system"):
        proposals.agree(connection, Decision.ANNULMENT, 1, who=who, at=AT)
    assert together(connection, "bob") == ("alice", "bob")


def test_what_is_set_aside_by_a_person_is_told_apart_from_what_ended_by_itself(connection: Connection) -> None:
    for number in (1, 2, 3):
        proposals.propose(
            connection, Matter(Decision.TRANSCRIPTION, f"{number}" * 64, "SG", number), who=person("alice"), reason="-", at=AT
        )
    proposals.end(connection, [1], Decision.TRANSCRIPTION, because="the wrong file", at=AT, who=person("alice"))
    proposals.end(connection, [2], Decision.TRANSCRIPTION, because="overtaken", at=AT)
    proposals.end(connection, [3], Decision.ANNULMENT, because="another decision of that number", at=AT)
    assert [one.number for one in proposals.open_now(connection, Decision.TRANSCRIPTION)] == [3]
    assert noted(connection)[3:] == [("transcription-2", {"ended": "overtaken", "proposed_by": "alice"})]


def test_any_change_of_what_is_in_force_overtakes_what_is_proposed_of_it(connection: Connection) -> None:
    for iso, digit in (("SG", "a"), ("HK", "b")):
        partners.activate(connection, iso, digit * 64, b"{}", at=AT, who=person("test"), reason="test")
        together(connection, "alice", Matter(Decision.ACTIVATION, "c" * 64, iso))
    partners.set_state(connection, "SG", "suspended", at=AT, who=person("bob"), reason="a test")
    assert [one.partner for one in proposals.open_now(connection, *Decision)] == ["HK"]
    assert noted(connection)[2:] == [
        ("c" * 64, {"ended": f"what is in force changed meanwhile: suspended, data {'a' * 16}", "proposed_by": "alice"})
    ]


def test_what_ended_at_the_upgrade_is_told_for_a_while(connection: Connection) -> None:
    together(connection, "alice")
    proposals.end(connection, [5], Decision.LIST_RELEASE, because=proposals.UPGRADED, at=AT)
    told = partial(proposals.ended_at_upgrade, connection)
    assert [one.subject for one in told(AT)] == [one.subject for one in told(AT, Decision.LIST_RELEASE)] == ["list-5"]
    assert told(AT + timedelta(seconds=1)) == told(AT, Decision.GAINS) == []
