"""Thirty-two senders of the largest messages at once: memory stays bounded, who finds no room is told when to come again, and what is
small gets in meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gateway.core.model import Standing
from gateway.web.http.body import SMALL, Room
from tests.rig.bounds import resident
from tests.rig.installation import XML, Installation
from tests.rig.waiting import HTTP

MIB = 2**20
#: The largest body here: the room is eight of them, and what is bounded with small ones is bounded with large ones.
LARGEST = 4 * MIB
SIZE = {"Content-Length": str(LARGEST)}
SENDERS = 32
PATIENCE = 120.0


@pytest.mark.process
def test_memory_is_bounded_and_a_suspension_gets_in(tmp_path: Path) -> None:
    body = b"<x>" + b"y" * (LARGEST - 3)
    peak = 0.0
    with Installation(tmp_path / "home") as installation:
        served = installation.serve(environment={"AEO_BODY_LIMIT": str(LARGEST)})
        served.ready()
        box = installation.boxes["SG"]
        box.make_up(1)
        (tin,) = box.operators
        served.post(box.status_message(tin, Standing.SUSPENDED))
        before = resident("VmRSS", served.process.pid)
        meet = threading.Barrier(SENDERS)

        def halves() -> Iterator[bytes]:
            yield body[: LARGEST // 2]
            meet.wait(PATIENCE)  # nobody's message is whole before everybody has sent half
            yield body[LARGEST // 2 :]

        def send() -> httpx.Response:
            return HTTP.post(f"{served.url}/exchange", content=halves(), headers=XML | SIZE, timeout=PATIENCE)

        with ThreadPoolExecutor(SENDERS) as pool:
            sent = [pool.submit(send) for _ in range(SENDERS)]
            while not all(one.done() for one in sent):
                peak = max(peak, resident("VmRSS", served.process.pid))
                assert served.post(box.status_message(tin, Standing.VALID)).status_code == 200
                time.sleep(0.01)
        answers = [one.result() for one in sent]
    assert {answer.status_code for answer in answers} == {400, 503}, "those that found room are no XML"
    busy = [answer for answer in answers if answer.status_code == 503]
    assert all(answer.headers["retry-after"].isdecimal() and answer.json()["code"] == "busy" for answer in busy)
    assert peak - before < 3 * 8 * LARGEST / MIB, "the room, what is being handed to the database, and no more"


@pytest.mark.parametrize(
    ("used", "size", "full"),
    [(0, 100, False), (74, SMALL + 1, False), (76, SMALL + 1, True), (76, 10, False), (101, 10, True)],
)
def test_a_quarter_is_kept_for_what_is_small(used: int, size: int, full: bool) -> None:
    assert Room(100, used).full(size) is full
