"""Thirty-two senders of the largest messages at once: memory stays bounded, who finds no room is told when to come again, and what is
small gets in meanwhile."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from gateway.core.model import Standing
from gateway.web.body import SMALL, Room
from tests.exchange.installation import XML, Installation
from tests.wire.bounds import resident

MIB = 2**20
#: The largest body here: the room is eight of them, and what is bounded with small ones is bounded with large ones.
LARGEST = 4 * MIB


def test_memory_is_bounded_and_a_suspension_gets_in(tmp_path: Path) -> None:
    body = b"<x>" + b"y" * (LARGEST - 3)
    answers: Counter[int] = Counter()
    peak = 0.0
    with Installation(tmp_path / "home") as installation:
        served = installation.serve(environment={"AEO_BODY_LIMIT": str(LARGEST)})
        served.ready()
        box = installation.boxes["SG"]
        box.make_up(1)
        (tin,) = box.operators
        served.post(box.say(tin, Standing.SUSPENDED))
        before = resident("VmRSS", served.process.pid)

        def send() -> None:
            answer = httpx.post(f"{served.url}/exchange", content=body, headers=XML, timeout=120)
            answers[answer.status_code] += 1
            if answer.status_code == 503:
                assert answer.headers["retry-after"].isdecimal()
                assert answer.json()["code"] == "busy"

        senders = [threading.Thread(target=send) for _ in range(32)]
        for one in senders:
            one.start()
        while any(one.is_alive() for one in senders):
            peak = max(peak, resident("VmRSS", served.process.pid))
            assert served.post(box.say(tin, Standing.VALID)).status_code == 200
            time.sleep(0.01)
    assert set(answers) == {400, 503}, "those that found room are no XML"
    assert peak - before < 3 * 8 * LARGEST / MIB, "the room, what is being handed to the database, and no more"


@pytest.mark.parametrize(
    ("used", "size", "full"),
    [(0, 100, False), (74, SMALL + 1, False), (76, SMALL + 1, True), (76, 10, False), (101, 10, True)],
)
def test_a_quarter_is_kept_for_what_is_small(used: int, size: int, full: bool) -> None:
    assert Room(100, used).full(size) is full
