"""The measurements run; what they say is judged by the benchmark itself, on a quiet machine."""

from __future__ import annotations

import pytest

from tests.bench.bench_clearance import rows

pytestmark = [pytest.mark.process, pytest.mark.long]


@pytest.mark.judge
def test_rows_in_a_smoke_run() -> None:
    found = rows(smoke=True)
    assert len({row["id"] for row in found}) == len(found) == 9
    for row in found:
        assert set(row) == {"id", "value", "unit", "beside", "ratio", "goal", "pass"}
        assert row["value"] > 0
        assert row["pass"] is None
