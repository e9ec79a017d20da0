"""Retention: what is closed and past its rule goes, what is open stays, and nothing that is asked afterwards is answered otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Picture, Priority, Standing
from gateway.core.protocol import Resend
from gateway.exchange import void
from gateway.exchange.deliver import resend as sending
from gateway.exchange.lists import review
from gateway.journal import audit, evidence
from gateway.operate import growth
from gateway.operate import retention as putting_away
from gateway.store import journal, leases, listings, retention, retention_classes, statements
from gateway.store.tables import entry, fact, intake, message, outbox
from gateway.wire import payloads
from tests.rig.gateway import GatewayFixture, answering, down

CODE = "SG123456789012"
DAY = {"days": 1}


def rule(house: GatewayFixture, shelf: str, days: int = 0) -> None:
    house.do(partial(retention.set_rule, name=shelf, days=days, because="a test's", who="a person", at=house.now))


def prune(house: GatewayFixture, *only: str, days: int = 0) -> dict[str, int]:
    """What goes of these shelves now, all of them where none is named."""
    gone = {}
    for one in [shelf for shelf in retention_classes.RETENTION_CLASSES if shelf.name in only or not only]:
        rule(house, one.name, days)
        with house.database.reading() as connection:
            mine = retention.rules(connection)[one.name]
            found = list(putting_away.find(connection, house.node, one, days, house.now))
        gone[one.name] = sum(
            house.do(partial(retention.prune, rule=mine, keys=keys, at=house.now)) for keys in putting_away.batches(found)
        )
    return gone


def kept(house: GatewayFixture) -> set[str]:
    """Ids of the partners' messages whose bytes are still there."""
    return {row.message_id for row in house.rows(message) if row.body is not None}


def said(house: GatewayFixture, body: bytes, iso: str = "SG") -> str:
    return house.send(body, iso).header.refers_to or ""


def ping(house: GatewayFixture) -> str:
    return said(house, house.boxes["SG"].ours(Kind.PING, payloads.write_empty(Kind.PING)))


# ---------------------------------------------------------------- what is open stays


def test_nothing_goes_without_a_rule(house: GatewayFixture) -> None:
    ping(house)
    house.later(days=4_000)
    assert house.run(putting_away.once(house.node)) == 0
    assert len(kept(house)) == 1


def test_a_message_stays_as_long_as_an_answer_rests_on_it(house: GatewayFixture) -> None:
    tin, *_ = house.listed()
    box = house.boxes["SG"]
    listed = kept(house)
    house.later(**DAY)
    suspended = said(house, box.say(tin, Standing.SUSPENDED))
    house.later(**DAY)
    pinged = ping(house)
    house.later(days=30)
    prune(house, "messages", days=10)
    assert kept(house) == {*listed, suspended}
    assert pinged not in kept(house)


def test_what_an_answer_rested_on_within_the_rule_can_still_be_shown(house: GatewayFixture) -> None:
    box = house.boxes["SG"]
    tin, *_ = house.listed(count=1)
    house.later(**DAY)
    suspended = said(house, box.say(tin, Standing.SUSPENDED))
    house.later(days=50)
    annulled = said(house, box.say(tin, Standing.ANNULLED))
    house.later(days=5)
    prune(house, "messages", days=10)
    assert suspended in kept(house), "five days ago it was what we answered from"
    house.later(days=6)
    prune(house, "messages", days=10)
    assert suspended not in kept(house)
    assert annulled in kept(house)


def test_what_two_people_annulled_can_still_be_shown_within_the_rule(house: GatewayFixture) -> None:
    box = house.boxes["SG"]
    house.listed(count=1)
    house.later(**DAY)
    wrong = said(house, box.say(CODE, Standing.VALID))
    house.later(days=50)
    one = house.do(partial(void.propose_message, message_id=wrong, reason="wrong", who="one", at=house.now))
    assert wrong not in _gone(house, days=10), "somebody wants it annulled"
    house.do(partial(void.confirm, known=house.partners, identity=one.id, who="two", at=house.now))
    house.later(days=9)
    assert wrong not in _gone(house, days=10)
    house.later(days=2)
    assert wrong in _gone(house, days=10)


def _gone(house: GatewayFixture, days: int) -> set[str]:
    before = kept(house)
    prune(house, "messages", days=days)
    return before - kept(house)


@pytest.mark.parametrize("open_", ["waiting", "held"])
def test_the_parts_of_a_list_that_waits_stay(house: GatewayFixture, open_: str) -> None:
    box = house.boxes["SG"]
    made = box.invent(6, 1)
    house.threshold("SG", 1)
    said(house, box.message(Kind.LIST, made[:3], picture=Picture(as_of=house.now)))
    house.later(**DAY)
    parts = 2 if open_ == "waiting" else 1
    waits = said(house, box.message(Kind.LIST, made[3:], picture=Picture(as_of=house.now, parts=parts)))
    house.later(days=300)
    prune(house)
    assert waits in kept(house)
    if open_ == "held":
        (held,) = house.do(listings.held_lists)
        house.do(partial(review.drop, live=house.live(), identity=held.id, who="a person", reason="no", at=house.now))
        house.later(days=1)
        prune(house)
        assert waits not in kept(house)


def test_what_is_to_be_sent_or_failed_or_is_what_a_partner_believes_stays(house: GatewayFixture) -> None:
    house.feed(1)
    house.links["SG"].spoil = down
    house.deliver()
    house.deliver("HK")
    dead = house.ask(CODE, "HK")
    house.links["HK"].spoil = lambda body: _refusing(house, body)
    house.deliver("HK")
    assert house.of(dead).state == "dead"
    house.later(days=300)
    prune(house, "sent", "receipts-got")
    assert all(row.payload and row.pruned is None for row in house.rows(outbox))


def _refusing(house: GatewayFixture, body: bytes) -> Any:
    box = house.boxes["HK"]
    refused = payloads.write_refusal(Refusal(Code.SCHEMA_INVALID, "no"), sha256(body).hexdigest(), house.now)
    return answering(422, box.ours(Kind.REFUSAL, refused))(body)


def test_within_the_time_in_which_it_may_be_asked_for_again_nothing_sent_goes(house: GatewayFixture) -> None:
    asked = house.ask(CODE)
    house.deliver()
    assert prune(house, "sent") == {"sent": 0}
    house.now += putting_away.asked_for(house.node) + timedelta(seconds=1)
    assert prune(house, "sent") == {"sent": 1}
    assert house.of(asked).body is None
    assert house.of(asked).digest


# ---------------------------------------------------------------- afterwards


def test_evidence_of_what_is_gone_says_by_which_rule_and_what_remains(house: GatewayFixture) -> None:
    came, went = ping(house), house.ask(CODE)
    house.deliver()
    house.later(days=300)
    prune(house, "messages", "sent", days=30)
    house.seal()
    for message_id in (came, went):
        with pytest.raises(Refusal) as refused, house.database.reading() as connection:
            evidence.export(connection, house.settings, message_id)
        for word in ("30 days", "a test's", "a person", house.now.isoformat(), "Its digest remains", "position"):
            assert word in refused.value.detail
    with house.database.reading() as connection:
        rows = connection.execute(select(entry.c.body).where(entry.c.kind == "retention")).scalars()
        pruned = [tuple(pair) for body in rows for pair in msgspec.json.decode(body)["pruned"]]
    digests = {row.message_id: row.digest for row in (*house.rows(message), *house.rows(outbox))}
    assert (came, digests[came]) in pruned
    assert (went, digests[went]) in pruned


def test_a_late_result_for_what_is_gone_is_still_taken(house: GatewayFixture) -> None:
    asked = house.ask(CODE)
    house.deliver()
    house.later(days=300)
    prune(house)
    box = house.boxes["SG"]
    house.send(box.ours(Kind.RESULT, payloads.write_result([]), refers_to=asked))
    refused = payloads.write_refusal(Refusal(Code.SCHEMA_INVALID, "no"), "0" * 64, house.now)
    house.send(box.ours(Kind.REFUSAL, refused, refers_to=asked))
    assert house.of(asked).state == "delivered"


def test_what_is_gone_is_not_sent_again_but_news_are_said_anew(house: GatewayFixture) -> None:
    house.feed(1)
    house.deliver()
    house.later(**DAY)
    house.feed(1, tier="general-compliance", ground="downgrade", tier_since="2026-06-16")
    asked = house.ask(CODE)
    house.deliver()
    house.later(days=300)
    prune(house)
    gone = {row.message_id: row.kind for row in house.rows(outbox) if row.partner == "SG" and row.pruned}
    assert asked in gone
    again = partial(sending.by_hand, house=house.node, message_ids=list(gone), who="a person", reason="lost", at=house.now)
    assert set(house.do(again)) == {one for one, kind in gone.items() if kind in ("list", "update", "notice")}
    assert all(row.payload for row in house.rows(outbox) if row.state == "queued")
    house.send(house.boxes["SG"].ours(Kind.RESEND, payloads.write_resend(Resend(Priority.URGENT, 1, 9))))
    house.deliver()
    assert house.heard()[-1].kind is Kind.LIST


def test_a_receipt_that_is_gone_is_not_made_up(house: GatewayFixture) -> None:
    body = house.boxes["SG"].ours(Kind.PING, payloads.write_empty(Kind.PING))
    house.send(body)
    house.later(hours=1)
    assert prune(house, "messages", "receipts-given") == {"messages": 1, "receipts-given": 0}
    house.later(days=300)
    assert prune(house, "receipts-given") == {"receipts-given": 1}
    house.bind("SG", accept_for=timedelta(days=900))
    assert house.refused(body) == "too-old"
    assert [row.message_id for row in house.rows(message)]
    assert _journal_holds(house)


def test_intakes_go_by_what_became_of_them(house: GatewayFixture) -> None:
    box = house.boxes["SG"]
    ping(house)
    house.receive(b"<nobody/>")
    house.refused(box.message(Kind.NOTICE, [msgspec.structs.replace(box.invent(1, 1)[0], tin="CN123456789012")]))
    house.later(**DAY)
    with house.database.write.begin() as connection:
        connection.execute(update(intake).where(intake.c.outcome == "accepted").values(outcome="pending"))
    assert prune(house) == dict.fromkeys(retention_classes.BY_NAME, 0) | {"messages": 1, "refused": 1, "quarantine": 1}
    left = {row.outcome: (row.body, bool(row.code)) for row in house.rows(intake)}
    assert left == {"pending": (b"", False), "refused": (b"", True)}


def test_revocation_facts_go_with_the_messages_that_were_judged_with_them(house: GatewayFixture) -> None:
    pinged = ping(house)
    lists_ = {name: _revocations(house.now + timedelta(days=days)) for name, days in (("needed", 1), ("idle", 1), ("lasting", 90))}
    digests = {name: sha256(der).hexdigest() for name, der in lists_.items()}
    with house.database.write.begin() as connection:
        rows = [{"digest": digests[name], "kind": "crl", "der": der, "stored": house.now} for name, der in lists_.items()]
        connection.execute(insert(fact), rows)
        said_: dict[str, object] = {"revocation": [digests["needed"]]}
        journal.append(connection, "message", pinged, said_, at=house.now, partner="SG")
    house.later(days=30)
    assert prune(house, "revocation", days=10) == {"revocation": 1}
    assert {row.digest for row in house.rows(fact)} == {digests["needed"], digests["lasting"]}
    prune(house, "messages", days=10)
    assert prune(house, "revocation", days=10) == {"revocation": 1}


def _revocations(until: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an authority")])
    made = x509.CertificateRevocationListBuilder(name, until - timedelta(days=300), until)
    return made.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)


def _journal_holds(house: GatewayFixture) -> bool:
    while house.seal():
        pass
    with house.database.reading() as connection:
        return audit.verify(connection, {house.ours.fingerprint: house.ours.certificate}, "CN").fault is None


# ---------------------------------------------------------------- whatever happened, whatever goes


ACTIONS = ("list", "suspend", "reinstate", "revoke", "stranger", "again", "conflict", "late", "ping", "days", "prune")


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 9)), min_size=8, max_size=25), st.integers(0, 20))
def test_after_any_pruning_everything_is_answered_as_before(house: GatewayFixture, story: list[tuple[str, int]], days: int) -> None:
    house.threshold("SG", 1_000)
    teller = _Teller(house)
    for action, number in [("list", 0), *story]:
        teller.tell(action, number)
    before = teller.asked()
    prune(house, days=days)
    assert teller.asked() == before
    assert _journal_holds(house)


class _Teller:
    """Tells a story of one partner, and asks everything that can be asked of it."""

    def __init__(self, house: GatewayFixture) -> None:
        self.house, self.box = house, house.boxes["SG"]
        self.box.make_up(4)
        self.sent: list[bytes] = []
        self.moments: list[datetime] = []

    def tell(self, action: str, number: int) -> None:
        house, box = self.house, self.box
        house.later(minutes=7)
        self.moments.append(house.now)
        tin = list(box.operators)[number % 4]
        standing = {"suspend": Standing.SUSPENDED, "reinstate": Standing.REINSTATED, "revoke": Standing.REVOKED}
        if action == "list":
            self._say(box.full_list())
        elif action in standing:
            self._say(box.say(tin, standing[action]))
        elif action == "ping":
            self._say(box.ours(Kind.PING, payloads.write_empty(Kind.PING)))
        elif action == "late":
            body = box.say(tin, Standing.VALID)
            house.later(hours=number)
            self._say(box.say(tin, Standing.SUSPENDED))
            self._say(body)
        elif action == "stranger":
            house.receive(b"<nobody/>")
        elif action == "again" and self.sent:
            house.receive(self.sent[number % len(self.sent)])
        elif action == "conflict":
            self._say(box.ours(Kind.PING, payloads.write_empty(Kind.PING), id="the-same", refers_to=f"other-{number}"))
        elif action == "days":
            house.later(days=number)
        elif action == "prune":
            prune(house, days=number)
        house.deliver()

    def _say(self, body: bytes) -> None:
        self.sent.append(body)
        self.house.receive(body)

    def asked(self) -> Sequence[Any]:
        """Today's timelines, what was known at any moment, and the verdict on every message that came, if it came again."""
        house = self.house
        tins = list(self.box.operators)
        with house.database.reading() as connection:
            known = [statements.statements_known_at(connection, "SG", tins, moment) for moment in self.moments]
        answers = [house.receive(body) for body in self.sent]
        verdicts = [(one.status, str(one.refusal) if one.refusal else one.signed) for one in answers]
        return [[house.timeline(tin) for tin in tins], known, verdicts]


# ---------------------------------------------------------------- by itself


def test_it_goes_by_itself_a_day_after_the_rule_was_set_on_one_node(house: GatewayFixture) -> None:
    ping(house)
    house.later(days=30)
    rule(house, "messages", 10)
    assert house.run(putting_away.once(house.node)) == 0, "a slip of the hand can be taken back"
    house.later(hours=25)
    hold = partial(leases.hold, name="retention", holder="another", now=house.now, until=house.now + timedelta(hours=1))
    assert house.do(hold)
    assert house.run(putting_away.once(house.node)) == 0
    house.later(hours=2)
    assert house.run(putting_away.once(house.node)) == 1
    with house.database.reading() as connection:
        mine = retention.rules(connection)["messages"]
    assert (mine.rows, mine.bytes > 1_000) == (1, True)


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (partial(retention.set_rule, name="nothing", days=1), Code.NOT_FOUND),
        (partial(retention.set_rule, name="sent", days=-1), Code.DATA_INVALID),
        (partial(retention.unset_rule, name="sent"), Code.NOT_FOUND),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(house: GatewayFixture, act: Callable[..., None], code: Code) -> None:
    with pytest.raises(Refusal) as refused:
        house.do(partial(act, because="a test's", who="a person", at=house.now))
    assert refused.value.code is code


def test_a_rule_needs_a_ground_and_is_journalled(house: GatewayFixture) -> None:
    with pytest.raises(Refusal):
        house.do(partial(retention.set_rule, name="sent", days=1, because=" ", who="a person", at=house.now))
    rule(house, "sent", 5)
    rule(house, "sent", 6)
    house.do(partial(retention.unset_rule, name="sent", because="no more", who="a person", at=house.now))
    assert house.journal("decision") == ["retention-sent"] * 3


def test_the_overview_counts_what_is_there_and_what_would_go(house: GatewayFixture) -> None:
    house.listed()
    ping(house)
    house.later(days=20)
    ping(house)
    rule(house, "messages", 10)
    house.now += timedelta(hours=1)
    with house.database.reading() as connection:
        found = growth.overview(connection, house.node, house.now)
    (line,) = [one for one in found.lines if one.shelf == "messages"]
    assert (line.rows, line.due) == (3, 1)
    assert line.oldest is not None
    assert (house.now.date() - line.oldest).days == 20
    assert 0 < line.due_bytes < line.bytes
    assert line.a_day[7] == round(sum(len(row.body) for row in house.rows(message)[2:]) / 7)
    assert {one.shelf for one in found.lines} == {*retention_classes.BY_NAME, *retention_classes.KEPT}
    assert found.database > 0
    assert (found.disk is not None) == house.database.sqlite
