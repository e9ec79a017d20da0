"""An example for whatever is asked, from ``examples.toml``: the documentation shows it, and it answers in the demonstration."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from gateway.core import moments

_FILE = Path(__file__).with_name("examples.toml")


@cache
def _read() -> Mapping[str, Any]:
    return tomllib.loads(_FILE.read_text("utf-8"))


def of_parameter(path: str, name: str, now: datetime) -> str | int | None:
    """Of a parameter of this address, in the address or after it; None: it may be left out, and nothing need be said of its form."""
    said = _read()
    found: str | int | None = _dated(said["of"].get(path, {}).get(name, said["parameters"].get(name)), now)
    return found


def of_body(path: str, schema: str, now: datetime) -> Any:
    """Of a body of this schema or, without one, of the text that this address takes. Raises ``KeyError``: there is none."""
    said = _read()
    return {name: _dated(value, now) for name, value in said["bodies"][schema].items()} if schema else said["texts"][path].lstrip()


def _dated(value: Any, now: datetime) -> Any:
    match value:
        case {"day": ahead}:
            return (now + timedelta(days=ahead)).date().isoformat()
        case {"moment": ahead}:
            return moments.utc_text(now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=ahead))
    return value
