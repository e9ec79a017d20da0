"""Letting people in: who may be the two of a decision then, and what one person can never do alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from gateway.core.access import Actor, PrincipalKind, Scope, StaffRole, Way, itself
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import TIED_FOR, Decision
from gateway.operate import people
from gateway.settings import Settings
from gateway.store import principals, proposals, tokens
from gateway.store.database import Database
from gateway.store.principals import Principal
from gateway.store.proposals import Matter, Proposal
from gateway.store.tables import link, principal
from tests.rig.people import person

AT = datetime(2026, 6, 15, 4, tzinfo=UTC)
TWO = Settings.model_validate({"two_people": True})
ADMINISTRATOR = (StaffRole.ADMINISTRATOR,)
LIST = Matter(Decision.LIST_RELEASE, "a" * 64, "SG", 5)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write.begin() as opened:
        yield opened


def actor(connection: Connection, one: Principal, at: datetime = AT) -> Actor:
    return principals.person(connection, one.id, Way.TERMINAL, at)


def add(connection: Connection, name: str, who: Actor, at: datetime = AT) -> Principal | Proposal:
    done = people.add(connection, name, ADMINISTRATOR, TWO, who=who, reason="a colleague", at=at)
    return done if isinstance(done, Proposal) else done[0]


@pytest.fixture
def two(connection: Connection) -> tuple[Actor, Actor]:
    """The first two persons of an installation."""
    first, _ = people.first(connection, "Zhang", None, who=person("emergency:0", kind=PrincipalKind.EMERGENCY), at=AT)
    second = add(connection, "Li", actor(connection, first))
    assert isinstance(second, Principal)
    return actor(connection, first), actor(connection, second)


def together(connection: Connection, who: Actor, at: datetime = AT) -> tuple[str, ...] | Proposal:
    return proposals.propose_or_agree(connection, LIST, two_people=True, who=who, reason="looked at", at=at)


def test_the_first_is_made_once(connection: Connection, two: tuple[Actor, Actor]) -> None:
    with pytest.raises(Refusal, match="knows people already"):
        people.first(connection, "Mallory", None, who=person("emergency:0", kind=PrincipalKind.EMERGENCY), at=AT)


def test_the_second_is_made_by_the_first_alone_and_is_one_of_two_at_once(connection: Connection, two: tuple[Actor, Actor]) -> None:
    first, second = two
    assert principals.find(connection, second.principal).exempt
    assert isinstance(together(connection, first), Proposal)
    assert together(connection, second) == ("Zhang", "Li")


def test_a_third_takes_both_and_cannot_be_the_other_of_two_with_either_for_a_while(
    connection: Connection, two: tuple[Actor, Actor]
) -> None:
    first, second = two
    assert isinstance(add(connection, "Wang", first), Proposal)
    assert isinstance(add(connection, "Wang", first), Proposal), "nobody is his own second person"
    third = add(connection, "Wang", second)
    assert isinstance(third, Principal)
    assert not third.exempt
    new = actor(connection, third)
    together(connection, first)
    with pytest.raises(Refusal, match="Wang and Zhang cannot be the two: one of them made the other known"):
        together(connection, new)
    later = AT + TIED_FOR + timedelta(seconds=1)
    assert together(connection, new, later) == ("Zhang", "Wang")


def test_two_whom_the_same_person_let_in_are_not_two(connection: Connection, two: tuple[Actor, Actor]) -> None:
    """Who makes two people up decides alone otherwise."""
    puppets = []
    for name in ("Wang", "Zhao"):
        add(connection, name, two[0])
        one = add(connection, name, two[1])
        assert isinstance(one, Principal)
        puppets.append(actor(connection, one))
    together(connection, puppets[0])
    with pytest.raises(Refusal, match="the same person let both in"):
        together(connection, puppets[1])


def test_who_reset_a_sign_in_is_tied_to_that_person(connection: Connection, two: tuple[Actor, Actor]) -> None:
    first, second = two
    people.new_link(connection, "Li", who=first, reason="the telephone is lost", at=AT + timedelta(days=40))
    together(connection, first, AT + timedelta(days=40))
    with pytest.raises(Refusal, match="reset how the other signs in"):
        together(connection, second, AT + timedelta(days=41))
    assert together(connection, second, AT + timedelta(days=71)) == ("Zhang", "Li")


def test_who_changed_roles_is_tied_to_that_person(connection: Connection, two: tuple[Actor, Actor]) -> None:
    people.change(connection, "Li", [StaffRole.APPROVER], Settings.model_validate({}), who=two[0], reason="moved", at=AT)
    together(connection, two[0])
    with pytest.raises(Refusal, match="changed what the other may do"):
        together(connection, two[1])


def test_who_an_emergency_let_in_anew_may_be_anybody(connection: Connection, two: tuple[Actor, Actor]) -> None:
    """Whoever sits at the machine of the database could give himself another's sign-in."""
    first, second = two
    emergency = person("emergency:0", kind=PrincipalKind.EMERGENCY)
    people.new_link(connection, "Li", who=emergency, reason="nobody can sign in", at=AT)
    together(connection, first)
    with pytest.raises(Refusal, match="an emergency, which may have been anybody"):
        together(connection, second)
    assert together(connection, second, AT + TIED_FOR + timedelta(seconds=1)) == ("Zhang", "Li")


def test_the_first_of_all_may_come_in_by_an_emergency(connection: Connection) -> None:
    emergency = person("emergency:0", kind=PrincipalKind.EMERGENCY)
    first, _ = people.first(connection, "Zhang", None, who=emergency, at=AT)
    people.new_link(connection, "Zhang", who=emergency, reason="the link was too old", at=AT)
    second = add(connection, "Li", actor(connection, first))
    assert isinstance(second, Principal)
    together(connection, actor(connection, first))
    assert together(connection, actor(connection, second)) == ("Zhang", "Li")


def a_system(connection: Connection, by: Actor) -> Actor:
    _, secret = tokens.create(connection, "a program", Scope, at=AT, expires=AT + timedelta(days=90), by=by)
    return tokens.holder(connection, secret, Way.TOKEN, AT)


def test_nobody_does_through_a_system_what_ties_him(connection: Connection, two: tuple[Actor, Actor]) -> None:
    """Nor is who made its token the second person after it, however long ago."""
    first, second = two
    program, alone = a_system(connection, first), Settings.model_validate({"oidc_issuer": "https://provider.example"})
    until = AT + timedelta(days=3)
    for act in (
        lambda: people.new_link(connection, "Li", who=program, reason="lost", at=AT),
        lambda: people.give_account(connection, "Li", "4711", alone, who=program, reason="new", at=AT),
        lambda: people.take_account(connection, "Li", who=program, reason="old", at=AT),
        lambda: people.stand_in(connection, "Li", "Zhang", until, who=program, reason="leave", at=AT),
        lambda: people.add(connection, "Wang", ADMINISTRATOR, alone, who=program, reason="more", at=AT),
        lambda: people.change(connection, "Zhang", ADMINISTRATOR, alone, who=program, reason="more", at=AT),
    ):
        with pytest.raises(Refusal, match="a program is a system: people are let in by people"):
            act()
    later = AT + timedelta(days=80)
    assert isinstance(together(connection, program, later), Proposal)
    with pytest.raises(Refusal, match="one of them made a token of the other"):
        together(connection, first, later)
    assert together(connection, second, later) == ("a program", "Li")


def test_a_person_agrees_to_whom_a_system_proposes(connection: Connection, two: tuple[Actor, Actor]) -> None:
    program = a_system(connection, two[0])
    assert isinstance(add(connection, "Wang", program), Proposal)
    third = add(connection, "Wang", two[1])
    assert isinstance(third, Principal)
    assert third.created_by == two[1].principal


def test_one_email_is_one_person(connection: Connection, two: tuple[Actor, Actor]) -> None:
    """Whoever was known here, and came in once more by the provider of sign-in, is no second person."""
    for name, email in (("Wang", "Wang@customs.example"), ("Wang Wu", "wang@customs.example ")):
        principals.add_person(connection, name, ADMINISTRATOR, by=(), at=AT, email=email)
    wang, again = (actor(connection, principals.find(connection, name)) for name in ("Wang", "Wang Wu"))
    together(connection, wang)
    with pytest.raises(Refusal, match="both have one e-mail"):
        together(connection, again)


def test_a_language_is_one_of_ours(connection: Connection, two: tuple[Actor, Actor]) -> None:
    with pytest.raises(Refusal, match="reads one of: en, zh"):
        people.add(connection, "Wang", ADMINISTRATOR, TWO, who=two[0], reason="more", at=AT, language="french")


def test_two_who_agree_at_once_decide_once(database: Database) -> None:
    with database.write.begin() as connection:
        names = ("Zhang", "Li", "Wang")
        those = [actor(connection, principals.add_person(connection, name, ADMINISTRATOR, by=(), at=AT)) for name in names]
        assert isinstance(add(connection, "Zhao", those[0]), Proposal)

    def agree(who: Actor) -> Principal | Proposal | Refusal:
        try:
            with database.write.begin() as connection:
                return add(connection, "Zhao", who)
        except Refusal as refused:
            return refused

    with ThreadPoolExecutor(2) as at_once:
        done = list(at_once.map(agree, those[1:]))
    assert sorted(type(one).__name__ for one in done) == ["Principal", "Proposal"]
    with database.reading() as connection:
        assert principals.persons(connection) == 4


def test_two_tokens_of_one_person_are_one_person(connection: Connection, two: tuple[Actor, Actor]) -> None:
    first, second = two
    secrets = [
        tokens.personal(connection, first.principal, name, at=AT, expires=AT + timedelta(days=1), by=first)[1]
        for name in ("a terminal", "another name")
    ]
    one, same = (tokens.holder(connection, secret, Way.TOKEN, AT) for secret in secrets)
    assert one.id != same.id
    assert isinstance(together(connection, one), Proposal)
    assert isinstance(together(connection, same), Proposal)
    assert together(connection, second) == ("Zhang", "Li")


def test_roles_are_changed_by_two_and_never_ones_own(connection: Connection, two: tuple[Actor, Actor]) -> None:
    first, second = two
    add(connection, "Wang", first)
    add(connection, "Wang", second)
    change = people.change
    with pytest.raises(Refusal, match="Nobody changes what he himself may do"):
        change(connection, "Zhang", [StaffRole.APPROVER], TWO, who=first, reason="more", at=AT)
    assert isinstance(change(connection, "Wang", [StaffRole.AUDITOR], TWO, who=first, reason="moved", at=AT), Proposal)
    done = change(connection, "Wang", [StaffRole.AUDITOR], TWO, who=second, reason="moved", at=AT)
    assert isinstance(done, Principal)
    assert done.roles == (StaffRole.AUDITOR,)


def test_the_last_administrator_stays(connection: Connection, two: tuple[Actor, Actor]) -> None:
    first, _ = two
    people.disable(connection, "Li", who=first, reason="left", at=AT)
    with pytest.raises(Refusal, match="the last administrator"):
        people.disable(connection, "Zhang", who=first, reason="left", at=AT)


def test_who_is_disabled_may_do_nothing(connection: Connection, two: tuple[Actor, Actor]) -> None:
    first, second = two
    _, secret = tokens.personal(connection, second.principal, "a terminal", at=AT, expires=AT + timedelta(days=1), by=second)
    people.disable(connection, "Li", who=first, reason="left", at=AT)
    one = principals.find(connection, "Li")
    with pytest.raises(Refusal) as refused:
        tokens.holder(connection, secret, Way.TOKEN, AT)
    assert refused.value.code is Code.UNAUTHENTICATED
    with pytest.raises(Refusal, match="not known here"):
        actor(connection, one)


def test_a_third_acknowledges_the_second(connection: Connection, two: tuple[Actor, Actor]) -> None:
    first, second = two
    add(connection, "Wang", first)
    third = add(connection, "Wang", second)
    assert isinstance(third, Principal)
    for who in (first, second):
        with pytest.raises(Refusal, match="takes a third"):
            principals.acknowledge(connection, "Li", by=who, at=AT)
    assert not principals.acknowledge(connection, "Li", by=actor(connection, third), at=AT).exempt
    with pytest.raises(Refusal, match="needs no acknowledgement"):
        principals.acknowledge(connection, "Li", by=actor(connection, third), at=AT)


def test_names_tell_people_apart(connection: Connection, two: tuple[Actor, Actor]) -> None:
    for name, said in (
        ("ＺＨＡＮＧ", "goes by the name Zhang"),
        ("Zh\u0430ng", "goes by"),
        ("\u200b", "can be seen"),
        ("a\nb", "can be seen"),
    ):
        with pytest.raises(Refusal, match=said):
            principals.add_person(connection, name, ADMINISTRATOR, by=(), at=AT)


def test_an_id_never_means_a_name_nor_a_name_an_id(connection: Connection, two: tuple[Actor, Actor]) -> None:
    first, second = two
    for name in (first.principal, first.principal.upper(), "0123456789abcdef", "０１２３４５６７８９abcdef"):
        with pytest.raises(Refusal, match="must not look like an id"):
            principals.add_person(connection, name, ADMINISTRATOR, by=(), at=AT)
        with pytest.raises(Refusal, match="must not look like an id"):
            tokens.create(connection, name, [Scope.AUDIT_READ], at=AT, expires=AT + timedelta(days=1), by=first)
    # A token of a release before this one may have such a name: whoever is meant by an id is whoever has it.
    named = principals.add_person(connection, "Mallory", ADMINISTRATOR, by=(), at=AT)
    connection.execute(update(principal).where(principal.c.id == named.id).values(name=second.principal))
    assert principals.find(connection, second.principal).name == "Li"
    assert principals.find(connection, named.id).name == second.principal
    with pytest.raises(Refusal, match="nobody of this id or name"):
        principals.find(connection, "0" * 16)


def test_a_name_is_never_anothers_email(connection: Connection, two: tuple[Actor, Actor]) -> None:
    principals.add_person(connection, "Wang", ADMINISTRATOR, by=(), at=AT, email="wang@customs.example")
    principals.add_person(connection, "sun@customs.example", ADMINISTRATOR, by=(), at=AT, email="sun@customs.example")
    for name, email in (("WANG@customs.example", None), ("Zhao", "sun@customs.example")):
        with pytest.raises(Refusal, match="A name is the e-mail of another"):
            principals.add_person(connection, name, ADMINISTRATOR, by=(), at=AT, email=email)


def test_a_deputy_may_what_the_other_may_for_a_time(connection: Connection, two: tuple[Actor, Actor]) -> None:
    first, second = two
    auditor = principals.add_person(connection, "Qian", [StaffRole.AUDITOR], by=(), at=AT)
    approver = principals.add_person(connection, "Sun", [StaffRole.APPROVER], by=(), at=AT)
    assert Scope.LIST_DECIDE not in actor(connection, auditor).scopes
    until = AT + timedelta(days=3)
    stand_in = people.stand_in
    with pytest.raises(Refusal, match="Nobody names himself"):
        stand_in(connection, "Sun", "Zhang", until, who=first, reason="leave", at=AT)
    with pytest.raises(Refusal, match="named by whoever is away"):
        stand_in(connection, "Sun", "Li", until, who=actor(connection, auditor), reason="leave", at=AT)
    stand_in(connection, "Sun", "Qian", until, who=actor(connection, approver), reason="leave", at=AT)
    assert Scope.LIST_DECIDE in actor(connection, auditor).scopes
    assert Scope.LIST_DECIDE not in actor(connection, auditor, until).scopes
    with pytest.raises(Refusal, match="ends within"):
        stand_in(connection, "Sun", "Qian", AT + timedelta(days=60), who=first, reason="leave", at=AT)
    stood_in = actor(connection, auditor)
    together(connection, actor(connection, approver))
    assert together(connection, stood_in) == ("Sun", "Qian"), "another person, though in the place of somebody"
    assert second.principal != first.principal


def test_links_are_good_once_and_only_the_last(connection: Connection, two: tuple[Actor, Actor]) -> None:
    people.new_link(connection, "Li", who=two[0], reason="lost", at=AT)
    people.new_link(connection, "Li", who=two[0], reason="lost again", at=AT)
    rows = connection.execute(select(link.c.used, link.c.expires).where(link.c.principal == two[1].principal)).all()
    assert [row.used is None for row in rows].count(True) == 1
    assert {row.expires for row in rows} == {AT + people.LINK_FOR}


def test_the_demonstration_makes_two_up_and_production_nobody(connection: Connection, tmp_path: Path) -> None:
    home = tmp_path / "home"
    people.made_up(connection, Settings.model_validate({"home": home, "mode": "production"}), AT)
    assert not principals.anybody(connection)
    assert not home.exists()
    chosen = Settings.model_validate({"home": home})
    people.made_up(connection, chosen, AT)
    people.made_up(connection, chosen, AT)
    assert [one.name for one in principals.listed(connection)] == sorted(people.MADE_UP)
    holders = []
    for file in (chosen.terminal_token, home / people.SECOND):
        assert file.stat().st_mode & 0o777 == 0o600
        holders.append(tokens.holder(connection, file.read_text().strip(), Way.TERMINAL, AT))
    assert isinstance(together(connection, holders[0]), Proposal)
    assert together(connection, holders[1]) == people.MADE_UP


def test_a_system_has_the_scopes_of_its_token(connection: Connection) -> None:
    until = AT + timedelta(days=1)
    _, secret = tokens.create(connection, "a feed", [Scope.DOMESTIC_WRITE], at=AT, expires=until, by=itself("a test"))
    _, other = tokens.create(connection, "a feed", [Scope.DOMESTIC_READ], at=AT, expires=until, by=itself("a test"))
    one, two = (tokens.holder(connection, each, Way.TOKEN, AT) for each in (secret, other))
    assert one.principal == two.principal
    assert (one.kind, [*one.scopes], [*two.scopes]) == (PrincipalKind.SYSTEM, [Scope.DOMESTIC_WRITE], [Scope.DOMESTIC_READ])
    with pytest.raises(Refusal, match="is of a person"):
        tokens.personal(connection, one.principal, "x", at=AT, expires=until, by=itself("a test"))
    assert replace(one, name="another").principal == one.principal
