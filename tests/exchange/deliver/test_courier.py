"""Delivery: the same bytes until a receipt, one in flight, nothing twice within a lease, and every ending proven."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256

import pytest

from gateway.core.errors import Code, Refusal
from gateway.core.model import Header, Kind, Standing
from gateway.core.protocol import Receipt
from gateway.exchange.bindings import https
from gateway.exchange.bindings.base import Signed
from gateway.exchange.bindings.https import HTTPS, Https
from gateway.exchange.deliver import courier, resend
from gateway.exchange.deliver.courier import Courier, asked_for, pause_after
from gateway.exchange.deliver.prepare import prepare
from gateway.exchange.tell import feed
from gateway.net import Response
from gateway.node.node import Node
from gateway.store import circuits, outbox
from gateway.store.tables import outbox as table
from gateway.wire import payloads
from tests.rig.enterprises import DOWNGRADED, RECTIFYING
from tests.rig.gateway import GatewayFixture, answering, down

CODE = "SG123456789012"


def test_a_message_is_delivered_once_and_its_receipt_kept(house: GatewayFixture) -> None:
    message_id = house.ask(CODE)
    (body,) = house.deliver()
    row = house.of(message_id)
    assert (row.state, row.attempt, row.body) == ("delivered", 1, body)
    said = house.boxes["SG"]
    receipt = HTTPS.read_answer(house.node, house.live(), Response(200, {}, row.answer))
    assert isinstance(receipt, Receipt)
    assert receipt.digest == row.digest
    assert said.heard[0].body == body
    assert house.deliver() == []
    assert (house.journal("sent"), house.journal("delivered")) == ([message_id], [message_id])


def test_every_try_sends_the_same_bytes_under_the_same_id(house: GatewayFixture) -> None:
    message_id = house.ask(CODE)
    house.links["SG"].spoil = down
    for _ in range(4):
        house.deliver()
        house.later(hours=1)
    house.links["SG"].spoil = None
    house.deliver()
    assert len(house.links["SG"].tries) == 5
    assert len(set(house.links["SG"].tries)) == 1
    assert [header.id for header in house.heard()] == [message_id]


def receipt_for(house: GatewayFixture, message_id: str, digest: str) -> bytes:
    return house.boxes["SG"].ours(
        Kind.RECEIPT, payloads.write_receipt(Receipt(message_id, digest, house.now)), refers_to=message_id
    )


@pytest.mark.parametrize(
    "what",
    ["500", "rubbish", "half", "empty", "wrong digest", "other message", "unsigned", "other kind", "other partner", "old refusal"],
)
def test_whatever_is_no_proof_is_tried_again(house: GatewayFixture, what: str) -> None:
    message_id = house.ask(CODE)

    def spoil(body: bytes) -> Response:
        answer = house.links["SG"].through(body).body
        box = house.boxes["SG"]
        bodies = {
            "500": b"Internal Server Error",
            "rubbish": b"\x00\xff" * 50,
            "half": answer[: len(answer) // 2],
            "empty": b"",
            "wrong digest": receipt_for(house, message_id, "00" * 32),
            "other message": receipt_for(house, "another-message-1", house.of(message_id).digest),
            "unsigned": answer[: answer.index(b"<ds:Signature")] + b"</x:Exchange>",
            "other kind": box.ours(Kind.PING, payloads.write_empty(Kind.PING)),
            "other partner": house.boxes["HK"].ours(Kind.PING, payloads.write_empty(Kind.PING)),
            "old refusal": box.ours(Kind.REFUSAL, payloads.write_refusal(Refusal(Code.SCHEMA_INVALID), "00" * 32, house.now)),
        }
        return Response(500 if what == "500" else 200, {}, bodies[what])

    house.links["SG"].spoil = spoil
    house.deliver()
    row = house.of(message_id)
    assert (row.state, row.attempt) == ("queued", 1)
    assert row.problem
    house.links["SG"].spoil = None
    house.later(minutes=1)
    house.deliver()
    assert house.of(message_id).state == "delivered"
    assert [header.id for header in house.heard()] == [message_id], "the receiver took it once"


def test_a_refusal_of_these_bytes_ends_it_for_a_person_to_see(house: GatewayFixture) -> None:
    message_id = house.ask(CODE)

    def refuse(body: bytes) -> Response:
        text = payloads.write_refusal(Refusal(Code.SCHEMA_INVALID, "It is wrong."), sha256(body).hexdigest(), house.now)
        return Response(422, {}, house.boxes["SG"].ours(Kind.REFUSAL, text))

    house.links["SG"].spoil = refuse
    house.deliver()
    row = house.of(message_id)
    assert row.state == "dead"
    assert row.problem.startswith("schema-invalid: It is wrong.")
    assert row.answer
    assert house.journal("refused") == [message_id]


# ---------------------------------------------------------------- pauses


def test_pauses_grow_with_jitter_up_to_a_bound() -> None:
    for attempt in range(1, 40):
        plain = min(courier.LONGEST, courier.PAUSE * 2 ** min(attempt - 1, 10))
        assert plain * 0.7 <= pause_after(attempt) <= plain * 1.3
    assert len({pause_after(1) for _ in range(10)}) > 1


NOW = datetime(2026, 6, 15, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("30", 30),
        (" 30 ", 30),
        ("Mon, 15 Jun 2026 04:01:00 GMT", 60),
        ("Mon, 15 Jun 2026 03:00:00 GMT", 0),
        ("99999999999999999999", 900),
        ("tomorrow", 0),
        ("٣", 0),
        (None, 0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_has_a_bound(said: str | None, seconds: int) -> None:
    assert asked_for(said, NOW) == timedelta(seconds=seconds)


def test_a_busy_partner_is_left_alone_as_long_as_it_asks(house: GatewayFixture) -> None:
    house.ask(CODE)
    house.links["SG"].spoil = answering(503, b"busy", retry_after="120")
    house.deliver()
    house.later(seconds=119)
    assert house.deliver() == []
    house.later(seconds=2)
    assert len(house.deliver()) == 1


def test_a_line_on_which_nothing_works_rests_as_a_whole_and_recovers(house: GatewayFixture) -> None:
    for _ in range(6):
        house.ask(CODE)
    house.links["SG"].spoil = down
    for _ in range(10):
        house.deliver()
    assert len(house.links["SG"].tries) == circuits.TOLERATED, "a partner that is down is not hammered"
    with house.database.reading() as connection:
        assert outbox.waiting(connection, house.now) == []
        (failures, until, problem) = circuits.broken(connection)["SG"]
    assert (failures, until) == (circuits.TOLERATED, house.now + circuits.OPEN)
    assert "nobody answers" in problem
    house.links["SG"].spoil = None
    house.later(minutes=5)
    house.deliver()
    assert {state for _, state in house.queue()} == {"delivered"}
    with house.database.reading() as connection:
        assert circuits.broken(connection) == {}


def test_one_message_that_fails_does_not_stop_the_others(house: GatewayFixture) -> None:
    poison = house.ask(CODE)
    others = [house.ask(CODE) for _ in range(5)]
    line = house.links["SG"]
    line.spoil = lambda body: Response(500, {}, b"") if poison.encode() in body else line.through(body)
    for _ in range(8):
        house.deliver()
        house.later(seconds=10)
    assert [house.of(one).state for one in others] == ["delivered"] * 5
    assert house.of(poison).state == "queued"


# ---------------------------------------------------------------- order


def test_notice_before_update_before_list(house: GatewayFixture) -> None:
    house.feed(1, 2)  # the first thing a partner hears is the complete list
    house.deliver()
    house.feed(3)
    house.do(lambda connection: feed.full_list(connection, house.node, house.live(), house.now))
    house.feed(1, **RECTIFYING)
    before = len(house.boxes["SG"].heard)
    house.deliver()
    assert [one.header.kind for one in house.boxes["SG"].heard[before:]] == [Kind.NOTICE, Kind.UPDATE, Kind.LIST]


def test_a_queued_grant_never_lands_after_an_urgent_loss(house: GatewayFixture) -> None:
    house.feed(1)
    house.deliver()
    house.links["SG"].spoil = down
    house.feed(2, 3)
    house.feed(2, **DOWNGRADED)
    house.links["SG"].spoil = None
    house.deliver()
    about_two = [
        (one.header.kind, said.standing) for one in house.boxes["SG"].heard for said in one.statements if said.tin.endswith("02")
    ]
    assert not about_two or about_two[-1][1] is not Standing.VALID
    about_three = [said.standing for one in house.boxes["SG"].heard for said in one.statements if said.tin.endswith("03")]
    assert about_three == [Standing.VALID], "who was told of in the same message is still told of"


def test_one_message_in_flight_per_partner(house: GatewayFixture) -> None:
    house.ask(CODE)
    house.ask(CODE)
    seen = []

    def look(body: bytes) -> Response:
        seen.append([state for _, state in house.queue()])
        return house.links["SG"].through(body)

    house.links["SG"].spoil = look
    house.deliver()
    assert seen == [["sending", "queued"], ["delivered", "sending"]]


def test_a_slow_partner_delays_no_other(house: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = house.ask(CODE, "SG"), house.ask("HK1234567890", "HK")
    waits, order = asyncio.Event(), []

    async def post(url: str, body: bytes, **_: object) -> Response:
        iso = url.removeprefix("http://")[:2].upper()
        if iso == "SG":
            await waits.wait()
        order.append(iso)
        return house.links[iso].through(body)

    async def story() -> None:
        working = Courier(house.node)
        await working.look()
        async with asyncio.timeout(60):
            while not order:
                await asyncio.sleep(0.01)
        assert order == ["HK"]
        waits.set()
        await working.idle()

    monkeypatch.setattr(https, "post", post)
    house.run(story())
    assert (house.of(slow).state, house.of(quick).state) == ("delivered", "delivered")


# ---------------------------------------------------------------- leases


def test_a_second_send_only_after_the_lease_ended(house: GatewayFixture) -> None:
    house.ask(CODE)
    first = house.run(prepare(house.node, house.live()))
    assert first is not None
    other = house.another()
    assert house.run(prepare(other, house.live())) is None
    house.later(seconds=30)
    second = house.run(prepare(other, house.live()))
    assert second is not None
    assert (second.attempt, second.body, second.header) == (2, first.body, first.header)
    assert not house.do(partial(outbox.postpone, leased=first, due=house.now, problem="too late"))
    assert not house.do(partial(outbox.finish, leased=first, state="dead", at=house.now))
    assert house.of(first.header.id).state == "sending"
    other.writer.close()


def test_whoever_lost_the_lease_before_signing_sends_nothing(house: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    house.ask(CODE)
    other = house.another()
    sign = Https.sign

    def slow(self: Https, node: Node, header: Header, payload: str) -> Signed:
        monkeypatch.setattr(Https, "sign", sign)
        house.later(seconds=31)
        assert asyncio.run(prepare(other, house.live())) is not None
        return sign(self, node, header, payload)

    monkeypatch.setattr(Https, "sign", slow)
    assert house.run(prepare(house.node, house.live())) is None
    other.writer.close()


def test_a_proven_arrival_counts_although_the_lease_was_lost(house: GatewayFixture) -> None:
    message_id = house.ask(CODE)

    def too_slow(body: bytes) -> Response:
        answer = house.links["SG"].through(body)
        house.later(seconds=31)
        house.run_elsewhere(prepare(house.node, house.live()))
        return answer

    house.links["SG"].spoil = too_slow
    house.deliver()
    assert house.of(message_id).state == "delivered"
    assert house.journal("delivered") == [message_id]


# ---------------------------------------------------------------- ends


def test_what_expires_waits_for_a_person_and_can_be_sent_again(house: GatewayFixture) -> None:
    message_id = house.ask(CODE)
    house.links["SG"].spoil = down
    house.deliver()
    house.later(days=2, seconds=1)
    house.deliver()
    row = house.of(message_id)
    assert row.state == "expired"
    assert "nobody answers" in row.problem
    assert house.journal("expired") == [message_id]
    house.links["SG"].spoil = None
    again = partial(
        resend.by_hand,
        house=house.node,
        message_ids=[message_id, "unknown"],
        who="a person",
        reason="the line is back",
        at=house.now,
    )
    assert house.do(again) == [message_id]
    assert house.deliver() == [row.body], "the same bytes, while its receiver takes them"
    assert house.of(message_id).state == "delivered"
    assert house.journal("decision") == [message_id]


def test_what_is_too_old_for_its_receiver_is_issued_anew(house: GatewayFixture) -> None:
    message_id = house.ask(CODE)
    house.links["SG"].spoil = down
    house.deliver()
    house.later(days=3, seconds=1)
    house.deliver()
    house.links["SG"].spoil = None
    house.do(partial(resend.by_hand, house=house.node, message_ids=[message_id], who="a person", reason="x", at=house.now))
    house.deliver()
    (header,) = house.heard()
    assert header.id != message_id
    assert (header.refers_to, header.created) == (message_id, house.now)
    assert house.of(message_id).state == "reissued"


def test_old_news_is_said_anew_as_a_complete_list(house: GatewayFixture) -> None:
    house.feed(1)
    house.deliver()
    house.links["SG"].spoil = down
    house.feed(2)
    house.deliver()
    house.later(days=3, seconds=1)
    house.deliver()
    ended = [row.message_id for row in house.rows(table) if row.partner == "SG" and row.state == "expired"]
    assert len(ended) == 1
    house.links["SG"].spoil = None
    house.do(partial(resend.by_hand, house=house.node, message_ids=ended, who="a person", reason="x", at=house.now))
    house.deliver()
    last = house.boxes["SG"].heard[-1]
    assert last.header.kind is Kind.LIST
    assert [one.tin for one in last.statements] == ["AEOCN9900000001", "AEOCN9900000002"]


def test_bytes_signed_by_a_certificate_that_ended_are_not_sent_again(house: GatewayFixture) -> None:
    message_id = house.ask(CODE)
    house.links["SG"].spoil = down
    house.deliver()
    house.do(lambda connection: connection.execute(table.update().values(good_until=house.now)))
    house.later(minutes=1)
    house.links["SG"].spoil = None
    house.deliver()
    house.deliver()
    (header,) = house.heard()
    assert header.refers_to == message_id
    assert house.of(message_id).state == "reissued"


# ---------------------------------------------------------------- the mailbox


def pull(house: GatewayFixture) -> bytes:
    return house.boxes["SG"].ours(Kind.PULL, payloads.write_empty(Kind.PULL))


def test_a_partner_that_cannot_be_called_comes_for_its_messages(house: GatewayFixture) -> None:
    house.bind("SG", endpoint=None, pull=True)
    first, second = house.ask(CODE), house.ask(CODE)
    for expected in (first, second):
        said = house.send(pull(house))
        assert said.header.id == expected
        assert house.send(pull(house)).header.id == expected, "until the receipt came it is the same"
        house.send(receipt_for(house, said.header.id, said.digest))
        assert house.of(expected).state == "delivered"
    assert house.send(pull(house)).header.kind is Kind.RECEIPT


def test_a_pull_replayed_tells_nothing_new(house: GatewayFixture) -> None:
    house.bind("SG", endpoint=None, pull=True)
    first = house.ask(CODE)
    body = pull(house)
    said = house.send(body)
    assert house.send(body).header.id == first
    house.send(receipt_for(house, said.header.id, said.digest))
    house.ask(CODE)
    assert house.send(body).header.kind is Kind.RECEIPT


def test_who_is_called_does_not_pull(house: GatewayFixture) -> None:
    assert house.refused(pull(house)) == "kind-not-accepted"
