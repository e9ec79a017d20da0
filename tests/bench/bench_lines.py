"""Lines to partners: what a message on a kept one costs, how many one courier delivers, and whether dead partners delay the others."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx
from sqlalchemy import select

from gateway.core.model import Header, Kind
from gateway.exchange.bindings.https import HTTPS
from gateway.exchange.deliver.courier import Courier
from gateway.net import Guard, Lines
from gateway.node.context import new_id
from gateway.running.background import Background, Task
from gateway.store import outbox
from gateway.store.tables import outbox as sent
from gateway.wire import payloads
from tests.bench.dead import dead
from tests.bench.receivers import receivers
from tests.bench.rows import Row, row
from tests.rig.enterprises import RECTIFYING
from tests.rig.gateway import GatewayFixture
from tests.rig.shipped import ISOS, open_to_us

#: A message as the courier sends it, and a receipt, by their size.
BODY, ANSWER = b"<" * 5_000, b">" * 3_000
DEAD = 10


def rows(smoke: bool) -> list[Row]:
    """Every row. ``smoke`` only shows that the measurements run: small sizes, goals not judged."""
    with tempfile.TemporaryDirectory() as name:
        found = [_cost(100 if smoke else 3_000), *_delivered(Path(name) / "delivered", 4 if smoke else 60)]
        found.append(_urgent(Path(name) / "urgent", 1 if smoke else 12))
    return [one | {"pass": None} for one in found] if smoke else found


# ---------------------------------------------------------------- one message


def _cost(count: int) -> Row:
    """Milliseconds of processor for one POST on a kept line, the server's part among them; beside it the same by a pooling client."""

    async def story() -> tuple[float, float]:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(len(BODY))
                    writer.write(answer)
            except (asyncio.IncompleteReadError, asyncio.CancelledError):
                writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/exchange"
            lines, guard = Lines(), Guard(private_addresses=True)
            ours = await _spent(count, lambda: lines.post("SG", url, BODY, headers={}, guard=guard))
            lines.close()
            async with httpx.AsyncClient(verify=False) as client:
                theirs = await _spent(count, lambda: client.post(url, content=BODY))
        return ours, theirs

    ours, theirs = asyncio.run(story())
    return row("lines.post on a kept line: processor", ours, "ms", theirs, ours / theirs, "<= 1.7", ours <= 1.7)


async def _spent(count: int, post: Callable[[], Awaitable[object]]) -> float:
    await post()
    began = time.process_time()
    for _ in range(count):
        await post()
    return (time.process_time() - began) / count * 1_000


# ---------------------------------------------------------------- one courier


def _delivered(home: Path, each: int) -> list[Row]:
    """One courier and partners in two processes of their own: signed, sent, acknowledged and durably noted."""
    with ExitStack() as stack:
        gateway = stack.enter_context(GatewayFixture(home, ISOS))
        for isos in (ISOS[::2], ISOS[1::2]):
            for iso, url in stack.enter_context(receivers(home, isos)).items():
                gateway.bind(iso, endpoint=url)
        for count in (1, each):  # the first opens lines and reads what partners are
            for iso in ISOS:
                _queue(gateway, iso, count)
            began, spent = time.perf_counter(), time.process_time()
            gateway.run(asyncio.wait_for(_until_delivered(gateway), 300))
            seconds, spent = time.perf_counter() - began, time.process_time() - spent
    count = each * len(ISOS)
    return [
        row("lines.delivered by one courier", count / seconds, "1/s", None, None, ">= 300", count / seconds >= 300),
        row("lines.delivered: the courier's processor a message", spent / count * 1_000, "ms"),
    ]


def _queue(gateway: GatewayFixture, iso: str, count: int) -> None:
    with gateway.database.write.begin() as connection:
        for _ in range(count):
            outbox.enqueue(
                connection,
                partner=iso,
                sender=gateway.settings.administration,
                environment=gateway.node.environment,
                message_id=new_id(),
                kind=Kind.PING,
                payload=payloads.write_empty(Kind.PING),
                at=gateway.now,
                retry_for=timedelta(days=2),
                bundle=gateway.live(iso).bundle.digest,
            )


async def _until_delivered(gateway: GatewayFixture) -> None:
    courier = Courier(gateway.node)
    while gateway.node.partners.problems.now() == [] and _waiting(gateway):
        await courier.look()
        await courier.idle()
    assert not _waiting(gateway)
    await courier.stop()


def _waiting(gateway: GatewayFixture) -> list[str]:
    with gateway.database.reading() as connection:
        return outbox.waiting(connection, gateway.now)


# ---------------------------------------------------------------- the dead and the others


def _urgent(home: Path, rounds: int) -> Row:
    """An enterprise enters rectification: seconds until a partner's receipt for the urgent notice, the 99th percentile over
    all partners but the ten that are dead in ten ways, and all rounds."""
    with ExitStack() as stack:
        gateway = stack.enter_context(GatewayFixture(home, ISOS))
        for iso in ISOS:
            gateway.change(iso, **open_to_us(gateway.terms(iso)))
        ill = stack.enter_context(dead(gateway.boxes[ISOS[0]], _ping(gateway, ISOS[0])))
        assert len(ill.ways) == DEAD
        gateway.node.lines = Lines(ill.names)
        for iso, url in zip(ISOS, ill.ways.values(), strict=False):
            gateway.bind(iso, endpoint=url)
        for iso, url in stack.enter_context(receivers(home, ISOS[DEAD:])).items():
            gateway.bind(iso, endpoint=url)
        took = gateway.run(asyncio.wait_for(_told(gateway, ISOS[DEAD:], rounds), 300))
    p99 = statistics.quantiles(took, n=100)[98]
    return row(f"lines.urgent notice, {DEAD} partners of {len(ISOS)} dead: p99", p99, "s", None, None, "< 1", p99 < 1)


def _ping(gateway: GatewayFixture, iso: str) -> bytes:
    ours, environment = gateway.settings.administration, gateway.node.environment
    header = Header(id=new_id(), kind=Kind.PING, sender=ours, receiver=iso, environment=environment, created=gateway.now)
    return HTTPS.sign(gateway.node, header, payloads.write_empty(Kind.PING)).body


async def _told(gateway: GatewayFixture, healthy: Sequence[str], rounds: int) -> list[float]:
    """Seconds from before the change at home until a partner's receipt was noted."""
    courier, background, poll = Courier(gateway.node), Background(), gateway.settings.poll
    background.start([Task(name="courier", step=courier.look, every=poll, late=poll, end=courier.stop)])
    took: list[float] = []
    try:
        for number in range(rounds + 1):
            before = _arrived(gateway)
            left, began = set(healthy), time.perf_counter()
            if number == 0:  # the complete list comes first
                await asyncio.to_thread(gateway.feed, *range(1, rounds + 1))
            else:
                await asyncio.to_thread(gateway.feed, number, **RECTIFYING)
            while left:
                await asyncio.sleep(0.01)
                now = _arrived(gateway)
                come = {iso for iso in left if now[iso] > before[iso]}
                took += [time.perf_counter() - began] * len(come) if number else []
                left -= come
            gateway.later(seconds=16)  # whoever is dead is tried again
    finally:
        await background.stop()
    return took


def _arrived(gateway: GatewayFixture) -> Counter[str]:
    """How many messages each partner has acknowledged."""
    with gateway.database.reading() as connection:
        return Counter(connection.execute(select(sent.c.partner).where(sent.c.state == "delivered")).scalars())
