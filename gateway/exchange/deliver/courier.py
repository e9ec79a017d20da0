"""Delivery: every partner's queue is worked on its own, so a slow partner delays no other.

One message in flight per partner. The first try signs the message and keeps the bytes; every further try sends the same bytes
under the same id. A try ends in a receipt that fits (delivered), a refusal of these bytes (dead, for a person to look at), or later:
anything else, with growing pauses and jitter, until the message expires. A line on which nothing works rests as a whole. A try that
fails by a fault of ours is such a try, too: it keeps its problem and its growing pause.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from gateway.core.errors import Refusal
from gateway.core.moments import http_date
from gateway.core.protocol import Receipt, RefusalNotice
from gateway.core.text import visible
from gateway.exchange.bindings.table import binding_of
from gateway.exchange.bindings.unproven import Unproven
from gateway.exchange.deliver import acknowledge
from gateway.exchange.deliver.prepare import make_ready, take
from gateway.net import Unreachable
from gateway.node.node import Node
from gateway.store import circuits, journal, outbox
from gateway.store.active import ActivePartner
from gateway.store.outbox import Leased
from gateway.store.problems import OF_ONE_STATEMENT

log = logging.getLogger(__name__)

#: The first pause after a failed try, and the longest.
PAUSE, LONGEST = timedelta(seconds=2), timedelta(minutes=15)
#: How long at least what waits that a person must see to: asking again does not mend it (choice).
FOR_A_PERSON = timedelta(minutes=5)
#: How long a partner may take to answer; never longer than four fifths of what is left of the lease.
PATIENCE = timedelta(seconds=20)


class Courier:
    """Works every partner's queue, each by a task of its own."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._busy: dict[str, asyncio.Task[None]] = {}

    async def look(self) -> None:
        """Starts a task on every queue that has something due and is not being worked."""
        self._node.lines.end_old()
        for iso in await asyncio.to_thread(self._waiting):
            running = self._busy.get(iso)
            live = self._node.partners.all().get(iso)
            if (running is None or running.done()) and live and live.state == "active" and live.arrangement.binding.endpoint:
                self._busy[iso] = asyncio.create_task(self._drain(live), name=f"courier-{iso}")

    async def stop(self) -> None:
        """Ends the tries under way; what they were about falls due again when their leases end."""
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)
        self._node.lines.close()

    async def idle(self) -> None:
        """Waits until the queues begun are worked as far as they can be now."""
        await asyncio.gather(*self._busy.values())

    def _waiting(self) -> list[str]:
        with self._node.database.reading() as connection:
            return outbox.waiting(connection, self._node.database_clock(connection))

    async def _drain(self, live: ActivePartner) -> None:
        try:
            while await deliver(self._node, live):
                pass
        except Exception as fault:  # noqa: BLE001 - it is told as that partner's problem, and nobody else's
            self._node.partners.problems.failed(live.bundle.iso, "delivery", fault)


async def deliver(node: Node, live: ActivePartner) -> bool:
    """Takes and tries the head of one queue; False when nothing is due or the try failed."""
    began = time.monotonic()
    taken = await take(node, live)
    if taken is None:
        node.partners.problems.worked(live.bundle.iso, "delivery")
        return False
    leased: Leased = taken[0]
    retry_after: str | None = None
    try:
        ready = await make_ready(node, live, *taken)
        if ready is None:
            return False
        leased, binding = ready, binding_of(live)
        # Whatever the partner does, the try is over before anybody else may begin one.
        left = node.settings.lease - timedelta(seconds=time.monotonic() - began)
        answer = await binding.send(node, live, leased.body or b"", min(PATIENCE, left * 0.8))
        node.fault_point("answered")
        retry_after = answer.headers.get("retry-after")
        said = binding.read_answer(node, live, answer)
        settled = await _settle(node, leased, said, answer.body, retry_after)
        if settled:
            _log(leased, said, time.monotonic() - began)
    except Unproven as problem:
        if problem.for_a_person:  # seen as this partner's problem from the first one on; nothing to be waited for will mend it
            node.partners.problems.failed(leased.partner, "delivery", problem)
        await _later(
            node, leased, problem.to(leased.body or b""), retry_after, FOR_A_PERSON if problem.for_a_person else timedelta()
        )
        return False
    except (Unreachable, Refusal) as problem:
        await _later(node, leased, str(problem), retry_after)
        settled = False
    except Exception as fault:
        if isinstance(fault, DBAPIError) and not isinstance(fault, OF_ONE_STATEMENT):
            raise  # nothing could be noted of the try either; it falls due again when its lease ends
        # It waits all the same, longer each time: else it would be tried again whenever the lease ends, and nobody would see why.
        node.partners.problems.failed(leased.partner, "delivery", fault)
        await _later(node, leased, f"a fault of this gateway: {type(fault).__name__}: {fault}", retry_after)
        return False
    node.partners.problems.worked(leased.partner, "delivery")
    return settled


async def _settle(node: Node, leased: Leased, said: Receipt | RefusalNotice, answer: bytes, retry_after: str | None) -> bool:
    """What a proven answer means. Raises ``Refusal`` where it is not about the bytes that were sent."""
    if isinstance(said, Receipt):
        digest = acknowledge.check_receipt(said, leased.header.id, leased.digest)
        await node.write(partial(_delivered, node=node, leased=leased, digest=digest, answer=answer))
    else:
        problem = acknowledge.sentence(acknowledge.check_refusal(said, leased.body or b""))
        if not acknowledge.ends(said, leased.header.kind):
            await _later(node, leased, problem, retry_after)
            return False
        await node.write(partial(_refused, leased=leased, said=said, answer=answer, problem=problem, at=node.clock()))
    node.fault_point("finished")
    return True


def _log(leased: Leased, said: Receipt | RefusalNotice, seconds: float) -> None:
    """One line for each message that is done with; of one that waits ``_later`` says why, and for how long."""
    code = visible(said.code)[:100] if isinstance(said, RefusalNotice) else None
    refused = isinstance(said, RefusalNotice) and not acknowledge.closes(said, leased.header.kind)
    outcome = {"outcome": "refused" if refused else "delivered", "code": code, "ms": round(seconds * 1000, 1)}
    log.info("sent", extra=_known(leased) | outcome)


def _known(leased: Leased) -> dict[str, object]:
    header = leased.header
    return {"partner": leased.partner, "id": header.id, "kind": header.kind.value, "attempt": leased.attempt}


def _delivered(connection: Connection, node: Node, leased: Leased, digest: str, answer: bytes) -> None:
    circuits.close(connection, leased.partner)
    acknowledge.delivered(connection, leased.id, leased.partner, leased.header.id, digest=digest, answer=answer, at=node.clock())
    node.fault_point("settling")


def _refused(connection: Connection, leased: Leased, said: RefusalNotice, answer: bytes, problem: str, at: datetime) -> None:
    circuits.close(connection, leased.partner)
    answered = acknowledge.closes(said, leased.header.kind)
    if not outbox.finish(connection, leased, "delivered" if answered else "dead", at=at, answer=answer, problem=problem):
        return
    if answered:
        acknowledge.cannot_be_said(connection, leased.partner, leased.header.id, None, at)
    else:
        journal.append(connection, "refused", leased.header.id, {"problem": problem}, at=at, partner=leased.partner)


async def _later(node: Node, leased: Leased, problem: str, retry_after: str | None, least: timedelta = timedelta()) -> None:
    problem = visible(problem)
    pause = max(pause_after(leased.attempt), least, asked_for(retry_after, node.clock()))
    known = _known(leased) | {"outcome": "waits"}
    log.warning("message %s to %s waits %.0f s: %s", leased.header.id, leased.partner, pause.total_seconds(), problem, extra=known)

    def put_back(connection: Connection) -> None:
        now = node.database_clock(connection)
        if outbox.postpone(connection, leased, now + pause, problem[:500]):
            circuits.trip(connection, leased.partner, now=now, problem=problem[:500])

    await node.write(put_back)
    node.fault_point("put back")


def pause_after(attempt: int) -> timedelta:
    """How long to wait after so many tries: doubling, with jitter, so that partners that fell together do not rise together."""
    doubled: timedelta = PAUSE * 2 ** min(attempt - 1, 10)
    return min(LONGEST, doubled) * random.uniform(0.7, 1.3)  # noqa: S311 - jitter, not a secret


def asked_for(retry_after: str | None, now: datetime) -> timedelta:
    """What a Retry-After asks for (RFC 9110: seconds or a date), at most ``LONGEST``; nothing where it cannot be read."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return min(LONGEST, timedelta(seconds=int(text[:9])))
    moment = http_date(text)
    return max(timedelta(), min(LONGEST, moment - now)) if moment else timedelta()
