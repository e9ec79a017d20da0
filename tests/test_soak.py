"""The short form of ``make soak``: a few seconds of load, and an account that must add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak import Soak

pytestmark = [pytest.mark.process, pytest.mark.long]


@pytest.mark.judge
def test_under_load_nothing_is_lost_and_nothing_done_twice(tmp_path: Path) -> None:
    soak = Soak(tmp_path / "home", ("HK", "NZ", "SG"))
    try:
        soak.run(3, 2)
        soak.rest(30)
        assert soak.faults() == []
        assert soak.sent > soak.again > 0
    finally:
        soak.close()


@pytest.mark.judge
def test_what_a_receipt_was_given_for_and_is_gone_is_noticed(tmp_path: Path) -> None:
    """The account itself can fail."""
    soak = Soak(tmp_path / "home", ("SG",))
    try:
        soak.run(1, 1)
        soak.rest(30)
        soak.ledger.given("SG", "never-sent", b"a message", b"a receipt")
        assert [fault for fault in soak.faults() if fault.startswith("LOST: SG holds a receipt for never-sent")]
    finally:
        soak.close()
