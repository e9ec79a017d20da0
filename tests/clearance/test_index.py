"""The read index: last word wins, staleness shows, half a change is never seen, and half a million operators fit."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, select

from gateway.clearance.index import Index
from gateway.core.fold import fold
from gateway.core.history import Timeline, pack
from gateway.core.model import PlacedStatement, Standing, Statement
from gateway.store.tables import operator
from tests.rig.bounds import within

BOUND = timedelta(seconds=2)
NOON = datetime(2026, 4, 1, 4, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Singapore")


def packed(number: int, *standings: Standing) -> bytes:
    """An operator as a real list would state it, and one notice for each further standing."""
    said = [
        PlacedStatement(
            statement=Statement(
                tin=f"SG{number:012}",
                standing=standing,
                name=f"Made-up Logistics and Trading {number:06}",
                level="STP-Plus",
                number=f"STP{number:08}",
                granted=date(2025, 1, 1),
                expires=date(2028, 1, 1),
            ),
            issued=NOON + timedelta(days=day),
            takes_effect=NOON + timedelta(days=day),
            pictured=day == 0,
            message_id=f"0190f3a0-7b1c-7000-8000-{number + day:012}",
            digest="ab" * 32,
            received=NOON + timedelta(days=day),
        )
        for day, standing in enumerate(standings)
    ]
    return pack(fold(said, ZONE))


def test_it_answers_as_it_was_told() -> None:
    index = Index(BOUND)
    assert index.get("SG1") is None
    index.load([("SG1", packed(1, Standing.VALID)), ("SG2", packed(2, Standing.VALID))], 7)
    assert (len(index), index.position) == (2, 7)
    assert index.known("SG1")
    assert not index.known("SG3")
    index.apply([("SG1", packed(1, Standing.VALID, Standing.REVOKED)), ("SG3", packed(3, Standing.VALID))], 9)
    found = index.get("SG1")
    assert isinstance(found, Timeline)
    assert found.authorisations[0].stands[-1].standing is Standing.REVOKED
    assert index.known("SG3")
    assert index.position == 9


def test_news_of_its_own_moves_no_position_and_no_position_moves_back() -> None:
    index = Index(BOUND)
    index.load([], 5)
    index.apply([("SG1", b"\x91")])
    assert index.position == 5
    index.apply([], 3)
    assert index.position == 5


def test_it_is_current_only_near_a_heartbeat() -> None:
    index = Index(BOUND)
    assert not index.current(NOON)
    assert index.age(NOON) is None
    index.load([], 0)
    assert not index.current(NOON)
    index.heard(NOON)
    assert index.age(NOON + BOUND) == BOUND
    assert index.current(NOON + BOUND)
    assert not index.current(NOON + BOUND + timedelta(microseconds=1))
    assert not index.current(NOON - timedelta(minutes=10))  # the clock jumped; nothing is known of the time between
    index.load([], 0)
    assert not index.current(NOON)  # a new load is not current by an old heartbeat


codes = st.sampled_from(["SG1", "SG2", "SG3", "SG4"])
changes = st.lists(st.tuples(codes, st.binary(max_size=4)), max_size=5)


@given(changes, st.lists(st.tuples(changes, st.integers(0, 20)), max_size=5))
def test_the_last_word_wins(rows: list[tuple[str, bytes]], steps: list[tuple[list[tuple[str, bytes]], int]]) -> None:
    index, plain, seen = Index(BOUND), dict(rows), 0
    index.load(rows, 0)
    for step, position in steps:
        index.apply(step, position)
        plain.update(step)
        seen = max(seen, position)
    assert index._timelines == plain
    assert index.position == seen
    assert all(index.known(code) == (code in plain) for code in ("SG1", "SG2", "SG3", "SG4"))


def test_readers_see_an_entry_before_or_after_a_change() -> None:
    before, after = packed(1, Standing.VALID), packed(1, Standing.VALID, Standing.SUSPENDED)
    index, done, seen = Index(BOUND), threading.Event(), set[int]()
    index.load([("SG1", before)], 0)

    def read() -> None:
        while not done.is_set():
            found = index.get("SG1")
            assert found is not None
            seen.add(len(found.authorisations[0].stands))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(2_000):
        index.apply([("SG1", (after, before)[turn % 2]), (f"SG{turn}", before)], turn)
        if turn % 500 == 0:
            index.load([("SG1", before)], turn)
            time.sleep(0.001)
    done.set()
    for reader in readers:
        reader.join()
    assert seen
    assert seen <= {1, 2}


@pytest.mark.long
def test_half_a_million_operators_fit_and_load_fast() -> None:
    """A tenth of them here, one in twenty with a suspension behind it: 500 bytes each, and 5 seconds for all at the start."""
    some = [
        packed(number, *([Standing.VALID] * (number % 20 > 0) or [Standing.VALID, Standing.SUSPENDED])) for number in range(200)
    ]

    def rows() -> Iterator[dict[str, object]]:
        for number in range(50_000):
            yield {"tin": f"SG{number:012}", "partner": "SG", "timeline": some[number % 200], "entry": 1}

    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        operator.create(connection)
        connection.execute(operator.insert(), list(rows()))
        index = Index(BOUND)
        with within(0.5):
            index.load(connection.execute(select(operator.c.tin, operator.c.timeline)), 0)
    assert len(index) == 50_000
    assert index.memory() / len(index) <= 500
