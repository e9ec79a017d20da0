"""The promise of docs/local_copy.md: a copy that was kept while processes died says of every operator what the gateway says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import chaos
from tests.chaos import ChaosRun

pytestmark = pytest.mark.process


def test_a_copy_kept_while_processes_die_says_what_the_gateway_says(tmp_path: Path) -> None:
    with ChaosRun(tmp_path / "home") as run:
        assert chaos.copied(run, 1)
