"""Two people annul what should never have been believed; what was answered before can still be answered as known then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.clearance.answer import Asked
from gateway.clearance.as_known import AsKnown
from gateway.core.arrangement import Direction
from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.core.protocol import Announced
from gateway.exchange import void
from gateway.exchange.void import Voided, Voiding
from gateway.store import journal, statements
from gateway.store.listings import last_complete
from gateway.store.tables import listing, statement
from gateway.trust import selfsigned
from gateway.trust.keys import Key
from gateway.trust.selfsigned import Subject
from gateway.views import messages as views
from gateway.wire import payloads
from gateway.wire.signature import Signer
from tests.rig.gateway import GatewayFixture
from tests.rig.node import START
from tests.rig.shipped import chosen

REASON = "The partner's duty officer telephoned."


@dataclass
class Scene:
    """A house whose partner's certificate is pinned in its data, as in an installation."""

    house: GatewayFixture

    @property
    def box(self) -> Any:
        return self.house.boxes["SG"]

    def say(self, tin: str, standing: Standing, signer: Signer | None = None, **said: Any) -> str:
        """A notice from Singapore; its id."""
        self.house.later(minutes=1)
        body = self.box.message(Kind.NOTICE, (Statement(tin=tin, standing=standing),), signer=signer, **said)
        self.house.send(body)
        return envelope_id(body)

    def list_of(self, *tins: str, part: int = 1, parts: int = 1, as_of: datetime | None = None) -> str:
        """A complete list, or a part of one, of these operators; its id."""
        self.house.later(minutes=1)
        named = [self.box.operators[tin] for tin in tins]
        picture = Picture(as_of=as_of or self.house.now, part=part, parts=parts)
        body = self.box.message(Kind.LIST, named, picture=picture)
        self.house.send(body)
        return envelope_id(body)

    def propose(self, message_id: str, who: str = "A. One") -> Voiding:
        return self.house.do(
            lambda connection: void.propose_message(connection, message_id, reason=REASON, who=who, at=self.house.now)
        )

    def stolen(self, fingerprint: str, since: datetime, who: str = "A. One") -> Voiding:
        return self.house.do(
            lambda connection: void.propose_certificate(
                connection, self.house.partners, fingerprint, since, reason=REASON, who=who, at=self.house.now
            )
        )

    def confirm(self, one: Voiding, who: str = "B. Two") -> Voided:
        self.house.later(minutes=1)
        done = self.house.do(lambda connection: void.confirm(connection, self.house.partners, one.id, who=who, at=self.house.now))
        self.house.follow_certificates()
        return done

    def annul(self, message_id: str) -> Voided:
        return self.confirm(self.propose(message_id))

    def standing(self, tin: str) -> Standing | None:
        return self.house.standing(tin)

    def lists(self) -> int:
        with self.house.database.reading() as connection:
            return len(last_complete(connection))

    def grant_then(self, tin: str, moment: datetime) -> bool:
        """What clearance was told at a moment, asked again now."""
        with self.house.database.reading() as connection:
            asked = Asked(code=tin, direction=Direction.IMPORT)
            return AsKnown(connection, self.house.partners, moment).answer(asked, self.house.now).grant


def envelope_id(body: bytes) -> str:
    return body.partition(b"<x:Id>")[2].partition(b"</x:Id>")[0].decode()


@pytest.fixture
def scene(house: GatewayFixture) -> Scene:
    house.pin_certificates()
    house.change("SG", threshold=chosen(1_000), levels=chosen(None))
    return Scene(house)


def test_one_message_is_annulled_by_two_people(scene: Scene) -> None:
    first, *_ = scene.house.listed()
    wrong = scene.say(first, Standing.REVOKED)
    assert scene.standing(first) is Standing.REVOKED
    before = scene.house.now
    one = scene.propose(wrong)
    assert scene.standing(first) is Standing.REVOKED, "one person is not enough"
    done = scene.confirm(one)
    assert scene.standing(first) is Standing.VALID
    assert (done.voiding.messages, done.voiding.operators, done.scope.certificates) == (1, 1, ())
    assert set(done.change.timelines) == {first}
    # The history shows it, and it is known since now and not before.
    said = scene.house.said(first)
    assert [(one.statement.standing, one.voided) for one in said] == [(Standing.VALID, None), (Standing.REVOKED, scene.house.now)]
    assert not scene.grant_then(first, before)
    assert scene.grant_then(first, scene.house.now)
    with scene.house.database.reading() as connection:
        shown, (latest, *_) = views.shown(connection, wrong), views.listed(connection, partner="SG")
        assert void.recorded(connection) == [done.voiding]
    assert shown is not None
    assert (shown["state"], shown["voided"], latest["state"]) == ("voided", scene.house.now, "voided")


def test_a_grant_ends_at_once_and_the_feed_carries_it(scene: Scene) -> None:
    first, *_ = scene.house.listed()
    scene.say(first, Standing.SUSPENDED)
    forged = scene.say(first, Standing.REINSTATED)
    done = scene.annul(forged)
    assert scene.standing(first) is Standing.SUSPENDED
    scene.house.seal()
    with scene.house.database.reading() as connection:
        assert done.change.entry in [entry for _, entry, _, _ in journal.since(connection, 0)]
        assert statements.timeline(connection, first) == done.change.timelines[first]
    assert scene.house.journal("proposal") == scene.house.journal("decision") == [f"void-{done.voiding.id}"]


def test_it_takes_two_people_once(scene: Scene) -> None:
    first, *_ = scene.house.listed()
    one = scene.propose(scene.say(first, Standing.REVOKED))
    with pytest.raises(Refusal, match="second person"):
        scene.confirm(one, who=" a. one ")
    scene.confirm(one)
    with pytest.raises(Refusal, match=r"confirmed by B\. Two already"):
        scene.confirm(one, who="C. Three")
    with pytest.raises(Refusal) as unknown:
        scene.confirm(msgspec.structs.replace(one, id=99))
    assert unknown.value.code is Code.NOT_FOUND


def test_a_list_that_is_annulled_holds_no_more(scene: Scene) -> None:
    first, second, *rest = scene.house.listed()
    wrong = scene.list_of(second, *rest)
    assert scene.standing(first) is Standing.DELISTED
    fresh = scene.lists()
    scene.annul(wrong)
    assert scene.standing(first) is Standing.VALID
    assert scene.lists() == fresh == 1
    with scene.house.database.reading() as connection:
        (as_of,) = last_complete(connection).values()
    assert as_of < scene.house.now - timedelta(minutes=1), "the data reaches only as far as the list before"


def test_a_later_list_delists_whom_the_annulled_one_had_delisted_before(scene: Scene) -> None:
    """Otherwise taking a wrong list back would bring to life whom the partner's right list leaves out as well."""
    first, second, *rest = scene.house.listed()
    wrong = scene.list_of(*rest)
    before = scene.house.now
    right = scene.list_of(second, *rest)
    assert scene.standing(second) is Standing.VALID
    scene.annul(wrong)
    assert scene.standing(first) is Standing.DELISTED
    assert [one.message_id for one in scene.house.said(first) if one.derived and one.voided is None] == [right]
    assert not scene.grant_then(first, before)
    again = scene.annul(right)
    assert scene.standing(first) is Standing.VALID
    assert first in again.change.timelines


def test_one_part_of_a_list_takes_the_omissions_of_the_whole_with_it(scene: Scene) -> None:
    first, second, third, *_ = scene.house.listed()
    as_of = scene.house.now + timedelta(minutes=1)
    left = scene.list_of(second, parts=2, as_of=as_of)
    scene.list_of(third, part=2, parts=2, as_of=as_of)
    assert scene.standing(first) is Standing.DELISTED
    scene.annul(left)
    assert scene.standing(first) is Standing.VALID
    assert {one.state for one in scene.house.rows(listing)} == {"applied", "dropped"}


def test_a_list_that_waits_waits_for_the_annulled_part_again(scene: Scene) -> None:
    first, second, *rest = scene.house.listed()
    as_of = scene.house.now + timedelta(minutes=1)
    wrong = scene.list_of(first, parts=2, as_of=as_of)
    scene.annul(wrong)
    assert [one.state for one in scene.house.rows(listing)] == ["applied"]
    scene.list_of(second, parts=3, as_of=as_of)
    wrong = scene.list_of(*rest, part=2, parts=3, as_of=as_of)
    scene.annul(wrong)
    scene.list_of(*rest, part=2, parts=3, as_of=as_of)
    scene.list_of(part=3, parts=3, as_of=as_of)
    assert scene.standing(first) is Standing.DELISTED
    assert scene.standing(second) is Standing.VALID


def test_a_held_list_is_annulled_whole(scene: Scene) -> None:
    tins = scene.house.listed()
    scene.house.change("SG", threshold=chosen(1))
    wrong = scene.list_of(tins[0])
    assert [one.state for one in scene.house.rows(listing)] == ["applied", "held"]
    scene.annul(wrong)
    assert [one.state for one in scene.house.rows(listing)] == ["applied", "dropped"]
    assert all(one.voided for one in scene.house.rows(statement) if one.message_id == wrong)
    assert all(scene.standing(tin) is Standing.VALID for tin in tins)


def test_a_stolen_key_takes_with_it_what_it_signed_since_and_what_it_announced(scene: Scene) -> None:
    first, second, third, *_ = scene.house.listed()
    sound = scene.say(first, Standing.SUSPENDED)
    scene.house.later(hours=1)
    since = scene.house.now
    forged = scene.say(first, Standing.REINSTATED)
    thief = scene.house.key("thief")
    announced = scene.box.ours(Kind.KEYS, payloads.write_keys([Announced("signing", thief.certificate, scene.house.now)]))
    scene.house.send(announced)
    scene.house.follow_certificates()
    hidden = scene.say(second, Standing.REVOKED, signer=thief.signer(""))
    (pinned,) = [pin.fingerprint for pin in scene.house.node.trust.trust_of("SG").pins if pin.fingerprint != thief.fingerprint]
    done = scene.confirm(scene.stolen(":".join(pinned[i : i + 2].upper() for i in range(0, 64, 2)), since))
    assert set(done.scope.messages) == {forged, envelope_id(announced), hidden}
    assert set(done.scope.certificates) == {pinned, thief.fingerprint}
    assert (scene.standing(first), scene.standing(second), scene.standing(third)) == (
        Standing.SUSPENDED,
        Standing.VALID,
        Standing.VALID,
    )
    assert sound not in done.scope.messages
    assert scene.house.node.trust.trust_of("SG").pins == ()
    assert scene.house.refused(scene.box.say(first, Standing.REINSTATED)) == "certificate-unknown"


def test_a_thief_counts_to_a_million_and_the_partner_is_still_heard(scene: Scene) -> None:
    """Otherwise every true number would look old from then on, and no loss of a message would ever be noticed again."""
    house = scene.house
    first, *_ = house.listed()
    thief = house.key("thief")
    house.send(scene.box.ours(Kind.KEYS, payloads.write_keys([Announced("signing", thief.certificate, house.now)])))
    house.follow_certificates()

    def notice(number: int, signer: Signer | None = None) -> str:
        return scene.say(first, Standing.SUSPENDED, signer=signer, sequence=number)

    def asked() -> list[tuple[int, int]]:
        house.deliver()
        return [(one.first, one.last) for one in house.resends()]

    notice(1)
    notice(2)
    house.send(scene.box.message(Kind.UPDATE, [scene.box.change(first, Standing.VALID)], sequence=1))
    forged = [notice(number, thief.signer("")) for number in (3, 1_000_000, 2_147_483_647)]
    assert asked() == [(4, 999_999), (1_000_001, 2_147_483_646)]
    notice(3)
    assert set(scene.confirm(scene.stolen(thief.fingerprint, START)).scope.messages) == set(forged)
    notice(4)
    assert asked()[2:] == [], "the true next number is neither old nor after a gap"
    notice(6)
    house.send(scene.box.message(Kind.UPDATE, [scene.box.change(first, Standing.VALID)], sequence=2))
    assert asked()[2:] == [(5, 5)], "a true gap is noticed, and only in its own class"


def test_what_a_partner_truly_said_with_a_stolen_key_is_asked_for_again(scene: Scene) -> None:
    house = scene.house
    first, *_ = house.listed()
    spare = house.key("sg-next")
    house.send(scene.box.ours(Kind.KEYS, payloads.write_keys([Announced("signing", spare.certificate, house.now)])))
    house.follow_certificates()
    for number in (1, 2, 3):
        scene.say(first, Standing.SUSPENDED, signer=spare.signer("") if number > 1 else None, sequence=number)
    scene.confirm(scene.stolen(spare.fingerprint, START))
    scene.say(first, Standing.SUSPENDED, sequence=4)
    house.deliver()
    assert [(one.first, one.last) for one in house.resends()] == [(2, 3)]


def test_a_node_that_has_not_heard_yet_records_nothing_more_of_a_stolen_key(scene: Scene) -> None:
    first, *_ = scene.house.listed()
    (pin,) = scene.house.node.trust.trust_of("SG").pins
    known = scene.house.node.trust.trust_of("SG")
    scene.house.later(minutes=1)
    scene.confirm(scene.stolen(pin.fingerprint, scene.house.now))
    scene.house.node.trust.put("SG", known)
    scene.house.later(minutes=1)
    assert scene.house.refused(scene.box.say(first, Standing.REVOKED)) == "certificate-revoked"
    assert scene.standing(first) is Standing.VALID


def test_a_withdrawn_certificate_is_not_announced_again_nor_another_of_its_key(scene: Scene) -> None:
    fresh = scene.house.key("sg-next")
    announce = scene.box.ours(Kind.KEYS, payloads.write_keys([Announced("signing", fresh.certificate, scene.house.now)]))
    scene.house.send(announce)
    scene.house.later(minutes=1)
    scene.confirm(scene.stolen(fresh.fingerprint, scene.house.now))
    assert [pin.fingerprint for pin in scene.house.node.trust.trust_of("SG").pins] != [fresh.fingerprint]
    renewed = _same_key_again(fresh)
    again = scene.box.ours(Kind.KEYS, payloads.write_keys([Announced("signing", renewed, scene.house.now)]))
    assert scene.house.refused(again) == "certificate-revoked"


def _same_key_again(key: Key) -> bytes:
    """A certificate with another end for the same key."""
    private: Any = load_pem_private_key((key.folder / "key.pem").read_bytes(), None)
    begins, public = key.record.created, private.public_key()
    made = selfsigned.builder(public, Subject("renewed"), demo=True, begins=begins, ends=begins + timedelta(days=30))
    return selfsigned.sign(made, private)


def test_what_is_proposed_must_exist_and_have_a_reason(scene: Scene) -> None:
    with pytest.raises(Refusal) as unknown:
        scene.propose("no-such-message")
    assert unknown.value.code is Code.NOT_FOUND
    with pytest.raises(Refusal) as unknown:
        scene.stolen("0" * 64, scene.house.now)
    assert unknown.value.code is Code.NOT_FOUND
    (pin,) = scene.house.node.trust.trust_of("SG").pins
    with pytest.raises(Refusal, match="in the future"):
        scene.stolen(pin.fingerprint, scene.house.now + timedelta(days=1))
    with pytest.raises(Refusal, match="reason"):
        scene.house.do(
            lambda connection: void.propose_certificate(
                connection, scene.house.partners, pin.fingerprint, scene.house.now, reason=" ", who="A", at=scene.house.now
            )
        )


def test_where_two_partners_used_one_id_one_is_named(scene: Scene) -> None:
    for iso, box in scene.house.boxes.items():
        scene.house.send(box.ours(Kind.PING, payloads.write_empty(Kind.PING), id="the-same"), iso)
    with pytest.raises(Refusal, match="HK or SG"):
        scene.propose("the-same")
    at = scene.house.now
    one = scene.house.do(
        lambda connection: void.propose_message(connection, "the-same", partner="HK", reason=REASON, who="A. One", at=at)
    )
    assert scene.confirm(one).voiding.partner == "HK"
