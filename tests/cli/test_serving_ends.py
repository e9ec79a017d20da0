"""A node that is told to end, in the middle of everything: it ends soon, everybody hears of it, and nothing is half done."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest

from gateway.core.model import Standing
from tests.rig.installation import Installation, Served
from tests.rig.volume import one_in
from tests.rig.waiting import HTTP, until

WITHIN = 20.0


def sends(served: Served, text: str, address: str, room: int | None = None) -> socket.socket:
    line = socket.socket()
    if room:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    line.settimeout(60)
    line.bind((address, 0))
    line.connect(("127.0.0.1", served.port))
    line.sendall(text.encode())
    return line


def answer(line: socket.socket) -> bytes:
    """Until the line is closed from there."""
    came = b""
    with line, contextlib.suppress(ConnectionResetError):
        while part := line.recv(65_536):
            came += part
    return came


def taken(served: Served) -> bool:
    """Whether it still takes in what begins now."""
    with contextlib.suppress(httpx.TransportError):
        return HTTP.get(f"{served.url}/healthz").status_code == 200
    return False


@pytest.mark.long
@pytest.mark.process
@pytest.mark.parametrize("number", one_in(2, [signal.SIGTERM, signal.SIGINT]))
def test_it_ends_soon_and_everybody_is_warned(number: signal.Signals, tmp_path: Path) -> None:
    post = "POST /exchange HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\nContent-Length: 15000000\r\n\r\n<x>"
    bundle = "GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    got, sent, ending = dict[str, int](), list[bytes](), threading.Event()
    with Installation(tmp_path / "home") as installation:
        served = installation.serve()
        served.ready()
        box = installation.boxes["SG"]
        box.make_up(200)

        def keeps_sending(part: int) -> None:
            for tin in list(box.operators)[part::4]:
                message = box.status_message(tin, Standing.SUSPENDED)
                sent.append(message)
                try:
                    got[tin] = HTTP.post(
                        f"{served.url}/exchange", content=message, headers={"Content-Type": "application/xml"}
                    ).status_code
                except httpx.TransportError:
                    return
                if ending.is_set() and got[tin] != 200:
                    return

        assert served.post(box.full_list()).status_code == 200
        halves = [sends(served, post, f"127.0.0.{place}") for place in range(2, 12)]
        heads = [sends(served, "GET /readyz HTTP/1.1\r\nHost:", "127.0.0.50") for _ in range(10)]
        readers = [sends(served, bundle * 8, "127.0.0.60", room=4096) for _ in range(10)]
        idle = [sends(served, "", "127.0.0.70") for _ in range(10)]
        senders = [threading.Thread(target=keeps_sending, args=(part,)) for part in range(4)]
        for sender in senders:
            sender.start()
        until(lambda: len(got) > 8)
        began = time.monotonic()
        served.process.send_signal(number)
        ending.set()
        for line in halves:
            came = answer(line)
            assert came.startswith(b"HTTP/1.1 503"), came
            assert b"retry-after: " in came
        assert not taken(served), "nobody new is let in"
        assert served.process.wait(WITHIN) == 0
        assert time.monotonic() - began < WITHIN
        for line in (*heads, *readers, *idle):
            line.close()
        for sender in senders:
            sender.join(60)
        log = (tmp_path / "home" / "gateway.log").read_text()
        assert "Traceback" not in log, log
        assert "panicked" not in log, log
        done = {tin for tin, status in got.items() if status == 200}
        assert 8 < len(done) < 200
        again = installation.serve()
        again.ready()
        assert installation.left().keys() <= {"to be sent", "to be sealed"}, "nothing was left half judged"
        assert {again.post(message).status_code for message in sent} == {200}, "who sends the same again is heard"
        shown = HTTP.post(
            f"{again.url}/v1/eligibility",
            json={"codes": list(box.operators), "direction": "import"},
            headers=installation.authorised,
        ).json()["answers"]
        suspended = {one["code"] for one in shown if any("suspended" in reason["code"] for reason in one["reasons"])}
        assert done <= suspended
        again.stop()
