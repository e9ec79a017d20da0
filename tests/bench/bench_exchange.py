"""How fast messages are received durably, lists taken, partners told, and how soon the gateway is back after ``kill -9``.

Over real HTTP against real processes with SQLite in FULL. Beside receiving stands the same work done the plain way
(``naive_exchange.py``); beside a list stand its floors, measured in the same run: parsing, canonical form and SHA-256, XSD, one pass that
reads, and putting as many rows into SQLite.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from lxml import etree

from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.exchange.courier import Courier
from gateway.sandbox.box import Box
from gateway.store import packing
from gateway.store.database import Database
from gateway.wire.xml import parse
from tests.exchange.counterpart import Counterpart
from tests.exchange.desk import open_to_us
from tests.exchange.house import House, loaded
from tests.exchange.installation import Installation, Served, kill
from tests.tools import REPO

Row = dict[str, Any]
SENDERS = 32


def rows(smoke: bool) -> list[Row]:
    """Every row. ``smoke`` only shows that the measurements run: small sizes, goals not judged."""
    messages, operators = (64, 300) if smoke else (6_000, 25_000)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        found = [*_received(home / "received", messages, 1 if smoke else 3), *_listed(home / "listed", operators, smoke)]
        found += [_recovered(home / "recovered", 50 if smoke else 500), _told(home / "told")]
    return [one | {"pass": None} for one in found] if smoke else found


def _row(name: str, value: float, unit: str, beside: float | None, ratio: float | None, goal: str, reached: bool | None) -> Row:
    return {"id": f"exchange.{name}", "value": value, "unit": unit, "beside": beside, "ratio": ratio, "goal": goal, "pass": reached}


# ---------------------------------------------------------------- one record each


def _received(home: Path, count: int, rounds: int) -> list[Row]:
    """Rounds take turns between the gateway and the plain way, and the best of each counts: a noisy neighbour disturbs both."""
    with Installation(home / "gateway") as ours, Installation(home / "naive") as plain:
        served, naive = ours.serve(), _naive(plain)
        served.ready()
        naive.ready()
        best: dict[str, tuple[float, float]] = {}
        for _ in range(rounds):
            for name, installation, target, share in (("ours", ours, served, count), ("plain", plain, naive, count // 2)):
                rate, p99 = asyncio.run(_load(target.port, _notices(installation.boxes["SG"], share)))
                best[name] = max(best.get(name, (0.0, 0.0)), (rate, p99))
    (rate, p99), (plain_rate, plain_p99) = best["ours"], best["plain"]
    return [
        _row("received", rate, "1/s", plain_rate, rate / plain_rate, ">= 400", rate >= 400),
        _row("received.p99", p99, "ms", plain_p99, plain_p99 / p99, "< 200", p99 < 200),
    ]


def _naive(installation: Installation) -> Served:
    from tests.exchange.installation import free_port

    port = free_port()
    log = installation.settings.home / "gateway.log"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.naive_exchange", str(port)],
        cwd=REPO,
        env=os.environ | installation.environment,
        stdout=log.open("wb"),
        stderr=subprocess.STDOUT,
    )
    installation.adopt(process)
    return Served(process, port, log)


def _notices(box: Box, count: int) -> list[bytes]:
    if not box.operators:
        box.make_up(500)
    tins = list(box.operators)
    standings = (Standing.SUSPENDED, Standing.VALID)
    return [box.say(tins[number % 500], standings[number // 500 % 2]) for number in range(count)]


async def _load(port: int, bodies: Sequence[bytes]) -> tuple[float, float]:
    """(messages a second, p99 in ms) with 32 senders, each of which waits for its receipt. As little Python a message as can be: the
    senders share the machine with the gateway."""
    waiting, taken = list(reversed(bodies)), []

    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while waiting:
            body = waiting.pop()
            head = f"POST /exchange HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
            began = time.perf_counter()
            writer.write(head.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            said = await reader.readexactly(int(length.partition(b":")[2]))
            taken.append(time.perf_counter() - began)
            assert answer.startswith(b"HTTP/1.1 200"), answer + said
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(SENDERS)))
    seconds = time.perf_counter() - began
    return len(bodies) / seconds, statistics.quantiles(taken, n=100)[98] * 1000


# ---------------------------------------------------------------- complete lists


def _listed(home: Path, operators: int, smoke: bool) -> list[Row]:
    with Installation(home) as installation:
        served = installation.serve()
        served.ready()
        box = installation.boxes["SG"]
        said = box.invent(operators * 4, 1)
        served.post(_notices(box, 1)[0])
        time.sleep(0 if smoke else 5)  # the process for large messages is up
        body = box.message(Kind.LIST, said[:operators], picture=Picture(as_of=box.clock()))
        answers = _Asking(served, installation.token, said[0].tin)
        alone = answers.worst(1.0)
        whole = _timed(lambda: _post(served, body))
        during = answers.stop()
        floors = _floors(box, body, said[:operators], home)
        four = _parts(box, said)
        parts = [_timed(lambda part=part: _post(served, part)) for part in four]  # type: ignore[misc]
    total = sum(parts)
    return [
        _row("list", whole, "s", floors, whole / floors, "< 3 s, <= 2.5 floors", whole < 3 and whole <= 2.5 * floors),
        _row("list.answers during it, p99", during, "ms", alone, during / alone, "< 50", during < 50),
        _row(
            "list.four times as large, in parts",
            total,
            "s",
            whole * 4,
            total / (whole * 4),
            "<= 1.3 (linear)",
            total <= 1.3 * 4 * whole,
        ),
    ]


def _post(served: Served, body: bytes) -> None:
    answer = served.post(body, timeout=300)
    assert answer.status_code == 200, answer.text


def _parts(box: Box, said: Sequence[Statement]) -> list[bytes]:
    as_of, size = box.clock(), len(said) // 4
    chunks = [said[start : start + size] for start in range(0, len(said), size)]
    return [
        box.message(Kind.LIST, chunk, picture=Picture(as_of=as_of, part=part, parts=len(chunks)))
        for part, chunk in enumerate(chunks, 1)
    ]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _floors(box: Box, body: bytes, said: Sequence[Statement], home: Path) -> float:
    """What nothing that takes this list can do without, in seconds."""
    dialect = box.dialect
    root = parse(body)
    payload = root[1][0]
    packed = [(one.tin, packing.pack(one)) for one in said]
    schema = dialect.schema.compiled if hasattr(dialect.schema, "compiled") else None

    def insert() -> None:
        database = sqlite3.connect(home / "floor.db", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE said (id INTEGER PRIMARY KEY, tin TEXT, body BLOB)")
        database.execute("CREATE TABLE operator (tin TEXT PRIMARY KEY, timeline BLOB)")
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO said (tin, body) VALUES (?, ?)", packed)
        database.executemany("INSERT INTO operator (tin, timeline) VALUES (?, ?)", packed)
        database.execute("COMMIT")
        database.close()

    return sum(
        (
            _timed(lambda: etree.fromstring(body)),
            _timed(lambda: hashlib.sha256(etree.tostring(root, method="c14n", exclusive=True)).digest()),
            _timed(lambda: schema.validate(payload) if schema is not None else dialect.validate(payload)),
            _timed(lambda: dialect.read(Kind.LIST, payload)),
            _timed(insert),
        )
    )


class _Asking:
    """Somebody who asks for answers all the while, on a thread."""

    def __init__(self, served: Served, token: str, code: str) -> None:
        self._url = f"{served.url}/v1/eligibility?code={code}&direction=import"
        self._client = httpx.Client(headers={"Authorization": f"Bearer {token}"})
        self._taken: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.002):
            self._taken.append(_timed(lambda: self._client.get(self._url).raise_for_status()))

    def worst(self, seconds: float) -> float:
        """The p99 of the next seconds, in ms; then it starts afresh."""
        time.sleep(seconds)
        found = statistics.quantiles(self._taken, n=100)[98] * 1000
        self._taken.clear()
        return found

    def stop(self) -> float:
        """The p99 since then, in ms."""
        self._over.set()
        self._thread.join()
        return statistics.quantiles(self._taken, n=100)[98] * 1000


# ---------------------------------------------------------------- back after kill -9


def _recovered(home: Path, count: int) -> Row:
    """From the start of a process after ``kill -9`` under load until it answers and has judged what was left; the slowest of three."""
    with Installation(home) as installation:
        served = installation.serve()
        served.ready()
        times = []
        for _ in range(3):
            bodies = _notices(installation.boxes["SG"], count)
            senders = threading.Thread(target=_until_it_dies, args=(served.port, bodies))
            senders.start()
            time.sleep(0.4)
            kill(served.process)
            senders.join()
            served = installation.serve()
            times.append(served.ready())
    slowest = max(times)
    return _row("recovery after kill -9", slowest, "s", None, None, "< 5", slowest < 5)


def _until_it_dies(port: int, bodies: Sequence[bytes]) -> None:
    try:
        asyncio.run(_load(port, bodies))
    except (OSError, asyncio.IncompleteReadError):
        return


# ---------------------------------------------------------------- everybody told


def _told(home: Path) -> Row:
    """One change at home, and all 31 partners have it, each in its own XML, signed, with a receipt; every one of them on a port."""
    home.mkdir()
    database = Database(f"sqlite:///{home / 'gateway.db'}")
    database.migrate()
    house = House(database, home, list(loaded()))
    house.now = house.boxes["SG"].clock()
    ends = {iso: Counterpart(box) for iso, box in house.boxes.items()}
    for iso, end in ends.items():
        arrangement = house.terms(iso)
        house.change(iso, **open_to_us(arrangement), binding=replace(arrangement.binding, endpoint=end.url, private_addresses=True))
    house.feed(1)

    async def deliver(message: int) -> float:
        began = time.perf_counter()
        courier = asyncio.create_task(Courier(house.node).run())
        while any(len(end.box.heard) < message for end in ends.values()):
            await asyncio.sleep(0.005)
        taken = time.perf_counter() - began
        await asyncio.sleep(0.5)
        courier.cancel()
        return taken

    house.run(asyncio.wait_for(deliver(1), 120))  # the complete list comes first
    began = time.perf_counter()
    house.feed(2)
    queued = time.perf_counter() - began
    seconds = queued + house.run(asyncio.wait_for(deliver(2), 120))
    for end in ends.values():
        end.close()
    house.close()
    database.close()
    return _row(f"told: one change, {len(ends)} partners", seconds, "s", None, None, "< 2", seconds < 2)
