"""``make bench``: every measurement in one run, one table, and ``build/bench.json``.

Each figure stands beside what a user would run instead, measured in the same run: on a noisy machine only the ratio means anything.
``python -m tests.bench signature sample`` runs only the modules named; ``--smoke`` shows that all of them run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

HERE = Path(__file__).parent
BUILD = HERE.parent.parent / "build"


def modules() -> list[str]:
    """The names of every measurement module, without their prefix."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def measure(names: list[str], *, smoke: bool, console: Console) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in names:
        console.print(f"[dim]measuring {name} ...[/]", highlight=False)
        rows += importlib.import_module(f"tests.bench.bench_{name}").rows(smoke)
    return rows


def table(rows: list[dict[str, Any]]) -> Table:
    shown = Table(box=box.SIMPLE_HEAD, caption="ratio: ours to what stands beside it, both measured in this run")
    for heading in ("what", "value", "unit", "beside", "ratio", "goal", ""):
        shown.add_column(heading, justify="right" if heading in ("value", "ratio") else "left", overflow="fold")
    for row in rows:
        mark = {True: "[green]✓[/]", False: "[red]✗[/]", None: ""}[row["pass"]]
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        shown.add_row(
            escape(row["id"]), _figure(row["value"]), row["unit"], _figure(row["beside"]), ratio, str(row["goal"] or ""), mark
        )
    return shown


def _figure(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, int | float) else escape(str(value or ""))


def main() -> int:
    asked = argparse.ArgumentParser(prog="make bench", description=__doc__)
    asked.add_argument("names", nargs="*", choices=[[], *modules()], help="only these")
    asked.add_argument("--smoke", action="store_true", help="tiny sizes; goals are not judged")
    given = asked.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    rows = measure(given.names or modules(), smoke=given.smoke, console=console)
    console.print(table(rows))
    BUILD.mkdir(exist_ok=True)
    report = {"at": datetime.now(UTC).isoformat(), "python": platform.python_version(), "smoke": given.smoke, "rows": rows}
    (BUILD / "bench.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    console.print(f"written to {BUILD / 'bench.json'}", highlight=False)
    return 1 if any(row["pass"] is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
