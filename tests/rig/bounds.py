"""What a hostile input may cost: 50 ms of CPU and 64 MiB, and 15 ms and 15 MiB more for each MiB of its body."""

from __future__ import annotations

import gc
import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from lxml import etree

from gateway.core.errors import Refusal

T = TypeVar("T")
_MIB = 1024 * 1024
#: A busy machine makes some of them dear.
RUNS = 12
#: What the ordinary work of ``slowness`` takes on the quiet machine for which the bounds were set, in seconds of CPU.
QUIET = 0.0062
#: Never more is forgiven than a neighbour on the same core can cost.
SLOWEST = 3.0
_ORDINARY = b"<a>" + b"<b c='1'><d>text</d></b>" * 4000 + b"</a>"
#: How many times as long Python takes with coverage's tracer.
TRACED = 4


def judged(judge: Callable[[], T]) -> T | Refusal:
    """What ``judge`` returns or refuses. Any other exception is a fault of ours and goes on."""
    try:
        return judge()
    except Refusal as refusal:
        return refusal.with_traceback(None)


def code(outcome: object) -> str:
    """The wire form of a refusal's code, or ``accepted``."""
    return str(outcome.code) if isinstance(outcome, Refusal) else "accepted"


def answer(judge: Callable[[], T], size: int, besides: float = 0.0) -> T | Refusal:
    """What ``judge`` returns or refuses, having kept within the bounds for ``size`` bytes in the best of some runs. ``besides`` are
    seconds of CPU that it takes without what is hostile in it."""
    if sys.gettrace():
        judged(judge)  # for its account of what was run
    seconds: list[float] = []
    mebibytes: list[float] = []
    for _ in range(RUNS):
        forget_peak()
        with undisturbed(), untraced():
            before, start = resident("VmRSS"), time.process_time()
            outcome = judged(judge)
            seconds.append(time.process_time() - start)
        mebibytes.append(resident("VmHWM") - before)
        if seconds[-1] >= besides + _seconds(size):
            seconds[-1] /= slowness()
        if seconds[-1] < besides + _seconds(size) and mebibytes[-1] < _mebibytes(size):
            break
    assert min(seconds) < besides + _seconds(size), f"{min(seconds):.3f} s of CPU of a quiet machine for {size} bytes"
    assert min(mebibytes) < _mebibytes(size), f"{min(mebibytes):.0f} MiB for {size} bytes"
    return outcome


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What goes on inside takes no more CPU of this thread than that. Other threads of the tests, and what the collector finds of a whole
    session of them, are none of its cost."""
    with undisturbed():
        began = time.thread_time()
        yield
        took = time.thread_time() - began
    bound = seconds * (TRACED if sys.gettrace() else 1)
    assert took < bound or took < bound * slowness(), f"{took:.3f} s of CPU, and {seconds} would do"


def slowness() -> float:
    """How many times as long as on a quiet machine the processor takes now: a second of CPU is worth less beside a busy neighbour."""
    with undisturbed(), untraced():
        start = time.process_time()
        etree.fromstring(_ORDINARY)
        hashlib.sha256(_ORDINARY * 4).digest()
        sum(number % 7 for number in range(60_000))
        took = time.process_time() - start
    return min(SLOWEST, max(1.0, took / QUIET))


@contextmanager
def undisturbed() -> Iterator[None]:
    """The collector leaves alone what was there before."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def untraced() -> Iterator[None]:
    """Without coverage's tracer."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


def _seconds(size: int) -> float:
    return 0.050 + 0.015 * size / _MIB


def _mebibytes(size: int) -> float:
    return 64 + 15 * size / _MIB


@contextmanager
def memory(size: int) -> Iterator[None]:
    """What goes on inside, whatever the thread, keeps within the bound of this process for ``size`` bytes."""
    gc.collect()
    forget_peak()
    before = resident("VmRSS")
    with undisturbed():
        yield
    grown(before, size)


def grown(before: float, size: int, pid: int | str = "self") -> None:
    """A process that had ``before`` MiB kept within the bound for ``size`` bytes, at its peak."""
    more = resident("VmHWM", pid) - before
    assert more < _mebibytes(size), f"{more:.0f} MiB for {size} bytes"


def forget_peak(pid: int | str = "self") -> None:
    """``VmHWM`` of a process counts from now on, where the system can do that."""
    clear = Path(f"/proc/{pid}/clear_refs")
    if clear.exists():
        clear.write_text("5")


def resident(name: str, pid: int | str = "self") -> float:
    """``VmRSS`` (now) or ``VmHWM`` (peak) of a process in MiB; 0 where the system does not say."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")), 0.0)
