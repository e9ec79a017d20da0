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
from tests.rig.keys import demo_key

SWITCH = timedelta(days=14)


def rotate(gateway: GatewayFixture) -> Key:
    return KeyRing(gateway.keys).rotate("gateway", "", 365, signs_from=gateway.now + SWITCH, now=gateway.now)


def look(gateway: GatewayFixture, node: Node | None = None) -> int:
    """What the background does; how many announcements it queued."""
    keys = announce.coming(gateway.node, gateway.now)
    return gateway.do(lambda connection: announce.look(connection, node or gateway.node, keys, gateway.now))


def told(gateway: GatewayFixture, key: Key) -> list[tuple[str, str]]:
    with gateway.database.reading() as connection:
        return [(one.partner, one.state) for one in announce.states_of(connection, key.fingerprint)]


def signed_with(gateway: GatewayFixture, iso: str = "SG") -> str:
    """The certificate in KeyInfo of our latest message to a partner, which is one that the partner knows."""
    box = gateway.boxes[iso]
    named = b64decode(box.received[-1].body.partition(b"X509Certificate>")[2].partition(b"<")[0])
    (key,) = [key for key in box.gateway_keys if key.der == named]
    return key.fingerprint


def test_every_connected_partner_hears_of_the_next_certificate_once(gateway: GatewayFixture) -> None:
    assert look(gateway) == 0
    gateway.bind("HK", endpoint=None)
    fresh = rotate(gateway)
    assert look(gateway) == 1
    assert look(gateway, gateway.another()) == 0, "another node finds it done"
    assert told(gateway, fresh) == [("SG", "queued")]
    gateway.deliver()
    assert told(gateway, fresh) == [("SG", "delivered")]
    assert fresh.fingerprint in [key.fingerprint for key in gateway.boxes["SG"].gateway_keys]
    gateway.bind("HK", endpoint="http://hk.test/exchange")
    assert look(gateway) == 1, "whoever is connected later hears of it then"


def test_both_keys_are_good_from_the_announcement_on_and_the_new_one_signs_from_its_moment(gateway: GatewayFixture) -> None:
    fresh = rotate(gateway)
    look(gateway)
    gateway.deliver()
    for moment, key in ((SWITCH - timedelta(seconds=3), gateway.ours), (timedelta(seconds=6), fresh), (timedelta(days=1), fresh)):
        gateway.now += moment
        gateway.ask("SG123456789012")
        gateway.deliver()
        assert signed_with(gateway) == key.fingerprint
    assert {state for _, state in gateway.queue()} == {"delivered"}


def test_a_message_signed_before_the_switch_and_delivered_after_it_is_good(gateway: GatewayFixture) -> None:
    rotate(gateway)
    look(gateway)
    gateway.deliver()
    gateway.now += SWITCH - timedelta(minutes=1)
    gateway.ask("SG123456789012")
    gateway.links["SG"].spoil = down
    gateway.deliver()
    gateway.links["SG"].spoil = None
    gateway.later(hours=1)
    gateway.deliver()
    assert signed_with(gateway) == gateway.ours.fingerprint
    assert gateway.queue()[-1][1] == "delivered"


def test_what_expired_unheard_is_announced_again_while_the_switch_lies_ahead(gateway: GatewayFixture) -> None:
    fresh = rotate(gateway)
    look(gateway)
    gateway.links["SG"].spoil = down
    gateway.deliver()
    gateway.later(days=3)
    gateway.do(lambda connection: outbox.expire(connection, "SG", gateway.now))
    assert ("SG", "expired") in told(gateway, fresh)
    gateway.links["SG"].spoil = None
    assert look(gateway) == 1
    gateway.later(hours=1)
    gateway.deliver()
    assert ("SG", "delivered") in told(gateway, fresh)
    gateway.now += SWITCH
    assert look(gateway) == 0


def test_a_switch_brought_forward_changes_nothing_for_who_acknowledged_it(gateway: GatewayFixture) -> None:
    fresh = rotate(gateway)
    look(gateway)
    gateway.deliver()
    gateway.later(days=1)
    rollover.bring_forward(KeyRing(gateway.keys), "gateway", "", signs_from=gateway.now, now=gateway.now)
    gateway.do(lambda connection: announce.again(connection, fresh.fingerprint))
    gateway.later(seconds=2)
    gateway.ask("SG123456789012")
    gateway.deliver()
    assert signed_with(gateway) == fresh.fingerprint
    assert {state for _, state in gateway.queue()} == {"delivered"}


def test_whoever_refused_the_next_certificate_is_told_again_before_an_earlier_switch(gateway: GatewayFixture) -> None:
    fresh = rotate(gateway)
    look(gateway)
    gateway.do(lambda connection: connection.execute(update(tables.outbox).values(state="dead", finished=gateway.now)))
    assert look(gateway) == 0, "what was refused is left to a person"
    rollover.bring_forward(KeyRing(gateway.keys), "gateway", "", signs_from=gateway.now + timedelta(hours=1), now=gateway.now)
    gateway.do(lambda connection: announce.again(connection, fresh.fingerprint))
    assert look(gateway) == 2
    gateway.deliver()
    gateway.deliver("HK")
    assert told(gateway, fresh) == [("HK", "delivered"), ("SG", "delivered")]
    gateway.do(lambda connection: announce.again(connection, fresh.fingerprint))
    assert look(gateway) == 0, "who acknowledged it has nothing more to hear"


def test_a_dropped_key_is_announced_no_further_and_another_one_is(gateway: GatewayFixture) -> None:
    stolen = rotate(gateway)
    look(gateway)
    gateway.deliver()
    rollover.drop(KeyRing(gateway.keys), "gateway", now=gateway.now)
    gateway.do(lambda connection: announce.take_back(connection, stolen.fingerprint, gateway.now))
    assert told(gateway, stolen) == [("HK", "superseded"), ("SG", "delivered")]
    another = rotate(gateway)
    assert look(gateway) == 2
    gateway.deliver()
    gateway.deliver("HK")
    assert told(gateway, another) == [("HK", "delivered"), ("SG", "delivered")]
    assert stolen.fingerprint not in [key.fingerprint for key in gateway.boxes["HK"].gateway_keys]


def test_what_nobody_acknowledged_is_warned_of_before_the_switch(gateway: GatewayFixture) -> None:
    fresh = rotate(gateway)
    look(gateway)
    gateway.deliver("HK")
    gateway.later(days=8)
    with gateway.database.reading() as connection:
        found = endings.alerts(expiry.watched(connection, gateway.node, (), gateway.now), gateway.now)
    (alert,) = [one for one in found if one.ending.ends == fresh.record.signs_from]
    assert (alert.ending.kind, alert.ending.name, alert.days) == ("our-key", f"{fresh.id} is not acknowledged by SG", 7)
    assert "ends in 6 days" in expiry.sentence(alert)


def test_each_threshold_is_said_once_by_whichever_node_comes_first(gateway: GatewayFixture) -> None:
    at = gateway.ours.x509.not_valid_after_utc
    said: list[int] = []
    for days in (61, 60, 45, 30, 20, 7, 0.5, -1, -2):
        gateway.now = at - timedelta(days=days)
        for node in (gateway.node, gateway.node):
            with gateway.database.reading() as connection:
                alerts = endings.alerts(expiry.watched(connection, node, (), gateway.now), gateway.now)
            fresh = gateway.do(partial(expiry.not_warned_yet, alerts=alerts, at=gateway.now))
            said += [alert.days for alert in fresh if alert.ending.owner == "gateway"]
    assert said == [60, 30, 7, 1, 0]


def test_a_certificate_with_a_successor_is_not_warned_of(gateway: GatewayFixture) -> None:
    rotate(gateway)
    gateway.now = gateway.ours.x509.not_valid_after_utc - timedelta(days=1)
    with gateway.database.reading() as connection:
        found = endings.alerts(expiry.watched(connection, gateway.node, (), gateway.now), gateway.now)
    assert [alert.ending.succeeded for alert in found if alert.ending.name == gateway.ours.id] == [True]
    assert "gateway-1" not in str(gateway.do(lambda connection: expiry.not_warned_yet(connection, found, gateway.now)))


@pytest.mark.parametrize(
    ("left", "words"), [(timedelta(days=3, hours=5), "ends in 3 days"), (timedelta(days=-2), "ended 2 days ago")]
)
def test_sentences_count_whole_days(gateway: GatewayFixture, left: timedelta, words: str) -> None:
    ending = endings.Ending("certificate", "SG", "signing abc", gateway.now, gateway.now + left)
    assert words in expiry.sentence(endings.Alert(ending, 7, left))


def check_while_running(
    gateway: GatewayFixture, step: Callable[[Node], Awaitable[bool | None]], ready: Callable[[], object]
) -> None:
    """Lets a background task run until ``ready``."""

    async def story() -> None:
        background, pause = Background(), timedelta(milliseconds=10)
        background.start([Task(name="a test", step=partial(step, gateway.node), every=pause, late=pause)])
        async with asyncio.timeout(60):
            while not ready():
                await asyncio.sleep(0.01)
        assert await background.stop() == []

    gateway.run(story())


def test_a_running_node_announces_and_warns_by_itself(gateway: GatewayFixture, caplog: pytest.LogCaptureFixture) -> None:
    gateway.now = gateway.ours.x509.not_valid_after_utc - timedelta(days=29)
    check_while_running(gateway, expiry.warn, lambda: "gateway-1 ends in 29 days" in caplog.text)
    fresh = rotate(gateway)
    check_while_running(gateway, announce.announce, lambda: len(told(gateway, fresh)) == 2)


@pytest.mark.parametrize("step", [expiry.warn, announce.announce])
def test_a_fault_ends_no_background_task(
    gateway: GatewayFixture, caplog: pytest.LogCaptureFixture, step: Callable[[Node], Awaitable[bool | None]]
) -> None:
    (gateway.keys / "gateway-1" / "key.json").write_text("no longer readable")
    check_while_running(gateway, step, lambda: "failed and will try again" in caplog.text)


def test_a_key_that_we_connect_with_is_made_rotated_and_announced_like_the_one_that_signs(gateway: GatewayFixture) -> None:
    """To whoever's binding names it, as what we connect with; and from its moment on it is the one that we present."""
    first = demo_key(gateway.keys, "line", gateway.now - timedelta(days=1))
    gateway.bind("SG", client_key="line")
    presented = gateway.node.client_keys
    assert presented.identity("line").certificate == first.folder / "certificate.pem"
    fresh = KeyRing(gateway.keys).rotate("line", "", 365, signs_from=gateway.now + SWITCH, now=gateway.now)
    assert (look(gateway), look(gateway)) == (1, 0)
    gateway.deliver()
    assert told(gateway, fresh) == [("SG", "delivered")]
    body = gateway.boxes["SG"].received[-1].body.decode()
    assert ('role="tls"' in body, 'role="signing"' in body) == (True, False)
    with gateway.database.reading() as connection:
        watched = [one.name for one in expiry.watched(connection, gateway.node, (), gateway.now)]
    assert {first.id, fresh.id} <= set(watched)
    assert not any("not acknowledged" in one for one in watched), "the other partner has nothing to acknowledge"
    gateway.now += SWITCH
    assert presented.identity("line").certificate == fresh.folder / "certificate.pem"


def test_one_key_for_both_is_announced_for_both(gateway: GatewayFixture) -> None:
    gateway.bind("SG", client_key="gateway")
    rotate(gateway)
    assert look(gateway) == 2
    gateway.deliver()
    body = gateway.boxes["SG"].received[-1].body.decode()
    assert ('role="tls"' in body, 'role="signing"' in body) == (True, True)


def test_a_key_that_cannot_be_presented_says_why(gateway: GatewayFixture) -> None:
    gateway.bind("SG", client_key="line")
    message = gateway.ask("SG123456789012")
    gateway.deliver()
    assert "There is no key named line" in (gateway.of(message).problem or "")
    assert gateway.of(message).state == "queued"
