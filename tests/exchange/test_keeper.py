"""What partners hear by the calendar, when they are connected, and what their XML cannot say; what is then on record as told."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection

from gateway.core.arrangement import Binding
from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind
from gateway.exchange.tell import compose, feed
from gateway.node.node import Node
from gateway.running import calendar
from gateway.running.background import Background, Task
from gateway.store import enterprises as stored
from gateway.store.active import ActivePartner
from gateway.store.database import Database
from gateway.views import enterprises
from tests.domestic.made import made_uscc
from tests.exchange.desk import DOWNGRADED, RECTIFYING, Desk, chosen, row
from tests.exchange.house import House

ONE, TWO = "9900000001", "9900000002"


# ---------------------------------------------------------------- partners


def test_a_partner_that_is_not_connected_hears_nothing_and_then_the_list_first(desk: Desk) -> None:
    desk.add("EU", Binding())
    desk.feed(row(2))
    desk.look()
    assert desk.deliver("EU") == []
    desk.change("EU", binding=Binding(pull=True))
    desk.feed(row(3, **DOWNGRADED), row(4))
    assert desk.deliver("EU") == [("list", [("valid", ONE), ("valid", TWO), ("valid", "9900000004")])]
    desk.feed(row(5))
    desk.look()
    assert desk.deliver("EU") == [("update", [("valid", "9900000005")])]


def test_what_happened_while_a_partner_was_suspended_is_told_afterwards(desk: Desk) -> None:
    desk.look()
    desk.set_state("SG", "suspended")
    desk.feed(row(1, **DOWNGRADED), row(2))
    desk.look()
    desk.set_state("SG", "active")
    assert desk.deliver("SG") == []
    desk.look()
    assert desk.deliver("SG") == [("notice", [("revoked", ONE)]), ("update", [("valid", TWO)])]


@pytest.mark.parametrize("terms", [{"in_force": chosen(False)}, {"in_force": chosen(None)}, {"chinese_code": chosen(None)}])
def test_where_nothing_may_be_said_no_list_goes_out_either(desk: Desk, terms: dict[str, Any]) -> None:
    desk.change("SG", **terms)
    desk.feed(row(1, **DOWNGRADED), row(2))
    desk.pass_time(days=40)
    desk.look()
    assert desk.deliver("SG") == []


def test_before_the_feed_has_spoken_no_list_takes_everybodys_benefits_away(database: Database, tmp_path: Path) -> None:
    silent = Desk(database, tmp_path, ["SG"])
    silent.look()
    assert silent.deliver("SG") == []
    silent.feed(row(1, **DOWNGRADED))
    assert silent.deliver("SG") == [("list", [])]


# ---------------------------------------------------------------- by the calendar


def test_a_day_brings_news_by_itself(desk: Desk) -> None:
    desk.look()
    desk.feed(row(1, tier="general-compliance", tier_since="2026-06-17", ground="downgrade", certified_on=None))
    assert desk.deliver("SG") == []
    desk.pass_time(hours=11)  # still the 15th in China
    desk.look()
    desk.pass_time(days=1)
    desk.look()
    assert desk.deliver("SG") == []
    desk.pass_time(hours=2)  # past midnight of the 17th in China
    desk.look()
    desk.look()
    assert desk.deliver("SG") == [("notice", [("revoked", ONE)])]


def test_changed_terms_bring_news_by_themselves(desk: Desk) -> None:
    desk.look()
    desk.share("SG", "name", "granted")
    desk.look()
    assert desk.deliver("SG") == [("update", [("valid", ONE)])]
    assert desk.deliver("HK") == []
    desk.change("SG", chinese_code=chosen("CN+10"))
    desk.look()
    assert desk.deliver("SG") == [("notice", [("revoked", ONE), ("valid", ONE)])]


def test_a_list_comes_on_its_schedule_and_leaves_proofs_alone(desk: Desk) -> None:
    desk.feed(row(2))
    desk.deliver("SG", "held")
    before = desk.told("SG", 1)
    desk.pass_time(days=29)
    desk.look()
    assert desk.deliver("SG") == []
    desk.pass_time(days=1)
    desk.look()
    assert desk.deliver("SG", "accepted") == [("list", [("valid", ONE), ("valid", TWO)])]
    assert desk.told("SG", 1) == before
    assert [(one.statement.tin[-10:], one.outcome) for one in desk.told("SG", 2)] == [(TWO, "accepted")]
    assert desk.deliver("SG") == []


def test_whom_a_list_leaves_out_is_on_record_as_delisted(desk: Desk) -> None:
    live = desk.partners.get("SG")
    with desk.database.write.begin() as connection:
        stored.put(connection, {made_uscc(1): (None, _packed(connection, desk))}, desk.now)
        assert feed.full_list(connection, desk, live, desk.now) == 0
    assert desk.deliver("SG") == [("list", [])]
    assert [one.statement.standing for one in desk.told("SG", 1)] == ["delisted"]
    desk.pass_time(days=1)
    desk.look()
    assert desk.deliver("SG") == []
    desk.feed(row(1, address="2 Nowhere Road"))
    assert desk.deliver("SG") == [("update", [("valid", ONE)])]


def _packed(connection: Any, desk: Desk) -> bytes:
    """Enterprise 1 as if its customs code were gone and nobody had been told yet."""
    state = enterprises.find(connection, made_uscc(1))
    return msgspec.msgpack.encode(msgspec.structs.replace(state, customs_code=None))


def test_a_list_too_large_for_one_message_travels_in_parts(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.exchange.tell.documents.LARGEST", 4096)
    desk.feed(*(row(number) for number in range(2, 30)))
    assert all(kind == "update" for kind, _ in desk.deliver("SG"))
    desk.pass_time(days=31)
    desk.look()
    pictures, named = [], []
    while leased := desk.take_up("SG"):
        assert leased.header.picture
        assert len(leased.payload.encode()) <= 4096
        pictures.append((leased.header.picture.part, leased.header.picture.parts, leased.header.picture.as_of))
        named += [one.tin[-10:] for one in desk.read("SG", leased)]
        desk.arrive(leased)
    count = len(pictures)
    assert count > 2
    assert [(part, parts) for part, parts, _ in pictures] == [(part, count) for part in range(1, count + 1)]
    assert len({as_of for _, _, as_of in pictures}) == 1
    assert sorted(named) == [f"99{number:08d}" for number in range(1, 30)]


def test_a_list_does_not_stand_in_for_an_urgent_loss(desk: Desk) -> None:
    """The loss goes ahead of the list that implies it, however often anybody looks before either is sent."""
    desk.feed(row(2))
    desk.deliver("SG")
    desk.feed(row(1, **DOWNGRADED), row(2, **RECTIFYING))
    desk.pass_time(days=31)
    desk.look()
    desk.pass_time(days=1)
    desk.look()
    assert desk.deliver("SG") == [("notice", [("revoked", ONE), ("suspended", TWO)]), ("list", [("suspended", TWO)])]
    desk.pass_time(days=1)
    desk.look()
    assert desk.deliver("SG") == []


def test_a_list_names_a_code_that_passed_on_once(desk: Desk) -> None:
    desk.feed(row(1, customs_code=None), row(2, customs_code=ONE))
    desk.pass_time(days=31)
    desk.look()
    assert desk.deliver("SG") == [("update", [("valid", ONE)]), ("list", [("valid", ONE)])]
    assert [one.statement.standing for one in desk.told("SG", 2)] == ["valid"]


def test_the_keeper_looks_again_after_a_fault(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.feed(1)
    house.deliver()
    house.later(days=31)
    looks: list[str] = []

    def look(connection: Connection, node: Node, iso: str, at: datetime) -> None:
        looks.append(iso)
        if len(looks) == 1:
            raise OSError("the disk is full")
        _look(connection, node, iso, at)

    async def keep() -> None:
        background, pause = Background(), timedelta(milliseconds=10)
        background.start([Task(name="calendar", step=partial(calendar.keep, house.node), every=pause, late=pause)])
        while len(looks) < 3:
            await asyncio.sleep(0.01)
        await background.stop()

    _look = calendar.look
    monkeypatch.setattr(calendar, "look", look)
    house.run(asyncio.wait_for(keep(), 60))
    house.do(lambda connection: None)
    house.deliver()
    assert house.heard("SG", Kind.LIST)[-1].created == house.now


# ---------------------------------------------------------------- what cannot be said


TOO_LONG = "x" * 301  # for Japan's dialect


def test_one_enterprise_that_cannot_be_said_holds_up_nobody(desk: Desk) -> None:
    desk.add("JP")
    desk.feed(row(2))
    desk.deliver("JP")
    done = desk.feed(row(3, name_en=TOO_LONG), row(4))
    assert [(one.partner, one.uscc, one.code) for one in done.unsaid] == [("JP", made_uscc(3), "schema-invalid")]
    assert desk.deliver("JP") == [("update", [("valid", "9900000004")])]
    assert ("valid", "9900000003") in desk.deliver("SG")[-1][1]
    desk.feed(row(3))
    assert desk.deliver("JP") == [("update", [("valid", "9900000003")])]


def test_a_loss_that_todays_words_cannot_carry_is_told_in_the_words_last_told(desk: Desk) -> None:
    desk.add("JP")
    desk.feed(row(2))
    desk.deliver("JP")
    done = desk.feed(row(1, name_en=TOO_LONG), row(2, **RECTIFYING, name_en=TOO_LONG))
    assert [(one.partner, one.uscc) for one in done.unsaid] == [("JP", made_uscc(1))]
    assert desk.deliver("JP") == [("notice", [("suspended", TWO)])]
    assert [one.statement.name for one in desk.told("JP", 2)] == [row(2)["name_en"]]
    desk.pass_time(days=31)
    desk.look()
    assert desk.deliver("JP")[-1] == ("list", [("valid", ONE), ("suspended", TWO)])


def test_a_partner_whose_documents_speak_of_one_operator_gets_one_each(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    check = compose.validate

    def strict(live: ActivePartner, payload: str, at: datetime) -> None:
        if live.arrangement.iso == "SG" and payload.count("<wco:RoleCode") + payload.count("<wco:ID>") > 2:
            raise Refusal(Code.SCHEMA_INVALID, "one party a message")
        check(live, payload, at)

    monkeypatch.setattr(compose, "validate", strict)
    done = desk.feed(row(2), row(3))
    assert not done.unsaid
    assert desk.deliver("SG") == [("update", [("valid", TWO)]), ("update", [("valid", "9900000003")])]
    assert desk.deliver("HK") == [("update", [("valid", TWO), ("valid", "9900000003")])]


def test_a_partner_whose_xml_takes_no_message_holds_up_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    check, calls = compose.validate, count()

    def moody(live: ActivePartner, payload: str, at: datetime) -> None:
        """Refuses the message, and takes every part of it when it is tried alone."""
        if live.arrangement.iso == "SG" and next(calls) % 2 == 0:
            raise Refusal(Code.SCHEMA_INVALID, "not so")
        check(live, payload, at)

    monkeypatch.setattr(compose, "validate", moody)
    done = desk.feed(row(2))
    assert [(one.partner, one.uscc) for one in done.unsaid] == [("SG", "")]
    assert desk.deliver("SG") == []
    assert desk.deliver("HK") == [("update", [("valid", TWO)])]
    monkeypatch.undo()
    desk.look()
    assert desk.deliver("SG") == [("update", [("valid", TWO)])]


# ---------------------------------------------------------------- queries


def test_a_query_is_answered_and_what_it_says_was_told(desk: Desk) -> None:
    live = desk.partners.get("SG")
    desk.feed(row(1, **RECTIFYING), row(2, **RECTIFYING | {"ground": None}), row(3, **DOWNGRADED | {"ground": None}))
    assert desk.deliver("SG") == [("notice", [("suspended", ONE)])]
    heard = []
    for code in (f"AEOCN{ONE}", f"AEOCN{TWO}", "AEOCN9900000003", "AEOCN9999999999", f"CN{ONE}", "nonsense"):
        with desk.database.write.begin() as connection:
            feed.respond(connection, desk, live, code, "a-query", desk.now)
        heard += desk.deliver("SG")
    assert heard == [
        ("response", [("suspended", ONE)]),
        ("response", [("suspended", TWO)]),
        *[("response", [])] * 4,
    ]
    assert [one.statement.standing for one in desk.told("SG", 2)] == ["suspended"]
    desk.feed(row(2, **DOWNGRADED))
    assert desk.deliver("SG") == [("notice", [("revoked", TWO)])]


# ---------------------------------------------------------------- what was told, as people see it


def test_told_is_one_question(desk: Desk) -> None:
    desk.feed(row(1, **RECTIFYING))
    desk.deliver("SG", "accepted")
    with desk.database.reading() as connection:
        by_uscc, by_code = enterprises.told(connection, made_uscc(1)), enterprises.told(connection, ONE)
    assert by_uscc == by_code
    heard, still = sorted(by_uscc.told, key=lambda one: one.partner, reverse=True)
    assert (heard.partner, heard.statement["tin"], heard.statement["standing"]) == ("SG", f"AEOCN{ONE}", "suspended")
    assert (heard.received, heard.outcome, heard.state) == (desk.now, "accepted", "delivered")
    assert heard.outcome_message
    assert (still.partner, still.state, still.received, still.outcome) == ("HK", "queued", None, None)


def test_an_old_customs_code_still_finds_its_enterprise(desk: Desk) -> None:
    desk.feed(row(1, customs_code="9900000099"))
    desk.deliver("SG")
    with desk.database.reading() as connection:
        told = enterprises.told(connection, ONE)
        assert enterprises.stands(connection, "9900000099", desk.now.date()).enterprise.uscc == made_uscc(1)
    heard = [(one.statement["tin"][-10:], one.statement["standing"]) for one in told.told if one.partner == "SG"]
    assert heard == [(ONE, "revoked"), ("9900000099", "valid")]


@pytest.mark.parametrize("identity", ["", "\0", "１" * 18, "9" * 18, "9900000009", "%", "91999999000000001K\n", "a" * 10_000])
def test_whoever_was_never_heard_of_is_not_found(desk: Desk, identity: str) -> None:
    if identity.strip() == made_uscc(1):
        return
    with desk.database.reading() as connection, pytest.raises(Refusal, match="not-found"):
        enterprises.find(connection, identity)
