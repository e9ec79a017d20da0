"""Partners that are dead in ten ways. None of them ever takes a message."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from gateway.net import Names
from gateway.net.names import system
from gateway.sandbox.box import Box

#: How long the slow ones take: longer than anybody waits.
LONG = 120.0


class Dead:
    """``ways`` are addresses, by what is wrong there; ``names`` is a resolver that never hears of one of them."""

    def __init__(self, receipt: bytes) -> None:
        self._over = threading.Event()
        self._sockets: list[socket.socket] = []
        self.names = Names(self._look)
        said = {
            "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + receipt[:500],
            "a page": b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 12\r\n\r\n<html>Sorry.",
            "an error": b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
            "another receipt": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(receipt) + receipt,
            "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
        }
        self.ways = {what: self._serve(self._saying(answer)) for what, answer in said.items()}
        self.ways["slow"] = self._serve(self._dripping)
        self.ways["reset"] = self._serve(self._resetting)
        self.ways["no connection"] = self._full()
        self.ways["no TLS"] = self._serve(self._silent).replace("http:", "https:")
        self.ways["no name"] = "http://dead.example/exchange"

    def close(self) -> None:
        self._over.set()
        for one in self._sockets:
            one.close()

    def _look(self, host: str, port: int) -> Sequence[str]:
        if host == "dead.example":
            self._over.wait(LONG)
            raise OSError("no name server answers")
        return system(host, port)

    def _serve(self, speak: Callable[[socket.socket], None]) -> str:
        listening = self._listening(64)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    came, _ = listening.accept()
                    threading.Thread(target=self._spoken, args=(speak, came), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/exchange"

    def _spoken(self, speak: Callable[[socket.socket], None], came: socket.socket) -> None:
        with contextlib.suppress(OSError), came:
            speak(came)

    def _listening(self, backlog: int) -> socket.socket:
        made = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self._sockets.append(made)
        return made

    def _full(self) -> str:
        """Nobody is let in, and nobody is told."""
        listening = self._listening(0)
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
            self._sockets.append(waiting)
        return f"http://127.0.0.1:{listening.getsockname()[1]}/exchange"

    def _saying(self, answer: bytes) -> Callable[[socket.socket], None]:
        def speak(came: socket.socket) -> None:
            came.recv(1 << 20)
            came.sendall(answer)

        return speak

    def _dripping(self, came: socket.socket) -> None:
        came.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
        ends = time.monotonic() + LONG
        while time.monotonic() < ends and not self._over.wait(0.2):
            came.sendall(b"<")

    def _resetting(self, came: socket.socket) -> None:
        came.recv(1 << 20)
        came.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _silent(self, _: socket.socket) -> None:
        self._over.wait(LONG)


@contextmanager
def dead(box: Box, ping: bytes) -> Iterator[Dead]:
    """``box`` gives the receipt that is for another message."""
    _, receipt, _ = box.receive(ping)
    made = Dead(receipt)
    try:
        yield made
    finally:
        made.close()
