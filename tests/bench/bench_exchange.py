"""How fast messages are received durably, lists taken, partners told, and how soon the gateway is back after ``kill -9``.

Over real HTTP against real processes, SQLite in FULL and PostgreSQL. Beside receiving stands the same work done the plain way
(``naive_exchange.py``), and its floor: what no receiver can do without. Lists: ``lists.py``. CPU time tells what a message costs on a
machine that others use too.
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
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from gateway.core.model import Standing
from gateway.exchange.deliver.courier import Courier
from gateway.running.background import Background, Task
from gateway.sandbox.box import Box
from tests.bench.lists import listed
from tests.bench.rows import Row, processor_seconds, row
from tests.rig.bounds import resident
from tests.rig.counterpart import Counterpart
from tests.rig.databases import address, postgres_server
from tests.rig.gateway import GatewayFixture
from tests.rig.installation import XML, Installation, Served, free_port, kill
from tests.rig.machine import REPO
from tests.rig.shipped import ISOS, open_to_us

SENDERS = 32


def rows(smoke: bool) -> list[Row]:
    """Every row. ``smoke`` only shows that the measurements run: small sizes, goals not judged."""
    messages, operators = (64, 300) if smoke else (6_000, 25_000)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        found = _received(home / "received", messages, 1 if smoke else 3)
        found += _on_postgres(home, messages // 2)
        found += listed(home / "listed", operators, smoke)
        found += _crowded(home / "crowded", 2 if smoke else 20)
        found += [*_recovered(home / "recovered", *((50, 1) if smoke else (500, 3))), _told(home / "told")]
    return [one | {"pass": None} for one in found] if smoke else found


# ---------------------------------------------------------------- one record each


def _received(home: Path, count: int, rounds: int) -> list[Row]:
    """Rounds take turns between the gateway and the plain way, and the best of each counts: a noisy neighbour disturbs both."""
    with Installation(home / "gateway") as ours, Installation(home / "naive") as plain:
        served, naive = ours.serve(), _naive(plain)
        served.ready()
        naive.ready()
        best: dict[str, tuple[float, float, float]] = {}
        for _ in range(rounds):
            for name, installation, target, share in (("ours", ours, served, count), ("plain", plain, naive, count // 2)):
                rate, p99, cost = _measured([target], _notices(installation.boxes["SG"], share))
                before = best.get(name, (0.0, 0.0, cost))
                best[name] = (*max(before[:2], (rate, p99)), min(before[2], cost))
        floor = _floor(_notices(ours.boxes["SG"], 200), home / "floor.db")
    (rate, p99, cost), (plain_rate, plain_p99, plain_cost) = best["ours"], best["plain"]
    return [
        row("exchange.received", rate, "1/s", plain_rate, rate / plain_rate, ">= 400", rate >= 400),
        row("exchange.received.p99", p99, "ms", plain_p99, plain_p99 / p99, "< 200", p99 < 200),
        row("exchange.received: processor a message", cost, "ms", plain_cost, cost / plain_cost),
        row("exchange.received: processor over its floor", cost, "ms", floor, cost / floor),
    ]


def _floor(bodies: Sequence[bytes], file: Path) -> float:
    """Milliseconds of processor a message that no receiver can do without: one parse, canonical form and SHA-256, one P-256 signature
    verified, one made, and its bytes put into SQLite, 32 a commit."""
    key = ec.generate_private_key(ec.SECP256R1())
    scheme, made = ec.ECDSA(hashes.SHA256()), b""
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, body BLOB, receipt BLOB)")
    made = key.sign(b"", scheme)
    began = time.process_time()
    for start in range(0, len(bodies), 32):
        database.execute("BEGIN IMMEDIATE")
        for body in bodies[start : start + 32]:
            hashlib.sha256(etree.tostring(etree.fromstring(body), method="c14n", exclusive=True)).digest()
            key.public_key().verify(made, b"", scheme)
            made = key.sign(b"", scheme)
            database.execute("INSERT INTO kept (body, receipt) VALUES (?, ?)", (body, body))
        database.execute("COMMIT")
    spent = time.process_time() - began
    database.close()
    return spent * 1000 / len(bodies)


def _naive(installation: Installation) -> Served:
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


def _on_postgres(home: Path, count: int) -> list[Row]:
    """The same on PostgreSQL: one node, then two that share the senders."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-postgres-", ignore_cleanup_errors=True) as folder,
        postgres_server(Path(folder)) as server,
        Installation(home / "postgres", database=address(server)) as installation,
    ):
        nodes = [installation.serve()]
        nodes[0].ready()
        one, one_p99, _ = _measured(nodes, _notices(installation.boxes["SG"], count))
        nodes.append(installation.serve())
        nodes[1].ready()
        two, two_p99, _ = _measured(nodes, _notices(installation.boxes["SG"], count))
    return [
        row("exchange.received on PostgreSQL", one, "1/s"),
        row("exchange.received on PostgreSQL.p99", one_p99, "ms"),
        row("exchange.received on PostgreSQL, two nodes", two, "1/s", one, two / one),
        row("exchange.received on PostgreSQL, two nodes.p99", two_p99, "ms", one_p99, one_p99 / two_p99),
    ]


def _notices(box: Box, count: int) -> list[bytes]:
    if not box.operators:
        box.make_up(500)
    tins = list(box.operators)
    standings = (Standing.SUSPENDED, Standing.VALID)
    return [box.status_message(tins[number % 500], standings[number // 500 % 2]) for number in range(count)]


def _measured(nodes: Sequence[Served], bodies: Sequence[bytes]) -> tuple[float, float, float]:
    """(messages a second, p99 in ms, ms of processor a message) with 32 senders."""
    spent = sum(processor_seconds(node.process.pid) for node in nodes)
    rate, p99 = asyncio.run(_load([node.port for node in nodes], bodies))
    spent = sum(processor_seconds(node.process.pid) for node in nodes) - spent
    return rate, p99, spent * 1000 / len(bodies)


async def _load(ports: Sequence[int], bodies: Sequence[bytes]) -> tuple[float, float]:
    """(messages a second, p99 in ms) with 32 senders, each of which waits for its receipt. As little Python a message as can be: the
    senders share the machine with the gateway."""
    waiting, taken = list(reversed(bodies)), []

    async def send(port: int) -> None:
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
    await asyncio.gather(*(send(ports[number % len(ports)]) for number in range(SENDERS)))
    seconds = time.perf_counter() - began
    return len(bodies) / seconds, statistics.quantiles(taken, n=100)[98] * 1000


# ---------------------------------------------------------------- the largest messages, from everybody at once


def _crowded(home: Path, size: int) -> list[Row]:
    """What the node holds more in memory while 32 senders each send a message of so many MiB, beside what they send together."""
    body = b"<x>" + b"y" * (size * 2**20 - 3)
    statuses: list[int] = []
    with Installation(home) as installation:
        served = installation.serve(environment={"AEO_BODY_LIMIT": str(len(body))})
        served.ready()
        box = installation.boxes["SG"]
        served.post(_notices(box, 1)[0])
        before = resident("VmRSS", served.process.pid)

        def send() -> None:
            statuses.append(httpx.post(f"{served.url}/exchange", content=body, headers=XML, timeout=300).status_code)

        senders = [threading.Thread(target=send) for _ in range(SENDERS)]
        for one in senders:
            one.start()
        while any(one.is_alive() for one in senders):
            assert served.post(_notices(box, 1)[0], timeout=60).status_code == 200, "what is small gets in"
            time.sleep(0.05)
        more = resident("VmHWM", served.process.pid) - before
    together = size * SENDERS
    busy = statuses.count(503)
    limit = 3 * 8 * size
    return [
        row(
            f"exchange.memory, {SENDERS} messages of {size} MiB at once",
            more,
            "MiB",
            together,
            more / together,
            f"< {limit}",
            more < limit,
        ),
        row("exchange.told to come again meanwhile", busy, "messages", SENDERS, busy / SENDERS),
    ]


# ---------------------------------------------------------------- back after kill -9


def _recovered(home: Path, count: int, rounds: int) -> list[Row]:
    """From the start of a process after ``kill -9`` under load until it answers and has judged what was left; the slowest of
    some rounds."""
    with Installation(home) as installation:
        served = installation.serve()
        served.ready()
        times, spent = [], []
        for _ in range(rounds):
            bodies = _notices(installation.boxes["SG"], count)
            senders = threading.Thread(target=_until_it_dies, args=(served.port, bodies))
            senders.start()
            time.sleep(0.4)
            kill(served.process)
            senders.join()
            served = installation.serve()
            times.append(served.ready())
            spent.append(processor_seconds(served.process.pid))
    slowest, most = max(times), max(spent)
    return [
        row("exchange.recovery after kill -9", slowest, "s", goal="< 5", reached=slowest < 5),
        row("exchange.recovery after kill -9: processor", most, "s", slowest, most / slowest),
    ]


def _until_it_dies(port: int, bodies: Sequence[bytes]) -> None:
    try:
        asyncio.run(_load([port], bodies))
    except (OSError, asyncio.IncompleteReadError):
        return


# ---------------------------------------------------------------- everybody told


def _told(home: Path) -> Row:
    """One change at home, and all 31 partners have it, each in its own XML, signed, with a receipt; every one of them on a port."""
    gateway = GatewayFixture(home, ISOS)
    gateway.now = gateway.boxes["SG"].clock()
    ends = {iso: Counterpart(box) for iso, box in gateway.boxes.items()}
    for iso, end in ends.items():
        arrangement = gateway.terms(iso)
        gateway.change(
            iso, **open_to_us(arrangement), binding=replace(arrangement.binding, endpoint=end.url, private_addresses=True)
        )
    gateway.feed(1)

    async def deliver(message: int) -> float:
        began = time.perf_counter()
        courier, background, poll = Courier(gateway.node), Background(), gateway.settings.poll
        background.start([Task(name="courier", step=courier.look, every=poll, late=poll, end=courier.stop)])
        while any(len(end.box.received) < message for end in ends.values()):
            await asyncio.sleep(0.005)
        taken = time.perf_counter() - began
        await asyncio.sleep(0.5)
        await background.stop()
        return taken

    gateway.run(asyncio.wait_for(deliver(1), 120))  # the complete list comes first
    began = time.perf_counter()
    gateway.feed(2)
    queued = time.perf_counter() - began
    seconds = queued + gateway.run(asyncio.wait_for(deliver(2), 120))
    for end in ends.values():
        end.close()
    gateway.close()
    return row(f"exchange.told: one change, {len(ends)} partners", seconds, "s", None, None, "< 2", seconds < 2)
