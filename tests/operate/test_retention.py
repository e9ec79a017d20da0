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
from tests.rig.people import person

pytestmark = pytest.mark.long

CODE = "SG123456789012"
DAY = {"days": 1}


def rule(gateway: GatewayFixture, shelf: str, days: int = 0) -> None:
    gateway.do(partial(retention.set_rule, name=shelf, days=days, because="a test's", who=person("a person"), at=gateway.now))


def prune(gateway: GatewayFixture, *only: str, days: int = 0) -> dict[str, int]:
    """What goes of these shelves now, all of them where none is named."""
    gone = {}
    for one in [shelf for shelf in retention_classes.RETENTION_CLASSES if shelf.name in only or not only]:
        rule(gateway, one.name, days)
        with gateway.database.reading() as connection:
            mine = retention.rules(connection)[one.name]
            found = list(putting_away.find(connection, gateway.node, one, days, gateway.now))
        gone[one.name] = sum(
            gateway.do(partial(retention.prune, rule=mine, keys=keys, at=gateway.now)) for keys in putting_away.batches(found)
        )
    return gone


def kept(gateway: GatewayFixture) -> set[str]:
    """Ids of the partners' messages whose bytes are still there."""
    return {row.message_id for row in gateway.rows(message) if row.body is not None}


def said(gateway: GatewayFixture, body: bytes, iso: str = "SG") -> str:
    return gateway.send(body, iso).header.refers_to or ""


def ping(gateway: GatewayFixture) -> str:
    return said(gateway, gateway.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING)))


# ---------------------------------------------------------------- what is open stays


def test_nothing_goes_without_a_rule(gateway: GatewayFixture) -> None:
    ping(gateway)
    gateway.later(days=4_000)
    assert gateway.run(putting_away.once(gateway.node)) == 0
    assert len(kept(gateway)) == 1


def test_a_message_stays_as_long_as_an_answer_rests_on_it(gateway: GatewayFixture) -> None:
    tin, *_ = gateway.listed()
    box = gateway.boxes["SG"]
    listed = kept(gateway)
    gateway.later(**DAY)
    suspended = said(gateway, box.status_message(tin, Standing.SUSPENDED))
    gateway.later(**DAY)
    pinged = ping(gateway)
    gateway.later(days=30)
    prune(gateway, "messages", days=10)
    assert kept(gateway) == {*listed, suspended}
    assert pinged not in kept(gateway)


def test_what_an_answer_rested_on_within_the_rule_can_still_be_shown(gateway: GatewayFixture) -> None:
    box = gateway.boxes["SG"]
    tin, *_ = gateway.listed(count=1)
    gateway.later(**DAY)
    suspended = said(gateway, box.status_message(tin, Standing.SUSPENDED))
    gateway.later(days=50)
    annulled = said(gateway, box.status_message(tin, Standing.ANNULLED))
    gateway.later(days=5)
    prune(gateway, "messages", days=10)
    assert suspended in kept(gateway), "five days ago it was what we answered from"
    gateway.later(days=6)
    prune(gateway, "messages", days=10)
    assert suspended not in kept(gateway)
    assert annulled in kept(gateway)


def test_what_two_people_annulled_can_still_be_shown_within_the_rule(gateway: GatewayFixture) -> None:
    box = gateway.boxes["SG"]
    gateway.listed(count=1)
    gateway.later(**DAY)
    wrong = said(gateway, box.status_message(CODE, Standing.VALID))
    gateway.later(days=50)
    one = gateway.do(partial(void.propose_message, message_id=wrong, reason="wrong", who=person("one"), at=gateway.now))
    assert wrong not in _gone(gateway, days=10), "somebody wants it annulled"
    gateway.do(partial(void.confirm, known=gateway.partners, identity=one.id, who=person("two"), at=gateway.now))
    gateway.later(days=9)
    assert wrong not in _gone(gateway, days=10)
    gateway.later(days=2)
    assert wrong in _gone(gateway, days=10)


def _gone(gateway: GatewayFixture, days: int) -> set[str]:
    before = kept(gateway)
    prune(gateway, "messages", days=days)
    return before - kept(gateway)


@pytest.mark.parametrize("open_", ["waiting", "held"])
def test_the_parts_of_a_list_that_waits_stay(gateway: GatewayFixture, open_: str) -> None:
    box = gateway.boxes["SG"]
    made = box.invent(6, 1)
    gateway.threshold("SG", 1)
    said(gateway, box.message(Kind.LIST, made[:3], picture=Picture(as_of=gateway.now)))
    gateway.later(**DAY)
    parts = 2 if open_ == "waiting" else 1
    waits = said(gateway, box.message(Kind.LIST, made[3:], picture=Picture(as_of=gateway.now, parts=parts)))
    gateway.later(days=300)
    prune(gateway)
    assert waits in kept(gateway)
    if open_ == "held":
        (held,) = gateway.do(listings.held_lists)
        drop = partial(review.drop, live=gateway.live(), identity=held.id, settings=gateway.settings)
        gateway.do(partial(drop, who=person("a person"), reason="no", at=gateway.now))
        gateway.later(days=1)
        prune(gateway)
        assert waits not in kept(gateway)


def test_what_is_to_be_sent_or_failed_or_is_what_a_partner_believes_stays(gateway: GatewayFixture) -> None:
    gateway.feed(1)
    gateway.links["SG"].spoil = down
    gateway.deliver()
    gateway.deliver("HK")
    dead = gateway.ask(CODE, "HK")
    gateway.links["HK"].spoil = lambda body: _refusing(gateway, body)
    gateway.deliver("HK")
    assert gateway.of(dead).state == "dead"
    gateway.later(days=300)
    prune(gateway, "sent", "receipts-got")
    assert all(row.payload and row.pruned is None for row in gateway.rows(outbox))


def _refusing(gateway: GatewayFixture, body: bytes) -> Any:
    box = gateway.boxes["HK"]
    refused = payloads.write_refusal(Refusal(Code.SCHEMA_INVALID, "no"), sha256(body).hexdigest(), gateway.now)
    return answering(422, box.protocol_message(Kind.REFUSAL, refused))(body)


def test_within_the_time_in_which_it_may_be_asked_for_again_nothing_sent_goes(gateway: GatewayFixture) -> None:
    asked = gateway.ask(CODE)
    gateway.deliver()
    assert prune(gateway, "sent") == {"sent": 0}
    gateway.now += putting_away.asked_for(gateway.node) + timedelta(seconds=1)
    assert prune(gateway, "sent") == {"sent": 1}
    assert gateway.of(asked).body is None
    assert gateway.of(asked).digest


# ---------------------------------------------------------------- afterwards


def test_evidence_of_what_is_gone_says_by_which_rule_and_what_remains(gateway: GatewayFixture) -> None:
    came, went = ping(gateway), gateway.ask(CODE)
    gateway.deliver()
    gateway.later(days=300)
    prune(gateway, "messages", "sent", days=30)
    gateway.seal()
    for message_id in (came, went):
        with pytest.raises(Refusal) as refused, gateway.database.reading() as connection:
            evidence.export(connection, gateway.settings, message_id)
        for word in ("30 days", "a test's", "a person", gateway.now.isoformat(), "Its digest remains", "position"):
            assert word in refused.value.detail
    with gateway.database.reading() as connection:
        rows = connection.execute(select(entry.c.body).where(entry.c.kind == "retention")).scalars()
        pruned = [tuple(pair) for body in rows for pair in msgspec.json.decode(body)["pruned"]]
    digests = {row.message_id: row.digest for row in (*gateway.rows(message), *gateway.rows(outbox))}
    assert (came, digests[came]) in pruned
    assert (went, digests[went]) in pruned


def test_a_late_result_for_what_is_gone_is_still_taken(gateway: GatewayFixture) -> None:
    asked = gateway.ask(CODE)
    gateway.deliver()
    gateway.later(days=300)
    prune(gateway)
    box = gateway.boxes["SG"]
    gateway.send(box.protocol_message(Kind.RESULT, payloads.write_result([]), refers_to=asked))
    refused = payloads.write_refusal(Refusal(Code.SCHEMA_INVALID, "no"), "0" * 64, gateway.now)
    gateway.send(box.protocol_message(Kind.REFUSAL, refused, refers_to=asked))
    assert gateway.of(asked).state == "delivered"


def test_what_is_gone_is_not_sent_again_but_news_are_said_anew(gateway: GatewayFixture) -> None:
    gateway.feed(1)
    gateway.deliver()
    gateway.later(**DAY)
    gateway.feed(1, tier="general-compliance", ground="downgrade", tier_since="2026-06-16")
    asked = gateway.ask(CODE)
    gateway.deliver()
    gateway.later(days=300)
    prune(gateway)
    gone = {row.message_id: row.kind for row in gateway.rows(outbox) if row.partner == "SG" and row.pruned}
    assert asked in gone
    again = partial(
        sending.by_hand, node=gateway.node, message_ids=list(gone), who=person("a person"), reason="lost", at=gateway.now
    )
    assert set(gateway.do(again)) == {one for one, kind in gone.items() if kind in ("list", "update", "notice")}
    assert all(row.payload for row in gateway.rows(outbox) if row.state == "queued")
    gateway.send(gateway.boxes["SG"].protocol_message(Kind.RESEND, payloads.write_resend(Resend(Priority.URGENT, 1, 9))))
    gateway.deliver()
    assert gateway.heard()[-1].kind is Kind.LIST


def test_a_receipt_that_is_gone_is_not_made_up(gateway: GatewayFixture) -> None:
    body = gateway.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    gateway.send(body)
    gateway.later(hours=1)
    assert prune(gateway, "messages", "receipts-given") == {"messages": 1, "receipts-given": 0}
    gateway.later(days=300)
    assert prune(gateway, "receipts-given") == {"receipts-given": 1}
    gateway.bind("SG", accept_for=timedelta(days=900))
    assert gateway.refused(body) == "too-old"
    assert [row.message_id for row in gateway.rows(message)]
    assert _journal_holds(gateway)


def test_intakes_go_by_what_became_of_them(gateway: GatewayFixture) -> None:
    box = gateway.boxes["SG"]
    ping(gateway)
    gateway.receive(b"<nobody/>")
    gateway.refused(box.message(Kind.NOTICE, [msgspec.structs.replace(box.invent(1, 1)[0], tin="CN123456789012")]))
    gateway.later(**DAY)
    with gateway.database.write.begin() as connection:
        connection.execute(update(intake).where(intake.c.outcome == "accepted").values(outcome="pending"))
    assert prune(gateway) == dict.fromkeys(retention_classes.BY_NAME, 0) | {"messages": 1, "refused": 1, "quarantine": 1}
    left = {row.outcome: (row.body, bool(row.code)) for row in gateway.rows(intake)}
    assert left == {"pending": (b"", False), "refused": (b"", True)}


def test_revocation_facts_go_with_the_messages_that_were_judged_with_them(gateway: GatewayFixture) -> None:
    pinged = ping(gateway)
    lists_ = {
        name: _revocations(gateway.now + timedelta(days=days)) for name, days in (("needed", 1), ("idle", 1), ("lasting", 90))
    }
    digests = {name: sha256(der).hexdigest() for name, der in lists_.items()}
    with gateway.database.write.begin() as connection:
        rows = [{"digest": digests[name], "kind": "crl", "der": der, "stored": gateway.now} for name, der in lists_.items()]
        connection.execute(insert(fact), rows)
        said_: dict[str, object] = {"revocation": [digests["needed"]]}
        journal.append(connection, "message", pinged, said_, at=gateway.now, partner="SG")
    gateway.later(days=30)
    assert prune(gateway, "revocation", days=10) == {"revocation": 1}
    assert {row.digest for row in gateway.rows(fact)} == {digests["needed"], digests["lasting"]}
    prune(gateway, "messages", days=10)
    assert prune(gateway, "revocation", days=10) == {"revocation": 1}


def _revocations(until: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an authority")])
    made = x509.CertificateRevocationListBuilder(name, until - timedelta(days=300), until)
    return made.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)


def _journal_holds(gateway: GatewayFixture) -> bool:
    while gateway.seal():
        pass
    with gateway.database.reading() as connection:
        return audit.verify(connection, {gateway.ours.fingerprint: gateway.ours.certificate}, "CN").fault is None


# ---------------------------------------------------------------- whatever happened, whatever goes


ACTIONS = ("list", "suspend", "reinstate", "revoke", "stranger", "again", "conflict", "late", "ping", "days", "prune")


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 9)), min_size=8, max_size=25), st.integers(0, 20))
def test_after_any_pruning_everything_is_answered_as_before(
    gateway: GatewayFixture, story: list[tuple[str, int]], days: int
) -> None:
    gateway.threshold("SG", 1_000)
    teller = _Teller(gateway)
    for action, number in [("list", 0), *story]:
        teller.tell(action, number)
    before = teller.asked()
    prune(gateway, days=days)
    assert teller.asked() == before
    assert _journal_holds(gateway)


class _Teller:
    """Tells a story of one partner, and asks everything that can be asked of it."""

    def __init__(self, gateway: GatewayFixture) -> None:
        self.gateway, self.box = gateway, gateway.boxes["SG"]
        self.box.make_up(4)
        self.sent: list[bytes] = []
        self.moments: list[datetime] = []

    def tell(self, action: str, number: int) -> None:
        gateway, box = self.gateway, self.box
        gateway.later(minutes=7)
        self.moments.append(gateway.now)
        tin = list(box.operators)[number % 4]
        standing = {"suspend": Standing.SUSPENDED, "reinstate": Standing.REINSTATED, "revoke": Standing.REVOKED}
        if action == "list":
            self._say(box.full_list())
        elif action in standing:
            self._say(box.status_message(tin, standing[action]))
        elif action == "ping":
            self._say(box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING)))
        elif action == "late":
            body = box.status_message(tin, Standing.VALID)
            gateway.later(hours=number)
            self._say(box.status_message(tin, Standing.SUSPENDED))
            self._say(body)
        elif action == "stranger":
            gateway.receive(b"<nobody/>")
        elif action == "again" and self.sent:
            gateway.receive(self.sent[number % len(self.sent)])
        elif action == "conflict":
            self._say(box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING), id="the-same", refers_to=f"other-{number}"))
        elif action == "days":
            gateway.later(days=number)
        elif action == "prune":
            prune(gateway, days=number)
        gateway.deliver()

    def _say(self, body: bytes) -> None:
        self.sent.append(body)
        self.gateway.receive(body)

    def asked(self) -> Sequence[Any]:
        """Today's timelines, what was known at any moment, and the verdict on every message that came, if it came again."""
        gateway = self.gateway
        tins = list(self.box.operators)
        with gateway.database.reading() as connection:
            known = [statements.statements_known_at(connection, "SG", tins, moment) for moment in self.moments]
        answers = [gateway.receive(body) for body in self.sent]
        verdicts = [(one.status, str(one.refusal) if one.refusal else one.signed) for one in answers]
        return [[gateway.timeline(tin) for tin in tins], known, verdicts]


# ---------------------------------------------------------------- by itself


def test_it_goes_by_itself_a_day_after_the_rule_was_set_on_one_node(gateway: GatewayFixture) -> None:
    ping(gateway)
    gateway.later(days=30)
    rule(gateway, "messages", 10)
    assert gateway.run(putting_away.once(gateway.node)) == 0, "a slip of the hand can be taken back"
    gateway.later(hours=25)
    hold = partial(leases.hold, name="retention", holder="another", now=gateway.now, until=gateway.now + timedelta(hours=1))
    assert gateway.do(hold)
    assert gateway.run(putting_away.once(gateway.node)) == 0
    gateway.later(hours=2)
    assert gateway.run(putting_away.once(gateway.node)) == 1
    with gateway.database.reading() as connection:
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
def test_a_rule_that_makes_no_sense_is_refused(gateway: GatewayFixture, act: Callable[..., None], code: Code) -> None:
    with pytest.raises(Refusal) as refused:
        gateway.do(partial(act, because="a test's", who=person("a person"), at=gateway.now))
    assert refused.value.code is code


def test_a_rule_needs_a_ground_and_is_journalled(gateway: GatewayFixture) -> None:
    with pytest.raises(Refusal):
        gateway.do(partial(retention.set_rule, name="sent", days=1, because=" ", who=person("a person"), at=gateway.now))
    rule(gateway, "sent", 5)
    rule(gateway, "sent", 6)
    gateway.do(partial(retention.unset_rule, name="sent", because="no more", who=person("a person"), at=gateway.now))
    assert gateway.journal("decision") == ["retention-sent"] * 3


def test_the_overview_counts_what_is_there_and_what_would_go(gateway: GatewayFixture) -> None:
    gateway.listed()
    ping(gateway)
    gateway.later(days=20)
    ping(gateway)
    rule(gateway, "messages", 10)
    gateway.now += timedelta(hours=1)
    with gateway.database.reading() as connection:
        found = growth.overview(connection, gateway.node, gateway.now)
    (line,) = [one for one in found.lines if one.shelf == "messages"]
    assert (line.rows, line.due) == (3, 1)
    assert line.oldest is not None
    assert (gateway.now.date() - line.oldest).days == 20
    assert 0 < line.due_bytes < line.bytes
    assert line.a_day[7] == round(sum(len(row.body) for row in gateway.rows(message)[2:]) / 7)
    assert {one.shelf for one in found.lines} == {*retention_classes.BY_NAME, *retention_classes.KEPT}
    assert found.database > 0
    assert (found.disk is not None) == gateway.database.sqlite
