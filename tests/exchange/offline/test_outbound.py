"""Our list for a partner that is not connected: what a list of ours may say, in its columns, noted as told and never as proven."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind
from gateway.core.terms import Term
from gateway.exchange.offline import outbound
from gateway.exchange.offline.outbound import Transcript
from gateway.journal import evidence
from gateway.running import calendar
from gateway.store import disclosures
from gateway.store.database import Database
from gateway.views import enterprises
from gateway.views import messages as views
from gateway.views.search import MessageSearch, search
from gateway.wire.sheet import Columns, Sheet
from tests.rig.enterprises import DOWNGRADED, RECTIFYING, made_uscc
from tests.rig.gateway import GatewayFixture
from tests.rig.people import person

pytestmark = pytest.mark.long

COLUMNS = (
    ("No.", ""),
    ("AEO code", "{tin}"),
    ("Company", "{name}"),
    ("Company (local)", "{name_local}?"),
    ("Grade", "{level}?"),
    ("Status", "{standing|standing}"),
)
WORDS = {"standing": {"Active": "valid", "On hold": "suspended"}}


@pytest.fixture
def gateway(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GatewayFixture]:
    """Singapore is not connected, and mails spreadsheets of its own."""
    with GatewayFixture(tmp_path / "home", database=database) as made:
        made.over_links(monkeypatch)
        made.bind("SG", endpoint=None, pull=False)
        columns(made, COLUMNS)
        yield made


def columns(gateway: GatewayFixture, mapped: tuple[tuple[str, str], ...], **always: str) -> None:
    live = gateway.live()
    sheet = Sheet(Columns(mapped, WORDS, {}, always))
    assert sheet.columns.faults == []
    gateway.partners.put("SG", replace(live, bundle=replace(live.bundle, sheet=sheet)))


def write(gateway: GatewayFixture, name: str = "list.csv") -> Transcript:
    return gateway.do(lambda c: outbound.write(c, gateway.node, gateway.live(), name, who=person("alice"), at=gateway.now))


def rows(done: Transcript) -> list[list[str]]:
    return list(csv.reader(done.body.decode("utf-8-sig").splitlines()))


def told(gateway: GatewayFixture, number: int) -> list[tuple[str, str, str, bool]]:
    with gateway.database.reading() as connection:
        found = disclosures.told(connection, partner="SG", usccs=[made_uscc(number)])
    return [(one.statement.tin, one.statement.standing.value, one.state, one.proven) for one in found]


def test_it_says_what_may_be_told_in_the_partners_columns(gateway: GatewayFixture) -> None:
    gateway.feed(1, 2)
    gateway.feed(3, **DOWNGRADED)
    done = write(gateway)
    assert rows(done) == [
        ["No.", "AEO code", "Company", "Company (local)", "Grade", "Status"],
        ["", "AEOCN9900000001", "Made-Up Sample Enterprise No. 00001 Ltd", "", "", "Active"],
        ["", "AEOCN9900000002", "Made-Up Sample Enterprise No. 00002 Ltd", "", "", "Active"],
    ], "the tier, and the Chinese name that is not shared, stay at home"
    assert (done.named, done.no_place, done.unsaid) == (2, [], [])
    assert told(gateway, 1) == [("AEOCN9900000001", "valid", "mailed", False)]
    assert told(gateway, 3) == []


def test_the_same_as_a_workbook(gateway: GatewayFixture) -> None:
    gateway.feed(1)
    reading = gateway.live().bundle.sheet.read("a.xlsx", write(gateway, "a.xlsx").body)
    assert [one.tin for _, one in reading.rows] == ["AEOCN9900000001"]


def test_who_was_told_and_is_lost_is_suspended_or_gone_in_the_next(gateway: GatewayFixture) -> None:
    gateway.feed(1, 2, 3)
    write(gateway)
    gateway.later(days=1)
    gateway.feed(1, **RECTIFYING)
    gateway.feed(2, **DOWNGRADED)
    gateway.feed(4, **RECTIFYING)
    assert [row[-1] for row in rows(write(gateway))] == ["Status", "On hold", "Active"]
    assert told(gateway, 1) == [("AEOCN9900000001", "suspended", "mailed", False)]
    assert told(gateway, 2) == [("AEOCN9900000002", "delisted", "mailed", False)]
    assert told(gateway, 4) == [], "of whom it had not learned it does not learn now"


def test_columns_that_always_say_valid_leave_out_whom_they_cannot_name(gateway: GatewayFixture) -> None:
    columns(gateway, COLUMNS[:-1], standing="valid")
    gateway.feed(1, 2)
    write(gateway)
    gateway.later(days=1)
    gateway.feed(1, **RECTIFYING)
    done = write(gateway)
    assert [row[1] for row in rows(done)] == ["AEO code", "AEOCN9900000002"]
    assert [one.uscc for one in done.unsaid] == [made_uscc(1)]
    assert told(gateway, 1) == [("AEOCN9900000001", "delisted", "mailed", False)]


def test_what_has_no_column_was_not_told(gateway: GatewayFixture) -> None:
    columns(gateway, (COLUMNS[1], COLUMNS[-1]))
    gateway.feed(1)
    assert write(gateway).no_place == ["name"]
    with gateway.database.reading() as connection:
        (one,) = [one for one in enterprises.told(connection, made_uscc(1)).told if one.partner == "SG"]
    assert one.statement == {"tin": "AEOCN9900000001", "standing": "valid"}
    assert (one.received, one.outcome) == (None, None)


def test_a_name_that_begins_a_formula_is_defused(gateway: GatewayFixture) -> None:
    gateway.feed(1, name_en="=HYPERLINK(1) Ltd")
    assert rows(write(gateway))[1][2] == "'=HYPERLINK(1) Ltd"


def test_it_is_among_the_messages_and_has_no_receipt_to_show(gateway: GatewayFixture) -> None:
    gateway.feed(1)
    done = write(gateway)
    with gateway.database.reading() as connection:
        assert [(one["state"], one["kind"]) for one in search(connection, MessageSearch(partner="SG")).messages] == [
            ("mailed", "list")
        ]
        shown = views.shown(connection, done.message_id) or {}
        with pytest.raises(Refusal, match="mailed"):
            evidence.export(connection, gateway.settings, done.message_id)
    assert (shown["digest"], shown["body"]) == (done.digest, done.body.decode())
    assert gateway.journal("mailed") == [done.message_id]


def test_a_connected_partner_is_told_by_message_and_first_of_everybody(gateway: GatewayFixture) -> None:
    gateway.feed(1)
    write(gateway)
    assert gateway.queue() == [("list", "mailed")]
    gateway.bind("SG", endpoint="http://sg.test/exchange")
    gateway.later(minutes=1)
    gateway.do(lambda c: calendar.look(c, gateway.node, "SG", gateway.now))
    assert gateway.queue() == [("list", "mailed"), ("list", "queued")]
    gateway.deliver()
    assert [one.kind for one in gateway.heard()] == [Kind.LIST]
    assert [one.sequence for one in gateway.heard()] == [1], "what was mailed took no number"
    assert told(gateway, 1) == [("AEOCN9900000001", "valid", "delivered", True)]
    with pytest.raises(Refusal, match="SG is connected"):
        write(gateway)


def test_a_mailed_list_is_not_sent_by_the_courier(gateway: GatewayFixture) -> None:
    gateway.feed(1)
    write(gateway)
    gateway.bind("SG", endpoint="http://sg.test/exchange")
    gateway.later(days=30)
    assert gateway.deliver() == []
    assert gateway.queue() == [("list", "mailed")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "suspended"}, "is suspended"),
        ({"in_force": None}, "not known to be in force"),
        ({"chinese_code": None}, "form of Chinese codes"),
    ],
)
def test_where_nothing_may_be_told(gateway: GatewayFixture, change: dict[str, str | None], words: str) -> None:
    gateway.feed(1)
    if "state" in change:
        gateway.partners.put("SG", replace(gateway.live(), state=str(change["state"])))
    else:
        (term,) = change
        gateway.change("SG", **{term: Term()})
    with pytest.raises(Refusal, match=words) as caught:
        write(gateway)
    assert caught.value.code is Code.DATA_INVALID
    assert gateway.queue() == []


def test_of_nobody_there_is_no_list(gateway: GatewayFixture) -> None:
    with pytest.raises(Refusal, match="names no enterprise") as caught:
        write(gateway)
    assert caught.value.remedy == "aeo-gateway domestic import"
