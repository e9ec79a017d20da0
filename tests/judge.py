"""``make judge``: what is too long for every change, run before one is landed. Ends with one Markdown table.

A row is its name, what is run, and how many minutes it may take; adding one is one line in ``ROWS``. ``ARGS="order soak"`` runs the rows
whose name holds one of these words. Everything that is said on the way lies in build/judge/, a file a row.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.rig.machine import REPO
from tests.rig.volume import ALL

#: Minutes that everything together may take; what has not begun by then counts as failed.
MINUTES = 60
LOGS = REPO / "build" / "judge"


class Row(NamedTuple):
    """``module`` is run with ``arguments`` as ``python -m``; its result is the last line that it says. ``whole``: with everything of which
    a change is shown some."""

    name: str
    minutes: float
    module: str
    arguments: tuple[str, ...] = ()
    whole: bool = False


def order(number: int, *, whole: bool = False) -> Row:
    """Tests in a random order of their own, whose seed stands in the log: every one, or those that share a process with others."""
    seed = random.SystemRandom().getrandbits(32)
    name = f"every test, order {number}" if whole else f"what shares a process, order {number}"
    # A process that a test starts knows nothing of the order: such tests are run once.
    chosen = () if whole else ("-m", "not process")
    return Row(name, 25, "pytest", ("-n", "3", "--dist", "loadgroup", *chosen, f"--randomly-seed={seed}"), whole)


ROWS = (
    order(1, whole=True),
    order(2),
    order(3),
    Row("100,000 histories", 10, "tests.core.histories"),
    Row("chaos", 25, "tests.chaos"),
    Row("every operation", 8, "tests.contract", ("--minutes", "5")),
    Row("soak on SQLite", 8, "tests.soak", ("--minutes", "3")),
    Row("soak on PostgreSQL", 8, "tests.soak", ("--minutes", "3", "--postgresql")),
)


class Result(NamedTuple):
    row: Row
    passed: bool
    said: str
    seconds: float


def judge(row: Row, seconds: float) -> Result:
    """Runs a row for so many seconds at most; whatever it started is ended with it."""
    log = LOGS / f"{re.sub('[^a-z0-9]+', '-', row.name.lower())}.log"
    began = time.monotonic()
    with log.open("wb") as output:
        command = [sys.executable, "-m", row.module, *row.arguments]
        process = subprocess.Popen(
            command,
            cwd=REPO,
            env=os.environ | ({ALL: "1"} if row.whole else {}),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            passed = process.wait(max(0.0, seconds)) == 0
            said = _last_line(log)
        except subprocess.TimeoutExpired:
            passed, said = False, f"not done after {seconds / 60:.1f} minutes: {_last_line(log)}"
        finally:
            _end(process)
    return Result(row, passed, said, time.monotonic() - began)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the row's whole session: a server that a test left behind would slow down the next row."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _last_line(log: Path) -> str:
    """The last line that says anything to a person."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if re.search("[a-z]", line)), "it said nothing")


def table(results: Sequence[Result]) -> str:
    """As Markdown."""
    rows = [(result.row.name, "✓" if result.passed else "✗", result.said, f"{result.seconds:.0f}") for result in results]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (("row", "", "result", "seconds"), ("---",) * 4, *rows))


def main() -> int:
    asked = argparse.ArgumentParser(prog="make judge", description=__doc__)
    asked.add_argument("words", nargs="*", help="rows whose name holds one of these; all of them where none is given")
    asked.add_argument("--minutes", type=float, default=MINUTES, help=f"for everything (default {MINUTES})")
    given = asked.parse_args()
    rows = [row for row in ROWS if not given.words or any(word in row.name for word in given.words)]
    if not rows:
        asked.error(f"no row has such a name; there are: {', '.join(row.name for row in ROWS)}")
    LOGS.mkdir(parents=True, exist_ok=True)
    deadline, results = time.monotonic() + given.minutes * 60, []
    for row in rows:
        print(f"{row.name} ...", file=sys.stderr, flush=True)
        results.append(judge(row, min(row.minutes * 60, deadline - time.monotonic())))
    print(table(results))
    return int(not all(result.passed for result in results))


if __name__ == "__main__":
    sys.exit(main())
