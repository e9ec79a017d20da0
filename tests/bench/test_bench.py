"""Every measurement runs; what it says is judged by ``make bench`` itself, on a quiet machine."""

from __future__ import annotations

import importlib

import pytest

from tests.bench.__main__ import modules
from tests.bench.stranger import ASKED
from tests.web.test_guard import OPEN

pytestmark = [pytest.mark.process, pytest.mark.long]


@pytest.mark.judge
@pytest.mark.parametrize("name", modules())
def test_rows_in_a_smoke_run(name: str) -> None:
    found = importlib.import_module(f"tests.bench.bench_{name}").rows(smoke=True)
    assert found
    assert len({row["id"] for row in found}) == len(found)
    for row in found:
        assert set(row) == {"id", "value", "unit", "beside", "ratio", "goal", "pass"}
        assert row["value"] > 0
        assert row["pass"] is None


def test_the_stranger_is_at_every_open_door() -> None:
    assert {(method, path) for method, path, _ in ASKED} >= OPEN
