"""Delivery: the same bytes until a receipt, one in flight, nothing twice within a lease, and every ending proven."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.model import Header, Kind, Standing
from gateway.core.protocol import Receipt
from gateway.exchange.bindings.base import Signed
from gateway.exchange.bindings.https import HTTPS, Https
from gateway.exchange.deliver import courier, resend
from gateway.exchange.deliver.courier import Courier, asked_for, pause_after
from gateway.exchange.deliver.prepare import prepare
from gateway.exchange.tell import feed
from gateway.net import Lines, Response
from gateway.node.node import Node
from gateway.store import circuits, outbox
from gateway.store.tables import outbox as table
from gateway.wire import payloads
from tests.rig.enterprises import DOWNGRADED, RECTIFYING
from tests.rig.gateway import GatewayFixture, answering, down
from tests.rig.logged import logged
from tests.rig.people import person

CODE = "SG123456789012"


def test_a_message_is_delivered_once_and_its_receipt_kept(gateway: GatewayFixture) -> None:
    message_id = gateway.ask(CODE)
    (body,) = gateway.deliver()
    row = gateway.of(message_id)
    assert (row.state, row.attempt, row.body) == ("delivered", 1, body)
    said = gateway.boxes["SG"]
    receipt = HTTPS.read_answer(gateway.node, gateway.live(), Response(200, {}, row.answer))
    assert isinstance(receipt, Receipt)
    assert receipt.digest == row.digest
    assert said.received[0].body == body
    assert gateway.deliver() == []
    assert (gateway.journal("sent"), gateway.journal("delivered")) == ([message_id], [message_id])


def test_every_try_sends_the_same_bytes_under_the_same_id(gateway: GatewayFixture) -> None:
    message_id = gateway.ask(CODE)
    gateway.links["SG"].spoil = down
    for _ in range(4):
        gateway.deliver()
        gateway.later(hours=1)
    gateway.links["SG"].spoil = None
    gateway.deliver()
    assert len(gateway.links["SG"].tries) == 5
    assert len(set(gateway.links["SG"].tries)) == 1
    assert [header.id for header in gateway.heard()] == [message_id]


def test_each_message_is_a_line_of_the_log_when_it_arrived_and_while_it_waits(gateway: GatewayFixture) -> None:
    message_id = gateway.ask(CODE)
    gateway.links["SG"].spoil = down
    with logged("gateway.exchange.deliver.courier") as lines:
        gateway.deliver()
        gateway.later(hours=1)
        gateway.links["SG"].spoil = None
        gateway.deliver()
    said = [(line["partner"], line["id"], line["kind"], line["outcome"], line["attempt"]) for line in lines]
    assert said == [("SG", message_id, "query", "waits", 1), ("SG", message_id, "query", "delivered", 2)]
    assert lines[1]["ms"] > 0


def receipt_for(gateway: GatewayFixture, message_id: str, digest: str) -> bytes:
    return gateway.boxes["SG"].protocol_message(
        Kind.RECEIPT, payloads.write_receipt(Receipt(message_id, digest, gateway.now)), refers_to=message_id
    )


@pytest.mark.parametrize(
    "what",
    ["500", "rubbish", "half", "empty", "wrong digest", "other message", "unsigned", "other kind", "other partner", "old refusal"],
)
def test_whatever_is_no_proof_is_tried_again(gateway: GatewayFixture, what: str) -> None:
    message_id = gateway.ask(CODE)

    def spoil(body: bytes) -> Response:
        answer = gateway.links["SG"].through(body).body
        box = gateway.boxes["SG"]
        bodies = {
            "500": b"Internal Server Error",
            "rubbish": b"\x00\xff" * 50,
            "half": answer[: len(answer) // 2],
            "empty": b"",
            "wrong digest": receipt_for(gateway, message_id, "00" * 32),
            "other message": receipt_for(gateway, "another-message-1", gateway.of(message_id).digest),
            "unsigned": answer[: answer.index(b"<ds:Signature")] + b"</x:Exchange>",
            "other kind": box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING)),
            "other partner": gateway.boxes["HK"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING)),
            "old refusal": box.protocol_message(
                Kind.REFUSAL, payloads.write_refusal(Refusal(Code.SCHEMA_INVALID), "00" * 32, gateway.now)
            ),
        }
        return Response(500 if what == "500" else 200, {}, bodies[what])

    gateway.links["SG"].spoil = spoil
    gateway.deliver()
    row = gateway.of(message_id)
    assert (row.state, row.attempt) == ("queued", 1)
    assert row.problem
    gateway.links["SG"].spoil = None
    gateway.later(minutes=1)
    gateway.deliver()
    assert gateway.of(message_id).state == "delivered"
    assert [header.id for header in gateway.heard()] == [message_id], "the receiver took it once"


PAGE = b"<!DOCTYPE html>\n<html><head><title>%s</title></head><body><h1>Sorry</h1></body></html>"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            Response(404, {"content-type": "text/html"}, PAGE % b"404 Not Found"),
            '404 Not Found with an HTML page "404 Not Found" instead of a receipt: is the path right?',
        ),
        (Response(200, {}, PAGE % b"Sign in"), 'an HTML page "Sign in" instead of a receipt: does the endpoint lead to'),
        (Response(502, {}, b"\xef\xbb\xbf\n" + PAGE % b"Bad\n Gateway"), '"Bad Gateway" instead of a receipt: a proxy before'),
        (Response(200, {}, b""), "200 OK with nothing instead of a receipt"),
        (
            Response(405, {}, b""),
            "405 Method Not Allowed with nothing instead of a receipt: is the path right, and does it take POST?",
        ),
        (Response(413, {}, b"too big"), "take messages of that size? The message has "),
        (Response(500, {}, b"Internal Server Error"), '500 Internal Server Error with the text "Internal Server Error"'),
        (
            Response(
                403, {"content-type": "application/problem+json"}, b'{"code": "partner-unknown", "title": "Who?", "status": 403}'
            ),
            '403 Forbidden with a JSON document "partner-unknown Who?" instead',
        ),
        (Response(500, {}, b"[" * 4_000), "500 Internal Server Error with a JSON document instead"),
        (
            Response(500, {}, b'<?xml version="1.0"?><soap:Envelope xmlns:soap="x"/>'),
            "with an XML document <soap:Envelope> instead",
        ),
        (Response(200, {}, b"\x00\xff" * 50), "with 100 bytes that are no text instead"),
        (Response(299, {}, b"\x1b[2Jhello"), '299 with the text "\\u001b[2Jhello" instead'),
        (
            Response(200, {}, f'<x:Exchange xmlns:x="{payloads.NAMESPACE}"></x:Exchange>'.encode()),
            "200 OK with an answer that proves nothing instead of a receipt: signature-missing: The message is not signed.",
        ),
    ],
)
def test_what_came_instead_of_a_receipt_is_said_in_its_own_words(gateway: GatewayFixture, answer: Response, says: str) -> None:
    message_id = gateway.ask(CODE)
    gateway.links["SG"].spoil = lambda _: answer
    gateway.deliver()
    row = gateway.of(message_id)
    assert says in row.problem
    assert "xml-" not in row.problem
    assert "Document is empty" not in row.problem


def test_what_time_does_not_mend_waits_longer_and_is_the_partners_problem_at_once(gateway: GatewayFixture) -> None:
    told = {}
    for status in (401, 403, 404, 405, 413, 500, 503, 429, 200):
        message_id = gateway.ask(CODE)
        gateway.links["SG"].spoil = answering(status)
        gateway.deliver()
        waits = gateway.of(message_id).due - gateway.now >= courier.FOR_A_PERSON
        told[status] = waits, [one.what for one in gateway.node.partners.problems.now()] == ["delivery"]
        gateway.links["SG"].spoil = None
        gateway.later(hours=1)
        gateway.deliver()
        assert gateway.of(message_id).state == "delivered"
        assert gateway.node.partners.problems.now() == [], "it works again"
    assert told == {status: (status in (401, 403, 404, 405, 413),) * 2 for status in told}


def test_a_refusal_of_these_bytes_ends_it_for_a_person_to_see(gateway: GatewayFixture) -> None:
    message_id = gateway.ask(CODE)

    def refuse(body: bytes) -> Response:
        text = payloads.write_refusal(Refusal(Code.SCHEMA_INVALID, "It is wrong."), sha256(body).hexdigest(), gateway.now)
        return Response(422, {}, gateway.boxes["SG"].protocol_message(Kind.REFUSAL, text))

    gateway.links["SG"].spoil = refuse
    gateway.deliver()
    row = gateway.of(message_id)
    assert row.state == "dead"
    assert row.problem.startswith("schema-invalid: It is wrong.")
    assert row.answer
    assert gateway.journal("refused") == [message_id]


def broken(*_: object) -> Signed:
    raise RuntimeError("the token is out\x1b[2J")


@pytest.mark.parametrize("where", ["sign", "read_answer"])
def test_a_fault_of_ours_keeps_its_problem_and_its_growing_pause(
    gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    message_id = gateway.ask(CODE)
    pauses = []
    with monkeypatch.context() as fault:
        fault.setattr(Https, where, broken)
        for attempt in range(1, 8):
            gateway.deliver()
            row = gateway.of(message_id)
            assert (row.state, row.attempt) == ("queued", attempt)
            assert row.problem == "a fault of this gateway: RuntimeError: the token is out\\u001b[2J"
            pauses.append(row.due - gateway.now)
            gateway.later(hours=1)
    assert pauses[-1] > 10 * pauses[0]
    gateway.deliver()
    assert gateway.of(message_id).state == "delivered"


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


def test_a_busy_partner_is_left_alone_as_long_as_it_asks(gateway: GatewayFixture) -> None:
    gateway.ask(CODE)
    gateway.links["SG"].spoil = answering(503, b"busy", retry_after="120")
    gateway.deliver()
    gateway.later(seconds=119)
    assert gateway.deliver() == []
    gateway.later(seconds=2)
    assert len(gateway.deliver()) == 1


def test_a_line_on_which_nothing_works_rests_as_a_whole_and_recovers(gateway: GatewayFixture) -> None:
    for _ in range(6):
        gateway.ask(CODE)
    gateway.links["SG"].spoil = down
    for _ in range(10):
        gateway.deliver()
    assert len(gateway.links["SG"].tries) == circuits.TOLERATED, "a partner that is down is not hammered"
    with gateway.database.reading() as connection:
        assert outbox.waiting(connection, gateway.now) == []
        (failures, until, problem) = circuits.broken(connection)["SG"]
    assert (failures, until) == (circuits.TOLERATED, gateway.now + circuits.OPEN)
    assert "nobody answers" in problem
    gateway.links["SG"].spoil = None
    gateway.later(minutes=5)
    gateway.deliver()
    assert {state for _, state in gateway.queue()} == {"delivered"}
    with gateway.database.reading() as connection:
        assert circuits.broken(connection) == {}


def test_one_message_that_fails_does_not_stop_the_others(gateway: GatewayFixture) -> None:
    poison = gateway.ask(CODE)
    others = [gateway.ask(CODE) for _ in range(5)]
    line = gateway.links["SG"]
    line.spoil = lambda body: Response(500, {}, b"") if poison.encode() in body else line.through(body)
    for _ in range(8):
        gateway.deliver()
        gateway.later(seconds=10)
    assert [gateway.of(one).state for one in others] == ["delivered"] * 5
    assert gateway.of(poison).state == "queued"


# ---------------------------------------------------------------- order


def test_notice_before_update_before_list(gateway: GatewayFixture) -> None:
    gateway.feed(1, 2)  # the first thing a partner hears is the complete list
    gateway.deliver()
    gateway.feed(3)
    gateway.do(lambda connection: feed.full_list(connection, gateway.node, gateway.live(), gateway.now))
    gateway.feed(1, **RECTIFYING)
    before = len(gateway.boxes["SG"].received)
    gateway.deliver()
    assert [one.header.kind for one in gateway.boxes["SG"].received[before:]] == [Kind.NOTICE, Kind.UPDATE, Kind.LIST]


def test_a_queued_grant_never_lands_after_an_urgent_loss(gateway: GatewayFixture) -> None:
    gateway.feed(1)
    gateway.deliver()
    gateway.links["SG"].spoil = down
    gateway.feed(2, 3)
    gateway.feed(2, **DOWNGRADED)
    gateway.links["SG"].spoil = None
    gateway.deliver()
    about_two = [
        (one.header.kind, said.standing)
        for one in gateway.boxes["SG"].received
        for said in one.statements
        if said.tin.endswith("02")
    ]
    assert not about_two or about_two[-1][1] is not Standing.VALID
    about_three = [said.standing for one in gateway.boxes["SG"].received for said in one.statements if said.tin.endswith("03")]
    assert about_three == [Standing.VALID], "who was told of in the same message is still told of"


def test_one_message_in_flight_per_partner(gateway: GatewayFixture) -> None:
    gateway.ask(CODE)
    gateway.ask(CODE)
    seen = []

    def look(body: bytes) -> Response:
        seen.append([state for _, state in gateway.queue()])
        return gateway.links["SG"].through(body)

    gateway.links["SG"].spoil = look
    gateway.deliver()
    assert seen == [["sending", "queued"], ["delivered", "sending"]]


def test_a_slow_partner_delays_no_other(gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = gateway.ask(CODE, "SG"), gateway.ask("HK1234567890", "HK")
    waits, order = asyncio.Event(), []

    async def post(_: Lines, iso: str, url: str, body: bytes, **more: object) -> Response:
        if iso == "SG":
            await waits.wait()
        order.append(iso)
        return gateway.links[iso].through(body)

    async def story() -> None:
        working = Courier(gateway.node)
        await working.look()
        async with asyncio.timeout(60):
            while not order:
                await asyncio.sleep(0.01)
        assert order == ["HK"]
        waits.set()
        await working.idle()

    monkeypatch.setattr(Lines, "post", post)
    gateway.run(story())
    assert (gateway.of(slow).state, gateway.of(quick).state) == ("delivered", "delivered")


# ---------------------------------------------------------------- leases


def test_a_second_send_only_after_the_lease_ended(gateway: GatewayFixture) -> None:
    gateway.ask(CODE)
    first = gateway.run(prepare(gateway.node, gateway.live()))
    assert first is not None
    other = gateway.another()
    assert gateway.run(prepare(other, gateway.live())) is None
    gateway.later(seconds=30)
    second = gateway.run(prepare(other, gateway.live()))
    assert second is not None
    assert (second.attempt, second.body, second.header) == (2, first.body, first.header)
    assert not gateway.do(partial(outbox.postpone, leased=first, due=gateway.now, problem="too late"))
    assert not gateway.do(partial(outbox.finish, leased=first, state="dead", at=gateway.now))
    assert gateway.of(first.header.id).state == "sending"
    other.writer.close()


def test_whoever_lost_the_lease_before_signing_sends_nothing(gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway.ask(CODE)
    other = gateway.another()
    sign = Https.sign

    def slow(self: Https, node: Node, header: Header, payload: str) -> Signed:
        monkeypatch.setattr(Https, "sign", sign)
        gateway.later(seconds=31)
        assert asyncio.run(prepare(other, gateway.live())) is not None
        return sign(self, node, header, payload)

    monkeypatch.setattr(Https, "sign", slow)
    assert gateway.run(prepare(gateway.node, gateway.live())) is None
    other.writer.close()


def test_a_proven_arrival_counts_although_the_lease_was_lost(gateway: GatewayFixture) -> None:
    message_id = gateway.ask(CODE)

    def too_slow(body: bytes) -> Response:
        answer = gateway.links["SG"].through(body)
        gateway.later(seconds=31)
        gateway.run_elsewhere(prepare(gateway.node, gateway.live()))
        return answer

    gateway.links["SG"].spoil = too_slow
    gateway.deliver()
    assert gateway.of(message_id).state == "delivered"
    assert gateway.journal("delivered") == [message_id]


# ---------------------------------------------------------------- ends


def test_what_expires_waits_for_a_person_and_can_be_sent_again(gateway: GatewayFixture) -> None:
    message_id = gateway.ask(CODE)
    gateway.links["SG"].spoil = down
    gateway.deliver()
    gateway.later(days=2, seconds=1)
    gateway.deliver()
    row = gateway.of(message_id)
    assert row.state == "expired"
    assert "nobody answers" in row.problem
    assert gateway.journal("expired") == [message_id]
    gateway.links["SG"].spoil = None
    again = partial(
        resend.by_hand,
        node=gateway.node,
        message_ids=[message_id, "unknown"],
        who=person("a person"),
        reason="the line is back",
        at=gateway.now,
    )
    assert gateway.do(again) == [message_id]
    assert gateway.deliver() == [row.body], "the same bytes, while its receiver takes them"
    assert gateway.of(message_id).state == "delivered"
    assert gateway.journal("decision") == [message_id]


def test_what_is_too_old_for_its_receiver_is_issued_anew(gateway: GatewayFixture) -> None:
    message_id = gateway.ask(CODE)
    gateway.links["SG"].spoil = down
    gateway.deliver()
    gateway.later(days=3, seconds=1)
    gateway.deliver()
    gateway.links["SG"].spoil = None
    gateway.do(
        partial(resend.by_hand, node=gateway.node, message_ids=[message_id], who=person("a person"), reason="x", at=gateway.now)
    )
    gateway.deliver()
    (header,) = gateway.heard()
    assert header.id != message_id
    assert (header.refers_to, header.created) == (message_id, gateway.now)
    assert gateway.of(message_id).state == "reissued"


def test_old_news_is_said_anew_as_a_complete_list(gateway: GatewayFixture) -> None:
    gateway.feed(1)
    gateway.deliver()
    gateway.links["SG"].spoil = down
    gateway.feed(2)
    gateway.deliver()
    gateway.later(days=3, seconds=1)
    gateway.deliver()
    ended = [row.message_id for row in gateway.rows(table) if row.partner == "SG" and row.state == "expired"]
    assert len(ended) == 1
    gateway.links["SG"].spoil = None
    gateway.do(partial(resend.by_hand, node=gateway.node, message_ids=ended, who=person("a person"), reason="x", at=gateway.now))
    gateway.deliver()
    last = gateway.boxes["SG"].received[-1]
    assert last.header.kind is Kind.LIST
    assert [one.tin for one in last.statements] == ["AEOCN9900000001", "AEOCN9900000002"]


def test_bytes_signed_by_a_certificate_that_ended_are_not_sent_again(gateway: GatewayFixture) -> None:
    message_id = gateway.ask(CODE)
    gateway.links["SG"].spoil = down
    gateway.deliver()
    gateway.do(lambda connection: connection.execute(table.update().values(good_until=gateway.now)))
    gateway.later(minutes=1)
    gateway.links["SG"].spoil = None
    gateway.deliver()
    gateway.deliver()
    (header,) = gateway.heard()
    assert header.refers_to == message_id
    assert gateway.of(message_id).state == "reissued"


# ---------------------------------------------------------------- the mailbox


def pull(gateway: GatewayFixture) -> bytes:
    return gateway.boxes["SG"].protocol_message(Kind.PULL, payloads.write_empty(Kind.PULL))


def test_a_partner_that_cannot_be_called_comes_for_its_messages(gateway: GatewayFixture) -> None:
    gateway.bind("SG", endpoint=None, pull=True)
    first, second = gateway.ask(CODE), gateway.ask(CODE)
    for expected in (first, second):
        said = gateway.send(pull(gateway))
        assert said.header.id == expected
        assert gateway.send(pull(gateway)).header.id == expected, "until the receipt came it is the same"
        gateway.send(receipt_for(gateway, said.header.id, said.digest))
        assert gateway.of(expected).state == "delivered"
    assert gateway.send(pull(gateway)).header.kind is Kind.RECEIPT


def test_a_pull_replayed_tells_nothing_new(gateway: GatewayFixture) -> None:
    gateway.bind("SG", endpoint=None, pull=True)
    first = gateway.ask(CODE)
    body = pull(gateway)
    said = gateway.send(body)
    assert gateway.send(body).header.id == first
    gateway.send(receipt_for(gateway, said.header.id, said.digest))
    gateway.ask(CODE)
    assert gateway.send(body).header.kind is Kind.RECEIPT


def test_who_is_called_does_not_pull(gateway: GatewayFixture) -> None:
    assert gateway.refused(pull(gateway)) == "kind-not-accepted"


# ---------------------------------------------------------------- faults of ours


def _overflows(_: bytes) -> Response:
    raise OverflowError("date value out of range")


def test_a_try_that_fails_by_a_fault_of_ours_keeps_its_problem_and_its_growing_pause(gateway: GatewayFixture) -> None:
    """It was tried again at once, for ever, and nobody could see why."""
    message_id = gateway.ask(CODE)
    gateway.links["SG"].spoil = _overflows
    pauses = []
    for _ in range(4):
        gateway.deliver()
        row = gateway.of(message_id)
        assert (row.state, "OverflowError: date value out of range" in row.problem) == ("queued", True)
        pauses.append(row.due - gateway.now)
        gateway.later(hours=1)
    assert pauses[0] < pauses[-1]
    (problem,) = gateway.partners.problems.now()
    assert (problem.partner, problem.what) == ("SG", "delivery")
    gateway.links["SG"].spoil = None
    gateway.deliver()
    assert (gateway.of(message_id).state, gateway.partners.problems.now()) == ("delivered", [])


def test_what_cannot_be_signed_is_such_a_try_too(gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Https, node: Node, header: Header, payload: str) -> Signed:
        raise KeyError(header.receiver)

    monkeypatch.setattr(Https, "sign", fails)
    message_id = gateway.ask(CODE)
    assert gateway.deliver() == []
    row = gateway.of(message_id)
    assert (row.state, "KeyError" in row.problem, row.due > gateway.now) == ("queued", True, True)
    monkeypatch.undo()


@pytest.mark.parametrize("iso", ["SG", "HK"])
def test_a_queue_whose_head_cannot_be_taken_is_that_partners_problem(
    iso: str, gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The courier goes on with everybody else's."""
    gateway.over_links(monkeypatch)
    asked = {one: gateway.ask(CODE if one == "SG" else "HK1234567890", one) for one in ("SG", "HK")}
    lease = outbox.lease

    def fails(connection: Connection, partner: str, **said: Any) -> Any:
        if partner == iso:
            raise ValueError("its row cannot be read")
        return lease(connection, partner, **said)

    monkeypatch.setattr(outbox, "lease", fails)
    couriers = Courier(gateway.node)

    async def story() -> None:
        await couriers.look()
        await couriers.idle()

    gateway.run(story())
    assert {one: gateway.of(message_id).state for one, message_id in asked.items()} == {
        one: "queued" if one == iso else "delivered" for one in asked
    }
    assert [(one.partner, one.what) for one in gateway.partners.problems.now()] == [(iso, "delivery")]
