"""The short form of ``make chaos``: real processes die at every step, lose disk, database and clock, and the account must add up."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests import chaos
from tests.chaos import ChaosRun
from tests.rig import databases
from tests.rig.counterpart import WAYS
from tests.rig.disk import small
from tests.rig.vectors import load

pytestmark = [pytest.mark.process, pytest.mark.long]


@pytest.mark.judge
def test_killed_at_every_step(tmp_path: Path) -> None:
    with ChaosRun(tmp_path / "home") as run:
        assert chaos.killed_again_and_again(run)


@pytest.mark.judge
def test_a_bad_day(tmp_path: Path) -> None:
    """The database is locked, the partner misbehaves and the clock jumps."""
    clock = tmp_path / "clock"
    clock.write_text("0")
    with ChaosRun(tmp_path / "home", AEO_TEST_CLOCK=str(clock)) as run:
        assert chaos.locked(run, 1)
        assert chaos.misbehaving(run, ("half", "twice", "rubbish"))
        assert chaos.clock_jumps(run)


@pytest.mark.judge
def test_the_disk_is_full(tmp_path: Path) -> None:
    with small(tmp_path / "home"), ChaosRun(tmp_path / "home") as run:
        assert chaos.disk_full(run)


def test_the_database_is_stopped() -> None:
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        Path(folder).chmod(0o755)  # the database server runs as a user of its own
        with (
            databases.postgres_server(Path(folder) / "postgres") as server,
            ChaosRun(Path(folder) / "home", databases.create(databases.address(server))) as run,
        ):
            assert chaos.stopped(run, server, 1)


def test_every_fault_has_its_scenario() -> None:
    """What tests/vectors/faults names is what is played."""
    found, scenarios = load("faults"), {scenario.name for scenario in chaos.SCENARIOS}
    assert {vector["scenario"] for vector in found} <= scenarios
    steps = {name: {one["step"] for one in found if one["scenario"] == name and "step" in one} for name in scenarios}
    assert steps["killed at every step of receiving"] == set(chaos.RECEIVING)
    assert steps["killed at every step of delivering"] == set(chaos.DELIVERING)
    assert {vector["way"] for vector in found if "way" in vector} == set(WAYS)
