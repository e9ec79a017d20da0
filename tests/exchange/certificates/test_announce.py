"""Our rollover: partners hear of the next certificate first, and nobody needs the same minute."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import update

from gateway.exchange.certificates import announce
from gateway.node.node import Node
from gateway.operate import expiry
from gateway.running.background import Background, Task
from gateway.store import outbox, tables
from gateway.trust import endings, rollover
from gateway.trust.keys import Key, KeyRing
from tests.rig.gateway import GatewayFixture, down

SWITCH = timedelta(days=14)


def rotate(house: GatewayFixture) -> Key:
    return KeyRing(house.keys).rotate("gateway", "", 365, signs_from=house.now + SWITCH, now=house.now)


def look(house: GatewayFixture, node: Node | None = None) -> int:
    """What the background does; how many announcements it queued."""
    keys = announce.coming(house.settings, house.now)
    return house.do(lambda connection: announce.look(connection, node or house.node, keys, house.now))


def told(house: GatewayFixture, key: Key) -> list[tuple[str, str]]:
    with house.database.reading() as connection:
        return [(one.partner, one.state) for one in announce.states_of(connection, key.fingerprint)]


def signed_with(house: GatewayFixture, iso: str = "SG") -> str:
    """The certificate in KeyInfo of our latest message to a partner, which is one that the partner knows."""
    box = house.boxes[iso]
    named = b64decode(box.heard[-1].body.partition(b"X509Certificate>")[2].partition(b"<")[0])
    (key,) = [key for key in box.gateway_keys if key.der == named]
    return key.fingerprint


def test_every_connected_partner_hears_of_the_next_certificate_once(house: GatewayFixture) -> None:
    assert look(house) == 0
    house.bind("HK", endpoint=None)
    fresh = rotate(house)
    assert look(house) == 1
    assert look(house, house.another()) == 0, "another node finds it done"
    assert told(house, fresh) == [("SG", "queued")]
    house.deliver()
    assert told(house, fresh) == [("SG", "delivered")]
    assert fresh.fingerprint in [key.fingerprint for key in house.boxes["SG"].gateway_keys]
    house.bind("HK", endpoint="http://hk.test/exchange")
    assert look(house) == 1, "whoever is connected later hears of it then"


def test_both_keys_are_good_from_the_announcement_on_and_the_new_one_signs_from_its_moment(house: GatewayFixture) -> None:
    fresh = rotate(house)
    look(house)
    house.deliver()
    for moment, key in ((SWITCH - timedelta(seconds=3), house.ours), (timedelta(seconds=6), fresh), (timedelta(days=1), fresh)):
        house.now += moment
        house.ask("SG123456789012")
        house.deliver()
        assert signed_with(house) == key.fingerprint
    assert {state for _, state in house.queue()} == {"delivered"}


def test_a_message_signed_before_the_switch_and_delivered_after_it_is_good(house: GatewayFixture) -> None:
    rotate(house)
    look(house)
    house.deliver()
    house.now += SWITCH - timedelta(minutes=1)
    house.ask("SG123456789012")
    house.links["SG"].spoil = down
    house.deliver()
    house.links["SG"].spoil = None
    house.later(hours=1)
    house.deliver()
    assert signed_with(house) == house.ours.fingerprint
    assert house.queue()[-1][1] == "delivered"


def test_what_expired_unheard_is_announced_again_while_the_switch_lies_ahead(house: GatewayFixture) -> None:
    fresh = rotate(house)
    look(house)
    house.links["SG"].spoil = down
    house.deliver()
    house.later(days=3)
    house.do(lambda connection: outbox.expire(connection, "SG", house.now))
    assert ("SG", "expired") in told(house, fresh)
    house.links["SG"].spoil = None
    assert look(house) == 1
    house.later(hours=1)
    house.deliver()
    assert ("SG", "delivered") in told(house, fresh)
    house.now += SWITCH
    assert look(house) == 0


def test_a_switch_brought_forward_changes_nothing_for_who_acknowledged_it(house: GatewayFixture) -> None:
    fresh = rotate(house)
    look(house)
    house.deliver()
    house.later(days=1)
    rollover.bring_forward(KeyRing(house.keys), "gateway", "", signs_from=house.now, now=house.now)
    house.do(lambda connection: announce.again(connection, fresh.fingerprint))
    house.later(seconds=2)
    house.ask("SG123456789012")
    house.deliver()
    assert signed_with(house) == fresh.fingerprint
    assert {state for _, state in house.queue()} == {"delivered"}


def test_whoever_refused_the_next_certificate_is_told_again_before_an_earlier_switch(house: GatewayFixture) -> None:
    fresh = rotate(house)
    look(house)
    house.do(lambda connection: connection.execute(update(tables.outbox).values(state="dead", finished=house.now)))
    assert look(house) == 0, "what was refused is left to a person"
    rollover.bring_forward(KeyRing(house.keys), "gateway", "", signs_from=house.now + timedelta(hours=1), now=house.now)
    house.do(lambda connection: announce.again(connection, fresh.fingerprint))
    assert look(house) == 2
    house.deliver()
    house.deliver("HK")
    assert told(house, fresh) == [("HK", "delivered"), ("SG", "delivered")]
    house.do(lambda connection: announce.again(connection, fresh.fingerprint))
    assert look(house) == 0, "who acknowledged it has nothing more to hear"


def test_a_dropped_key_is_announced_no_further_and_another_one_is(house: GatewayFixture) -> None:
    stolen = rotate(house)
    look(house)
    house.deliver()
    rollover.drop(KeyRing(house.keys), "gateway", now=house.now)
    house.do(lambda connection: announce.take_back(connection, stolen.fingerprint, house.now))
    assert told(house, stolen) == [("HK", "superseded"), ("SG", "delivered")]
    another = rotate(house)
    assert look(house) == 2
    house.deliver()
    house.deliver("HK")
    assert told(house, another) == [("HK", "delivered"), ("SG", "delivered")]
    assert stolen.fingerprint not in [key.fingerprint for key in house.boxes["HK"].gateway_keys]


def test_what_nobody_acknowledged_is_warned_of_before_the_switch(house: GatewayFixture) -> None:
    fresh = rotate(house)
    look(house)
    house.deliver("HK")
    house.later(days=8)
    with house.database.reading() as connection:
        found = endings.alerts(expiry.watched(connection, house.node, (), house.now), house.now)
    (alert,) = [one for one in found if one.ending.ends == fresh.record.signs_from]
    assert (alert.ending.kind, alert.ending.name, alert.days) == ("our-key", f"{fresh.id} is not acknowledged by SG", 7)
    assert "ends in 6 days" in expiry.sentence(alert)


def test_each_threshold_is_said_once_by_whichever_node_comes_first(house: GatewayFixture) -> None:
    at = house.ours.x509.not_valid_after_utc
    said: list[int] = []
    for days in (61, 60, 45, 30, 20, 7, 0.5, -1, -2):
        house.now = at - timedelta(days=days)
        for node in (house.node, house.node):
            with house.database.reading() as connection:
                alerts = endings.alerts(expiry.watched(connection, node, (), house.now), house.now)
            fresh = house.do(partial(expiry.not_warned_yet, alerts=alerts, at=house.now))
            said += [alert.days for alert in fresh if alert.ending.owner == "gateway"]
    assert said == [60, 30, 7, 1, 0]


def test_a_certificate_with_a_successor_is_not_warned_of(house: GatewayFixture) -> None:
    rotate(house)
    house.now = house.ours.x509.not_valid_after_utc - timedelta(days=1)
    with house.database.reading() as connection:
        found = endings.alerts(expiry.watched(connection, house.node, (), house.now), house.now)
    assert [alert.ending.succeeded for alert in found if alert.ending.name == house.ours.id] == [True]
    assert "gateway-1" not in str(house.do(lambda connection: expiry.not_warned_yet(connection, found, house.now)))


@pytest.mark.parametrize(
    ("left", "words"), [(timedelta(days=3, hours=5), "ends in 3 days"), (timedelta(days=-2), "ended 2 days ago")]
)
def test_sentences_count_whole_days(house: GatewayFixture, left: timedelta, words: str) -> None:
    ending = endings.Ending("certificate", "SG", "signing abc", house.now, house.now + left)
    assert words in expiry.sentence(endings.Alert(ending, 7, left))


def check_while_running(house: GatewayFixture, step: Callable[[Node], Awaitable[bool | None]], ready: Callable[[], object]) -> None:
    """Lets a background task run until ``ready``."""

    async def story() -> None:
        background, pause = Background(), timedelta(milliseconds=10)
        background.start([Task(name="a test", step=partial(step, house.node), every=pause, late=pause)])
        async with asyncio.timeout(60):
            while not ready():
                await asyncio.sleep(0.01)
        assert await background.stop() == []

    house.run(story())


def test_a_running_node_announces_and_warns_by_itself(house: GatewayFixture, caplog: pytest.LogCaptureFixture) -> None:
    house.now = house.ours.x509.not_valid_after_utc - timedelta(days=29)
    check_while_running(house, expiry.warn, lambda: "gateway-1 ends in 29 days" in caplog.text)
    fresh = rotate(house)
    check_while_running(house, announce.announce, lambda: len(told(house, fresh)) == 2)


@pytest.mark.parametrize("step", [expiry.warn, announce.announce])
def test_a_fault_ends_no_background_task(
    house: GatewayFixture, caplog: pytest.LogCaptureFixture, step: Callable[[Node], Awaitable[bool | None]]
) -> None:
    (house.keys / "gateway-1" / "key.json").write_text("no longer readable")
    check_while_running(house, step, lambda: "failed and will try again" in caplog.text)
