"""Story one: what becomes of a message, and what its sender is told. What is refused is in tests/vectors/protocol."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal

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
from gateway.wire import envelope, payloads
from gateway.wire.signature import sign
from tests.rig.gateway import GatewayFixture, down
from tests.rig.people import person
from tests.rig.shipped import chosen


def test_a_receipt_speaks_of_what_is_recorded(gateway: GatewayFixture) -> None:
    body = gateway.boxes["SG"].full_list()
    said = gateway.send(body)
    receipt = payloads.read_receipt(said.payload)
    (stored,) = gateway.rows(message)
    assert (receipt.message, receipt.digest, receipt.received) == (stored.message_id, stored.digest, gateway.now)
    assert stored.body == body
    assert [row.outcome for row in gateway.rows(intake)] == ["accepted"]
    assert gateway.journal("message") == [stored.message_id]


@pytest.mark.parametrize(("agreed", "spoken"), [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_both_envelopes_are_read_and_the_answer_comes_in_the_one_of_the_question(
    agreed: Literal[1, 2], spoken: Literal[1, 2], gateway: GatewayFixture
) -> None:
    """Whichever side changes first, nothing is lost; what we begin, we write in the one that is agreed."""
    gateway.bind("SG", envelope=agreed)
    box, bundle = gateway.boxes["SG"], gateway.live("SG").bundle
    box.bundle = replace(
        bundle, arrangement=replace(bundle.arrangement, binding=replace(bundle.arrangement.binding, envelope=spoken))
    )
    named = f"urn:aeo-gateway:exchange:{spoken}".encode()
    for body in (box.full_list(), box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING), receiver="ZZ")):
        assert named in body
        assert named in (gateway.receive(body).signed or b"")
    gateway.ask("SG123456789012")
    (result, asked) = gateway.deliver()
    assert all(f"urn:aeo-gateway:exchange:{agreed}".encode() in sent for sent in (result, asked))


def test_a_payload_is_of_the_version_of_its_envelope(gateway: GatewayFixture) -> None:
    box = gateway.boxes["SG"]
    one, two = (namespace for namespace in payloads.NAMESPACES.values())
    inside = payloads.write_empty(Kind.PING).replace(one, "urn:other")
    unsigned = envelope.write(box.header(Kind.PING), inside, 2).replace(b"urn:other", one.encode())
    assert (one.encode() in unsigned, two.encode() in unsigned) == (True, True)
    assert gateway.refused(sign(unsigned, box.signer)) == "envelope-invalid"


def test_a_receipt_carries_the_latest_checkpoint(gateway: GatewayFixture) -> None:
    gateway.listed()
    gateway.seal()
    with gateway.database.reading() as connection:
        gateway.node.checkpoint = checkpoint_of(journal.latest(connection))
    box = gateway.boxes["SG"]
    receipt = payloads.read_receipt(gateway.send(box.status_message(next(iter(box.operators)), Standing.SUSPENDED)).payload)
    assert receipt.checkpoint is not None
    assert receipt.checkpoint.size > 0


def test_a_duplicate_gets_the_stored_receipt_byte_for_byte(gateway: GatewayFixture) -> None:
    gateway.listed()
    box = gateway.boxes["SG"]
    body = box.status_message(next(iter(box.operators)), Standing.SUSPENDED)
    first = gateway.receive(body)
    gateway.later(minutes=5)
    again = gateway.receive(body)
    assert again.signed == first.signed
    assert len(gateway.rows(message)) == 2
    assert [row.outcome for row in gateway.rows(intake)] == ["accepted", "accepted", "duplicate"]


def test_the_same_content_signed_anew_is_a_duplicate_too(gateway: GatewayFixture) -> None:
    box = gateway.boxes["SG"]
    box.make_up(1)
    header = box.header(Kind.PING)
    first = gateway.receive(box.sign(header, payloads.write_empty(Kind.PING)))
    assert gateway.receive(box.sign(header, payloads.write_empty(Kind.PING))).signed == first.signed


def test_two_partners_may_use_one_id(gateway: GatewayFixture) -> None:
    for box in gateway.boxes.values():
        gateway.send(box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING), id="the-same-id-1"), box.iso)
    assert len(gateway.rows(message)) == 2


def test_a_result_says_what_became_of_each_record_and_refers_to_its_message(gateway: GatewayFixture) -> None:
    tins = gateway.listed(count=3)
    (stored,) = gateway.rows(message)
    gateway.deliver()
    assert gateway.results() == {stored.message_id: [(tin, "accepted") for tin in tins]}


def test_a_failing_national_checksum_is_said_and_refuses_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, doubtful = (Statement(tin=tin, standing=Standing.VALID) for tin in ("AU53004085616", "AU12345678910"))
    with GatewayFixture(tmp_path / "home", ["AU"], database) as gateway:
        gateway.over_links(monkeypatch)
        gateway.send(gateway.boxes["AU"].message(Kind.UPDATE, [good, doubtful]), "AU")
        gateway.deliver("AU")
        (result,) = (one.results for one in gateway.boxes["AU"].received if one.header.kind is Kind.RESULT)
    assert [(one.code, one.outcome, one.reason) for one in result] == [
        (good.tin, "accepted", None),
        (doubtful.tin, "accepted", "checksum"),
    ]


def test_the_transport_identity_must_agree_also_when_judged_again(gateway: GatewayFixture) -> None:
    body = gateway.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    answer = gateway.receive(body, identity="HK")
    assert answer.refusal is not None
    assert str(answer.refusal.code) == "identity-mismatch"
    gateway.do(lambda connection: messages.keep(connection, body, remote="x", identity="HK", received=gateway.now))
    assert gateway.run(receiving.judge_again(gateway.node, gateway.now + timedelta(seconds=1))) == 1
    assert gateway.rows(message) == []


def test_a_suspended_partner_is_refused(gateway: GatewayFixture) -> None:
    body = gateway.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    gateway.do(partial(partners.set_state, iso="SG", state="suspended", at=gateway.now, who=person("a person"), reason="a test"))
    assert gateway.refused(body) == "partner-suspended", "even where this node has not heard of it yet"


def test_a_stranger_fills_neither_disk_nor_journal(gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "STRANGERS", 20)
    monkeypatch.setattr(receiving, "QUARANTINE", 2_000)
    for number in range(60):
        assert gateway.receive(b"<x>" + b"y" * 150 + str(number).encode() + b"</x>").signed is None
    rows = gateway.rows(intake)
    assert len(rows) <= 20
    assert sum(len(row.body) for row in rows) <= 2_000
    assert rows[-1].body, "the newest stays"
    assert gateway.journal("refusal") == []


# ---------------------------------------------------------------- receipts, refusals and results that come


def _sent(gateway: GatewayFixture) -> str:
    message_id = gateway.ask("SG123456789012")
    gateway.links["SG"].spoil = down
    gateway.deliver()
    gateway.links["SG"].spoil = None
    return message_id


def _receipt(gateway: GatewayFixture, message_id: str, iso: str = "SG", digest: str | None = None) -> bytes:
    box = gateway.boxes[iso]
    sent = gateway.of(message_id)
    receipt = payloads.write_receipt(Receipt(message_id, digest or sent.digest, gateway.now))
    return box.protocol_message(Kind.RECEIPT, receipt, refers_to=message_id)


def test_a_receipt_that_comes_by_itself_settles_the_message(gateway: GatewayFixture) -> None:
    message_id = _sent(gateway)
    assert gateway.of(message_id).state == "queued"
    body = _receipt(gateway, message_id)
    gateway.send(body)
    row = gateway.of(message_id)
    assert (row.state, row.answer) == ("delivered", body)
    gateway.later(hours=1)
    assert gateway.deliver() == [], "it is not sent again"
    gateway.send(_receipt(gateway, message_id))
    assert gateway.journal("delivered") == [message_id], "a correct receipt twice changes nothing"


def test_a_refusal_that_comes_by_itself_ends_the_message_if_it_is_about_its_bytes(gateway: GatewayFixture) -> None:
    message_id = _sent(gateway)
    body, box = gateway.of(message_id).body, gateway.boxes["SG"]
    for digest, code, state in (("00" * 32, "receipt-mismatch", "queued"), (sha256(body).hexdigest(), None, "dead")):
        text = payloads.write_refusal(Refusal(Code.SCHEMA_INVALID), digest, gateway.now)
        answer = gateway.receive(box.protocol_message(Kind.REFUSAL, text, refers_to=message_id))
        assert (str(answer.refusal.code) if answer.refusal else None) == code
        assert gateway.of(message_id).state == state


def test_a_retryable_refusal_ends_nothing(gateway: GatewayFixture) -> None:
    message_id = _sent(gateway)
    text = payloads.write_refusal(Refusal(Code.BUSY), sha256(gateway.of(message_id).body).hexdigest(), gateway.now)
    gateway.send(gateway.boxes["SG"].protocol_message(Kind.REFUSAL, text, refers_to=message_id))
    assert gateway.of(message_id).state == "queued"


# ---------------------------------------------------------------- sequence


def test_a_gap_is_asked_for_once_and_by_class(gateway: GatewayFixture) -> None:
    (tin, *_) = gateway.listed()
    box = gateway.boxes["SG"]
    for number in (1, 4, 5, 9, 7):
        gateway.later(seconds=1)
        gateway.send(box.message(Kind.NOTICE, [box.change(tin, Standing.SUSPENDED)], sequence=number))
    gateway.send(box.message(Kind.UPDATE, [box.change(tin, Standing.VALID)], sequence=1))
    gateway.deliver()
    asked = [(one.priority.value, one.first, one.last) for one in gateway.resends()]
    assert asked == [("urgent", 2, 3), ("urgent", 6, 8)]


def test_what_a_partner_asks_for_again_is_sent_again_with_the_same_bytes(gateway: GatewayFixture) -> None:
    gateway.feed(1)
    gateway.deliver()
    gateway.feed(2)
    gateway.feed(3)
    sent = gateway.deliver()
    assert [header.sequence for header in gateway.heard(kind=Kind.UPDATE)] == [1, 2]
    gateway.send(gateway.boxes["SG"].protocol_message(Kind.RESEND, payloads.write_resend(Resend(Priority.NORMAL, 1, 1))))
    assert gateway.deliver() == sent[:1]


# ---------------------------------------------------------------- queries


def test_a_query_is_answered_and_never_tells_the_tier(gateway: GatewayFixture) -> None:
    gateway.feed(1)
    gateway.deliver()
    box = gateway.boxes["SG"]
    for asked, found in (("AEOCN9900000001", ["valid"]), ("AEOCN0000000000", [])):
        gateway.send(box.message(Kind.QUERY, query=asked))
        gateway.deliver()
        answer = box.received[-1]
        assert (answer.header.kind, [one.standing.value for one in answer.statements]) == (Kind.RESPONSE, found)
        assert b"advanced" not in answer.body.lower()


def test_a_query_of_whom_nothing_can_be_said_is_refused_and_not_to_be_sent_again(gateway: GatewayFixture) -> None:
    gateway.feed(1)
    gateway.deliver("HK")
    gateway.change("HK", in_force=chosen(False))
    for code in ("AEOCN9900000001", "AEOCN0000000000"):
        answer = gateway.receive(gateway.boxes["HK"].message(Kind.QUERY, query=code))
        assert answer.signed is not None
        refused = payloads.read_refusal(gateway.boxes["HK"].check(answer.signed).payload)
        assert (refused.code, refused.retryable, refused.remedy[:16]) == ("cannot-say", False, "Do not ask again")
    assert gateway.deliver("HK") == []


# ---------------------------------------------------------------- interrupted


def test_what_was_kept_and_not_judged_is_judged_at_the_next_start(gateway: GatewayFixture) -> None:
    body = gateway.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    gateway.do(lambda connection: messages.keep(connection, body, remote="x", identity=None, received=gateway.now))
    assert gateway.run(receiving.judge_again(gateway.node, gateway.now + timedelta(days=1))) == 1
    assert [row.outcome for row in gateway.rows(intake)] == ["accepted"]
    assert len(gateway.rows(message)) == 1
    assert gateway.send(body).header.kind is Kind.RECEIPT, "and its sender, who heard nothing, gets the receipt"


def test_a_fault_of_ours_gives_no_verdict_and_holds_nobody_up(gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault of ours")

    box = gateway.boxes["SG"]
    bodies = [box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING)) for _ in range(2)]
    with monkeypatch.context() as patched:
        patched.setattr("gateway.exchange.receive.steps.record", broken)
        with pytest.raises(RuntimeError):
            gateway.receive(bodies[0])
        for _ in range(receiving.TRIES):
            assert gateway.run(receiving.judge_again(gateway.node, gateway.now + timedelta(days=1))) == 0
    gateway.send(bodies[1])
    assert [row.outcome for row in gateway.rows(intake)] == ["failed", "accepted"]
    assert gateway.send(bodies[0]).header.kind is Kind.RECEIPT


def test_judging_one_intake_twice_at_once_records_it_once(gateway: GatewayFixture) -> None:
    body = gateway.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    kept = gateway.do(lambda connection: messages.keep(connection, body, remote="x", identity=None, received=gateway.now))
    one = Kept(kept, gateway.now, "x", None, "https", body)

    async def both() -> None:
        first, second = await asyncio.gather(receiving.process(gateway.node, one), receiving.process(gateway.node, one))
        assert first.signed == second.signed

    gateway.run(both())
    assert [row.outcome for row in gateway.rows(intake)] == ["accepted"]
    assert gateway.journal("message") == [gateway.rows(message)[0].message_id]


# ---------------------------------------------------------------- the index


def test_the_follower_never_takes_back_what_this_node_committed(gateway: GatewayFixture) -> None:
    index = Index(timedelta(seconds=5))
    index.load((), gateway.seal())
    (tin, *_) = gateway.listed()
    gateway.seal()
    follower = Follower(gateway.node, index)
    look = follower._look

    def late() -> object:
        """Reads, and while what it read is under way a newer message is committed."""
        seen = look()
        gateway.later(seconds=1)
        body = gateway.boxes["SG"].status_message(tin, Standing.SUSPENDED)
        done: Future[None] = Future()

        async def send() -> None:
            await receiving.receive(gateway.node, body, Transport("x"))
            done.set_result(None)

        gateway.loop.call_soon_threadsafe(lambda: gateway.loop.create_task(send()))
        done.result(10)
        return seen

    follower._look = late  # type: ignore[method-assign,assignment]
    gateway.run(follower.step())
    timeline = index.get(tin)
    assert timeline is not None
    assert timeline.authorisations[0].stands[-1].standing is Standing.SUSPENDED
    follower._look = look  # type: ignore[method-assign]
    gateway.seal()
    gateway.run(follower.step())
    assert gateway.node.committed.ahead == {}
    with gateway.database.reading() as connection:
        stored = connection.execute(select(operator.c.timeline).where(operator.c.tin == tin)).scalar_one()
    assert index.get(tin) == unpack(stored)
