"""Houses and desks, once on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store.database import Database
from tests.exchange.desk import Desk, row
from tests.exchange.house import House, through_lines


@pytest.fixture
def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A node and two partners in boxes."""
    made = House(database, tmp_path / "home")
    through_lines(made, monkeypatch)
    yield made
    made.close()


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    """Two partners that have heard their first list, which names enterprise 1."""
    made = Desk(database, tmp_path, ["SG", "HK"])
    made.feed(row(1))
    for iso in ("SG", "HK"):
        assert made.deliver(iso, "accepted") == [("list", [("valid", "9900000001")])]
    return made
