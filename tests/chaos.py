"""``make chaos``: faults that really happen, to real processes, and after each an account that must add up.

Every scenario is an installation of its own: a gateway in its own process, a partner that speaks and one's endpoint that hears.
``ARGS="--only killed"`` runs those whose name holds the word, ``ARGS="--database postgresql"`` those on that database, and
``ARGS="--minutes 10"`` lengthens those that load a gateway. Ends with one table.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import httpx
from rich import box as shapes
from rich.console import Console
from rich.table import Table

from gateway.core.model import Kind, Standing
from gateway.wire import payloads
from tests import hostile, slow_lines
from tests.rig.bounds import grown, resident
from tests.rig.copies import LocalCopy
from tests.rig.counterpart import WAYS, Counterpart
from tests.rig.databases import address, create, postgres_server
from tests.rig.disk import Quota, Small, here, small
from tests.rig.enterprises import row
from tests.rig.installation import Installation, Served
from tests.rig.ledger import Ledger
from tests.rig.waiting import HTTP, until

#: Steps at which a process dies while it receives, and while it delivers.
RECEIVING = ("kept", "claimed", "proven", "translated", "judged", "recording", "recorded", "told", "answering")
DELIVERING = ("leased", "signed", "put back", "answered", "settling", "finished")
#: Seconds after which the gateway must have come to rest.
PATIENCE = 60.0


class ChaosRun:
    """One installation under attack. Senders keep every receipt; ``served`` is the process that lives now. Use it in a ``with``."""

    def __init__(self, home: Path, database: str = "", **environment: str) -> None:
        self.stack = ExitStack()
        self.counterpart = Counterpart()
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
        self.port: int | None = None  # where each process is to listen; None: anywhere
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def start(self, *crash: str, courier: bool = True) -> None:
        self.begin(*crash, courier=courier)
        self.recovery.append(self.served.ready())
        self.resting = resident("VmRSS", self.served.process.pid)

    def begin(self, *crash: str, courier: bool = True) -> None:
        """A process that may die before it is ready."""
        self.served = self.installation.serve(*crash, courier=courier, environment=self.environment, port=self.port)
        self.counterpart.gateway = self.served.url

    def restart(self, *crash: str) -> None:
        """After a death, or by one."""
        if self.served.process.poll() is None:
            self.served.kill()
        self.start(*crash)

    def send(self, body: bytes, patience: float = PATIENCE) -> None:
        """As any sender does: the same bytes until there is a receipt."""
        until(lambda: self.attempt(body), "no receipt came in time", patience, pause=0.1)

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
        return self.box.status_message(tin, standing)

    def listed(self, count: int = 20) -> None:
        self.box.make_up(count)
        self.send(self.box.full_list())

    def stop(self, tin: str) -> None:
        """Our own hand on the switch."""
        asked = {"what": "operator", "subject": tin, "reason": "a rehearsal"}
        HTTP.post(f"{self.served.url}/v1/stops", json=asked, headers=self.installation.authorised).raise_for_status()

    def feed(self, *numbers: int) -> None:
        """News at home, which the partner is to be told."""
        rows = [{name: value for name, value in row(number).items() if value is not None} for number in numbers]
        HTTP.put(
            f"{self.served.url}/v1/domestic/enterprises", json=rows, headers=self.installation.authorised, timeout=40
        ).raise_for_status()

    def rest(self, patience: float = PATIENCE) -> None:
        """Waits until there is nothing left to do."""
        looks: list[dict[str, int]] = []

        def at_rest() -> bool:
            looks.append(self.left())
            return looks[-2:] == [{}, {}]

        until(at_rest, lambda: f"the gateway did not come to rest: {looks[-1]}", patience, pause=0.25)

    def left(self) -> dict[str, int]:
        return self.installation.left() | ({} if self.counterpart.quiet() else {"to be said": 1})

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


def killed_receiving(run: ChaosRun, steps: tuple[str, ...] = RECEIVING) -> str:
    """``kill -9`` at each step of receiving; the sender tries again."""
    run.listed()
    for step in steps:
        run.restart(step)
        body = run.notice()
        assert not run.attempt(body), f"at {step} no receipt may have gone out"
        assert run.served.died(), f"it lives on after {step}"
        run.restart()
        run.send(body)
    run.account()
    return f"{len(steps)} deaths; up again in {max(run.recovery):.1f} s at most"


def killed_delivering(run: ChaosRun, steps: tuple[str, ...] = DELIVERING) -> str:
    """``kill -9`` at each step of delivery; the next process goes on."""
    run.feed(1)
    run.rest()
    for number, step in enumerate(steps, 2):
        if step == "put back":
            run.counterpart.misbehave(["500"])
        run.restart(step)
        with contextlib.suppress(httpx.TransportError):
            run.feed(number)
        assert run.served.died(), f"it lives on after {step}"
        run.restart()
        run.feed(number)
        run.rest()
    run.account()
    told = {said.tin[-2:] for one in run.box.received for said in one.statements}
    assert told == {f"{number:02d}" for number in range(1, len(steps) + 2)}, f"told were {told}"
    return f"{len(steps)} deaths, {run.counterpart.tries} sends of {len(run.box.received)} messages"


def killed_again_and_again(run: ChaosRun) -> str:
    """One message each way, and at every step in turn a process dies of it: also while it takes up what the one before it left."""
    run.listed()
    run.feed(1)
    run.rest()
    body = run.notice()
    run.served.kill()
    for step in RECEIVING:
        run.begin(step)
        while not run.served.died(0.05):
            assert not run.attempt(body), f"at {step} no receipt may have gone out"
    run.start(courier=False)
    run.send(body)
    run.feed(2)
    run.served.kill()
    for step in DELIVERING:
        if step == "put back":
            run.counterpart.misbehave(["500"])
        run.begin(step)
        assert run.served.died(), f"it lives on after {step}"
    run.begin("sealing")
    ping = run.box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    while not run.served.died(0.05):
        run.attempt(ping)
    run.start()
    run.account()
    return f"{len(RECEIVING) + len(DELIVERING) + 1} deaths of two messages; up again in {max(run.recovery):.1f} s at most"


def killed_at_random(run: ChaosRun, times: int = 5) -> str:
    """``kill -9`` in the middle of eight senders, again and again."""
    run.listed()
    bodies = [run.box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING)) for _ in range(60 * times)]
    bodies += [run.notice() for _ in range(20 * times)]
    waiting = list(reversed(bodies))

    def work() -> None:
        while waiting:
            with contextlib.suppress(IndexError):
                run.send(waiting.pop())

    senders = [threading.Thread(target=work) for _ in range(8)]
    for sender in senders:
        sender.start()
    for death in range(1, times + 1):
        until(lambda: len(run.ledger.receipts) > len(bodies) * death / (times + 2))  # noqa: B023 - waited for here
        run.restart()
    for sender in senders:
        sender.join()
    run.account()
    assert len(run.ledger.receipts) == len(bodies) + 1
    return f"{times} deaths under {len(bodies)} messages; up again in {max(run.recovery):.1f} s at most"


def killed_large(run: ChaosRun) -> str:
    """The process that holds a large message is killed, then the gateway itself is."""
    run.listed(3_000)  # its process is up
    for target in ("worker", "gateway"):
        body = run.box.full_list()
        answers: list[bool] = []
        sender = threading.Thread(target=lambda: answers.append(run.attempt(body)))  # noqa: B023 - joined below
        sender.start()
        until(lambda: run.left().get("to be judged"), pause=0.005)
        workers = _workers(run.served.process.pid)
        assert workers, "there is no process for large messages"
        subprocess.run(["kill", "-9", str(workers[0] if target == "worker" else run.served.process.pid)], check=True)
        sender.join()
        if target == "gateway":
            run.served.process.wait()
            until(partial(_gone, workers[0]))
            run.restart()
        run.send(body)
    run.account()
    return "the message is judged again, whoever died; no orphan is left"


def _workers(parent: int) -> list[int]:
    """Children of a process that run our own spawned code."""
    said = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(parent)], capture_output=True, text=True, check=False).stdout
    return [int(line.split()[0]) for line in said.splitlines() if "spawn_main" in line]


def _gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()


def misbehaving(run: ChaosRun, ways: tuple[str, ...] = WAYS) -> str:
    """The partner answers 500, not at all, half, rubbish, twice, or closes the connection."""
    run.feed(1)
    run.rest()
    for number, way in enumerate(ways, 2):
        run.counterpart.misbehave([way])
        run.feed(number)
        run.rest()
    run.account()
    return f"{len(ways)} ways, {run.counterpart.tries} sends of {len(run.box.received)} messages"


def locked(run: ChaosRun, seconds: float = 3) -> str:
    """Another process holds the database's write lock for three seconds."""
    run.listed()
    other = sqlite3.connect(run.installation.settings.home / "gateway.db", isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    sender = threading.Thread(target=run.send, args=(run.notice(),))
    sender.start()
    time.sleep(seconds)
    other.execute("ROLLBACK")
    other.close()
    sender.join()
    waited = time.monotonic() - began
    run.account()
    return f"the sender waited {waited:.1f} s for its receipt"


def disk_full(run: ChaosRun) -> str:
    """Not another byte fits for a while: no receipt, no verdict, nothing half done; what was recorded is sealed when there is room again."""
    run.listed()
    disk = run.disk()
    _use_up(run, disk)
    bodies = [run.notice() for _ in range(5)]
    assert not any(run.attempt(body) for body in bodies), "a receipt for what could not be kept"
    disk.free()
    run.box.make_up(1_500)
    bodies.append(run.box.full_list())
    # Room to keep the list, and less, and more than it takes to record it.
    taken = []
    for share in (0.5, 2, 4, 16):
        _use_up(run, disk, int(len(bodies[-1]) * share))
        taken.append(run.attempt(bodies[-1]))
        disk.free()
    for body in bodies:
        run.send(body)
    _full_while_sealing(run)
    run.account()
    kind = "a file system of its own" if isinstance(disk, Small) else "a quota"
    return f"{kind}: {5 + taken.count(False)} tries without a verdict, all taken when there was room again, and sealed"


def _use_up(run: ChaosRun, disk: Small | Quota, leave: int = 0) -> None:
    """The database's log has no room of its own left, and the disk so many bytes."""
    with contextlib.closing(sqlite3.connect(run.installation.settings.home / "gateway.db", timeout=10)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    disk.fill(leave)


def _full_while_sealing(run: ChaosRun) -> None:
    """The disk is full when a recorded message is about to be sealed: its receipt stands, and its entries wait."""
    run.rest()
    run.restart("full=sealing")
    _use_up(run, run.disk(), 256 * 1024)
    run.disk().free()
    assert run.attempt(run.notice()), "what is recorded has its receipt"
    until(run.disk().full)  # not at once: the sealer that was killed holds its lease for a while
    body = run.notice()
    assert not any(run.attempt(body) for _ in range(5)), "a receipt for what could not be kept"
    assert run.left().get("to be sealed"), "it was sealed on a full disk"
    run.disk().free()
    run.send(body)


def clock_jumps(run: ChaosRun) -> str:
    """The node's clock jumps ten minutes ahead, back, and ten minutes behind."""
    wrong = Path(run.environment["AEO_TEST_CLOCK"])
    run.listed()
    run.feed(1)
    turned_away = 0
    for number, seconds in enumerate((600, 0, -600, 0), 2):
        _set(wrong, seconds)
        body = run.notice()
        if seconds < 0:
            assert not run.attempt(body), "what is ten minutes ahead is from the future"
            turned_away += 1
            until(lambda: not run.left().get("to be sealed"))
            _set(wrong, 0)
        run.send(body)
        run.feed(number)
        until(lambda: not run.left().get("to be sealed"))
        until(run.served.is_ready)
    run.account()
    return f"{turned_away} message from the future turned away and taken later; ready again after each jump"


def _set(clock: Path, seconds: int) -> None:
    clock.with_suffix(".new").write_text(str(seconds))
    clock.with_suffix(".new").replace(clock)  # whole or not at all: it is being read


def stopped(run: ChaosRun, server: Any, times: int = 2) -> str:
    """The database server is stopped and started again."""
    run.listed()
    for number in range(1, times + 1):
        server.stop()
        body = run.notice()
        assert not run.attempt(body), "a receipt without a database"
        assert HTTP.get(f"{run.served.url}/healthz").status_code == 200
        until(lambda: HTTP.get(f"{run.served.url}/readyz").status_code == 503)
        server.start()
        run.send(body)
        until(run.served.is_ready)
        run.feed(number)
    run.account()
    return "no verdict while it was away; ready by itself when it was back"


def two_nodes(run: ChaosRun) -> str:
    """Two nodes on one database; one is killed while both receive and deliver."""
    run.listed()
    other = run.installation.serve(environment=run.environment)
    other.ready()
    first = run.served
    for number in range(1, 13):
        if number == 6:
            first.kill()
            run.served = other
            run.counterpart.gateway = other.url
        elif number < 6:
            run.served = (first, other)[number % 2]
        run.send(run.notice())
        run.feed(number)
    run.account()
    return f"{run.counterpart.tries} sends of {len(run.box.received)} messages"


def copied(run: ChaosRun, times: int = 5) -> str:
    """A local copy (docs/local_copy.py) is kept while gateway and copy are killed in turn and messages arrive; then it says what the gateway says."""
    run.port = run.served.port
    run.listed(30 * times)
    copy = LocalCopy(run.installation, run.served.url)
    copy.start()
    tins = iter(list(run.box.operators))
    changes = [(tin, standing) for tin in islice(tins, 10 * times) for standing in (Standing.SUSPENDED, Standing.REINSTATED)]
    bodies = [run.box.status_message(tin, standing) for tin, standing in changes[::-1] + changes[::3]]
    receipts = len(run.ledger.receipts)

    def work() -> None:
        for body in bodies:
            run.send(body)

    sender = threading.Thread(target=work)
    sender.start()
    for death in range(1, times + 1):
        until(lambda: len(run.ledger.receipts) - receipts > len(bodies) * death / (times + 2))  # noqa: B023 - waited for here
        run.restart()
        copy.restart()
        run.stop(next(tins))
    sender.join()
    run.account()
    looks = copy.in_step(len(run.box.operators))
    return f"{times} deaths of each under {len(bodies)} messages; {looks}"


class Scenario(NamedTuple):
    """``takes`` is what ``play`` is given: an installation that is attacked, the database server or the seconds of load besides; or a
    folder, a database and the seconds, where it installs all it needs itself."""

    name: str
    play: Callable[..., str]
    databases: tuple[str, ...] = ("sqlite", "postgresql")
    takes: Literal["run", "server", "seconds", "folder"] = "run"


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
    Scenario("the database stopped", stopped, ("postgresql",), "server"),
    Scenario("one of two nodes killed", two_nodes, ("postgresql",)),
    Scenario("a local copy kept", copied),
    Scenario("hostile-partner", hostile.play, ("sqlite",), "folder"),
    Scenario("slow-lines", slow_lines.slow_lines, ("sqlite",), "seconds"),
)


def play(scenario: Scenario, home: Path, database: str, server: Any = None, seconds: float = 60) -> str:
    """One scenario on an installation of its own. Raises ``AssertionError``."""
    if scenario.takes == "folder":
        return scenario.play(home, database, seconds)
    environment = {}
    if scenario.play is clock_jumps:
        (home / "clock").write_text("0")
        environment = {"AEO_TEST_CLOCK": str(home / "clock")}
    with ExitStack() as stack:
        if scenario.play is disk_full:
            stack.enter_context(small(home / "gateway"))
        run = stack.enter_context(ChaosRun(home / "gateway", database, **environment))
        besides = {"server": (server,), "seconds": (seconds,)}.get(scenario.takes, ())
        return scenario.play(run, *besides)


def main() -> int:
    asked = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    asked.add_argument("--only", default="", help="scenarios whose name holds this")
    asked.add_argument("--database", choices=("sqlite", "postgresql"))
    asked.add_argument("--minutes", type=float, default=1.0, help="how long a load lasts (at most 60; default 1)")
    given = asked.parse_args()
    if not 0 < given.minutes <= 60:
        asked.error("--minutes: more than 0 and at most 60")
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
                    server = stack.enter_context(postgres_server(home / "postgres"))
                folder = home / uuid.uuid4().hex
                folder.mkdir()
                began = time.monotonic()
                try:
                    url = create(address(server)) if database == "postgresql" else ""
                    said, mark = play(scenario, folder, url, server, given.minutes * 60), "[green]✓[/]"
                except (AssertionError, httpx.HTTPError) as fault:
                    said, mark = str(fault), "[red]✗[/]"
                    failed += 1
                table.add_row(scenario.name, database, mark, f"{time.monotonic() - began:.0f}", said)
    console.print(table)
    console.print(f"{table.row_count - failed} of {table.row_count} accounts add up")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
