"""What the demonstration starts, and where."""

from __future__ import annotations

import socket

import pytest

from gateway.cli.processes import free_port


def test_a_free_port_is_given_to_nobody_but_who_names_it() -> None:
    port = free_port()
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
