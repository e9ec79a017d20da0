"""The log: one JSON object a line, so that nothing a stranger wrote can end a line, begin one, or colour a terminal."""

from __future__ import annotations

import json
import logging

from gateway.core.moments import from_epoch


class Lines(logging.Formatter):
    """``at`` (UTC), ``level``, ``logger``, ``message``; ``facts`` where a record carries any, ``trace`` where it is of a fault."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, object] = {
            "at": from_epoch(record.created).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if facts := getattr(record, "facts", None):
            said["facts"] = facts
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        # ASCII only: right-to-left marks and other controls are shown by their numbers.
        return json.dumps(said, ensure_ascii=True, default=str)


def set_up(level: int = logging.INFO) -> None:
    """Has everything that is logged written to standard error, as such lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
