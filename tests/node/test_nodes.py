"""Several nodes on one database: one order for everything, one courier a partner, and work that outlives whoever began it."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import select

from gateway.core.model import Kind
from gateway.exchange.deliver.courier import deliver
from gateway.exchange.deliver.prepare import prepare
from gateway.exchange.receive import receive as receiving
from gateway.journal import sealer
from gateway.net import Response
from gateway.node.node import Node
from gateway.running import calendar
from gateway.store import journal, leases, messages
from gateway.store.tables import entry, message
from gateway.wire import payloads
from tests.rig.gateway import GatewayFixture

CODE = "SG123456789012"


@pytest.fixture
def other(gateway: GatewayFixture) -> Iterator[Node]:
    """A second node on the same database."""
    node = gateway.another()
    yield node
    node.writer.close()


@pytest.mark.long
def test_three_writers_and_a_poller_miss_nothing(gateway: GatewayFixture, other: Node) -> None:
    """Entries commit out of the order of their ids; two sealers compete; whoever polls sees each once, in one order."""
    stop, seen = threading.Event(), []

    def write(number: int) -> None:
        chance = random.Random(number)
        for each in range(60):
            with gateway.database.write.begin() as connection:
                journal.append(connection, "test", f"{number}-{each}", {}, at=gateway.now)
                if not gateway.database.sqlite:
                    time.sleep(chance.random() / 100)

    def seal(node: Node, holder: str) -> None:
        while not stop.is_set():
            node.writer.do(partial(sealer.seal, node=node, holder=holder))

    def poll() -> None:
        position = 0
        while True:
            last = stop.is_set()
            with gateway.database.reading() as connection:
                fresh = journal.since(connection, position)
            for at, identity, _, _ in fresh:
                seen.append((at, identity))
                position = at + 1
            if last and not fresh:
                return

    with ThreadPoolExecutor(6) as pool:
        polling = pool.submit(poll)
        sealing = [pool.submit(seal, gateway.node, "one"), pool.submit(seal, other, "two")]
        for written in [pool.submit(write, number) for number in range(3)]:
            written.result(60)
        gateway.node.writer.do(partial(sealer.seal, node=gateway.node, holder="one"))
        other.writer.do(partial(sealer.seal, node=other, holder="two"))
        stop.set()
        for one in [polling, *sealing]:
            one.result(60)
    positions = [at for at, _ in seen]
    assert positions == list(range(len(positions))), "without a hole or a double"
    with gateway.database.reading() as connection:
        assert {identity for _, identity in seen} == set(connection.execute(select(entry.c.id)).scalars())
    assert len({identity for _, identity in seen}) == len(seen) >= 180


def test_only_one_holds_a_lease_until_it_ends(gateway: GatewayFixture) -> None:
    def hold(holder: str) -> bool:
        until = gateway.now + timedelta(seconds=30)
        return gateway.do(partial(leases.hold, name="x", holder=holder, now=gateway.now, until=until))

    assert [hold("one"), hold("two"), hold("one")] == [True, False, True]
    gateway.later(seconds=31)
    assert [hold("two"), hold("one")] == [True, False]


@pytest.mark.long
def test_two_couriers_never_send_one_message_twice_within_a_lease(gateway: GatewayFixture, other: Node) -> None:
    for _ in range(30):
        gateway.ask(CODE)
    flying, worst, sent = Counter[str](), 0, Counter[bytes]()

    def slow(body: bytes) -> Response:
        nonlocal worst
        flying["SG"] += 1
        worst = max(worst, flying["SG"])
        sent[body] += 1
        answer = gateway.links["SG"].through(body)
        flying["SG"] -= 1
        return answer

    gateway.links["SG"].spoil = slow

    async def work(node: Node) -> None:
        for _ in range(200):
            await deliver(node, gateway.live())

    async def both() -> None:
        await asyncio.gather(work(gateway.node), work(other))

    gateway.run(both())
    assert set(sent.values()) == {1}
    assert len(sent) == 30
    assert worst == 1
    assert {state for _, state in gateway.queue()} == {"delivered"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_couriers_at_the_same_instant_take_one_message(gateway: GatewayFixture, other: Node) -> None:
    for _ in range(3):
        gateway.ask(CODE)
    for _ in range(10):
        with ThreadPoolExecutor(2) as pool:
            begun = [pool.submit(asyncio.run, prepare(node, gateway.live())) for node in (gateway.node, other)]
            taken = [one.result(30) for one in begun]
        assert sum(one is not None for one in taken) <= 1
        gateway.later(seconds=31)


def test_the_work_of_a_dead_node_is_taken_over_when_its_lease_ends(gateway: GatewayFixture, other: Node) -> None:
    message_id = gateway.ask(CODE)
    assert gateway.run(prepare(gateway.node, gateway.live())) is not None, "and then the node dies"
    gateway.later(seconds=29)
    assert gateway.deliver(node=other) == []
    gateway.later(seconds=1)
    assert len(gateway.deliver(node=other)) == 1
    assert gateway.of(message_id).state == "delivered"


def test_what_a_dead_node_kept_is_judged_by_another(gateway: GatewayFixture, other: Node) -> None:
    body = gateway.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    gateway.do(lambda connection: messages.keep(connection, body, remote="x", identity=None, received=gateway.now))
    assert gateway.run(receiving.judge_again(other, gateway.now)) == 0, "it may still be under way"
    gateway.later(seconds=31)

    async def keep() -> None:
        keeping = asyncio.create_task(calendar.keep(other))
        while not gateway.rows(message):
            await asyncio.sleep(0.01)
        keeping.cancel()

    gateway.run(asyncio.wait_for(keep(), 60))
    assert len(gateway.rows(message)) == 1
