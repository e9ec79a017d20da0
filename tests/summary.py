"""The table in tests/vectors/README.md. ``python -m tests.summary`` writes it anew; a test fails when it is stale."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "vectors"
README = FOLDER / "README.md"
BEGIN, END = "<!-- summary -->\n", "<!-- end of summary -->"


def vectors(file: Path) -> Iterator[dict[str, Any]]:
    """Every entry with an ``id`` and a ``code`` in any array of tables of a file."""
    for value in tomllib.loads(file.read_text("utf-8")).values():
        if isinstance(value, list):
            yield from (entry for entry in value if isinstance(entry, dict) and {"id", "code"} <= entry.keys())


def table() -> str:
    """Markdown: one row a class (a file), how many vectors are refused and accepted, and with which codes."""
    rows = ["| class | refused | accepted | codes |", "| --- | --- | --- | --- |"]
    refused = accepted = 0
    for file in sorted(FOLDER.rglob("*.toml")):
        codes = [vector["code"] for vector in vectors(file)]
        if not codes:
            continue
        good = codes.count("accepted")
        refused, accepted = refused + len(codes) - good, accepted + good
        named = ", ".join(sorted(set(codes) - {"accepted"}))
        rows.append(f"| {file.relative_to(FOLDER).with_suffix('')} | {len(codes) - good} | {good} | {named} |")
    return "\n".join([*rows, f"| **all** | **{refused}** | **{accepted}** | |", ""])


def renewed(text: str) -> str:
    """``text`` of the README with the table as it must be now."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    README.write_text(renewed(README.read_text("utf-8")), "utf-8")
