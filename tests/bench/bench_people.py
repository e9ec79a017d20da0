"""What people wait for: a password checked, and whatever else can be asked for over HTTP, on SQLite, in this process.

Beside the check stands the same hash made without the gateway; beside the slowest operation, the one that says who asks.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from statistics import median

from argon2 import PasswordHasher

from gateway.operate.passwords import LANES, MEMORY, PASSES, Passwords
from tests.bench.rows import Row, row, timed
from tests.rig.demonstrated import PARTNERS, Asking, Demonstrated, told_here
from tests.rig.web import WebFixture

PASSWORD = "correct horse battery staple"  # made up


def rows(smoke: bool) -> list[Row]:
    """Every row. ``smoke`` only shows that the measurement runs."""
    times = 1 if smoke else 5
    hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY, parallelism=LANES)
    kept = hasher.hash(PASSWORD)
    bare = median(timed(lambda: hasher.verify(kept, PASSWORD)) for _ in range(times)) * 1000
    passwords = Passwords()
    checked = median(timed(lambda: asyncio.run(passwords.check(kept, PASSWORD))) for _ in range(times)) * 1000
    with tempfile.TemporaryDirectory() as name, WebFixture(Path(name), PARTNERS) as web:
        told = told_here(web)
        asked = {f"{one.method} {one.path}": _asked(told, one, times) for one in told.askings()}
        slowest = max(asked, key=lambda named: asked[named])
    return [
        row("people.sign-in: a password checked", checked, "ms", bare, checked / bare, "a third of a second, by design"),
        row(
            f"people.the slowest of {len(asked)} operations ({slowest})",
            asked[slowest],
            "ms",
            asked["GET /v1/me"],
            asked[slowest] / asked["GET /v1/me"],
            "< 100",
            None if smoke else asked[slowest] < 100,
        ),
    ]


def _asked(told: Demonstrated, one: Asking, times: int) -> float:
    """Milliseconds: what reads in the middle of some tries, what changes something once."""
    tries = times if one.method == "GET" else 1
    return median(timed(lambda: one.send(told.client, told.headers)) for _ in range(tries)) * 1000
