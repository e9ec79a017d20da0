"""``python -m tests.soak``: as much as the gateway takes, for minutes, and at the end an account that must add up.

One node in a process of its own receives signed one-record messages from 32 senders who speak for all its partners, each of which waits
for its receipt; now and then one sends the same message again. Their results go back to them meanwhile, somebody asks for answers, and
somebody whether the node is ready. Ends with one table: what came of each tenth of the time, and the ledger.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich import box as shapes
from rich.console import Console
from rich.table import Table

from gateway.core.model import Kind, Standing
from gateway.sandbox.box import Box
from gateway.sandbox.listen import NOBODY
from tests.bench.rows import children
from tests.rig.bounds import resident
from tests.rig.counterpart import Counterpart
from tests.rig.databases import address, postgres_server
from tests.rig.installation import Installation, Served
from tests.rig.ledger import Ledger
from tests.rig.lines import identifier, quantile
from tests.rig.shipped import ISOS
from tests.rig.waiting import until

SENDERS = 32
#: Of each partner: an operator's standing changes now and then, and its history is folded anew each time; hundreds of changes of
#: each within minutes are nobody's.
OPERATORS = 1_500
#: Of so many messages one is sent twice, and of so many receipts the signature of one is verified.
AGAIN, VERIFIED = 50, 20
#: Growth that counts as none: of memory once it is warm, as a share; of open files, as a number.
MEMORY, FILES = 0.10, 8
#: A run shorter than this many seconds is warm-up from end to end: the cache of the writing connection alone takes 64 MiB to fill.
WARM = 120
#: A node that answers takes a moment; what waits longer than this many milliseconds for ``/readyz`` takes it for dead.
PATIENCE = 2_000


@dataclass(slots=True)
class Slice:
    """What came of one part of the time. Times in ms, memory in MiB."""

    seconds: float = 0.0
    receipts: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    unready: int = 0
    memory: float = 0.0
    files: int = 0
    database: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.receipts) / self.seconds if self.seconds else 0.0


class Soak:
    """One installation with all its partners, under load for a while."""

    def __init__(self, home: Path, isos: Sequence[str], database: str = "") -> None:
        self.ends = {iso: Counterpart() for iso in isos}
        urls = {iso: end.url for iso, end in self.ends.items()}
        self.installation = Installation(home, isos, database=database, endpoints=urls)
        for iso, end in self.ends.items():
            end.box = self.installation.boxes[iso]
            end.box.make_up(OPERATORS)
        self.ledger = Ledger()
        self.slices: list[Slice] = []
        self.sent = self.again = 0
        self.served: Served

    def run(self, seconds: float, parts: int, *, courier: bool = True) -> None:
        """Loads it for so many seconds; what came of each part stands in ``slices``."""
        self.served = self.installation.serve(courier=courier)
        self.served.ready()
        for end in self.ends.values():
            end.gateway = self.served.url
        over = threading.Event()
        self.slices.append(Slice())
        asking = [
            threading.Thread(target=self._ask, args=(over, *one))
            for one in ((self._answer, "answers", 0.02), (self._ready, "ready", 0.25))
        ]
        for one in asking:
            one.start()
        asyncio.run(self._load(seconds, parts))
        over.set()
        for one in asking:
            one.join()

    # ---------------------------------------------------------------- the senders

    async def _load(self, seconds: float, parts: int) -> None:
        deadline = time.perf_counter() + seconds
        boxes = list(self.installation.boxes.values())
        senders = [asyncio.create_task(self._send(boxes[n % len(boxes)], deadline)) for n in range(SENDERS)]
        for part in range(parts):
            began = time.perf_counter()
            await asyncio.sleep(max(0.0, deadline - seconds * (parts - 1 - part) / parts - began))
            self._measure(time.perf_counter() - began)
            if part + 1 < parts:
                self.slices.append(Slice())
        await asyncio.gather(*senders)

    async def _send(self, box: Box, deadline: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.served.port)
        for body in _notices(box):
            if time.perf_counter() > deadline:
                break
            self.sent += 1
            for _ in range(2 if self.sent % AGAIN == 0 else 1):
                began = time.perf_counter()
                receipt = await _post(reader, writer, body)
                self.slices[-1].receipts.append((time.perf_counter() - began) * 1e3)
                self._hold(box, body, receipt)
            self.again += self.sent % AGAIN == 0
        writer.close()

    def _hold(self, box: Box, body: bytes, receipt: bytes) -> None:
        if self.sent % VERIFIED == 0:
            said = box.check(receipt)
            assert said.header.kind is Kind.RECEIPT
            assert said.header.refers_to == identifier(body)
        self.ledger.given(box.iso, identifier(body), body, receipt)

    # ---------------------------------------------------------------- those who ask meanwhile

    def _ask(self, over: threading.Event, ask: Callable[[httpx.Client], None], kept: str, pause: float) -> None:
        with httpx.Client(base_url=self.served.url, verify=NOBODY, headers=self.installation.authorised) as client:
            while not over.wait(pause):
                began = time.perf_counter()
                ask(client)
                getattr(self.slices[-1], kept).append((time.perf_counter() - began) * 1e3)

    def _answer(self, client: httpx.Client) -> None:
        tin = next(iter(self.installation.boxes[next(iter(self.ends))].operators))
        client.get("/v1/eligibility", params={"code": tin, "direction": "import"}).raise_for_status()

    def _ready(self, client: httpx.Client) -> None:
        self.slices[-1].unready += client.get("/readyz").status_code != 200

    def _measure(self, seconds: float) -> None:
        now, pid = self.slices[-1], self.served.process.pid
        now.seconds = seconds
        now.memory = sum(resident("VmRSS", one) for one in (pid, *children(pid)))
        now.files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        now.database = sum(file.stat().st_size for file in self.installation.settings.home.glob("gateway.db*")) / 2**20

    # ---------------------------------------------------------------- the account

    def rest(self, patience: float) -> dict[str, int]:
        """Waits for results to go out as long as ``patience`` lasts, then until everything is judged and sealed; what is left to be sent."""
        left = self.installation.left
        with contextlib.suppress(AssertionError):
            until(lambda: not left(), patience=patience, pause=0.5)
        self.served.stop()
        if left():  # whoever goes on sending is never done: a node that only receives comes to rest
            self.served = self.installation.serve(courier=False)
            self.served.ready()
            until(lambda: not left().keys() - {"to be sent"}, lambda: f"the gateway did not come to rest: {left()}", pause=0.5)
            self.served.stop()
        return left()

    def close(self) -> None:
        for end in self.ends.values():
            end.close()
        self.installation.__exit__()

    def faults(self) -> list[str]:
        """Everything that does not hold: the ledger, memory and files that grow, a node that was not ready."""
        found = self.ledger.faults(self.installation)
        if len(self.ledger.receipts) != self.sent:
            found.append(f"LOST: {self.sent} messages were sent, for {len(self.ledger.receipts)} there is a receipt")
        if sum(part.seconds for part in self.slices) >= WARM:
            # After a third the database's caches are filled and the process for large messages is there.
            warm, last = self.slices[len(self.slices) // 3], self.slices[-1]
            if last.memory > warm.memory * (1 + MEMORY):
                found.append(f"memory grew from {warm.memory:.0f} to {last.memory:.0f} MiB")
            # How many are open at one moment goes up and down with what is being read just then.
            third = max(1, len(self.slices) // 3)
            first, then = (statistics.median(one.files for one in some) for some in (self.slices[:third], self.slices[-third:]))
            if then > first + FILES:
                found.append(f"{first:.0f} files were open, then {then:.0f}")
        for number, part in enumerate(self.slices, 1):
            if part.unready or quantile(part.ready, 1.0) > PATIENCE:
                found.append(f"in part {number} the node was not ready {part.unready} times, or late to say so")
        return found


def _notices(box: Box) -> Iterator[bytes]:
    """One-record notices without end, each of which changes something; two senders of one partner do not number theirs."""
    tins = list(box.operators)
    for standing in itertools.cycle((Standing.SUSPENDED, Standing.VALID)):
        for tin in tins:
            yield box.message(Kind.NOTICE, (box.change(tin, standing),), sequence=0)


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> bytes:
    head = f"POST /exchange HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    said = await reader.readexactly(int(answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))
    assert answer.startswith(b"HTTP/1.1 200"), answer + said
    return said


def shown(soak: Soak, left: dict[str, int], faults: Sequence[str]) -> Table:
    """Everything on one screen."""
    kind = "SQLite in FULL" if soak.installation.settings.database_url.startswith("sqlite") else "PostgreSQL"
    table = Table(box=shapes.SIMPLE_HEAD, title=f"{SENDERS} senders, {len(soak.ends)} partners, {kind}")
    headings = ("s", "messages/s", "p50 ms", "p99 ms", "answers p99 ms", "readyz worst ms", "MiB", "files", "database MiB")
    for heading in headings:
        table.add_column(heading, justify="right")
    passed = 0.0
    for part in soak.slices:
        passed += part.seconds
        figures = (quantile(part.receipts, 0.5), quantile(part.receipts, 0.99), quantile(part.answers, 0.99))
        row = [f"{passed:.0f}", f"{part.rate:.0f}", *(f"{one:.1f}" for one in figures), f"{quantile(part.ready, 1.0):.0f}"]
        table.add_row(*row, f"{part.memory:.0f}", str(part.files), f"{part.database:.0f}")
    first, last = soak.slices[0], soak.slices[-1]
    heard = sum(len(end.box.received) for end in soak.ends.values())
    rate = statistics.fmean(part.rate for part in soak.slices)
    table.caption = "\n".join(
        (
            f"{len(soak.ledger.receipts):,} messages ({soak.again:,} of them sent twice), {rate:.0f}/s; last part at "
            f"{last.rate / max(first.rate, 1):.2f} of the first",
            f"results and requests of ours that went back meanwhile: {heard:,}; still queued: {left.get('to be sent', 0):,}",
            "nothing lost, nothing applied twice, no receipt without its record, the journal verifies"
            if not faults
            else f"{len(faults)} FAULTS",
        )
    )
    return table


@contextlib.contextmanager
def _database(home: Path, postgresql: bool) -> Iterator[str]:
    """Where the gateway keeps everything; empty: in a SQLite of its own."""
    if not postgresql:
        yield ""
        return
    with postgres_server(home / "postgresql") as server:
        yield address(server)


def main() -> int:
    asked = argparse.ArgumentParser(prog="make soak", description=__doc__)
    asked.add_argument("--minutes", type=float, default=3.0, help="how long (at most 60; default 3)")
    asked.add_argument(
        "--no-courier", action="store_true", help="results wait in the queue, as where another machine delivers them"
    )
    asked.add_argument("--postgresql", action="store_true", help="on a PostgreSQL started for it, instead of SQLite")
    given = asked.parse_args()
    if not 0 < given.minutes <= 60:
        asked.error("--minutes: more than 0 and at most 60")
    console = Console(width=None if sys.stdout.isatty() else 140)
    with tempfile.TemporaryDirectory(prefix="soak-") as home, _database(Path(home), given.postgresql) as database:
        console.print(f"[dim]{given.minutes:g} minutes of load on {len(ISOS)} partners' messages ...[/]", highlight=False)
        soak = Soak(Path(home) / "gateway", ISOS, database)
        try:
            soak.run(given.minutes * 60, 10, courier=not given.no_courier)
            left = soak.rest(0 if given.no_courier else 15)
            faults = soak.faults()
        finally:
            soak.close()
    console.print(shown(soak, left, faults))
    for fault in faults[:20]:
        console.print(f"[red]✗[/] {fault}", highlight=False)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
