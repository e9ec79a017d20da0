"""Story one: what becomes of a message, and what its sender is told. What is refused is in tests/vectors/protocol."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.clearance.index import Index
from gateway.core.errors import Code, Refusal
from gateway.core.history import unpack
from gateway.core.model import Kind, Priority, Standing, Statement
from gateway.core.protocol import Receipt, Resend
from gateway.exchange.bindings.base import Transport
from gateway.exchange.receive import receive as receiving
from gateway.journal.sealer import checkpoint_of
from gateway.running.follower import Follower
from gateway.store import journal, messages, partners
from gateway.store.database import Database
from gateway.store.messages import Kept
from gateway.store.tables import intake, message, operator
from gateway.wire import payloads
from tests.rig.gateway import GatewayFixture, down


def test_a_receipt_speaks_of_what_is_recorded(house: GatewayFixture) -> None:
    body = house.boxes["SG"].full_list()
    said = house.send(body)
    receipt = payloads.read_receipt(said.payload)
    (stored,) = house.rows(message)
    assert (receipt.message, receipt.digest, receipt.received) == (stored.message_id, stored.digest, house.now)
    assert stored.body == body
    assert [row.outcome for row in house.rows(intake)] == ["accepted"]
    assert house.journal("message") == [stored.message_id]


def test_a_receipt_carries_the_latest_checkpoint(house: GatewayFixture) -> None:
    house.listed()
    house.seal()
    with house.database.reading() as connection:
        house.node.checkpoint = checkpoint_of(journal.latest(connection))
    box = house.boxes["SG"]
    receipt = payloads.read_receipt(house.send(box.say(next(iter(box.operators)), Standing.SUSPENDED)).payload)
    assert receipt.checkpoint is not None
    assert receipt.checkpoint.size > 0


def test_a_duplicate_gets_the_stored_receipt_byte_for_byte(house: GatewayFixture) -> None:
    house.listed()
    box = house.boxes["SG"]
    body = box.say(next(iter(box.operators)), Standing.SUSPENDED)
    first = house.receive(body)
    house.later(minutes=5)
    again = house.receive(body)
    assert again.signed == first.signed
    assert len(house.rows(message)) == 2
    assert [row.outcome for row in house.rows(intake)] == ["accepted", "accepted", "duplicate"]


def test_the_same_content_signed_anew_is_a_duplicate_too(house: GatewayFixture) -> None:
    box = house.boxes["SG"]
    box.make_up(1)
    header = box.header(Kind.PING)
    first = house.receive(box.sign(header, payloads.write_empty(Kind.PING)))
    assert house.receive(box.sign(header, payloads.write_empty(Kind.PING))).signed == first.signed


def test_two_partners_may_use_one_id(house: GatewayFixture) -> None:
    for box in house.boxes.values():
        house.send(box.ours(Kind.PING, payloads.write_empty(Kind.PING), id="the-same-id-1"), box.iso)
    assert len(house.rows(message)) == 2


def test_a_result_says_what_became_of_each_record_and_refers_to_its_message(house: GatewayFixture) -> None:
    tins = house.listed(count=3)
    (stored,) = house.rows(message)
    house.deliver()
    assert house.results() == {stored.message_id: [(tin, "accepted") for tin in tins]}


def test_a_failing_national_checksum_is_said_and_refuses_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, doubtful = (Statement(tin=tin, standing=Standing.VALID) for tin in ("AU53004085616", "AU12345678910"))
    with GatewayFixture(tmp_path / "home", ["AU"], database) as house:
        house.over_links(monkeypatch)
        house.send(house.boxes["AU"].message(Kind.UPDATE, [good, doubtful]), "AU")
        house.deliver("AU")
        (result,) = (one.results for one in house.boxes["AU"].heard if one.header.kind is Kind.RESULT)
    assert [(one.code, one.outcome, one.reason) for one in result] == [
        (good.tin, "accepted", None),
        (doubtful.tin, "accepted", "checksum"),
    ]


def test_the_transport_identity_must_agree_also_when_judged_again(house: GatewayFixture) -> None:
    body = house.boxes["SG"].ours(Kind.PING, payloads.write_empty(Kind.PING))
    answer = house.receive(body, identity="HK")
    assert answer.refusal is not None
    assert str(answer.refusal.code) == "identity-mismatch"
    house.do(lambda connection: messages.keep(connection, body, remote="x", identity="HK", received=house.now))
    assert house.run(receiving.judge_again(house.node, house.now + timedelta(seconds=1))) == 1
    assert house.rows(message) == []


def test_a_suspended_partner_is_refused(house: GatewayFixture) -> None:
    body = house.boxes["SG"].ours(Kind.PING, payloads.write_empty(Kind.PING))
    house.do(partial(partners.set_state, iso="SG", state="suspended", at=house.now, who="a person", reason="a test"))
    assert house.refused(body) == "partner-suspended", "even where this node has not heard of it yet"


def test_a_stranger_fills_neither_disk_nor_journal(house: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "STRANGERS", 20)
    monkeypatch.setattr(receiving, "QUARANTINE", 2_000)
    for number in range(60):
        assert house.receive(b"<x>" + b"y" * 150 + str(number).encode() + b"</x>").signed is None
    rows = house.rows(intake)
    assert len(rows) <= 20
    assert sum(len(row.body) for row in rows) <= 2_000
    assert rows[-1].body, "the newest stays"
    assert house.journal("refusal") == []


# ---------------------------------------------------------------- receipts, refusals and results that come


def _sent(house: GatewayFixture) -> str:
    message_id = house.ask("SG123456789012")
    house.links["SG"].spoil = down
    house.deliver()
    house.links["SG"].spoil = None
    return message_id


def _receipt(house: GatewayFixture, message_id: str, iso: str = "SG", digest: str | None = None) -> bytes:
    box = house.boxes[iso]
    sent = house.of(message_id)
    receipt = payloads.write_receipt(Receipt(message_id, digest or sent.digest, house.now))
    return box.ours(Kind.RECEIPT, receipt, refers_to=message_id)


def test_a_receipt_that_comes_by_itself_settles_the_message(house: GatewayFixture) -> None:
    message_id = _sent(house)
    assert house.of(message_id).state == "queued"
    body = _receipt(house, message_id)
    house.send(body)
    row = house.of(message_id)
    assert (row.state, row.answer) == ("delivered", body)
    house.later(hours=1)
    assert house.deliver() == [], "it is not sent again"
    house.send(_receipt(house, message_id))
    assert house.journal("delivered") == [message_id], "a correct receipt twice changes nothing"


def test_a_refusal_that_comes_by_itself_ends_the_message_if_it_is_about_its_bytes(house: GatewayFixture) -> None:
    message_id = _sent(house)
    body, box = house.of(message_id).body, house.boxes["SG"]
    for digest, code, state in (("00" * 32, "receipt-mismatch", "queued"), (sha256(body).hexdigest(), None, "dead")):
        text = payloads.write_refusal(Refusal(Code.SCHEMA_INVALID), digest, house.now)
        answer = house.receive(box.ours(Kind.REFUSAL, text, refers_to=message_id))
        assert (str(answer.refusal.code) if answer.refusal else None) == code
        assert house.of(message_id).state == state


def test_a_retryable_refusal_ends_nothing(house: GatewayFixture) -> None:
    message_id = _sent(house)
    text = payloads.write_refusal(Refusal(Code.BUSY), sha256(house.of(message_id).body).hexdigest(), house.now)
    house.send(house.boxes["SG"].ours(Kind.REFUSAL, text, refers_to=message_id))
    assert house.of(message_id).state == "queued"


# ---------------------------------------------------------------- sequence


def test_a_gap_is_asked_for_once_and_by_class(house: GatewayFixture) -> None:
    (tin, *_) = house.listed()
    box = house.boxes["SG"]
    for number in (1, 4, 5, 9, 7):
        house.later(seconds=1)
        house.send(box.message(Kind.NOTICE, [box.change(tin, Standing.SUSPENDED)], sequence=number))
    house.send(box.message(Kind.UPDATE, [box.change(tin, Standing.VALID)], sequence=1))
    house.deliver()
    asked = [(one.priority.value, one.first, one.last) for one in house.resends()]
    assert asked == [("urgent", 2, 3), ("urgent", 6, 8)]


def test_what_a_partner_asks_for_again_is_sent_again_with_the_same_bytes(house: GatewayFixture) -> None:
    house.feed(1)
    house.deliver()
    house.feed(2)
    house.feed(3)
    sent = house.deliver()
    assert [header.sequence for header in house.heard(kind=Kind.UPDATE)] == [1, 2]
    house.send(house.boxes["SG"].ours(Kind.RESEND, payloads.write_resend(Resend(Priority.NORMAL, 1, 1))))
    assert house.deliver() == sent[:1]


# ---------------------------------------------------------------- queries


def test_a_query_is_answered_and_never_tells_the_tier(house: GatewayFixture) -> None:
    house.feed(1)
    house.deliver()
    box = house.boxes["SG"]
    for asked, found in (("AEOCN9900000001", ["valid"]), ("AEOCN0000000000", [])):
        house.send(box.message(Kind.QUERY, query=asked))
        house.deliver()
        answer = box.heard[-1]
        assert (answer.header.kind, [one.standing.value for one in answer.statements]) == (Kind.RESPONSE, found)
        assert b"advanced" not in answer.body.lower()


# ---------------------------------------------------------------- interrupted


def test_what_was_kept_and_not_judged_is_judged_at_the_next_start(house: GatewayFixture) -> None:
    body = house.boxes["SG"].ours(Kind.PING, payloads.write_empty(Kind.PING))
    house.do(lambda connection: messages.keep(connection, body, remote="x", identity=None, received=house.now))
    assert house.run(receiving.judge_again(house.node, house.now + timedelta(days=1))) == 1
    assert [row.outcome for row in house.rows(intake)] == ["accepted"]
    assert len(house.rows(message)) == 1
    assert house.send(body).header.kind is Kind.RECEIPT, "and its sender, who heard nothing, gets the receipt"


def test_a_fault_of_ours_gives_no_verdict_and_holds_nobody_up(house: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    box = house.boxes["SG"]
    bodies = [box.ours(Kind.PING, payloads.write_empty(Kind.PING)) for _ in range(2)]
    with monkeypatch.context() as patched:
        patched.setattr("gateway.exchange.receive.steps.record", broken)
        with pytest.raises(RuntimeError):
            house.receive(bodies[0])
        for _ in range(receiving.TRIES):
            assert house.run(receiving.judge_again(house.node, house.now + timedelta(days=1))) == 0
    house.send(bodies[1])
    assert [row.outcome for row in house.rows(intake)] == ["failed", "accepted"]
    assert house.send(bodies[0]).header.kind is Kind.RECEIPT


def test_judging_one_intake_twice_at_once_records_it_once(house: GatewayFixture) -> None:
    body = house.boxes["SG"].ours(Kind.PING, payloads.write_empty(Kind.PING))
    kept = house.do(lambda connection: messages.keep(connection, body, remote="x", identity=None, received=house.now))
    one = Kept(kept, house.now, "x", None, "https", body)

    async def both() -> None:
        first, second = await asyncio.gather(receiving.process(house.node, one), receiving.process(house.node, one))
        assert first.signed == second.signed

    house.run(both())
    assert [row.outcome for row in house.rows(intake)] == ["accepted"]
    assert house.journal("message") == [house.rows(message)[0].message_id]


# ---------------------------------------------------------------- the index


def test_the_follower_never_takes_back_what_this_node_committed(house: GatewayFixture) -> None:
    index = Index(timedelta(seconds=5))
    index.load((), house.seal())
    (tin, *_) = house.listed()
    house.seal()
    follower = Follower(house.node, index)
    look = follower._look

    def late() -> object:
        """Reads, and while what it read is under way a newer message is committed."""
        seen = look()
        house.later(seconds=1)
        body = house.boxes["SG"].say(tin, Standing.SUSPENDED)
        done: Future[None] = Future()

        async def send() -> None:
            await receiving.receive(house.node, body, Transport("x"))
            done.set_result(None)

        house.loop.call_soon_threadsafe(lambda: house.loop.create_task(send()))
        done.result(10)
        return seen

    follower._look = late  # type: ignore[method-assign,assignment]
    house.run(follower.step())
    timeline = index.get(tin)
    assert timeline is not None
    assert timeline.authorisations[0].stands[-1].standing is Standing.SUSPENDED
    follower._look = look  # type: ignore[method-assign]
    house.seal()
    house.run(follower.step())
    assert house.node.committed.ahead == {}
    with house.database.reading() as connection:
        stored = connection.execute(select(operator.c.timeline).where(operator.c.tin == tin)).scalar_one()
    assert index.get(tin) == unpack(stored)
