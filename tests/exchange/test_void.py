"""Two people annul what should never have been believed; what was answered before can still be answered as known then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import UNSET

from gateway.clearance.answer import Asked
from gateway.clearance.as_known import AsKnown
from gateway.core.arrangement import Direction
from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.exchange import void
from gateway.exchange.void import Voided, Voiding
from gateway.store import journal, statements
from gateway.store.listings import last_complete
from gateway.store.tables import listing, statement
from gateway.trust import selfsigned
from gateway.trust.keys import Key
from gateway.trust.selfsigned import Subject
from gateway.views import messages as views
from gateway.views.search import MessageSearch, search
from gateway.wire import payloads
from gateway.wire.signature import Signer
from tests.rig.gateway import GatewayFixture
from tests.rig.keys import announced
from tests.rig.node import START
from tests.rig.people import person
from tests.rig.shipped import chosen

REASON = "The partner's duty officer telephoned."


@dataclass
class Annulments:
    """A partner whose certificate is pinned in its data, as in an installation, and what two people do about its messages."""

    gateway: GatewayFixture

    @property
    def box(self) -> Any:
        return self.gateway.boxes["SG"]

    def say(self, tin: str, standing: Standing, signer: Signer | None = None, **said: Any) -> str:
        """A notice from Singapore; its id."""
        self.gateway.later(minutes=1)
        body = self.box.message(Kind.NOTICE, (Statement(tin=tin, standing=standing),), signer=signer, **said)
        self.gateway.send(body)
        return envelope_id(body)

    def list_of(self, *tins: str, part: int = 1, parts: int = 1, as_of: datetime | None = None) -> str:
        """A complete list, or a part of one, of these operators; its id."""
        self.gateway.later(minutes=1)
        named = [self.box.operators[tin] for tin in tins]
        picture = Picture(as_of=as_of or self.gateway.now, part=part, parts=parts)
        body = self.box.message(Kind.LIST, named, picture=picture)
        self.gateway.send(body)
        return envelope_id(body)

    def propose(self, message_id: str, who: str = "A. One") -> Voiding:
        return self.gateway.do(
            lambda connection: void.propose_message(connection, message_id, reason=REASON, who=person(who), at=self.gateway.now)
        )

    def stolen(self, fingerprint: str, since: datetime, who: str = "A. One") -> Voiding:
        return self.gateway.do(
            lambda connection: void.propose_certificate(
                connection, self.gateway.partners, fingerprint, since, reason=REASON, who=person(who), at=self.gateway.now
            )
        )

    def confirm(self, one: Voiding, who: str = "B. Two") -> Voided:
        self.gateway.later(minutes=1)
        done = self.gateway.do(
            lambda connection: void.confirm(connection, self.gateway.partners, one.id, who=person(who), at=self.gateway.now)
        )
        self.gateway.follow_certificates()
        return done

    def annul(self, message_id: str) -> Voided:
        return self.confirm(self.propose(message_id))

    def standing(self, tin: str) -> Standing | None:
        return self.gateway.standing(tin)

    def lists(self) -> int:
        with self.gateway.database.reading() as connection:
            return len(last_complete(connection))

    def grant_then(self, tin: str, moment: datetime) -> bool:
        """What clearance was told at a moment, asked again now."""
        with self.gateway.database.reading() as connection:
            asked = Asked(code=tin, direction=Direction.IMPORT)
            return AsKnown(connection, self.gateway.partners, moment).answer(asked, self.gateway.now).grant


def envelope_id(body: bytes) -> str:
    return body.partition(b"<x:Id>")[2].partition(b"</x:Id>")[0].decode()


@pytest.fixture
def annulments(gateway: GatewayFixture) -> Annulments:
    gateway.pin_certificates()
    gateway.change("SG", threshold=chosen(1_000), levels=chosen(None))
    return Annulments(gateway)


def test_one_message_is_annulled_by_two_people(annulments: Annulments) -> None:
    first, *_ = annulments.gateway.listed()
    wrong = annulments.say(first, Standing.REVOKED)
    assert annulments.standing(first) is Standing.REVOKED
    before = annulments.gateway.now
    one = annulments.propose(wrong)
    assert annulments.standing(first) is Standing.REVOKED, "one person is not enough"
    done = annulments.confirm(one)
    assert annulments.standing(first) is Standing.VALID
    assert (done.voiding.messages, done.voiding.operators, done.scope.certificates) == (1, 1, ())
    assert set(done.change.timelines) == {first}
    # The history shows it, and it is known since now and not before.
    said = annulments.gateway.said(first)
    assert [(one.statement.standing, one.voided) for one in said] == [
        (Standing.VALID, None),
        (Standing.REVOKED, annulments.gateway.now),
    ]
    assert not annulments.grant_then(first, before)
    assert annulments.grant_then(first, annulments.gateway.now)
    with annulments.gateway.database.reading() as connection:
        shown, (latest, *_) = views.shown(connection, wrong), search(connection, MessageSearch(partner="SG")).messages
        assert void.recorded(connection) == [done.voiding]
    assert shown is not None
    assert (shown["state"], shown["voided"], latest["state"]) == ("voided", annulments.gateway.now, "voided")


def test_a_grant_ends_at_once_and_the_feed_carries_it(annulments: Annulments) -> None:
    first, *_ = annulments.gateway.listed()
    annulments.say(first, Standing.SUSPENDED)
    forged = annulments.say(first, Standing.REINSTATED)
    done = annulments.annul(forged)
    assert annulments.standing(first) is Standing.SUSPENDED
    annulments.gateway.seal()
    with annulments.gateway.database.reading() as connection:
        assert done.change.entry in [entry for _, entry, _, _ in journal.since(connection, 0)]
        assert statements.timeline(connection, first) == done.change.timelines[first]
    assert annulments.gateway.journal("proposal") == annulments.gateway.journal("decision") == [f"void-{done.voiding.id}"]


def test_it_takes_two_people_once(annulments: Annulments) -> None:
    first, *_ = annulments.gateway.listed()
    one = annulments.propose(annulments.say(first, Standing.REVOKED))
    with pytest.raises(Refusal, match="second person"):
        annulments.confirm(one, who=" a. one ")
    annulments.confirm(one)
    with pytest.raises(Refusal, match=r"confirmed by B\. Two already"):
        annulments.confirm(one, who="C. Three")
    with pytest.raises(Refusal) as unknown:
        annulments.confirm(msgspec.structs.replace(one, id=99))
    assert unknown.value.code is Code.NOT_FOUND


def test_one_person_proposes_the_same_once_and_what_is_annulled_needs_no_other(annulments: Annulments) -> None:
    first, second, *_ = annulments.gateway.listed()
    wrong, right = annulments.say(first, Standing.REVOKED), annulments.say(second, Standing.REVOKED)
    one, other = annulments.propose(wrong), annulments.propose(right)
    assert annulments.propose(wrong, who="A. ONE") == one
    by_another = annulments.propose(wrong, who="C. Three")
    annulments.confirm(one)
    with pytest.raises(Refusal, match=f"Number {by_another.id} is not open. It ended: "):
        annulments.confirm(by_another)
    with annulments.gateway.database.reading() as connection:
        shown = {one.id: (one.confirmed_by, one.ended_because) for one in void.recorded(connection)}
    assert shown[one.id] == ("B. Two", UNSET)
    assert shown[other.id] == (None, UNSET)
    assert shown[by_another.id] == (None, "B. Two agreed to the same, as A. One proposed it")


def test_a_stolen_key_takes_with_it_what_is_proposed_of_its_messages(annulments: Annulments) -> None:
    first, *_ = annulments.gateway.listed()
    one = annulments.propose(annulments.say(first, Standing.REVOKED))
    (pin,) = annulments.gateway.node.trust.trust_of("SG").pins
    stolen = annulments.confirm(annulments.stolen(pin.fingerprint, START))
    with pytest.raises(Refusal, match=f"annulled with number {stolen.voiding.id}"):
        annulments.confirm(one)


def test_a_list_that_is_annulled_holds_no_more(annulments: Annulments) -> None:
    first, second, *rest = annulments.gateway.listed()
    wrong = annulments.list_of(second, *rest)
    assert annulments.standing(first) is Standing.DELISTED
    fresh = annulments.lists()
    annulments.annul(wrong)
    assert annulments.standing(first) is Standing.VALID
    assert annulments.lists() == fresh == 1
    with annulments.gateway.database.reading() as connection:
        (as_of,) = last_complete(connection).values()
    assert as_of < annulments.gateway.now - timedelta(minutes=1), "the data reaches only as far as the list before"


def test_a_later_list_delists_whom_the_annulled_one_had_delisted_before(annulments: Annulments) -> None:
    """Otherwise taking a wrong list back would bring to life whom the partner's right list leaves out as well."""
    first, second, *rest = annulments.gateway.listed()
    wrong = annulments.list_of(*rest)
    before = annulments.gateway.now
    right = annulments.list_of(second, *rest)
    assert annulments.standing(second) is Standing.VALID
    annulments.annul(wrong)
    assert annulments.standing(first) is Standing.DELISTED
    assert [one.message_id for one in annulments.gateway.said(first) if one.derived and one.voided is None] == [right]
    assert not annulments.grant_then(first, before)
    again = annulments.annul(right)
    assert annulments.standing(first) is Standing.VALID
    assert first in again.change.timelines


def test_one_part_of_a_list_takes_the_omissions_of_the_whole_with_it(annulments: Annulments) -> None:
    first, second, third, *_ = annulments.gateway.listed(count=3)
    as_of = annulments.gateway.now + timedelta(minutes=1)
    left = annulments.list_of(second, parts=2, as_of=as_of)
    annulments.list_of(third, part=2, parts=2, as_of=as_of)
    assert annulments.standing(first) is Standing.DELISTED
    annulments.annul(left)
    assert annulments.standing(first) is Standing.VALID
    assert {one.state for one in annulments.gateway.rows(listing)} == {"applied", "dropped"}


def test_a_list_that_waits_waits_for_the_annulled_part_again(annulments: Annulments) -> None:
    first, second, *rest = annulments.gateway.listed()
    as_of = annulments.gateway.now + timedelta(minutes=1)
    wrong = annulments.list_of(first, parts=2, as_of=as_of)
    annulments.annul(wrong)
    assert [one.state for one in annulments.gateway.rows(listing)] == ["applied"]
    annulments.list_of(second, parts=3, as_of=as_of)
    wrong = annulments.list_of(*rest, part=2, parts=3, as_of=as_of)
    annulments.annul(wrong)
    annulments.list_of(*rest, part=2, parts=3, as_of=as_of)
    annulments.list_of(part=3, parts=3, as_of=as_of)
    assert annulments.standing(first) is Standing.DELISTED
    assert annulments.standing(second) is Standing.VALID


def test_a_held_list_is_annulled_whole(annulments: Annulments) -> None:
    tins = annulments.gateway.listed()
    annulments.gateway.change("SG", threshold=chosen(1))
    wrong = annulments.list_of(tins[0])
    assert [one.state for one in annulments.gateway.rows(listing)] == ["applied", "held"]
    annulments.annul(wrong)
    assert [one.state for one in annulments.gateway.rows(listing)] == ["applied", "dropped"]
    assert all(one.voided for one in annulments.gateway.rows(statement) if one.message_id == wrong)
    assert all(annulments.standing(tin) is Standing.VALID for tin in tins)


def test_a_stolen_key_takes_with_it_what_it_signed_since_and_what_it_announced(annulments: Annulments) -> None:
    first, second, third, *_ = annulments.gateway.listed()
    sound = annulments.say(first, Standing.SUSPENDED)
    annulments.gateway.later(hours=1)
    since = annulments.gateway.now
    forged = annulments.say(first, Standing.REINSTATED)
    thief = annulments.gateway.key("thief")
    announcement = annulments.box.protocol_message(Kind.KEYS, payloads.write_keys([announced(annulments.box, thief.signer(""))]))
    annulments.gateway.send(announcement)
    annulments.gateway.follow_certificates()
    hidden = annulments.say(second, Standing.REVOKED, signer=thief.signer(""))
    (pinned,) = [
        pin.fingerprint for pin in annulments.gateway.node.trust.trust_of("SG").pins if pin.fingerprint != thief.fingerprint
    ]
    done = annulments.confirm(annulments.stolen(":".join(pinned[i : i + 2].upper() for i in range(0, 64, 2)), since))
    assert set(done.scope.messages) == {forged, envelope_id(announcement), hidden}
    assert set(done.scope.certificates) == {pinned, thief.fingerprint}
    assert (annulments.standing(first), annulments.standing(second), annulments.standing(third)) == (
        Standing.SUSPENDED,
        Standing.VALID,
        Standing.VALID,
    )
    assert sound not in done.scope.messages
    assert annulments.gateway.node.trust.trust_of("SG").pins == ()
    assert annulments.gateway.refused(annulments.box.status_message(first, Standing.REINSTATED)) == "certificate-unknown"


def test_a_thief_counts_to_a_million_and_the_partner_is_still_heard(annulments: Annulments) -> None:
    """Otherwise every true number would look old from then on, and no loss of a message would ever be noticed again."""
    gateway = annulments.gateway
    first, *_ = gateway.listed()
    thief = gateway.key("thief")
    gateway.send(annulments.box.protocol_message(Kind.KEYS, payloads.write_keys([announced(annulments.box, thief.signer(""))])))
    gateway.follow_certificates()

    def notice(number: int, signer: Signer | None = None) -> str:
        return annulments.say(first, Standing.SUSPENDED, signer=signer, sequence=number)

    def asked() -> list[tuple[int, int]]:
        gateway.deliver()
        return [(one.first, one.last) for one in gateway.resends()]

    notice(1)
    notice(2)
    gateway.send(annulments.box.message(Kind.UPDATE, [annulments.box.change(first, Standing.VALID)], sequence=1))
    forged = [notice(number, thief.signer("")) for number in (3, 1_000_000, 2_147_483_647)]
    assert asked() == [(4, 999_999), (1_000_001, 2_147_483_646)]
    notice(3)
    assert set(annulments.confirm(annulments.stolen(thief.fingerprint, START)).scope.messages) == set(forged)
    notice(4)
    assert asked()[2:] == [(1, 2)], "the true 3 looked like that of a sender that began anew, as long as the thief's stood"
    notice(6)
    gateway.send(annulments.box.message(Kind.UPDATE, [annulments.box.change(first, Standing.VALID)], sequence=2))
    assert asked()[3:] == [(5, 5)], (
        "the true next number is neither old nor after a gap; a true gap is noticed, and only in its own class"
    )


def test_what_a_partner_truly_said_with_a_stolen_key_is_asked_for_again(annulments: Annulments) -> None:
    gateway = annulments.gateway
    first, *_ = gateway.listed()
    spare = gateway.key("sg-next")
    gateway.send(annulments.box.protocol_message(Kind.KEYS, payloads.write_keys([announced(annulments.box, spare.signer(""))])))
    gateway.follow_certificates()
    for number in (1, 2, 3):
        annulments.say(first, Standing.SUSPENDED, signer=spare.signer("") if number > 1 else None, sequence=number)
    annulments.confirm(annulments.stolen(spare.fingerprint, START))
    annulments.say(first, Standing.SUSPENDED, sequence=4)
    gateway.deliver()
    assert [(one.first, one.last) for one in gateway.resends()] == [(2, 3)]


def test_a_node_that_has_not_heard_yet_records_nothing_more_of_a_stolen_key(annulments: Annulments) -> None:
    first, *_ = annulments.gateway.listed()
    (pin,) = annulments.gateway.node.trust.trust_of("SG").pins
    known = annulments.gateway.node.trust.trust_of("SG")
    annulments.gateway.later(minutes=1)
    annulments.confirm(annulments.stolen(pin.fingerprint, annulments.gateway.now))
    annulments.gateway.node.trust.put("SG", known)
    annulments.gateway.later(minutes=1)
    assert annulments.gateway.refused(annulments.box.status_message(first, Standing.REVOKED)) == "certificate-revoked"
    assert annulments.standing(first) is Standing.VALID


def test_a_withdrawn_certificate_is_not_announced_again_nor_another_of_its_key(annulments: Annulments) -> None:
    fresh = annulments.gateway.key("sg-next")
    announce = annulments.box.protocol_message(Kind.KEYS, payloads.write_keys([announced(annulments.box, fresh.signer(""))]))
    annulments.gateway.send(announce)
    annulments.gateway.later(minutes=1)
    annulments.confirm(annulments.stolen(fresh.fingerprint, annulments.gateway.now))
    assert [pin.fingerprint for pin in annulments.gateway.node.trust.trust_of("SG").pins] != [fresh.fingerprint]
    renewed = _same_key_again(fresh)
    again = annulments.box.protocol_message(Kind.KEYS, payloads.write_keys([announced(annulments.box, fresh.signer(""), renewed)]))
    assert annulments.gateway.refused(again) == "certificate-revoked"


def _same_key_again(key: Key) -> bytes:
    """A certificate with another end for the same key."""
    private: Any = load_pem_private_key((key.folder / "key.pem").read_bytes(), None)
    begins, public = key.record.created, private.public_key()
    made = selfsigned.builder(public, Subject("renewed"), demo=True, begins=begins, ends=begins + timedelta(days=30))
    return selfsigned.sign(made, private)


def test_what_is_proposed_must_exist_and_have_a_reason(annulments: Annulments) -> None:
    with pytest.raises(Refusal) as unknown:
        annulments.propose("no-such-message")
    assert unknown.value.code is Code.NOT_FOUND
    with pytest.raises(Refusal) as unknown:
        annulments.stolen("0" * 64, annulments.gateway.now)
    assert unknown.value.code is Code.NOT_FOUND
    (pin,) = annulments.gateway.node.trust.trust_of("SG").pins
    with pytest.raises(Refusal, match="in the future"):
        annulments.stolen(pin.fingerprint, annulments.gateway.now + timedelta(days=1))
    with pytest.raises(Refusal, match="reason"):
        annulments.gateway.do(
            lambda connection: void.propose_certificate(
                connection,
                annulments.gateway.partners,
                pin.fingerprint,
                annulments.gateway.now,
                reason=" ",
                who=person("A"),
                at=annulments.gateway.now,
            )
        )


def test_where_two_partners_used_one_id_one_is_named(annulments: Annulments) -> None:
    for iso, box in annulments.gateway.boxes.items():
        annulments.gateway.send(box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING), id="the-same"), iso)
    with pytest.raises(Refusal, match="HK or SG"):
        annulments.propose("the-same")
    at = annulments.gateway.now
    one = annulments.gateway.do(
        lambda connection: void.propose_message(connection, "the-same", partner="HK", reason=REASON, who=person("A. One"), at=at)
    )
    assert annulments.confirm(one).voiding.partner == "HK"
