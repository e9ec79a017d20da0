"""What every measurement of the exchange has in common: a row of the table, and how time is taken."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def row(
    name: str,
    value: float,
    unit: str,
    beside: float | None = None,
    ratio: float | None = None,
    goal: str | None = None,
    reached: bool | None = None,
) -> Row:
    return {"id": name, "value": value, "unit": unit, "beside": beside, "ratio": ratio, "goal": goal, "pass": reached}


def timed(work: Callable[[], object]) -> float:
    """Seconds by the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def processor_timed(work: Callable[[], object]) -> float:
    """Seconds of processor that this process spent: a neighbour lengthens them far less than those by the clock."""
    began = time.process_time()
    work()
    return time.process_time() - began


def processor_seconds(pid: int) -> float:
    """Seconds of processor that a process has spent so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(one) for one in found.read_text().split()] if found.exists() else []
