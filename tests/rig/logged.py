"""What is logged meanwhile, as its lines say it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway.web.http.logs import Lines


class _Lines(logging.Handler):
    def __init__(self, found: list[dict[str, Any]]) -> None:
        super().__init__()
        self._found = found
        self.setFormatter(Lines())

    def emit(self, record: logging.LogRecord) -> None:
        self._found.append(json.loads(self.format(record)))


@contextmanager
def logged(name: str = "gateway") -> Iterator[list[dict[str, Any]]]:
    """Of the logger of this name and all below it; none is folded."""
    found: list[dict[str, Any]] = []
    log, handler = logging.getLogger(name), _Lines(found)
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield found
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
