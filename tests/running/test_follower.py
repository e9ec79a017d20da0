"""What follows the journal: a node knows what another one committed, and when it cannot know."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from types import SimpleNamespace

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
def other(gateway: GatewayFixture) -> Iterator[Node]:
    """A second node on the same database."""
    node = gateway.another()
    yield node
    node.writer.close()


def test_what_one_node_commits_the_others_know_when_they_next_look(
    gateway: GatewayFixture, other: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And they look several times a second."""
    other.partners = gateway.partners
    index = Index(gateway.settings.current_within)
    (tin, *_) = gateway.listed()
    index.load((), gateway.seal())
    follower = Follower(other, index)
    looks, step = 0, follower.step

    async def look() -> bool:
        nonlocal looks
        looks += not index.known(tin)
        return await step()

    async def story() -> None:
        background, poll = Background(), gateway.settings.poll
        seal = partial(sealer.step, gateway.node)
        background.start(
            [Task(name="sealer", step=seal, every=poll, late=poll), Task(name="follower", step=look, every=poll, late=poll)]
        )
        async with asyncio.timeout(60):
            while not index.known(tin):
                await asyncio.sleep(0.01)
        await background.stop()

    gateway.send(gateway.boxes["SG"].status_message(tin, Standing.SUSPENDED))
    gateway.run(story())
    assert looks == 1
    assert gateway.settings.poll < timedelta(seconds=0.5)
    timeline = index.get(tin)
    assert timeline is not None
    assert timeline.authorisations[0].stands[-1].standing is Standing.SUSPENDED
    assert index.current(gateway.now)


def test_a_machine_whose_own_clock_is_wrong_is_current_all_the_same(gateway: GatewayFixture, other: Node) -> None:
    """Ten minutes ahead or behind: leases and heartbeats are of the clock that all share."""
    index = Index(gateway.settings.current_within)
    gateway.seal()
    for skew in (timedelta(minutes=10), -timedelta(minutes=10)):
        other.clock = lambda skew=skew: gateway.now + skew  # type: ignore[misc]
        Follower(other, index).load()
        assert index.current(other.clock())
        assert other.writer.do(partial(sealer.seal, node=other, holder="two")) == 0, "the lease is another's"


def test_knows_what_is_committed_while_the_sealer_is_kept_from_its_work(
    gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large list may hold the one lock of SQLite for longer than answers may be old."""
    steady = [1000.0]
    # Its own name for the clock, not the clock: by that the event loops of other threads would sleep for hours.
    monkeypatch.setattr("gateway.running.follower.time", SimpleNamespace(monotonic=lambda: steady[0]))

    def current_after(seconds: float) -> bool:
        gateway.later(seconds=seconds)
        steady[0] += seconds
        gateway.run(follower.step())
        return index.current(gateway.now)

    index = Index(gateway.settings.current_within)
    (tin, *_) = gateway.listed()
    index.load((), gateway.seal())
    follower = Follower(gateway.node, index)
    assert current_after(60)
    gateway.send(gateway.boxes["SG"].status_message(tin, Standing.SUSPENDED))
    position = index.position
    assert current_after(60)
    timeline = index.get(tin)
    assert timeline is not None
    assert timeline.authorisations[0].stands[-1].standing is Standing.SUSPENDED
    assert index.position == position, "it has no number yet"
    gateway.seal()
    assert current_after(0)
    assert index.position > position


def test_is_not_current_for_longer_than_the_bound_where_more_waits_than_it_looks_at(
    gateway: GatewayFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady = [1000.0]
    # Its own name for the clock, not the clock: by that the event loops of other threads would sleep for hours.
    monkeypatch.setattr("gateway.running.follower.time", SimpleNamespace(monotonic=lambda: steady[0]))
    monkeypatch.setattr("gateway.store.journal.PAGE", 3)
    monkeypatch.setattr("gateway.store.journal.waiting", partial(journal.waiting, most=3))
    index = Index(gateway.settings.current_within)
    gateway.seal()
    follower = Follower(gateway.node, index)
    follower.load()
    for number in range(4):
        gateway.do(lambda connection, number=number: journal.append(connection, "test", f"x{number}", {}, at=gateway.now))  # type: ignore[misc]
    for seconds, current in ((4, True), (4, False)):
        gateway.later(seconds=seconds)
        steady[0] += seconds
        gateway.run(follower.step())
        assert index.current(gateway.now) is current
    gateway.seal()
    gateway.run(follower.step())
    assert index.current(gateway.now)
