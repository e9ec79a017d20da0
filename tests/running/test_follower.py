"""What follows the journal: a node knows what another one committed, and when it cannot know."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest

from gateway.clearance.index import Index
from gateway.core.model import Standing
from gateway.journal import sealer
from gateway.node.node import Node
from gateway.running.background import Background, Task
from gateway.running.follower import Follower
from gateway.store import journal
from tests.rig.gateway import GatewayFixture


@pytest.fixture
def other(house: GatewayFixture) -> Iterator[Node]:
    """A second node on the house's database."""
    node = house.another()
    yield node
    node.writer.close()


def test_what_one_node_commits_the_others_know_when_they_next_look(
    house: GatewayFixture, other: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And they look several times a second."""
    other.partners = house.partners
    index = Index(house.settings.current_within)
    (tin, *_) = house.listed()
    index.load((), house.seal())
    follower = Follower(other, index)
    looks, step = 0, follower.step

    async def look() -> bool:
        nonlocal looks
        looks += not index.known(tin)
        return await step()

    async def story() -> None:
        background, poll = Background(), house.settings.poll
        seal = partial(sealer.step, house.node)
        background.start(
            [Task(name="sealer", step=seal, every=poll, late=poll), Task(name="follower", step=look, every=poll, late=poll)]
        )
        async with asyncio.timeout(60):
            while not index.known(tin):
                await asyncio.sleep(0.01)
        await background.stop()

    house.send(house.boxes["SG"].say(tin, Standing.SUSPENDED))
    house.run(story())
    assert looks == 1
    assert house.settings.poll < timedelta(seconds=0.5)
    timeline = index.get(tin)
    assert timeline is not None
    assert timeline.authorisations[0].stands[-1].standing is Standing.SUSPENDED
    assert index.current(house.now)


def test_a_machine_whose_own_clock_is_wrong_is_current_all_the_same(house: GatewayFixture, other: Node) -> None:
    """Ten minutes ahead or behind: leases and heartbeats are of the clock that all share."""
    index = Index(house.settings.current_within)
    house.seal()
    for skew in (timedelta(minutes=10), -timedelta(minutes=10)):
        other.clock = lambda skew=skew: house.now + skew  # type: ignore[misc]
        Follower(other, index).load()
        assert index.current(other.clock())
        assert other.writer.do(partial(sealer.seal, node=other, holder="two")) == 0, "the lease is another's"


def test_knows_what_is_committed_while_the_sealer_is_kept_from_its_work(
    house: GatewayFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large list may hold the one lock of SQLite for longer than answers may be old."""
    steady = [1000.0]
    monkeypatch.setattr("gateway.running.follower.time.monotonic", lambda: steady[0])

    def current_after(seconds: float) -> bool:
        house.later(seconds=seconds)
        steady[0] += seconds
        house.run(follower.step())
        return index.current(house.now)

    index = Index(house.settings.current_within)
    (tin, *_) = house.listed()
    index.load((), house.seal())
    follower = Follower(house.node, index)
    assert current_after(60)
    house.send(house.boxes["SG"].say(tin, Standing.SUSPENDED))
    position = index.position
    assert current_after(60)
    timeline = index.get(tin)
    assert timeline is not None
    assert timeline.authorisations[0].stands[-1].standing is Standing.SUSPENDED
    assert index.position == position, "it has no number yet"
    house.seal()
    assert current_after(0)
    assert index.position > position


def test_is_not_current_for_longer_than_the_bound_where_more_waits_than_it_looks_at(
    house: GatewayFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady = [1000.0]
    monkeypatch.setattr("gateway.running.follower.time.monotonic", lambda: steady[0])
    monkeypatch.setattr("gateway.store.journal.PAGE", 3)
    monkeypatch.setattr("gateway.store.journal.waiting", partial(journal.waiting, most=3))
    index = Index(house.settings.current_within)
    house.seal()
    follower = Follower(house.node, index)
    follower.load()
    for number in range(4):
        house.do(lambda connection, number=number: journal.append(connection, "test", f"x{number}", {}, at=house.now))  # type: ignore[misc]
    for seconds, current in ((4, True), (4, False)):
        house.later(seconds=seconds)
        steady[0] += seconds
        house.run(follower.step())
        assert index.current(house.now) is current
    house.seal()
    house.run(follower.step())
    assert index.current(house.now)
