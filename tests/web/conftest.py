"""A node for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A node with two partners and nobody listed yet."""
    made = World(tmp_path)
    yield made
    made.close()
