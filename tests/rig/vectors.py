"""Reads the vectors: refusals as data, each with its id, the reason it exists, where it is known from, and the code expected."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "vectors"


def load(folder: str, table: str = "vector") -> list[dict[str, Any]]:
    """Every entry of every ``tests/vectors/<folder>/*.toml``, in order."""
    files = sorted((FOLDER / folder).glob("*.toml"))
    return [vector for file in files for vector in tomllib.loads(file.read_text("utf-8")).get(table, [])]


def spread(unit: str, times: int) -> str:
    """``unit`` so many times; ``{i}`` in it counts from 0, ``{n}`` from 1."""
    if "{" not in unit:
        return unit * times
    return "".join(unit.replace("{i}", str(i)).replace("{n}", str(i + 1)) for i in range(times))


def document(vector: dict[str, Any]) -> bytes:
    """The bytes of a vector that is given as text, as hex, or as parts that repeat."""
    if "hex" in vector:
        return bytes.fromhex(vector["hex"])
    if "text" in vector:
        text: str = vector["text"]
    else:
        times = vector["times"]
        parts = (vector.get("before", ""), spread(vector["unit"], times), vector.get("middle", ""), vector.get("close", "") * times)
        text = "".join(parts) + vector.get("after", "")
    return text.encode(vector.get("encoding", "utf-8"))
