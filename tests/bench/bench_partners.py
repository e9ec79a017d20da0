"""How long loading every partner and dialect takes, beside compiling the same XSDs with the general library alone."""

from __future__ import annotations

import statistics
import time
import tomllib
from collections.abc import Callable
from typing import Any

import xmlschema

from gateway.partners import dialects, load_all
from gateway.settings import ROOT
from gateway.wire import schema


def rows(smoke: bool) -> list[dict[str, Any]]:
    """One row: seconds for all 31 partners with their dialects, from files to bundles, nothing compiled before. Median of 5."""
    times = 1 if smoke else 5
    ours, general = _median(_ours, times), _median(_general, times)
    return [
        {
            "id": "partners.load",
            "value": ours,
            "unit": "s",
            "beside": general,
            "ratio": general / ours,
            "goal": "under 2 s",
            "pass": None if smoke else ours < 2,
        }
    ]


def _ours() -> None:
    dialects.compile_cached.cache_clear()
    schema.compile_cached.cache_clear()
    load_all(ROOT / "partners", ROOT / "schemas")


def _general() -> None:
    """What anybody would do at the least: read the TOML, compile each XSD with xmlschema; no sample, no check."""
    for path in sorted((ROOT / "partners").glob("*/partner.toml")):
        tomllib.loads(path.read_text("utf-8"))
    for path in sorted((ROOT / "schemas").glob("*/*/*.xsd")):
        xmlschema.XMLSchema(path)


def _median(work: Callable[[], None], times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)
