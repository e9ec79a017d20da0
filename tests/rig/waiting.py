"""Waiting for what must come: as long as it takes, but not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0


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
