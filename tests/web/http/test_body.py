"""Thirty-two senders of the largest messages at once: memory stays bounded, who finds no room is told when to come again, and what is
small gets in meanwhile. In a full room those that come slowly give way."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from gateway.core.model import Standing
from gateway.web.http.body import FAIR, SMALL, Room, _Body
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
            with suppress(threading.BrokenBarrierError):  # somebody was turned away before his half
                meet.wait(10)  # nobody's message is whole before everybody has sent half
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


#: On their way in a room for 300,000 bytes of large bodies: size, age in seconds, and from where; nothing where the sender is known.
SLOW, SLOWER, FAST = (100_000, 10.0, "192.0.2.1"), (90_000, 20.0, "192.0.2.2"), (110_000, 2.0, "192.0.2.3")
COMER = (80_000, 0.5, "192.0.2.9")
Coming = tuple[int, float, str]


@pytest.mark.parametrize(
    ("there", "comer", "gone"),
    [
        ([FAST, SLOW, SLOWER], COMER, [2]),
        ([FAST, SLOW, SLOWER], (85_000, 0.5, ""), [2]),
        ([FAST, SLOW, SLOWER], (90_000, 0.1, "192.0.2.9"), [2]),
        ([FAST, SLOW, SLOWER], (91_000, 0.1, "192.0.2.9"), [1, 2]),
        ([(290_000, 2.0, "192.0.2.1")], (100_000, 0.5, "192.0.2.9"), None),
        ([(290_000, 2.0, "192.0.2.1")], (100_000, 0.3, "192.0.2.9"), [0]),
        ([(290_000, FAIR / 2, "192.0.2.1")], (100_000, 0.001, "192.0.2.9"), None),
        ([(290_000, 600.0, "")], COMER, None),
        ([(290_000, 600.0, "")], (100_000, 0.5, ""), [0]),
        ([(250_000, 2.0, ""), SLOWER], COMER, None),
        ([(300_000, 20.0, "192.0.2.1"), (99_000, 9.0, "192.0.2.2")], (2_000, 0.01, "192.0.2.9"), [1]),
    ],
    ids=[
        "the slowest",
        "a known one",
        "no more than are needed",
        "all that are needed",
        "alike",
        "much faster",
        "no time yet",
        "a stranger ends no known one",
        "a known one ends a known one",
        "not enough: nobody",
        "for what is small in a room that is full for it too",
    ],
)
def test_in_a_full_room_the_slowest_give_way(there: list[Coming], comer: Coming, gone: list[int] | None) -> None:
    async def given() -> list[int] | None:
        room, now = Room(400_000), asyncio.get_running_loop().time()

        def come(size: int, age: float, sender: str) -> _Body:
            body = _Body(1_000_000, size, room, sender, size=size, begun=now - age)
            room.coming.add(body)
            room.used += size
            return body

        bodies, new = [come(*one) for one in there], come(*comer)
        assert room.full(new.size)
        if not room.make_room(new):
            assert not any(body.gave_way for body in bodies)
            return None
        assert room.used == sum(body.size for body in (*bodies, new))
        assert not room.full(new.size)
        return [number for number, body in enumerate(bodies) if body.gave_way]

    assert asyncio.run(given()) == gone
