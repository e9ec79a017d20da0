"""What partners hear by the calendar, and when they are connected."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection

from gateway.core.arrangement import Binding
from gateway.core.model import Kind
from gateway.exchange.tell import feed
from gateway.node.node import Node
from gateway.running import calendar
from gateway.running.background import Background, Task
from gateway.store import enterprises as stored
from gateway.store.database import Database
from gateway.views import enterprises
from tests.rig.enterprises import DOWNGRADED, RECTIFYING, made_uscc, row
from tests.rig.gateway import GatewayFixture
from tests.rig.shipped import chosen
from tests.rig.telling import TellingFixture

ONE, TWO = "9900000001", "9900000002"


# ---------------------------------------------------------------- partners


def test_a_partner_that_is_not_connected_hears_nothing_and_then_the_list_first(telling: TellingFixture) -> None:
    telling.add("EU", Binding())
    telling.feed(row(2))
    telling.look()
    assert telling.deliver("EU") == []
    telling.change("EU", binding=Binding(pull=True))
    telling.feed(row(3, **DOWNGRADED), row(4))
    assert telling.deliver("EU") == [("list", [("valid", ONE), ("valid", TWO), ("valid", "9900000004")])]
    telling.feed(row(5))
    telling.look()
    assert telling.deliver("EU") == [("update", [("valid", "9900000005")])]


def test_what_happened_while_a_partner_was_suspended_is_told_afterwards(telling: TellingFixture) -> None:
    telling.look()
    telling.set_state("SG", "suspended")
    telling.feed(row(1, **DOWNGRADED), row(2))
    telling.look()
    telling.set_state("SG", "active")
    assert telling.deliver("SG") == []
    telling.look()
    assert telling.deliver("SG") == [("notice", [("revoked", ONE)]), ("update", [("valid", TWO)])]


@pytest.mark.parametrize("terms", [{"in_force": chosen(False)}, {"in_force": chosen(None)}, {"chinese_code": chosen(None)}])
def test_where_nothing_may_be_said_no_list_goes_out_either(telling: TellingFixture, terms: dict[str, Any]) -> None:
    telling.change("SG", **terms)
    telling.feed(row(1, **DOWNGRADED), row(2))
    telling.later(days=40)
    telling.look()
    assert telling.deliver("SG") == []


def test_before_the_feed_has_spoken_no_list_takes_everybodys_benefits_away(database: Database, tmp_path: Path) -> None:
    silent = TellingFixture(tmp_path, ["SG"], database=database)
    silent.look()
    assert silent.deliver("SG") == []
    silent.feed(row(1, **DOWNGRADED))
    assert silent.deliver("SG") == [("list", [])]


# ---------------------------------------------------------------- by the calendar


def test_a_day_brings_news_by_itself(telling: TellingFixture) -> None:
    telling.look()
    telling.feed(row(1, tier="general-compliance", tier_since="2026-06-17", ground="downgrade", certified_on=None))
    assert telling.deliver("SG") == []
    telling.later(hours=11)  # still the 15th in China
    telling.look()
    telling.later(days=1)
    telling.look()
    assert telling.deliver("SG") == []
    telling.later(hours=2)  # past midnight of the 17th in China
    telling.look()
    telling.look()
    assert telling.deliver("SG") == [("notice", [("revoked", ONE)])]


def test_changed_terms_bring_news_by_themselves(telling: TellingFixture) -> None:
    telling.look()
    telling.share("SG", "name", "granted")
    telling.look()
    assert telling.deliver("SG") == [("update", [("valid", ONE)])]
    assert telling.deliver("HK") == []
    telling.change("SG", chinese_code=chosen("CN+10"))
    telling.look()
    assert telling.deliver("SG") == [("notice", [("revoked", ONE), ("valid", ONE)])]


def test_a_list_comes_on_its_schedule_and_leaves_proofs_alone(telling: TellingFixture) -> None:
    telling.feed(row(2))
    telling.deliver("SG", "held")
    before = telling.told("SG", 1)
    telling.later(days=29)
    telling.look()
    assert telling.deliver("SG") == []
    telling.later(days=1)
    telling.look()
    assert telling.deliver("SG", "accepted") == [("list", [("valid", ONE), ("valid", TWO)])]
    assert telling.told("SG", 1) == before
    assert [(one.statement.tin[-10:], one.outcome) for one in telling.told("SG", 2)] == [(TWO, "accepted")]
    assert telling.deliver("SG") == []


def test_whom_a_list_leaves_out_is_on_record_as_delisted(telling: TellingFixture) -> None:
    live = telling.partners.get("SG")
    with telling.database.write.begin() as connection:
        stored.put(connection, {made_uscc(1): (None, _packed(connection, telling))}, telling.now)
        assert feed.full_list(connection, telling.node, live, telling.now) == 0
    assert telling.deliver("SG") == [("list", [])]
    assert [one.statement.standing for one in telling.told("SG", 1)] == ["delisted"]
    telling.later(days=1)
    telling.look()
    assert telling.deliver("SG") == []
    telling.feed(row(1, address="2 Nowhere Road"))
    assert telling.deliver("SG") == [("update", [("valid", ONE)])]


def _packed(connection: Any, telling: TellingFixture) -> bytes:
    """Enterprise 1 as if its customs code were gone and nobody had been told yet."""
    state = enterprises.find(connection, made_uscc(1))
    return msgspec.msgpack.encode(msgspec.structs.replace(state, customs_code=None))


def test_a_list_too_large_for_one_message_travels_in_parts(telling: TellingFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.exchange.tell.documents.LARGEST", 4096)
    telling.feed(*(row(number) for number in range(2, 30)))
    assert all(kind == "update" for kind, _ in telling.deliver("SG"))
    telling.later(days=31)
    telling.look()
    pictures, named = [], []
    while leased := telling.take_up("SG"):
        assert leased.header.picture
        assert len(leased.payload.encode()) <= 4096
        pictures.append((leased.header.picture.part, leased.header.picture.parts, leased.header.picture.as_of))
        named += [one.tin[-10:] for one in telling.read("SG", leased)]
        telling.arrive(leased)
    count = len(pictures)
    assert count > 2
    assert [(part, parts) for part, parts, _ in pictures] == [(part, count) for part in range(1, count + 1)]
    assert len({as_of for _, _, as_of in pictures}) == 1
    assert sorted(named) == [f"99{number:08d}" for number in range(1, 30)]


def test_a_list_does_not_stand_in_for_an_urgent_loss(telling: TellingFixture) -> None:
    """The loss goes ahead of the list that implies it, however often anybody looks before either is sent."""
    telling.feed(row(2))
    telling.deliver("SG")
    telling.feed(row(1, **DOWNGRADED), row(2, **RECTIFYING))
    telling.later(days=31)
    telling.look()
    telling.later(days=1)
    telling.look()
    assert telling.deliver("SG") == [("notice", [("revoked", ONE), ("suspended", TWO)]), ("list", [("suspended", TWO)])]
    telling.later(days=1)
    telling.look()
    assert telling.deliver("SG") == []


def test_a_list_names_a_code_that_passed_on_once(telling: TellingFixture) -> None:
    telling.feed(row(1, customs_code=None), row(2, customs_code=ONE))
    telling.later(days=31)
    telling.look()
    assert telling.deliver("SG") == [("update", [("valid", ONE)]), ("list", [("valid", ONE)])]
    assert [one.statement.standing for one in telling.told("SG", 2)] == ["valid"]


def test_the_keeper_looks_again_after_a_fault(gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.feed(1)
    gateway.deliver()
    gateway.later(days=31)
    looks: list[str] = []

    def look(connection: Connection, node: Node, iso: str, at: datetime) -> None:
        looks.append(iso)
        if len(looks) == 1:
            raise OSError("the disk is full")
        _look(connection, node, iso, at)

    async def keep() -> None:
        background, pause = Background(), timedelta(milliseconds=10)
        background.start([Task(name="calendar", step=partial(calendar.keep, gateway.node), every=pause, late=pause)])
        while len(looks) < 3:
            await asyncio.sleep(0.01)
        await background.stop()

    _look = calendar.look
    monkeypatch.setattr(calendar, "look", look)
    gateway.run(asyncio.wait_for(keep(), 60))
    gateway.do(lambda connection: None)
    gateway.deliver()
    assert gateway.heard("SG", Kind.LIST)[-1].created == gateway.now
