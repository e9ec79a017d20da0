"""One way of writing data down, so that the same content has the same digest."""

from __future__ import annotations

import json
from datetime import date, time
from typing import Any


def canonical(raw: Any) -> bytes:
    """One way of writing: keys sorted, no blanks, UTF-8, dates in ISO 8601."""
    return json.dumps(raw, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_iso).encode()


def _iso(value: Any) -> str:
    if isinstance(value, date | time):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical form")
