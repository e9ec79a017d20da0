"""The scenario ``slow-lines`` of ``make chaos``: strangers hold lines open in every way there is, while a partner exchanges.

Half-sent bodies and heads, readers that take in nothing, and lines without a request, from many addresses of loopback. The partner must
lose nothing, the process keep within ``MEMORY``, and, told to end in the middle of it all, end within ``ENDS``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from gateway.core.model import Kind, Standing
from gateway.sandbox.box import Box
from tests.rig.bounds import forget_peak, resident
from tests.rig.lines import HEAD, Line, identifier, quantile

if TYPE_CHECKING:
    from tests.chaos import ChaosRun

MIB = 2**20
#: Bodies half sent and as long as they say, from so many addresses each.
BODIES, LONG, ADDRESSES = 200, 15 * MIB, 50
HEADS, READERS, IDLE = 1_000, 50, 500
#: MiB by which the process may grow, and seconds in which it ends.
MEMORY, ENDS = 100.0, 20.0
#: Seconds between two notices, and those without an answer after which a sender tries again.
NOTICES, PATIENCE = 0.05, 10.0
BLOCK = b"y" * 65_536
READ = b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"

Holds = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[str]]


class Strangers:
    """Those who hold lines, each of which is opened anew when it is closed from there. ``came`` counts how they ended, by kind;
    ``halfway`` are those that have sent half a body."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.came = Counter[str]()
        self.halfway = 0
        self.over = False

    def halves(self) -> Iterator[Awaitable[None]]:
        """Those in the middle of a body or a head."""
        yield from self._from(0, BODIES, self._body)
        yield from self._from(1, HEADS, self._head)

    def others(self) -> Iterator[Awaitable[None]]:
        """Those who take in nothing, and those who say nothing."""
        yield from self._from(2, READERS, self._reader)
        yield from self._from(3, IDLE, self._idle)

    def _from(self, block: int, many: int, holds: Holds) -> Iterator[Awaitable[None]]:
        for number in range(many):
            yield self._keep(f"127.0.2.{block * ADDRESSES + number % ADDRESSES + 1}", holds)

    async def _keep(self, address: str, holds: Holds) -> None:
        while not self.over:
            writer: asyncio.StreamWriter | None = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(address, 0), limit=4096)
                ended = await holds(reader, writer)
            except OSError:
                ended = "cut off"
            finally:
                if writer:
                    writer.transport.abort()
            self.came[f"{holds.__name__.strip('_')}: {ended}"] += 1
            await asyncio.sleep(1)

    async def _body(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.write(HEAD.format(LONG, "").encode() + b"<x>")
        answer = asyncio.create_task(self._answer(reader))
        with contextlib.suppress(OSError):  # an answer that came before is read all the same
            for _ in range(LONG // 2 // len(BLOCK)):
                if answer.done():
                    return await answer
                writer.write(BLOCK)
                await writer.drain()
        self.halfway += 1
        try:
            return await answer
        finally:
            self.halfway -= 1

    async def _head(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        answer = asyncio.create_task(self._answer(reader))
        for part in itertools.chain([b"GET /readyz HTTP/1.1\r\nHost: "], itertools.repeat(b"x")):
            if answer.done():
                break
            writer.write(part)
            await asyncio.sleep(1)
        return await answer

    async def _reader(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        writer.transport.pause_reading()  # type: ignore[attr-defined] # a transport of a socket can
        writer.write(READ * 16)
        while not self.over and not writer.transport.is_closing():
            await asyncio.sleep(1)
        return "held to the end" if self.over else "cut off"

    async def _idle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        return await self._answer(reader)

    async def _answer(self, reader: asyncio.StreamReader) -> str:
        try:
            line = await reader.readline()
        except OSError:
            return "cut off"
        return line.split()[1].decode() if line.startswith(b"HTTP") else "closed"


class Partner:
    """Sends notices at a steady rate, each until there is a receipt; ``waited`` are milliseconds for it, since the first try."""

    def __init__(self, run: ChaosRun) -> None:
        self.run, self.box = run, run.box
        self.waited: list[float] = []
        self.over = False
        self.unanswered: list[bytes] = []

    async def sends_for(self, seconds: float) -> None:
        sending = asyncio.create_task(self.sends())
        await asyncio.sleep(seconds)
        self.over = True
        await sending

    async def sends(self) -> None:
        """Until it is over."""
        line = Line(self.run.served.port, "127.0.3.1")
        for body in notices(self.box):
            began = time.perf_counter()
            while not await self._taken(line, body):
                if self.over:
                    self.unanswered.append(body)
                    return line.close()
                await asyncio.sleep(0.1)
            self.waited.append((time.perf_counter() - began) * 1e3)
            if self.over:
                break
            await asyncio.sleep(NOTICES)
        line.close()

    async def _taken(self, line: Line, body: bytes) -> bool:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(PATIENCE):
                answer = await line.post(body)
            if answer.status == 200:
                self.run.ledger.given(self.box.iso, identifier(body), body, answer.body)
                return True
            assert answer.status == 503, answer.body
        line.close()
        return False


def notices(box: Box) -> Iterator[bytes]:
    for standing in itertools.cycle((Standing.SUSPENDED, Standing.VALID)):
        for tin in list(box.operators):
            yield box.message(Kind.NOTICE, (box.change(tin, standing),))


def slow_lines(run: ChaosRun, seconds: float = 60.0) -> str:
    """Strangers hold lines open in four ways while a partner exchanges; then the node is told to end in the middle of it."""
    run.listed(200)
    run.feed(1)
    run.rest()
    quiet, partner = Partner(run), Partner(run)
    asyncio.run(quiet.sends_for(min(seconds, 10.0)))
    strangers = Strangers(run.served.port)
    came = asyncio.run(_beset(run, strangers, partner, seconds))
    assert run.served.process.returncode == 0, f"it ended with {run.served.process.returncode}"
    assert came.halves < MEMORY, f"the process grew by {came.halves:.0f} MiB"
    assert came.lasted < ENDS, f"it took {came.lasted:.1f} s to end"
    print(
        "  "
        + ", ".join(f"{times} x {what}" for what, times in sorted(strangers.came.items()))
        + f"; at the end {dict(came.warned)}"
    )
    assert came.warned["503"] >= came.halfway > 0, f"of {came.halfway} in the middle of a body heard {dict(came.warned)}"
    log = (run.installation.settings.home / "gateway.log").read_text()
    assert "Traceback" not in log, log[log.index("Traceback") :][:2000]
    assert "panicked" not in log, log[-2000:]
    run.restart()
    for body in partner.unanswered:
        run.send(body)
    run.account()
    figures = " to ".join(f"{quantile(one.waited, 0.5):.0f}/{quantile(one.waited, 0.99):.0f}" for one in (partner, quiet))
    return (
        f"{BODIES} half bodies and {HEADS} half heads: the process grew by {came.halves:.0f} MiB; with {READERS} who take in nothing and {IDLE} "
        f"idle ones by {came.all:.0f}; told to end, it ended in {came.lasted:.1f} s and warned {came.warned['503']}; {len(partner.waited)} "
        f"notices, p50/p99 of their receipts {figures} ms when quiet"
    )


class Came(NamedTuple):
    """MiB by which the process grew while bodies and heads were half sent, and when everybody was there; seconds it took to end; how many
    were in the middle of a body, and what they heard of that."""

    halves: float
    all: float
    lasted: float
    halfway: int
    warned: Counter[str]


async def _beset(run: ChaosRun, strangers: Strangers, partner: Partner, seconds: float) -> Came:
    process = run.served.process
    forget_peak(process.pid)
    before = resident("VmRSS", process.pid)
    holding = [asyncio.ensure_future(one) for one in strangers.halves()]
    sending = asyncio.create_task(partner.sends())
    await asyncio.sleep(seconds / 2)
    halves = resident("VmHWM", process.pid) - before
    holding += [asyncio.ensure_future(one) for one in strangers.others()]
    await asyncio.sleep(seconds / 2)
    everybody = resident("VmHWM", process.pid) - before
    heard, halfway = Counter(strangers.came), strangers.halfway
    partner.over = True
    began = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(process.wait, 3 * ENDS)
    lasted = time.perf_counter() - began
    strangers.over = True
    async with asyncio.timeout(ENDS):
        while strangers.halfway:  # their lines are closed, and they read what was said before
            await asyncio.sleep(0.05)
    for one in holding:
        one.cancel()
    await asyncio.gather(*holding, return_exceptions=True)
    await sending
    after = strangers.came - heard
    warned = Counter({what.partition(": ")[2]: times for what, times in after.items() if what.startswith("body")})
    return Came(halves, everybody, lasted, halfway, warned)
