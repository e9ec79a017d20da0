"""Complete lists: received whole and in parts, beside the floors that nobody who takes one can go below, measured in the same run:
parsing, canonical form and SHA-256, XSD, one pass that reads, and putting as many rows into SQLite."""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
import statistics
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
from lxml import etree

from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.sandbox.box import Box
from gateway.store import packing
from gateway.wire.xml import parse
from tests.bench.rows import Row, children, processor_seconds, processor_timed, row, timed
from tests.rig.installation import XML, Installation, Served


def listed(home: Path, operators: int, smoke: bool) -> list[Row]:
    """A complete list whole and one four times as large in parts, while clearance asks and other partners go on sending."""
    with Installation(home, ("SG", "HK")) as installation:
        served = installation.serve()
        served.ready()
        box, other = installation.boxes["SG"], installation.boxes["HK"]
        said = box.invent(operators * 4, 1)
        body = box.message(Kind.LIST, said[:operators], picture=Picture(as_of=box.clock()))
        _warm(served, other)
        answers = _Asking(served, installation.token, said[0].tin)
        alone = answers.worst(1.0)
        floors = _floors(box, body, said[:operators], home / "one.db")
        spent = sum(map(processor_seconds, children(served.process.pid)))
        whole = timed(lambda: _post(served, body))
        spent = sum(map(processor_seconds, children(served.process.pid))) - spent
        during = answers.worst(0)
        floors = min(floors, _floors(box, body, said[:operators], home / "two.db"))
        sending = _Sending(served, other)
        more = sum(map(processor_seconds, children(served.process.pid)))
        parts = [timed(lambda part=part: _post(served, part)) for part in _parts(box, said)]  # type: ignore[misc]
        more = sum(map(processor_seconds, children(served.process.pid))) - more
        rate = sending.stop()
        crowded = answers.stop()
        ready = httpx.get(f"{served.url}/readyz").status_code == 200
    total = sum(parts)
    return [
        row("exchange.list", whole, "s", goal="< 3", reached=whole < 3),
        row("exchange.list: processor over its floors", spent, "s", floors, spent / floors, "<= 2.5", spent <= 2.5 * floors),
        row("exchange.list.answers during it, p99", during, "ms", alone, during / alone, "< 50", during < 50),
        row("exchange.list, four times as large in parts, while others send too", total, "s", whole * 4, total / (whole * 4)),
        row(
            "exchange.list, four times as large in parts: processor",
            more,
            "s",
            spent * 4,
            more / (spent * 4),
            "<= 1.3",
            more <= 5.2 * spent,
        ),
        row(
            "exchange.list.answers while others send too, p99",
            crowded,
            "ms",
            alone,
            crowded / alone,
            "< 50",
            crowded < 50 and ready,
        ),
        row("exchange.received while lists come", rate, "1/s"),
    ]


def _warm(served: Served, box: Box) -> None:
    """Has the process for large messages start: a list too large for the event loop goes through it."""
    said = box.invent(500, 1)
    _post(served, box.message(Kind.LIST, said, picture=Picture(as_of=box.clock())))


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


def _floors(box: Box, body: bytes, said: Sequence[Statement], file: Path) -> float:
    """What nothing that takes this list can do without, in seconds of processor."""
    dialect = box.dialect
    root = parse(body)
    payload = root[1][0]
    packed = [(one.tin, packing.pack(one)) for one in said]
    schema = dialect.schema.compiled if hasattr(dialect.schema, "compiled") else None

    def insert() -> None:
        database = sqlite3.connect(file, isolation_level=None)
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
            processor_timed(lambda: etree.fromstring(body)),
            processor_timed(lambda: hashlib.sha256(etree.tostring(root, method="c14n", exclusive=True)).digest()),
            processor_timed(lambda: schema.validate(payload) if schema is not None else dialect.validate(payload)),
            processor_timed(lambda: dialect.read(Kind.LIST, payload)),
            processor_timed(insert),
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
            self._taken.append(timed(lambda: self._client.get(self._url).raise_for_status()))

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


class _Sending:
    """Another partner that goes on sending one notice after another, on a thread."""

    def __init__(self, served: Served, box: Box) -> None:
        self._served, self._box, self._count = served, box, 0
        self._over = threading.Event()
        box.make_up(50)
        self._thread = threading.Thread(target=self._run)
        self._began = time.perf_counter()
        self._thread.start()

    def _run(self) -> None:
        with httpx.Client() as client:
            for tin in itertools.cycle(list(self._box.operators)):
                if self._over.is_set():
                    return
                body = self._box.status_message(tin, Standing.SUSPENDED)
                client.post(f"{self._served.url}/exchange", content=body, headers=XML, timeout=60).raise_for_status()
                self._count += 1

    def stop(self) -> float:
        """How many a second it got through."""
        self._over.set()
        self._thread.join()
        return self._count / (time.perf_counter() - self._began)
