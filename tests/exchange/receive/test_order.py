"""Numbers, clocks and reissues as they come in: what was issued later, whatever the order of arrival (exchange/RULES.md, Numbers;
issue 13, Order). The laws of the order itself are in ``tests/core/test_order.py``."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select

from gateway.core.model import Kind, Picture, Priority, Standing, Statement
from gateway.exchange import void
from gateway.store import statements
from gateway.store.tables import entry, message
from tests.rig.gateway import GatewayFixture
from tests.rig.people import person

GRANT, LOSS = Standing.VALID, Standing.SUSPENDED


@pytest.fixture
def one(gateway: GatewayFixture) -> Statement:
    """An operator that stands by the list of an hour ago."""
    code, *_ = gateway.listed()
    gateway.later(hours=1)
    return gateway.boxes["SG"].operators[code]


def body(gateway: GatewayFixture, one: Statement, standing: Standing, kind: Kind = Kind.NOTICE, **fields: Any) -> bytes:
    """``ago``: made so many seconds ago by the sender's clock."""
    ago = fields.pop("ago", 0)
    usual: dict[str, Any] = {"created": gateway.now - timedelta(seconds=ago), "sequence": 0}
    return gateway.boxes["SG"].message(kind, [msgspec.structs.replace(one, standing=standing)], **(usual | fields))


def send(gateway: GatewayFixture, one: Statement, standing: Standing, kind: Kind = Kind.NOTICE, **fields: Any) -> str:
    """Its id."""
    return gateway.send(body(gateway, one, standing, kind, **fields)).header.refers_to or ""


def outcome(gateway: GatewayFixture, message_id: str) -> list[tuple[str, str | None]]:
    gateway.deliver()
    for heard in gateway.boxes["SG"].received:
        if heard.header.kind is Kind.RESULT and heard.header.refers_to == message_id:
            return [(record.outcome, record.reason) for record in heard.results]
    raise AssertionError("no result of this message")


_USUAL = ("at", "kind", "partner", "subject")  # of every entry


def noted(gateway: GatewayFixture) -> list[dict[str, Any]]:
    """What the journal says of a partner's numbers and clock."""
    with gateway.database.reading() as connection:
        bodies = connection.execute(select(entry.c.body).where(entry.c.kind == "numbering").order_by(entry.c.id)).scalars()
        return [{name: said for name, said in msgspec.json.decode(one).items() if name not in _USUAL} for one in bodies]


def epochs(gateway: GatewayFixture, *ids: str) -> list[int]:
    found = {row.message_id: row.epoch for row in gateway.rows(message)}
    return [found[one] for one in ids]


# ---------------------------------------------------------------- numbers and moments


@pytest.mark.parametrize("kind", [Kind.NOTICE, Kind.UPDATE])
@pytest.mark.parametrize("last", [GRANT, LOSS])
def test_within_a_class_the_numbers_decide_whatever_the_clock_says(
    gateway: GatewayFixture, one: Statement, kind: Kind, last: Standing
) -> None:
    first = LOSS if last is GRANT else GRANT
    send(gateway, one, first, kind, sequence=1, ago=60)
    later = send(gateway, one, last, kind, sequence=2, ago=1800)
    assert gateway.standing(one.tin) is last
    assert outcome(gateway, later) == [("accepted", "clock-went-back")]


@pytest.mark.parametrize("last", [GRANT, LOSS])
def test_of_one_second_the_numbers_decide(gateway: GatewayFixture, one: Statement, last: Standing) -> None:
    """Also where the lower number comes later, and whatever the ids are."""
    first = LOSS if last is GRANT else GRANT
    for at, ids in enumerate((("a", "b"), ("b", "a"))):
        said = [
            body(gateway, one, standing, Kind.UPDATE, sequence=2 * at + number, id=f"{ids[number - 1]}-message-{at}")
            for number, standing in ((1, first), (2, last))
        ]
        gateway.send(said[1 - at])
        gateway.send(said[at])
        assert gateway.standing(one.tin) is last
        gateway.later(hours=1)
    assert noted(gateway) == []


@pytest.mark.parametrize("way", ["classes", "epochs", "unnumbered"])
@pytest.mark.parametrize(
    ("loss_ago", "grant_ago", "stands"), [(0, 299, LOSS), (299, 0, LOSS), (300, 0, GRANT), (0, 300, LOSS), (600, 0, GRANT)]
)
def test_across_them_the_moment_and_where_clocks_cannot_tell_the_loss(
    gateway: GatewayFixture, one: Statement, way: str, loss_ago: int, grant_ago: int, stands: Standing
) -> None:
    """Skew: five minutes. Arrival decides nothing, so each is tried first."""
    loss: dict[str, Any] = {"ago": loss_ago, "sequence": 8}
    grant: dict[str, Any] = {"ago": grant_ago, "sequence": 9, "kind": Kind.UPDATE}
    if way == "epochs":
        grant |= {"kind": Kind.NOTICE, "sequence": 8}
    if way == "unnumbered":
        grant["sequence"] = loss["sequence"] = 0
    if way != "epochs" or loss_ago >= grant_ago:
        send(gateway, one, LOSS, **loss)
        send(gateway, one, GRANT, **grant)
    else:
        send(gateway, one, GRANT, **grant)
        send(gateway, one, LOSS, **loss)
    assert gateway.standing(one.tin) is stands


def test_arrival_and_ids_change_no_answer(gateway: GatewayFixture) -> None:
    """Five messages of two classes in every order of arrival, each order with ids of its own, of an operator of its own."""
    gateway.threshold("SG", 1000)
    box = gateway.boxes["SG"]
    orders = list(itertools.permutations(range(5)))[::3]
    operators = box.invent(len(orders), 1)
    gateway.send(box.message(Kind.LIST, operators, picture=Picture(as_of=gateway.now), sequence=0))
    gateway.later(hours=2)
    said: list[dict[str, Any]] = [
        {"standing": LOSS, "ago": 3000},
        {"standing": GRANT, "ago": 2000},
        {"standing": LOSS, "ago": 1900, "kind": Kind.UPDATE},
        {"standing": GRANT, "ago": 1500, "kind": Kind.UPDATE},
        {"standing": GRANT, "ago": 1450},
    ]
    found: dict[str, list[tuple[int, Standing]]] = {}
    for at, (one, order) in enumerate(zip(operators, orders, strict=True)):
        for number in order:
            send(gateway, one, id=f"{(number * 7 + at) % 11}-message-{at}-{number}", **said[number])
        timeline = gateway.timeline(one.tin)
        assert timeline is not None
        found[one.tin] = [(stand.since, stand.standing) for stand in timeline.authorisations[0].stands]
    assert len(orders) == 40
    assert len({tuple(stands) for stands in found.values()}) == 1, found


def test_what_one_message_grants_and_takes_is_placed_apart(gateway: GatewayFixture) -> None:
    """A message that takes one authorisation away and grants another is, for the other, a grant: within the skew the loss of it stands."""
    box = gateway.boxes["SG"]
    high, *_ = box.invent(1, 1)
    high = msgspec.structs.replace(high, level="STP-Plus")
    low = msgspec.structs.replace(high, level="STP")
    gateway.send(box.message(Kind.LIST, [high, low], picture=Picture(as_of=gateway.now), sequence=0))
    gateway.later(hours=1)
    send(gateway, high, LOSS, ago=120)
    both = [high, msgspec.structs.replace(low, standing=LOSS)]
    gateway.send(box.message(Kind.UPDATE, both, sequence=0))
    now = int(gateway.now.timestamp())
    timeline = gateway.timeline(high.tin)
    assert timeline is not None
    stands = {each.level: each.standing_at(now, now) for each in timeline.authorisations}
    assert {level: stand and stand.standing for level, stand in stands.items()} == {"STP-Plus": LOSS, "STP": LOSS}


def test_what_comes_too_late_for_a_list_is_said_to_be_overruled(gateway: GatewayFixture, one: Statement) -> None:
    box = gateway.boxes["SG"]
    late = body(gateway, box.invent(9, 1)[8], GRANT, ago=1800)
    gateway.send(box.full_list())
    message_id = gateway.send(late).header.refers_to
    assert message_id
    assert outcome(gateway, message_id) == [("overruled", None)]


# ---------------------------------------------------------------- reissues


def _history(gateway: GatewayFixture, one: Statement) -> list[bytes]:
    """Suspended (number 1), reinstated (2), and the suspension said again (3): the operator stands."""
    first = body(gateway, one, LOSS, sequence=1, ago=1800, id="the-first-message")
    then = body(gateway, one, GRANT, sequence=2, ago=1200, id="the-then-message")
    again = body(gateway, one, LOSS, sequence=3, ago=60, id="the-again-message", refers_to="the-first-message")
    return [first, then, again]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_reissue_counts_as_what_it_repeats_whichever_comes_first(
    gateway: GatewayFixture, one: Statement, order: Sequence[int]
) -> None:
    said = _history(gateway, one)
    for number in order:
        gateway.send(said[number])
    assert gateway.standing(one.tin) is GRANT
    timeline = gateway.timeline(one.tin)
    assert timeline is not None
    assert [stand.standing for stand in timeline.authorisations[0].stands] == [GRANT, LOSS, GRANT]


def test_before_what_it_repeats_is_known_a_reissue_is_news(gateway: GatewayFixture, one: Statement) -> None:
    """It may be all that ever comes of it; and as known then it stays so."""
    first, then, again = _history(gateway, one)
    gateway.send(then)
    gateway.send(again)
    assert gateway.standing(one.tin) is LOSS
    before = gateway.now
    gateway.later(minutes=1)
    gateway.send(first)
    assert gateway.standing(one.tin) is GRANT
    with gateway.database.reading() as connection:
        known = statements.statements_known_at(connection, "SG", [one.tin], before)[one.tin]
    assert [each.message_id for each in known][1:] == ["the-then-message", "the-again-message"]


@pytest.mark.parametrize("annulled", [False, True])
def test_a_reissue_of_a_reissue(gateway: GatewayFixture, one: Statement, annulled: bool) -> None:
    for each in _history(gateway, one):
        gateway.send(each)
    if annulled:

        def by_two(connection: Connection) -> None:
            proposed = void.propose_message(connection, "the-again-message", reason="a slip", who=person("alice"), at=gateway.now)
            void.confirm(connection, gateway.partners, proposed.id, who=person("bob"), at=gateway.now)

        gateway.do(by_two)
    send(gateway, one, LOSS, sequence=4, refers_to="the-again-message")
    assert gateway.standing(one.tin) is GRANT


@pytest.mark.parametrize("about", ["of another partner", "a list", "of another kind", "unknown"])
def test_what_refers_to_anything_else_is_news(gateway: GatewayFixture, one: Statement, about: str) -> None:
    """A loss is never put behind what was said since because of what it names."""
    if about == "of another partner":
        code, *_ = gateway.listed("HK")
        gateway.send(gateway.boxes["HK"].status_message(code, LOSS), "HK")
        refers_to = gateway.rows(message)[-1].message_id
    elif about == "a list":
        refers_to = next(row.message_id for row in gateway.rows(message) if row.kind == "list")
    elif about == "of another kind":
        refers_to = send(gateway, one, GRANT, Kind.UPDATE, sequence=1, ago=3000)
    else:
        refers_to = "nobody-s-message"
    send(gateway, one, GRANT, sequence=1, ago=1200)
    message_id = send(gateway, one, LOSS, sequence=2, refers_to=refers_to)
    assert gateway.standing(one.tin) is LOSS
    assert outcome(gateway, message_id) == [("accepted", None)]
    (said,) = [each for each in gateway.said(one.tin) if each.message_id == message_id]
    assert (said.sequence, said.issued) == (2, gateway.now)


def test_messages_that_name_each_other(gateway: GatewayFixture, one: Statement) -> None:
    send(gateway, one, LOSS, sequence=1, ago=600, id="message-a", refers_to="message-b")
    send(gateway, one, GRANT, sequence=2, ago=60, id="message-b", refers_to="message-a")
    assert gateway.standing(one.tin) is GRANT
    send(gateway, one, LOSS, sequence=3, id="message-c", refers_to="message-c")
    assert gateway.standing(one.tin) is LOSS


def test_a_grant_said_again_does_not_outlive_the_list_that_left_it_out(gateway: GatewayFixture) -> None:
    """It was granted before the list and annulled, so the list had nobody to leave out; what says it again is of before the list too."""
    box = gateway.boxes["SG"]
    gateway.listed()
    fresh = box.invent(9, 1)[8]
    gateway.later(hours=1)
    send(gateway, fresh, GRANT, Kind.UPDATE, id="the-first-message")

    def annul(connection: Connection) -> None:
        proposed = void.propose_message(connection, "the-first-message", reason="a slip", who=person("alice"), at=gateway.now)
        void.confirm(connection, gateway.partners, proposed.id, who=person("bob"), at=gateway.now)

    gateway.do(annul)
    gateway.later(hours=1)
    gateway.send(box.full_list())
    gateway.later(hours=1)
    send(gateway, fresh, GRANT, Kind.UPDATE, refers_to="the-first-message")
    assert gateway.standing(fresh.tin) is Standing.DELISTED


# ---------------------------------------------------------------- a sender that begins anew


def test_numbers_used_again_begin_a_new_epoch(gateway: GatewayFixture, one: Statement, caplog: pytest.LogCaptureFixture) -> None:
    old = [send(gateway, one, LOSS, sequence=number, ago=1800 - number) for number in (1, 2, 3, 4)]
    assert epochs(gateway, *old) == [0] * 4
    with caplog.at_level(logging.WARNING):
        anew = send(gateway, one, GRANT, sequence=3, ago=600)
    assert any("SG began to number its urgent messages anew" in record.getMessage() for record in caplog.records)
    assert noted(gateway) == [{"numbering": "began anew", "class": "urgent", "epoch": 1, "number": 3}]
    assert gateway.standing(one.tin) is GRANT, "across epochs the moment decides, not the number"
    gateway.deliver()
    assert [(asked.priority, asked.first, asked.last) for asked in gateway.resends()] == [(Priority.URGENT, 1, 2)]
    then = send(gateway, one, LOSS, sequence=6, ago=200)
    assert gateway.standing(one.tin) is LOSS
    last = send(gateway, one, GRANT, sequence=7, ago=300)
    assert gateway.standing(one.tin) is GRANT, "within the new epoch the number decides again"
    assert epochs(gateway, anew, then, last) == [1, 1, 1]
    gateway.deliver()
    assert [(asked.first, asked.last) for asked in gateway.resends()][1:] == [(4, 5)]


def test_what_is_asked_for_and_comes_again_begins_nothing(gateway: GatewayFixture, one: Statement) -> None:
    said = {number: body(gateway, one, LOSS, sequence=number, ago=100 - number) for number in (1, 2, 3)}
    for number in (1, 3, 2, 1, 3):
        gateway.send(said[number])
    assert noted(gateway) == []


def test_another_class_goes_on(gateway: GatewayFixture, one: Statement) -> None:
    for kind in (Kind.NOTICE, Kind.UPDATE):
        send(gateway, one, LOSS, kind, sequence=5)
    notice, update = send(gateway, one, LOSS, sequence=5), send(gateway, one, LOSS, Kind.UPDATE, sequence=6)
    assert epochs(gateway, notice, update) == [1, 0]


@pytest.mark.parametrize("straggler", [2, 5])
def test_a_straggler_of_the_old_epoch_counts_there(gateway: GatewayFixture, one: Statement, straggler: int) -> None:
    """A gap of the old one, or its last message; made seconds before the new one began, whose numbers go on as if it had not come."""
    for number in (1, 3, 4):
        send(gateway, one, GRANT, sequence=number, ago=1800)
    late = body(gateway, one, LOSS, sequence=straggler, ago=902)
    anew = [send(gateway, one, GRANT, sequence=number, ago=900 - number) for number in (1, 2)]
    message_id = gateway.send(late).header.refers_to or ""
    then = send(gateway, one, GRANT, sequence=3, ago=500)
    assert epochs(gateway, *anew, message_id, then) == [1, 1, 0, 1]
    assert gateway.standing(one.tin) is GRANT
    assert len(noted(gateway)) == 1
    gateway.deliver()
    assert [(asked.first, asked.last) for asked in gateway.resends()] == [(2, 2)], "nothing is missing in the new one"


def test_an_early_number_of_the_new_epoch_that_comes_late_counts_in_the_new(gateway: GatewayFixture, one: Statement) -> None:
    """Made before the message with which the new epoch was noticed, but the old one had its number already."""
    for number in (1, 2, 3):
        send(gateway, one, GRANT, sequence=number, ago=1800)
    early = body(gateway, one, GRANT, sequence=1, ago=901)
    noticed = send(gateway, one, LOSS, sequence=2, ago=300)
    message_id = gateway.send(early).header.refers_to or ""
    assert epochs(gateway, noticed, message_id) == [1, 1]
    assert gateway.standing(one.tin) is LOSS


def test_a_clock_set_back_behind_the_epoch_keeps_what_has_the_old_one_s_numbers_in_the_new(
    gateway: GatewayFixture, one: Statement
) -> None:
    """Else its losses would be judged by the old epoch's numbers."""
    for number in (1, 2, 3, 4):
        send(gateway, one, GRANT, sequence=number, ago=9000)
    send(gateway, one, GRANT, sequence=1, ago=600)
    message_id = send(gateway, one, LOSS, sequence=2, ago=1800)
    assert epochs(gateway, message_id) == [1]
    assert gateway.standing(one.tin) is LOSS
    assert [each.get("clock") for each in noted(gateway)] == [None, "went back"]


def test_a_straggler_of_the_epoch_before_the_last(gateway: GatewayFixture, one: Statement) -> None:
    for number in (1, 3):
        send(gateway, one, GRANT, sequence=number, ago=9000)
    late = body(gateway, one, GRANT, sequence=2, ago=8000)
    for ago in (7000, 6000):
        send(gateway, one, GRANT, sequence=1, ago=ago)
    assert epochs(gateway, gateway.send(late).header.refers_to or "") == [0]


def test_what_is_annulled_began_no_epoch(gateway: GatewayFixture, one: Statement) -> None:
    """A thief's numbers are taken back, and with them the epoch that they began; its victim's clock is measured by its own."""
    for number in (1, 2):
        send(gateway, one, LOSS, sequence=number, ago=1000 - number)
    forged = send(gateway, one, GRANT, sequence=1, ago=10)
    assert epochs(gateway, forged) == [1]

    def annul(connection: Connection) -> None:
        proposed = void.propose_message(connection, forged, reason="forged", who=person("alice"), at=gateway.now)
        void.confirm(connection, gateway.partners, proposed.id, who=person("bob"), at=gateway.now)

    gateway.do(annul)
    true = send(gateway, one, LOSS, sequence=3, ago=500)
    assert epochs(gateway, true) == [0]
    assert outcome(gateway, true) == [("accepted", None)]
    assert len(noted(gateway)) == 1


# ---------------------------------------------------------------- clocks


def test_a_clock_that_went_back_is_named_in_the_result_and_to_a_person(
    gateway: GatewayFixture, one: Statement, caplog: pytest.LogCaptureFixture
) -> None:
    send(gateway, one, GRANT, sequence=1, ago=60)
    with caplog.at_level(logging.WARNING):
        back = send(gateway, one, LOSS, sequence=2, ago=600)
    assert outcome(gateway, back) == [("accepted", "clock-went-back")]
    (told,) = [record.getMessage() for record in caplog.records if record.name.endswith("follow_up")]
    assert back in told
    created, other = (gateway.now - timedelta(seconds=ago) for ago in (600, 60))
    assert {created.isoformat(timespec="seconds"), other.isoformat(timespec="seconds")} <= set(told.replace(";", "").split())
    (body,) = noted(gateway)
    moments = [datetime.fromisoformat(body.pop(name)) for name in ("created", "other")]
    assert moments == [created, other]
    assert body == {"clock": "went back", "class": "urgent", "epoch": 0, "number": 2}
    still = send(gateway, one, LOSS, sequence=3, ago=500)
    assert outcome(gateway, still) == [("accepted", "clock-went-back")], "until it has caught up"
    assert outcome(gateway, send(gateway, one, LOSS, sequence=4, ago=30)) == [("accepted", None)]


def test_it_is_also_seen_where_the_lower_number_comes_late(gateway: GatewayFixture, one: Statement) -> None:
    send(gateway, one, LOSS, sequence=1, ago=900)
    send(gateway, one, LOSS, sequence=3, ago=600)
    late = send(gateway, one, GRANT, sequence=2, ago=60)
    assert outcome(gateway, late) == [("overruled", "clock-went-back")]
    assert gateway.standing(one.tin) is LOSS
    assert len(noted(gateway)) == 1


@pytest.mark.parametrize("ago", [[60, 60], [60, 61], [60, 30], [60.5, 61.4]])
def test_a_second_is_no_clock_that_went_back(gateway: GatewayFixture, one: Statement, ago: list[float]) -> None:
    """A sender may number in several threads."""
    for number, seconds in enumerate(ago, 1):
        send(gateway, one, LOSS, sequence=number, ago=seconds)
    assert noted(gateway) == []


def test_a_late_lower_number_and_another_class_are_none_either(gateway: GatewayFixture, one: Statement) -> None:
    send(gateway, one, LOSS, sequence=2, ago=60)
    send(gateway, one, LOSS, sequence=1, ago=600)
    send(gateway, one, LOSS, Kind.UPDATE, sequence=1, ago=900)
    send(gateway, one, LOSS, ago=1200)
    assert noted(gateway) == []


def test_a_list_s_parts_say_it_of_their_own_records(gateway: GatewayFixture) -> None:
    box, as_of = gateway.boxes["SG"], gateway.now - timedelta(hours=1)
    said = box.invent(2, 1)
    ids = []
    for part, ago in ((1, 60), (2, 600)):
        header: dict[str, Any] = {"sequence": part, "created": gateway.now - timedelta(seconds=ago)}
        picture = Picture(as_of=as_of, part=part, parts=2)
        ids.append(gateway.send(box.message(Kind.LIST, said[part - 1 : part], picture=picture, **header)).header.refers_to or "")
    gateway.deliver()
    found = {
        (heard.header.refers_to, record.outcome, record.reason)
        for heard in box.received
        if heard.header.kind is Kind.RESULT
        for record in heard.results
    }
    assert found == {(ids[0], "waiting", None), (ids[0], "accepted", None), (ids[1], "accepted", "clock-went-back")}


@pytest.mark.parametrize("kind", [Kind.NOTICE, Kind.UPDATE])
@pytest.mark.parametrize("stated", [None, 0, 100])
def test_now_by_a_clock_that_is_ahead_is_at_our_receipt_at_the_latest(
    gateway: GatewayFixture, one: Statement, kind: Kind, stated: int | None
) -> None:
    """Said outright as the message's own moment, or one before it, or not at all. Both moments are kept."""
    ahead = gateway.now + timedelta(seconds=240)
    effective = None if stated is None else ahead - timedelta(seconds=stated)
    one = msgspec.structs.replace(one, effective=effective)
    message_id = send(gateway, one, LOSS, kind, ago=-240)
    assert gateway.standing(one.tin) is LOSS
    (said,) = [each for each in gateway.said(one.tin) if each.message_id == message_id]
    assert (said.takes_effect, said.issued) == (gateway.now, ahead), "as applied, and as stated"
    assert said.statement.effective in (None, effective)


def test_what_is_announced_for_later_than_its_message_waits_for_its_moment(gateway: GatewayFixture, one: Statement) -> None:
    effective = gateway.now + timedelta(seconds=241)
    send(gateway, msgspec.structs.replace(one, effective=effective), LOSS, ago=-240)
    (*_, said) = gateway.said(one.tin)
    assert said.statement.effective == effective, "its notices have a place for it"
    assert (gateway.standing(one.tin), said.takes_effect) == (GRANT, effective)


def test_an_omission_as_of_a_moment_ahead_takes_effect_at_our_receipt(gateway: GatewayFixture) -> None:
    box = gateway.boxes["SG"]
    codes = gateway.listed()
    gateway.later(hours=1)
    ahead = gateway.now + timedelta(seconds=240)
    said = [each for code, each in box.operators.items() if code != codes[0]]
    gateway.send(box.message(Kind.LIST, said, picture=Picture(as_of=ahead), created=ahead, sequence=0))
    assert gateway.standing(codes[0]) is Standing.DELISTED
    (derived,) = [each for each in gateway.said(codes[0]) if each.derived]
    assert (derived.takes_effect, derived.issued) == (gateway.now, ahead)
