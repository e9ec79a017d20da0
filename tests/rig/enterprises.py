"""Enterprises that do not exist, for tests, benchmarks and demonstrations: valid check characters, names that say they are made up.

``python -m tests.rig.enterprises OUT.csv --count 10000 --faulty 30 --seed 1`` (OUT ending in .csv, .xlsx or .ndjson).
The same seed makes the same file.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import openpyxl
from stdnum.cn import uscc

from gateway.domestic.record import FIELDS

Row = dict[str, str]

_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"

#: One way of being wrong each, and the field that is then named.
FAULTS: Sequence[tuple[str, Callable[[Row], Row]]] = (
    ("uscc", lambda row: {**row, "uscc": row["uscc"][:17] + ("0" if row["uscc"][17] != "0" else "1")}),
    ("uscc", lambda row: {**row, "uscc": row["uscc"][:12]}),
    ("customs_code", lambda row: {**row, "customs_code": "12345"}),
    ("name_zh", lambda row: {**row, "name_zh": ""}),
    ("name_en", lambda row: {**row, "name_en": "Made-Up\u200b Trading"}),
    ("tier", lambda row: {**row, "tier": "AA"}),
    ("tier", lambda row: {**row, "tier": "certified", "tier_since": "2023-05-01"}),
    ("tier_since", lambda row: {**row, "tier_since": "2019-05-01"}),
    ("measure_since", lambda row: {**row, "measure_since": "31/12/2025"}),
    ("certified_on", lambda row: {**row, "certified_on": "2025-02-30"}),
)


def made_uscc(number: int) -> str:
    """The ``number``-th made-up code: region 999999, which no place has, and a right check character."""
    digits = ""
    for _ in range(9):
        number, rest = divmod(number, len(_LETTERS))
        digits = _LETTERS[rest] + digits
    return f"91999999{digits}{uscc.calc_check_digit(f'91999999{digits}')}"


def made(count: int, *, faulty: int = 0, seed: int = 1) -> tuple[list[Row], dict[int, str]]:
    """``count`` rows as text, and for the ``faulty`` of them (spread by ``seed``) the index and the field at fault."""
    chance = random.Random(seed)
    rows = [_row(number, chance) for number in range(count)]
    wrong: dict[int, str] = {}
    for turn, index in enumerate(sorted(chance.sample(range(count), faulty))):
        field, spoil = FAULTS[turn % len(FAULTS)]
        rows[index] = spoil(rows[index])
        wrong[index] = field
    return rows, wrong


def _row(number: int, chance: random.Random) -> Row:
    tier = chance.choices(("advanced-certified", "certified", "general-compliance", "discredited"), (70, 15, 12, 3))[0]
    since = date(2026, 4, 1) + timedelta(days=chance.randrange(200))
    aeo = tier in ("advanced-certified", "certified")
    return {
        "uscc": made_uscc(number),
        "customs_code": f"99{number:08d}",
        "name_zh": f"虚构样例企业第{number:05d}号有限公司",
        "name_en": f"Made-Up Sample Enterprise No. {number:05d} Ltd",
        "address": f"No. {number} Nowhere Road, Made-Up City",
        "tier": tier,
        "tier_since": since.isoformat(),
        "measure_status": "rectifying" if aeo and chance.random() < 0.02 else "active",
        "measure_since": since.isoformat(),
        "ground": "",
        "consent": chance.choice(("all", "all", "none")),
        "consent_since": since.isoformat(),
        "certified_on": since.isoformat() if aeo else "",
        "recertify_by": since.replace(year=since.year + 5).isoformat() if tier == "advanced-certified" else "",
    }


def write(rows: Sequence[Row], path: Path) -> None:
    """As CSV, XLSX (dates as text) or NDJSON, by the ending of ``path``."""
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        sheet.append(list(FIELDS))
        for row in rows:
            sheet.append([row[name] for name in FIELDS])
        book.save(path)
    elif path.suffix == ".ndjson":
        path.write_text(
            "".join(json.dumps({k: v for k, v in row.items() if v}, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
        )
    else:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, list(FIELDS))
            writer.writeheader()
            writer.writerows(rows)


def row(number: int, **said: Any) -> dict[str, Any]:
    """Enterprise ``number`` of the made-up ones, Advanced Certified unless said otherwise; None leaves a field out."""
    return {
        "uscc": made_uscc(number),
        "customs_code": f"99{number:08d}",
        "name_zh": f"虚构样例企业第{number:05d}号有限公司",
        "name_en": f"Made-Up Sample Enterprise No. {number:05d} Ltd",
        "tier": "advanced-certified",
        "tier_since": "2026-04-01",
        "measure_status": "active",
        "measure_since": "2026-04-01",
        "certified_on": "2026-04-01",
        **said,
    }


RECTIFYING = {"measure_status": "rectifying", "measure_since": "2026-06-10", "ground": "rectification-start"}
RECTIFIED = {"measure_status": "active", "measure_since": "2026-06-12", "ground": "rectification-success"}
DOWNGRADED = {
    "tier": "general-compliance",
    "tier_since": "2026-06-12",
    "measure_since": "2026-06-12",
    "ground": "downgrade",
    "certified_on": None,
}
UNFORESEEN = {"tier": "advanced-certified", "tier_since": "2026-06-13", "measure_since": "2026-06-13", "ground": "other"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--faulty", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    write(made(options.count, faulty=options.faulty, seed=options.seed)[0], options.out)
