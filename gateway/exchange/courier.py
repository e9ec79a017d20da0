"""Delivery: every partner's queue is worked on its own, so a slow partner delays no other.

One message in flight per partner. The first try signs the message and keeps the bytes; every further try sends the same bytes
under the same id. A try ends in a receipt that fits (delivered), a refusal (dead, for a person to look at), or later (anything
else, with growing pauses and jitter) until the message expires.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import TypeVar

import msgspec
from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.model import Header, Kind
from gateway.exchange import acknowledge
from gateway.exchange.node import Node
from gateway.net import Guard, Unreachable, post
from gateway.store import beliefs, journal, outbox
from gateway.store.live import Live
from gateway.store.outbox import Leased
from gateway.wire import envelope, signature
from gateway.wire.envelope import Envelope
from gateway.wire.xml import canonical, parse

log = logging.getLogger(__name__)
T = TypeVar("T")

#: The first pause after a failed try, and the longest.
PAUSE, LONGEST = timedelta(seconds=2), timedelta(minutes=15)
#: How long a partner may take to answer.
PATIENCE = timedelta(seconds=20)


class Courier:
    """Works every partner's queue until stopped. ``nudge`` makes it look now instead of at the next poll."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._look = asyncio.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}

    def nudge(self) -> None:
        self._look.set()

    async def run(self) -> None:
        """Runs until cancelled; a fault of ours is logged and tried again at the next poll."""
        try:
            while True:
                try:
                    await self._start_queues()
                except Exception:
                    log.exception("the courier could not look at its queues")
                self._look.clear()
                try:
                    await asyncio.wait_for(self._look.wait(), self._node.settings.poll.total_seconds())
                except TimeoutError:
                    continue
        finally:
            for task in self._busy.values():
                task.cancel()
            await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _start_queues(self) -> None:
        now = self._node.clock()
        for iso in await asyncio.to_thread(self._waiting, now):
            running = self._busy.get(iso)
            live = self._node.partners.all().get(iso)
            if (running is None or running.done()) and live and live.state == "active" and live.arrangement.binding.endpoint:
                self._busy[iso] = asyncio.create_task(self._drain(live), name=f"courier-{iso}")

    def _waiting(self, now: datetime) -> list[str]:
        with self._node.database.reading() as connection:
            return outbox.waiting(connection, now)

    async def _drain(self, live: Live) -> None:
        try:
            while await self._one(live):
                pass
        except Exception:
            log.exception("the courier failed on the queue of %s", live.arrangement.iso)

    async def _one(self, live: Live) -> bool:
        """Takes and tries the head of one queue; False when nothing is due or the partner needs a pause."""
        leased = await prepare(self._node, live.arrangement.iso)
        if leased is None:
            return False
        node, now = self._node, self._node.clock()
        if leased.expires <= now:
            await _write(
                node, partial(outbox.finish, leased=leased, state="expired", at=now, problem="no receipt before it expired")
            )
            return True
        binding = live.arrangement.binding
        try:
            answer = await post(
                binding.endpoint or "",
                leased.body or b"",
                headers={"Content-Type": "application/xml; charset=utf-8"},
                guard=Guard(private_addresses=binding.private_addresses, timeout=PATIENCE, max_bytes=1 << 20),
            )
            said = read_answer(node, live, answer.body)
        except (Unreachable, Refusal) as problem:
            await self._later(leased, str(problem), None)
            return False
        return await self._settle(leased, said, answer.headers.get("retry-after"))

    async def _settle(self, leased: Leased, said: Envelope, retry_after: str | None) -> bool:
        node, now = self._node, self._node.clock()
        if said.header.kind is Kind.RECEIPT:
            try:
                acknowledge.check_receipt(said, leased.header.id, leased.digest)
            except Refusal as wrong:
                await self._later(leased, str(wrong), None)
                return False
            await _write(node, partial(_delivered, leased=leased, at=now))
            return True
        if said.header.kind is Kind.REFUSAL:
            refused = envelope.read_refusal(said)
            problem = f"{refused.code}: {refused.detail} {refused.remedy}"
            if refused.retryable:
                await self._later(leased, problem, retry_after)
                return False
            await _write(node, partial(outbox.finish, leased=leased, state="dead", at=now, problem=problem))
            return True
        await self._later(leased, f"the partner answered with a {said.header.kind}", None)
        return False

    async def _later(self, leased: Leased, problem: str, retry_after: str | None) -> None:
        pause = min(LONGEST, PAUSE * 2 ** min(leased.attempt - 1, 10)) * random.uniform(0.7, 1.3)  # noqa: S311 - jitter, not a secret
        if retry_after and retry_after.isdigit():
            pause = max(pause, min(LONGEST, timedelta(seconds=int(retry_after))))
        log.warning("message %s to %s waits %.0f s: %s", leased.header.id, leased.partner, pause.total_seconds(), problem)
        await _write(self._node, partial(outbox.postpone, leased=leased, due=self._node.clock() + pause, problem=problem[:500]))


def _delivered(connection: Connection, leased: Leased, at: datetime) -> None:
    if outbox.finish(connection, leased, "delivered", at=at):
        beliefs.arrived(connection, leased.id, at)
        journal.append(
            connection,
            "delivered",
            leased.header.id,
            {"digest": leased.digest, "attempt": leased.attempt},
            at=at,
            partner=leased.partner,
        )


async def _write(node: Node, job: Callable[[Connection], T]) -> T:
    return await asyncio.wrap_future(node.writer.submit(job))


async def prepare(node: Node, iso: str) -> Leased | None:
    """Leases the head of a queue, signed and durably kept, ready to be sent or pulled.

    Signing stands between two transactions: a slow key must not hold up every other partner.
    """
    now = node.clock()

    def take(connection: Connection) -> tuple[Leased, Header] | None:
        leased = outbox.lease(connection, iso, now=now, until=now + node.settings.lease)
        return None if leased is None else (leased, outbox.number(connection, leased))

    taken = await _write(node, take)
    if taken is None or taken[0].body is not None:
        return taken and taken[0]
    leased, header = taken
    body, digest = await asyncio.to_thread(_sign, node, header, leased.payload)
    await _write(node, partial(outbox.signed, leased=leased, body=body, digest=digest))
    return msgspec.structs.replace(leased, header=header, body=body, digest=digest)


def _sign(node: Node, header: Header, payload: str) -> tuple[bytes, str]:
    unsigned = envelope.write(header, payload)
    return signature.sign(unsigned, node.signer), sha256(canonical(parse(unsigned))).hexdigest()


def read_answer(node: Node, live: Live, body: bytes) -> Envelope:
    """The partner's answer, proven like any message of its own. Raises ``Refusal``."""
    arrangement = live.arrangement
    policy = signature.Policy(frozenset(arrangement.binding.algorithms), arrangement.binding.min_rsa_bits)
    verified = signature.verify(parse(body), node.trust.keys_for(arrangement.iso, "signing", node.clock()), policy)
    said = envelope.read(verified)
    if (said.header.sender, said.header.receiver) != (arrangement.iso, node.settings.administration):
        raise Refusal(Code.IDENTITY_MISMATCH, "The answer is not from this partner to us.")
    return said
