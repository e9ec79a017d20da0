"""Houses, once on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store.database import Database
from tests.exchange.house import House, through_lines


@pytest.fixture
def house(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A node and two partners in boxes."""
    made = House(database, tmp_path / "home")
    through_lines(made, monkeypatch)
    yield made
    made.close()
