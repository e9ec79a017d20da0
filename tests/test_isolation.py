"""All 31 partners, and a fault in one of them: in its data, a key, a list, an answer, or what is to be told to it.

Whoever it is, and whatever the fault: the other 30 exchange and are answered for, the fault is that partner's state in the partner list, the
metrics and the API, and when it is mended the state is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind
from gateway.exchange.certificates import partner
from gateway.net import Response
from gateway.operate import expiry
from gateway.operate.upgrade import fold_anew
from gateway.running import calendar
from gateway.store import leases
from gateway.store.active import ActivePartners
from gateway.store.problems import Problems, recorded
from gateway.store.tables import announced, bundle, partner_problem, statement
from gateway.trust import refresh
from gateway.trust.certificates import Pin, Trust, TrustStore
from gateway.trust.revocation import Revocation
from gateway.wire import payloads
from tests.rig.gateway import GatewayFixture
from tests.rig.shipped import ISOS, open_to_us
from tests.rig.volume import one_in
from tests.rig.web import WebFixture
from tests.test_moments import BOTH, FOUND, LIST, RESPONDER
from tests.trust.test_revocation import EvidenceInMemory, Servers

pytestmark = pytest.mark.xdist_group("isolation")  # 31 partners in force are dear


class EverybodyFixture(GatewayFixture, WebFixture):  # type: ignore[misc] # what is sent goes straight to ``receive``, as the first has it
    """All 31 in force, connected and listed; it answers over HTTP, and what a partner has said is asked for there."""

    def __init__(self, home: Path) -> None:
        super().__init__(home, ISOS)
        self.partners.problems = Problems(self.clock)
        self.codes: dict[str, str] = {}
        self.number = 0
        self.found: dict[str, tuple[str, bool, str]] | None = None
        for iso in ISOS:
            self.change(iso, **open_to_us(self.terms(iso)))
        for iso in ISOS:
            self.codes[iso] = self.listed(iso, 1)[0]
        self.pin_certificates()
        with self.database.reading() as connection:
            self.answers.refresh(connection)
        self.headers = self.token(Scope.CLEARANCE_READ, Scope.AUDIT_READ, Scope.METRICS_READ)

    def load_trust(self) -> None:
        """What a node does when the journal speaks of certificates."""
        with self.database.reading() as connection:
            found = partner.trusts(connection, self.partners.all(), self.settings.clock_skew, self.partners.problems)
        for iso, trust in found.items():
            self.trust.put(iso, trust)

    def round(self) -> dict[str, tuple[str, bool, str]]:
        """News from home, told, delivered and answered; a message of each partner; and each asked about. What became of it, by partner."""
        self.number += 1
        self.later(minutes=1)
        self.feed(self.number)
        self.run(calendar.keep(self.node))
        before = {iso: len(box.received) for iso, box in self.boxes.items()}
        found = {}
        for iso in ISOS:
            self.deliver(iso)
            told = len(self.boxes[iso].received) > before[iso]
            ping = self.receive(self.boxes[iso].protocol_message(Kind.PING, payloads.write_empty(Kind.PING)))
            found[iso] = (str(ping.refusal.code) if ping.refusal else "receipt", told, self.verdict(iso))
            for reply in self.answered(iso):
                assert reply.refusal is None, reply.refusal
        return found

    def well(self) -> dict[str, tuple[str, bool, str]]:
        """What became of everything while nothing was wrong: the last round, where the test before ended well."""
        found, self.found = self.found or self.round(), None
        return found

    def verdict(self, iso: str) -> str:
        """Whether its operator can be answered for: anything but that it cannot be told."""
        asked = {"code": self.codes[iso], "direction": "import"}
        answer = self.client.get("/v1/eligibility", params=asked, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["verdict"])

    def shown(self) -> set[tuple[str, str]]:
        """(partner, what) of all that does not work: alike in the API, in the metrics and in what the terminal reads."""
        listed = self.client.get("/v1/partners", headers=self.headers)
        assert listed.status_code == 200, listed.text
        found = {(one["iso"], problem["what"]) for one in listed.json()["partners"] for problem in one["problems"]}
        metrics = self.client.get("/metrics", headers=self.headers)
        assert metrics.status_code == 200, metrics.text
        measured = {
            tuple(part.split('"')[1] for part in line.split("{")[1].split(","))
            for line in metrics.text.splitlines()
            if line.startswith("aeo_partner_problem{")
        }
        self.do(self.partners.problems.save)
        with self.database.reading() as connection:
            kept = {(one.partner, one.what) for one in recorded(connection)}
        assert found == measured == kept
        return found


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EverybodyFixture]:
    with pytest.MonkeyPatch.context() as patched, EverybodyFixture(tmp_path_factory.mktemp("all")) as fixture:
        fixture.over_links(patched)
        yield fixture


Fault = Callable[[EverybodyFixture, str], AbstractContextManager[None]]


@contextmanager
def data(all_31: EverybodyFixture, victim: str) -> Iterator[None]:
    """What is stored of it is no bundle any more, as a node finds that starts now."""
    digest = all_31.live(victim).bundle.digest
    with all_31.database.write.begin() as connection:
        whole = connection.execute(bundle.select().where(bundle.c.digest == digest)).one().content
        connection.execute(update(bundle).where(bundle.c.digest == digest).values(content=b'{"partner":{"iso":7}}'))
    problems, live = all_31.partners.problems, all_31.live(victim)
    starting = ActivePartners()
    starting.problems = problems
    with all_31.database.reading() as connection:
        starting.refresh(connection)
    assert {iso for iso, one in starting.all().items() if one.state == "active"} == set(ISOS) - {victim}
    all_31.partners.put(victim, starting.get(victim))
    yield
    with all_31.database.write.begin() as connection:
        connection.execute(update(bundle).where(bundle.c.digest == digest).values(content=whole))
    again = ActivePartners()
    again.problems = problems
    with all_31.database.reading() as connection:
        again.refresh(connection)
    all_31.partners.put(victim, live)


@contextmanager
def key(all_31: EverybodyFixture, victim: str) -> Iterator[None]:
    """A certificate that a release of before took in, and that cannot be read."""
    row = {"fingerprint": "0" * 64, "partner": victim, "role": "signing", "certificate": b"\x30\x03\x02\x01", "message_id": "m"}
    with all_31.database.write.begin() as connection:
        connection.execute(insert(announced).values(**row, since=all_31.now, proven=False))
    all_31.load_trust()
    with all_31.database.reading() as connection:
        list(expiry.watched(connection, all_31.node, (), all_31.now))
    yield
    with all_31.database.write.begin() as connection:
        connection.execute(delete(announced).where(announced.c.fingerprint == "0" * 64))
    all_31.load_trust()


@contextmanager
def lists(all_31: EverybodyFixture, victim: str) -> Iterator[None]:
    """Its authority publishes a list without an end that is not its own, and its responder an answer of the year 9999."""
    servers = Servers(
        {LIST: (FOUND / "crl-next-update-9999.der").read_bytes(), RESPONDER: (FOUND / "ocsp-this-update-9999.der").read_bytes()}
    )
    known, before = Revocation(EvidenceInMemory(), servers.fetch), all_31.node.trust
    whole = before.trust_of(victim)
    pins = (*whole.pins, Pin.of("signing", BOTH.get("leaf")))
    all_31.node.trust = TrustStore(
        {**before.trusts(), victim: Trust(pins, (*whole.roots, BOTH.get("root")), (BOTH.get("issuing"),))}, known
    )
    problems = all_31.partners.problems
    all_31.run(refresh.refresh(known, all_31.node.trust, all_31.clock, problems.apart))
    yield
    all_31.later(minutes=6)
    fresh = {"issued": all_31.now, "next": all_31.now + timedelta(days=7)}
    servers.answers = {LIST: BOTH.crl(fresh), RESPONDER: BOTH.ocsp(fresh)}
    all_31.run(refresh.refresh(known, all_31.node.trust, all_31.clock, problems.apart))
    all_31.node.trust = before


@contextmanager
def answers(all_31: EverybodyFixture, victim: str) -> Iterator[None]:
    """Whatever it answers makes us fail where nobody thought of it."""

    def fails(_: bytes) -> Response:
        raise OverflowError("date value out of range")

    all_31.links[victim].spoil = fails
    yield
    all_31.links[victim].spoil = None
    all_31.later(hours=1)


@contextmanager
def telling(all_31: EverybodyFixture, victim: str) -> Iterator[None]:
    """The dialect that is agreed with it is not there, and whatever we say to it makes us fail."""
    live = all_31.live(victim)
    all_31.partners.put(victim, replace(live, bundle=replace(live.bundle, dialects={})))
    yield
    all_31.partners.put(victim, live)
    all_31.later(hours=2)


#: Each with what then is shown of the partner.
FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "data": (data, {"data"}),
    "key": (key, {"trust"}),
    "lists": (lists, {"revocation"}),
    "answers": (answers, {"delivery"}),
    "telling": (telling, {"telling"}),
}
TURNS = [(victim, list(FAULTS)[number % len(FAULTS)]) for number, victim in enumerate(ISOS)]
ALL = [*TURNS, *(("SG", fault) for fault in FAULTS if ("SG", fault) not in TURNS)]


@pytest.mark.long
@pytest.mark.parametrize(("victim", "fault"), one_in(7, ALL), ids=lambda value: value)
def test_a_fault_in_one_leaves_the_other_30_exchanging_and_answered_for(
    victim: str, fault: str, everybody: EverybodyFixture
) -> None:
    inject, expected = FAULTS[fault]
    well = everybody.well()
    assert {(answer, told) for answer, told, _ in well.values()} == {("receipt", True)}, well
    with inject(everybody, victim):
        found = everybody.round()
        others = {iso: one for iso, one in found.items() if iso != victim}
        assert others == {iso: one for iso, one in well.items() if iso != victim}
        shown = everybody.shown()
        assert {partner for partner, _ in shown} == {victim}
        assert {what for _, what in shown} >= expected
    everybody.round()
    assert everybody.shown() == set(), "it works again, and nothing is said of it"
    found = everybody.round()
    assert found == well
    everybody.found = found


# ---------------------------------------------------------------- what keeps them apart


def test_what_was_done_for_one_is_taken_back_and_the_rest_of_the_transaction_stays(gateway: GatewayFixture) -> None:
    problems = Problems(gateway.clock)

    def work(connection: Connection) -> None:
        for iso in ("AA", "BB", "CC"):
            with problems.apart(iso, "telling", connection):
                leases.first(connection, f"mark-{iso}", "x", gateway.now)
                if iso == "BB":
                    connection.execute(insert(partner_problem).values(partner=None, what=None))

    gateway.do(work)
    with gateway.database.reading() as connection:
        assert leases.marked(connection, "mark-") == ["mark-AA", "mark-CC"]
    assert [(one.partner, one.what) for one in problems.now()] == [("BB", "telling")]


@pytest.mark.parametrize("own", [False, True])
def test_what_the_database_fails_by_is_nobodys_alone(own: bool) -> None:
    problems = Problems()
    with pytest.raises(OperationalError), problems.apart("SG", "calendar", own=own):
        raise OperationalError("x", None, Exception("the disk is full"))
    refused = IntegrityError("x", None, Exception("not unique"))
    if own:  # its transaction is over, and the others have theirs
        with problems.apart("SG", "calendar", own=own):
            raise refused
    else:
        with pytest.raises(IntegrityError), problems.apart("SG", "calendar", own=own):
            raise refused
    assert [one.partner for one in problems.now()] == ["SG"] * own


def test_what_fails_for_long_is_tried_after_growing_pauses_and_said_once(
    gateway: GatewayFixture, caplog: pytest.LogCaptureFixture
) -> None:
    problems, tried = Problems(gateway.clock), 0
    for _ in range(6 * 60):
        gateway.later(minutes=1)
        if not problems.rests("SG", "calendar"):
            tried += 1
            problems.failed("SG", "calendar", KeyError("dialect"))
    assert 10 <= tried <= 16
    assert len([one for one in caplog.records if one.exc_info]) == 1
    problems.worked("SG", "calendar")
    assert not problems.rests("SG", "calendar")


def test_a_state_is_seen_by_every_process_and_ends_wherever_it_works_again(gateway: GatewayFixture) -> None:
    one, other = Problems(gateway.clock), Problems(gateway.clock)
    one.failed("SG", "telling", Refusal(Code.DATA_INVALID, "Its dialect is gone."))
    one.note(gateway.database)
    with gateway.database.reading() as connection:
        (said,) = other.merged(recorded(connection))
    assert (said.partner, said.problem, said.since) == ("SG", "Its dialect is gone.", gateway.now)
    gateway.later(minutes=1)
    other.worked("SG", "telling")
    other.note(gateway.database)
    with gateway.database.reading() as connection:
        assert recorded(connection) == []


def test_histories_of_one_that_cannot_be_folded_are_folded_at_a_later_start(gateway: GatewayFixture) -> None:
    """An upgrade folds all of them anew, once; whose cannot be read keeps nobody else's from it, and is not forgotten."""
    listed = {iso: gateway.listed(iso, 2) for iso in ("SG", "HK")}

    def start() -> int:
        return gateway.do(lambda connection: fold_anew(connection, gateway.partners, gateway.now))

    theirs = statement.c.partner == "HK"
    with gateway.database.write.begin() as connection:
        whole = {row.id: row.body for row in connection.execute(select(statement.c.id, statement.c.body).where(theirs))}
        connection.execute(update(statement).where(theirs).values(body=b"\xc1"))
    assert start() == len(listed["SG"])
    assert [(one.partner, one.what) for one in gateway.partners.problems.now()] == [("HK", "folding")]
    assert start() == 0, "still not, and Singapore's are done"
    with gateway.database.write.begin() as connection:
        for row, body in whole.items():
            connection.execute(update(statement).where(statement.c.id == row).values(body=body))
    assert start() == len(listed["HK"])
    assert (start(), gateway.partners.problems.now()) == (0, [])
