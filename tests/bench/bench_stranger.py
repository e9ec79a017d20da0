"""What a stranger can do to everybody else: the answers of clearance beside one who asks on every open route, and the memory of a node
under half bodies and slow heads.

Answers are asked for at a steady rate, as declarations come, and timed from the moment each was due: one that waits makes the next ones
late, too. Quiet rounds and others take turns and the best of each counts, so that a noisy neighbour disturbs both alike.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path

from tests.bench.bench_clearance import ASK, Server, serving
from tests.bench.clearance_server import FIRST
from tests.bench.rows import Row, row
from tests.bench.stranger import ASKED
from tests.rig.bounds import resident
from tests.rig.installation import Installation
from tests.rig.machine import REPO

#: Answers asked for in a second, and over how many connections.
RATE, CONNECTIONS = 500, 16
#: Milliseconds that a stranger may add.
ADDED = 5.0
#: What half bodies and slow heads may add to the memory of a node, in MiB.
MEMORY = 100.0
BLOCK = b"y" * 65_536


def rows(smoke: bool) -> list[Row]:
    """Every row. ``smoke`` only shows that the measurements run: small sizes, goals not judged."""
    operators, seconds, rounds = (2_000, 1.5, 1) if smoke else (100_000, 10.0, 3)
    bodies, heads, size = (20, 50, 2**20) if smoke else (200, 1_000, 15 * 2**20)
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        with serving("gateway", operators, home / "gateway") as gateway:
            found = _beside(gateway, operators, seconds, rounds)
        found.append(_held(home / "held", bodies, heads, size))
    return [one | {"pass": None} for one in found] if smoke else found


# ---------------------------------------------------------------- answers beside a stranger


def _beside(gateway: Server, operators: int, seconds: float, rounds: int) -> list[Row]:
    quiet, disturbed, answers = [], [], Counter[str]()
    asyncio.run(_p99(gateway, operators, 1.0))  # the first answers of a process take longer
    for _ in range(rounds):
        quiet.append(asyncio.run(_p99(gateway, operators, seconds)))
        command = [sys.executable, "-m", "tests.bench.stranger", str(gateway.port), str(seconds + 1)]
        with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as stranger:
            time.sleep(0.5)
            disturbed.append(asyncio.run(_p99(gateway, operators, seconds)))
            said, _ = stranger.communicate()
        answers.update(json.loads(said))
    for method, path, size in ASKED:
        asked = f"{method} {path.partition('?')[0]} {size}: "
        assert any(one.startswith(asked) and not one.endswith("cut off") for one in answers), f"no answer to {asked}{answers}"
    faults = {one: times for one, times in answers.items() if ": 5" in one and not one.endswith(": 503")}
    assert not faults, faults
    beside, alone = min(disturbed), min(quiet)
    return [
        row(
            "clearance.p99 beside a stranger at every open door",
            beside,
            "ms",
            alone,
            beside / alone,
            f"< quiet + {ADDED:.0f}",
            beside < alone + ADDED,
        ),
        row("clearance: what the stranger was answered meanwhile", answers.total() / (seconds + 1) / rounds, "1/s"),
    ]


async def _p99(gateway: Server, operators: int, seconds: float) -> float:
    """Milliseconds from when an answer was due to be asked for until it was there."""
    loop = asyncio.get_running_loop()
    begun, number, taken = loop.time(), count(), list[float]()

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        while (due := begun + next(number) / RATE) < begun + seconds:
            await asyncio.sleep(due - loop.time())
            path = ASK % (FIRST + random.randrange(operators))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.token}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
            taken.append(loop.time() - due)
            assert head.startswith(b"HTTP/1.1 200"), head
        writer.close()

    await asyncio.gather(*(ask() for _ in range(CONNECTIONS)))
    return statistics.quantiles(taken, n=100)[98] * 1e3


# ---------------------------------------------------------------- memory under half bodies and slow heads


def _held(home: Path, bodies: int, heads: int, size: int) -> Row:
    """What a node holds more at its peak while from 50 addresses so many bodies are sent half, and as many heads as are named begun."""
    with Installation(home) as installation:
        served = installation.serve()
        served.ready()
        box = installation.boxes["SG"]
        served.post(box.full_list())
        before = resident("VmRSS", served.process.pid)
        asyncio.run(_halves(served.port, bodies, heads, size))
        more = resident("VmHWM", served.process.pid) - before
        assert served.is_ready()
    sent = bodies * size / 2**21
    return row(
        f"node.memory, {bodies} half bodies of {size / 2**20:.0f} MiB, {heads:,} slow heads",
        more,
        "MiB",
        sent,
        more / max(1, sent),
        f"< {MEMORY:.0f}",
        more < MEMORY,
    )


async def _halves(port: int, bodies: int, heads: int, size: int) -> None:
    """Every line stays open for as long as the node lets it, and at most until the last has sent what it can."""
    lines: list[asyncio.StreamWriter] = []

    async def send(number: int, head: str, body: int = 0) -> None:
        with suppress(OSError):  # it is told to come again, and the line ends
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(f"127.0.0.{number % 50 + 2}", 0))
            lines.append(writer)
            writer.write(f"POST /exchange HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\n{head}".encode())
            for start in range(0, body, len(BLOCK)):
                writer.write(BLOCK[: body - start])
                await writer.drain()

    await asyncio.gather(*(send(number, "X: " + "y" * 1_024) for number in range(heads)))  # the first line or two of each
    halves = (send(number, f"Content-Length: {size}\r\n\r\n", size // 2) for number in range(bodies))
    await asyncio.wait_for(asyncio.gather(*halves), 60)
    for writer in lines:
        writer.close()
