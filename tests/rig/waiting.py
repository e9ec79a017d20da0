"""Waiting for what must come: as long as it takes, but not for ever. And who asks meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from gateway.sandbox.listen import NOBODY

PATIENCE = 60.0
#: Asks servers on loopback. ``httpx.get`` would read in every authority there is each time, 40 ms of processor a look; and a connection
#: kept open would be one to a process that was killed since.
HTTP = httpx.Client(verify=NOBODY, timeout=PATIENCE, limits=httpx.Limits(max_keepalive_connections=0))


def until(
    ready: Callable[[], object],
    what: str | Callable[[], str] = "it did not happen in time",
    patience: float = PATIENCE,
    pause: float = 0.02,
) -> float:
    """The seconds until it was so. Raises ``AssertionError`` where that takes longer than ``patience``, saying ``what`` was missed."""
    began = time.monotonic()
    while not ready():
        assert time.monotonic() < began + patience, what if isinstance(what, str) else what()
        time.sleep(pause)
    return time.monotonic() - began
