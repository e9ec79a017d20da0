"""How soon a page of a million messages is found, by whatever a person looks for, on SQLite; the slowest of all filters is the row.

Beside it stands the same page asked for without any filter.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from gateway.core.model import Kind
from gateway.store.database import Database
from gateway.store.tables import bundle as bundles
from gateway.store.tables import intake, message, outbox, partner, statement
from gateway.views.search import MessageSearch, MessageState, search
from tests.bench.rows import Row, row, timed

ISOS = ("SG", "HK", "JP", "NZ")
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
#: Operators of all partners together: each is spoken of by one message in so many.
OPERATORS = 1_000
BATCH = 20_000


def rows(smoke: bool) -> list[Row]:
    """Every row. ``smoke`` only shows that the measurement runs."""
    count, times = (1_000, 3) if smoke else (1_000_000, 40)
    with tempfile.TemporaryDirectory() as name, closing(Database(f"sqlite:///{Path(name) / 'gateway.db'}")) as database:
        database.migrate()
        written = timed(lambda: fill(database, count))
        slowest = {named: _slowest(database, wanted, times) for named, wanted in filters(count).items()}
    plain = slowest.pop("none")
    named, worst = max(slowest.items(), key=lambda one: one[1])
    reached = None if smoke else worst < 100
    return [
        row("messages.search, the slowest filter", worst, "ms", plain, worst / plain, "< 100", reached),
        row(f"messages.search, messages written ({named} is the slowest filter)", count / written, "1/s"),
    ]


def filters(count: int) -> dict[str, MessageSearch]:
    """Each filter alone, each two of them together, and pages far back; ``none`` is the list as it is."""
    late, tin = BEGAN + timedelta(seconds=count // 2), "SG0007"
    singles: dict[str, dict[str, Any]] = {
        **{f"partner {iso}": {"partner": iso} for iso in ("SG", "XX")},
        **{f"kind {kind}": {"kind": kind} for kind in (Kind.NOTICE, Kind.KEYS, Kind.PING)},
        **{f"state {state}": {"state": state} for state in MessageState},
        **{f"direction {way}": {"direction": way} for way in ("in", "out")},
        "operator": {"operator": tin},
        "operator unknown": {"operator": "SG"},
        "code": {"code": "schema-invalid"},
        "code unknown": {"code": "busy"},
        "id": {"id": f"m{count // 3}"},
        "id refused": {"id": "intake-7"},
        "since": {"since": late},
        "until": {"until": BEGAN + timedelta(seconds=50)},
    }
    found = {name: MessageSearch(**given) for name, given in singles.items()}
    for (one, first), (other, second) in itertools.combinations(singles.items(), 2):
        if not first.keys() & second.keys():
            found[f"{one}, {other}"] = MessageSearch(**first, **second)
    return {"none": MessageSearch()} | found


def _slowest(database: Database, wanted: MessageSearch, times: int) -> float:
    """Milliseconds of the slowest of some asks, each for the page behind the one before: p99 of so few is the worst."""
    taken: list[float] = []
    after: str | None = None

    def ask() -> None:
        nonlocal after
        given = {name: getattr(wanted, name) for name in MessageSearch.__struct_fields__}
        with database.reading() as connection:
            after = search(connection, MessageSearch(**given | {"after": after})).next

    ask()
    for _ in range(times):
        taken.append(timed(ask) * 1000)
    return max(taken)


def fill(database: Database, count: int) -> None:
    """So many messages: six of ten came, three were sent, one was refused. Rare kinds are all one partner's, rare states all another's."""
    with database.write.begin() as connection:
        connection.execute(insert(bundles).values(digest="d", iso="SG", content=b"", stored=BEGAN))
        connection.execute(insert(partner), [{"iso": iso, "state": "active", "digest": "d", "changed": BEGAN} for iso in ISOS])
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        with database.write.begin() as connection:
            connection.execute(insert(message), list(_came(one for one in numbers if one % 10 < 6)))
            connection.execute(insert(statement), list(_stated(one for one in numbers if one % 10 < 6)))
            connection.execute(insert(outbox), list(_sent(one for one in numbers if 6 <= one % 10 < 9)))
            connection.execute(insert(intake), list(_refused(one for one in numbers if one % 10 == 9)))


def _at(number: int) -> datetime:
    return BEGAN + timedelta(seconds=number)


def _iso(number: int) -> str:
    return ISOS[number // 10 % len(ISOS)]


def _kind(number: int) -> Kind:
    if number % 1_000 == 1:
        return Kind.KEYS
    return (Kind.NOTICE, Kind.UPDATE, Kind.LIST)[number % 3]


def _came(numbers: Iterator[int]) -> Iterator[dict[str, Any]]:
    for number in numbers:
        yield {
            "partner": _iso(number),
            "message_id": f"m{number}",
            "kind": _kind(number).value,
            "digest": "",
            "fingerprint": "" if number % 5_000 == 11 else "f",
            "bundle": "d",
            "created": _at(number),
            "received": _at(number),
            "sequence": number,
            "statements": 1,
            "body": b"<x/>" * 100,
            "answer": b"<y/>" * 100,
            "voided": _at(number) if number % 5_000 == 22 else None,
        }


def _stated(numbers: Iterator[int]) -> Iterator[dict[str, Any]]:
    for number in numbers:
        iso = _iso(number)
        yield {
            "partner": iso,
            "tin": f"{iso}{number // 10 // len(ISOS) % OPERATORS:04}",
            "message_id": f"m{number}",
            "received": _at(number),
            "held": False,
            "derived": False,
            "body": b"x" * 100,
        }


def _sent(numbers: Iterator[int]) -> Iterator[dict[str, Any]]:
    for number in numbers:
        yield {
            "partner": _iso(number),
            "message_id": f"m{number}",
            "kind": _kind(number).value,
            "rank": 1,
            "sequence": number,
            "header": b"",
            "payload": "<x/>" * 100,
            "state": "dead" if number % 5_000 == 37 else "delivered",
            "attempt": 1,
            "due": _at(number),
            "created": _at(number),
            "expires": _at(number),
            "bundle": "d",
        }


def _refused(numbers: Iterator[int]) -> Iterator[dict[str, Any]]:
    for number in numbers:
        proven = number % 100 != 19
        yield {
            "received": _at(number),
            "remote": "192.0.2.1",
            "tries": 1,
            "size": 0,
            "body": b"<x/>" * 100,
            "outcome": "refused" if proven else "quarantined",
            "partner": _iso(number) if proven else None,
            "code": "schema-invalid" if number % 5_000 == 9 else "signature-invalid",
        }
