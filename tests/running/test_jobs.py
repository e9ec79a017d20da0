"""Long work is done by a process of its own; a node that stops gives it back, and one that dies leaves it to another."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import app
from gateway.core.errors import Code, Refusal
from gateway.node.workplace import Tell, Workplace
from gateway.running.background import Background, Task
from gateway.running.jobs import Jobs
from gateway.store import jobs
from gateway.store.jobs import Job
from gateway.web.api.jobs import JobKind
from tests.rig.node import NodeFixture
from tests.rig.people import person
from tests.rig.waiting import until

pytestmark = pytest.mark.process
SHORT = timedelta(seconds=1)


def works(desk: Workplace, given: dict[str, Any], who: str, tell: Tell) -> tuple[str, bytes]:
    tell(1, 2, "half of it")
    return f"done for {who}", json.dumps({"given": given, "process": os.getpid(), "home": str(desk.settings.home)}).encode()


def refuses(desk: Workplace, given: dict[str, Any], who: str, tell: Tell) -> tuple[str, bytes]:
    raise Refusal(Code.DATA_INVALID, "It cannot be done.", remedy="Do something else.")


def dies(desk: Workplace, given: dict[str, Any], who: str, tell: Tell) -> tuple[str, bytes]:
    os._exit(7)


def hangs(desk: Workplace, given: dict[str, Any], who: str, tell: Tell) -> tuple[str, bytes]:
    """The first time for ever."""
    begun = Path(given["begun"])
    if not begun.exists():
        begun.touch()
        threading.Event().wait()
    return "the second time it ended", b"{}"


HANDLERS = {"works": works, "refuses": refuses, "dies": dies, "hangs": hangs}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeFixture]:
    with NodeFixture(tmp_path / "home", ()) as made:
        yield made


def ask(node: NodeFixture, kind: str, **given: Any) -> int:
    return node.do(lambda connection: jobs.ask(connection, kind, given, who=person("a person"), at=node.now, again=True)).id


def find(node: NodeFixture, number: int) -> Job:
    with node.database.reading() as connection:
        return jobs.find(connection, number)


def test_each_is_done_by_a_process_of_its_own_and_how_it_ended_is_recorded(node: NodeFixture) -> None:
    numbers = [ask(node, "dies"), ask(node, "refuses"), ask(node, "works", n=1)]
    runner = Jobs(node.node, HANDLERS)

    async def all_of_them() -> None:
        while await runner.step():
            pass

    asyncio.run(all_of_them())
    died, refused, done = (find(node, number) for number in numbers)
    assert (died.state, died.sentence) == ("failed", "The process that worked on it ended (exit code 7).")
    assert (refused.state, refused.sentence) == ("failed", "It cannot be done. Do something else.")
    assert (done.state, done.sentence, done.done, done.of) == ("done", "done for a person", 2, 2)
    with node.database.reading() as connection:
        came = json.loads(jobs.result(connection, done.id)[1])
    assert came["given"] == {"n": 1, "by": person("a person").noted}
    assert came["process"] != os.getpid()


def test_a_node_that_stops_ends_its_process_and_gives_the_job_back(node: NodeFixture, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    number = ask(node, "hangs", begun=str(begun))
    runner = Jobs(node.node, HANDLERS)

    async def stopped() -> None:
        background = Background()
        background.start([Task(name="jobs", step=runner.step, every=SHORT, late=SHORT)])
        await asyncio.to_thread(until, begun.exists)
        assert await background.stop() == []

    asyncio.run(stopped())
    assert find(node, number).state == "running"
    node.later(seconds=1)  # the lease ended when it was given back, not half a minute later
    assert asyncio.run(runner.step())
    assert find(node, number).sentence == "the second time it ended"


def test_every_kind_that_can_be_asked_for_is_done_by_somebody() -> None:
    assert set(app.long_work()) == {kind.value for kind in JobKind}


def test_the_journal_is_read_again_as_a_job(node: NodeFixture) -> None:
    node.seal()
    number = ask(node, "journal-verify", witnesses=[])
    assert asyncio.run(Jobs(node.node, {"journal-verify": app.long_work()["journal-verify"]}).step())
    with node.database.reading() as connection:
        found = json.loads(jobs.result(connection, number)[1])
    assert found["fault"] is None
    assert found["entries"] > 0
    assert find(node, number).sentence.endswith("The journal is what was sealed.")
