"""Names whose name servers are dead: they delay whoever asked for them, and nobody else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest

from gateway.net import Guard, Lines, Names, Unreachable, UnreachableReason
from tests.net.test_net import OK, serving


class NameServers:
    """``dead.*`` say nothing until the end of the test, as a system's resolver waits for them in its thread."""

    def __init__(self) -> None:
        self.over, self.asked = threading.Event(), list[str]()
        self._lock = threading.Lock()

    def look(self, host: str, port: int) -> Sequence[str]:
        with self._lock:
            self.asked.append(host)
        if host.startswith("dead"):
            self.over.wait(60)
            raise OSError("no answer")
        return ["127.0.0.1"]


@contextmanager
def name_servers() -> Iterator[NameServers]:
    made = NameServers()
    try:
        yield made
    finally:
        made.over.set()


def test_dead_name_servers_delay_no_healthy_partner() -> None:
    """Forty of them, more than any pool of threads that the process has for other things."""

    async def story(servers: NameServers) -> None:
        lines = Lines(Names(servers.look))
        guard = Guard(private_addresses=True, resolving=timedelta(seconds=60), timeout=timedelta(seconds=60))
        async with serving(OK) as server:
            ill = [
                asyncio.create_task(lines.post(str(n), f"http://dead{n}.example/", b"x", headers={}, guard=guard))
                for n in range(40)
            ]
            while len(servers.asked) < 40:
                await asyncio.sleep(0.01)
            began = time.monotonic()
            url = f"http://partner.example:{server.port}/"
            assert (await lines.post("SG", url, b"x", headers={}, guard=guard)).status == 200
            assert await asyncio.to_thread(lambda: "the threads of others are free") == "the threads of others are free"
            assert time.monotonic() - began < 20, "it waited for a dead one"
            for one in ill:
                one.cancel()
            await asyncio.gather(*ill, return_exceptions=True)
            lines.close()

    with name_servers() as servers:
        asyncio.run(story(servers))


def test_a_name_has_a_bound_of_its_own_and_one_thread() -> None:
    """However often it is asked for meanwhile; a loop that has ended by the time of the answer is not told."""

    async def story(servers: NameServers, names: Names) -> None:
        guard = Guard(private_addresses=True, resolving=timedelta(seconds=0.1), timeout=timedelta(seconds=60))
        lines = Lines(names)
        for _ in range(3):
            with pytest.raises(Unreachable) as caught:
                await lines.post("SG", "http://dead.example/", b"x", headers={}, guard=guard)
            assert caught.value.reason is UnreachableReason.UNRESOLVED
            assert "within 0.1 s" in caught.value.detail
        assert servers.asked == ["dead.example"]

    with name_servers() as servers:
        names = Names(servers.look)
        asyncio.run(story(servers, names))
        servers.over.set()
        with pytest.raises(OSError, match="no answer"):
            asyncio.run(_answered(names, servers))


async def _answered(names: Names, servers: NameServers) -> Sequence[str]:
    return await names("dead.example", 80)


def test_an_address_is_no_name() -> None:
    with name_servers() as servers:
        assert asyncio.run(Names(servers.look)("127.0.0.1", 80)) == ["127.0.0.1"]
        assert asyncio.run(Names(servers.look)("partner.example", 80)) == ["127.0.0.1"]
        assert servers.asked == ["partner.example"]
