"""The gateway as a process that dies at a step: ``python -m tests.rig.serving PORT courier|no-courier [STEP[:NTH] ...]``.

The steps are those that ``Node.step`` is told of; death is ``kill -9`` of itself, so nothing is flushed, closed or said. At a step named
``full=STEP`` it lives on and its disk is full (``tests.rig.disk``).
With AEO_TEST_CLOCK naming a file, the node's clock goes wrong by as many seconds as stand in it.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import uvloop

from gateway import app
from gateway.cli import run
from gateway.node.context import utc_now
from gateway.settings import from_environment
from tests.rig import disk


def main(port: int, courier: bool, crash: dict[str, int]) -> None:
    logging.basicConfig(level=logging.WARNING)
    wrong = os.environ.get("AEO_TEST_CLOCK")

    def clock() -> datetime:
        return utc_now() + timedelta(seconds=float(Path(wrong).read_text())) if wrong else utc_now()

    gateway = app.build(from_environment(os.environ), clock)
    seen = Counter[str]()

    def step(name: str) -> None:
        seen[name] += 1
        if crash.get(f"full={name}") == seen[name]:
            disk.here(gateway.node.settings.home).fill()
        if crash.get(name) == seen[name]:
            os.kill(os.getpid(), signal.SIGKILL)

    gateway.node.fault_point = step
    try:
        uvloop.run(run._serve(gateway, "127.0.0.1", port, courier))
    finally:
        gateway.close()


if __name__ == "__main__":
    points = (one.partition(":") for one in sys.argv[3:])
    main(int(sys.argv[1]), sys.argv[2] == "courier", {name: int(nth or 1) for name, _, nth in points})
