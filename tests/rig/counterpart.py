"""A partner's endpoint that misbehaves on purpose: it answers 500, times out, half-answers, answers twice, answers rubbish, or well."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from gateway.sandbox.box import Box
from tests.rig.waiting import HTTP, PATIENCE

#: Ways to misbehave. After each the message was taken all the same, but for "500" and "refuses".
WAYS = ("500", "silent", "half", "rubbish", "twice", "closes")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever is killed in the middle of a request says no goodbye."""


class Counterpart:
    """``box`` hears behind a port of its own; it may be put there later, for an endpoint must be known before a partner's data comes in
    force. ``misbehave`` says how the next requests are answered. ``arrivals`` says when each message came, under its own id and that of the
    one it is about, by the clock that only goes forward."""

    box: Box

    def __init__(self, box: Box | None = None) -> None:
        if box:
            self.box = box
        self.gateway = ""
        self.tries = 0
        self.arrivals: dict[str, float] = {}
        self._ways: deque[str] = deque()
        self._follow: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._over = threading.Event()
        counterpart = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                counterpart._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/exchange"
        for work in (self._server.serve_forever, self._say):
            threading.Thread(target=work, daemon=True).start()

    def misbehave(self, ways: Iterable[str]) -> None:
        self._ways.extend(ways)

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()

    def quiet(self) -> bool:
        """Whether it has said everything it had to say."""
        return not self._follow

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        with self._lock:
            self.tries += 1
            way = self._ways.popleft() if self._ways else ""
            status, answer = 500, b"made up"
            if way != "500":
                came = time.perf_counter()
                status, answer, follow = self.box.receive(body)
                if status == 200:
                    header = self.box.received[-1].header
                    for known in (header.id, header.refers_to or ""):
                        self.arrivals.setdefault(known, came)
                self._follow.extend([*follow, *([answer] if way == "twice" else [])])
        if way == "silent":
            request.connection.settimeout(PATIENCE)
            request.connection.recv(1)  # until the other side gives up
        if way == "closes":
            request.close_connection = True
            request.connection.close()
            return
        if way == "rubbish":
            answer = b"\x00\xff" * 100
        try:
            request.send_response(status)
            request.send_header("Content-Type", "application/xml")
            request.send_header("Content-Length", str(len(answer)))
            request.end_headers()
            request.wfile.write(answer[: len(answer) // 2] if way == "half" else answer)
            request.close_connection = way == "half"
        except OSError:
            pass

    def _say(self) -> None:
        """Sends what it has to say, in order, until each is taken or refused for good."""
        while not self._over.is_set():
            if not self._follow or not self.gateway:
                self._over.wait(0.02)
                continue
            try:
                answer = HTTP.post(
                    f"{self.gateway}/exchange", content=self._follow[0], headers={"Content-Type": "application/xml"}, timeout=10
                )
            except httpx.TransportError:
                self._over.wait(0.1)
                continue
            if answer.status_code < 500:
                self._follow.popleft()
