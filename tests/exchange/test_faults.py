"""The short form of ``python -m tests.chaos``: a few deaths of real processes, and an account that must add up after each."""

from __future__ import annotations

from pathlib import Path

from tests import chaos
from tests.chaos import Scene


def test_killed_while_receiving(tmp_path: Path) -> None:
    """Where nothing is committed yet, and where it is and nobody was told."""
    scene = Scene(tmp_path / "home")
    with scene.stack:
        chaos.killed_receiving(scene, ("recording", "recorded"))


def test_killed_while_delivering(tmp_path: Path) -> None:
    """Where the partner has the message and we do not know."""
    scene = Scene(tmp_path / "home")
    with scene.stack:
        chaos.killed_delivering(scene, ("answered",))


def test_the_disk_is_full(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "home")
    with scene.stack:
        chaos.disk_full(scene)
