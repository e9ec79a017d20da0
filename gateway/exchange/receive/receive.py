"""Story one: a partner's message comes in.

    0  keep the bytes, durably, before judging them
    1  which partner speaks; a proven transport identity must agree
    2  parse under limits
    3  verify the signature with that partner's pinned keys; read the envelope from what was signed
    4  valid against the agreed schema
    5  translated by its annotated sample
    6  about the sender's own operators, in time
    7  one transaction, the partner's row locked first: claim the id, statements, receipt, result, journal
    8  tell the index

A receipt stands only for durable state. What cannot be proven to be a partner's is quarantined under a quota; every other exit
is a signed receipt or a signed refusal. A fault of ours is an error without a verdict, and the sender may try again. An id is
claimed only in step 7, so an interrupted intake is judged again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind
from gateway.exchange.bindings.base import Transport
from gateway.exchange.bindings.table import BINDINGS
from gateway.exchange.deliver import mailbox
from gateway.exchange.receive.steps import Outcome, check, finish
from gateway.node.node import Node
from gateway.store import journal, messages
from gateway.store.messages import Kept

log = logging.getLogger(__name__)

#: Up to this many bytes a message is judged where it stands: handing it on costs more than judging it.
SMALL = 64 * 1024

#: How many bytes, and how many, of unproven messages are kept at the most.
QUARANTINE, STRANGERS = 256 * 2**20, 10_000

#: How often an intake is judged before it is left to a person: judging it fails by a fault of ours.
TRIES = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back. ``refusal`` is None where the message was taken; ``signed`` is None where no partner could be named to sign for.
    ``kind`` is of what was taken."""

    status: int
    signed: bytes | None
    refusal: Refusal | None = None
    kind: Kind | None = None


async def receive(node: Node, body: bytes, transport: Transport) -> Reply:
    """Takes one message through all the steps."""
    if node.large is not None:
        node.large.warm()
    received = node.clock()
    keep = partial(
        messages.keep,
        body=body,
        remote=transport.remote,
        identity=transport.identity,
        binding=transport.binding,
        received=received,
    )
    kept = await node.write(keep)  # 0
    node.fault_point("kept")
    return await process(node, Kept(kept, received, transport.remote, transport.identity, transport.binding, body))


async def process(node: Node, kept: Kept) -> Reply:
    """Everything after the bytes are kept; an interrupted intake comes here again. One line of the log says how it went."""
    began, outcome = time.perf_counter(), Outcome()
    try:
        outcome = await _judged(node, kept)
        return await _ended(node, kept, outcome)
    finally:
        _log(kept, outcome, time.perf_counter() - began)


async def _judged(node: Node, kept: Kept) -> Outcome:
    if len(kept.body) > SMALL and node.large is not None:
        outcome: Outcome = await node.large.work(node, kept)
        return outcome
    return await _here(node, kept)


async def _ended(node: Node, kept: Kept, outcome: Outcome) -> Reply:
    if isinstance(outcome.ended, Refusal):
        return await _refuse(node, outcome.ended, kept, outcome)
    recorded = outcome.ended
    assert recorded is not None, "what is not refused is recorded"
    assert outcome.proven is not None, "what is recorded is proven"
    await node.committed.here(recorded.change)  # 8
    node.fault_point("told")
    given = await mailbox.give(node, recorded.pull, fresh=recorded.fresh) if recorded.pull else None
    node.fault_point("answering")
    return Reply(200, given or recorded.answer, kind=outcome.proven.kind)


async def _here(node: Node, kept: Kept) -> Outcome:
    outcome = Outcome()
    try:
        if len(kept.body) <= SMALL:
            message, receipt = check(node, kept, outcome)
        else:
            message, receipt = await asyncio.to_thread(check, node, kept, outcome)
        node.fault_point("judged")
        outcome.ended = await node.write(partial(finish, node=node, message=message, kept=kept, receipt=receipt))  # 7
        node.fault_point("recorded")
    except Refusal as refusal:
        outcome.ended = refusal
    return outcome


async def _refuse(node: Node, refusal: Refusal, kept: Kept, came: Outcome) -> Reply:
    signed = None
    if came.claimed is not None:
        about = came.proven.id if came.proven else None
        sign = partial(BINDINGS[kept.binding].refusal, node, refusal, kept.body, to=came.claimed, about=about, at=kept.received)
        # The digest of the largest takes as long as a thousand answers.
        signed = sign() if len(kept.body) <= SMALL else await asyncio.to_thread(sign)
    proven, outcome = came.proven is not None, _word(came)

    def close(connection: Connection) -> None:
        if not messages.close(connection, kept.id, outcome, partner=came.claimed, answer=signed, refusal=refusal):
            return
        if not proven:
            messages.crowd_out(connection, QUARANTINE, STRANGERS)
            return
        digest = sha256(kept.body).hexdigest()
        body: dict[str, object] = {"code": str(refusal.code), "digest": digest, "answer": sha256(signed or b"").hexdigest()}
        journal.append(connection, "refusal", f"intake-{kept.id}", body, at=kept.received, partner=came.claimed)

    await node.write(close)
    node.fault_point("answering")
    return Reply(refusal.code.row.status, signed, refusal)


def _word(came: Outcome) -> str:
    """How an intake ended, as it is kept and logged."""
    if isinstance(came.ended, Refusal):
        return "conflict" if came.ended.code is Code.ID_CONFLICT else "refused" if came.proven else "quarantined"
    if came.ended is None:
        return "failed"  # by a fault of ours
    return "accepted" if came.ended.fresh else "duplicate"


def _log(kept: Kept, came: Outcome, seconds: float) -> None:
    """What nobody proved is its sender's alone to repeat, and is folded by where it came from and why it was refused."""
    proven, refusal = came.proven, came.ended if isinstance(came.ended, Refusal) else None
    said: dict[str, object] = {
        "partner": came.claimed,
        "id": proven and proven.id,
        "kind": proven and proven.kind.value,
        "outcome": _word(came),
        "code": refusal and str(refusal.code),
        "ms": round(seconds * 1000, 1),
        "intake": kept.id,
        "address": kept.remote,
    }
    if refusal is not None and proven is None:
        said["same"] = (kept.remote, refusal.code)
    log.info("received", extra=said)


async def resume(node: Node) -> int:
    """For the start of a node: judges again what was kept and not finished when a process ended; returns how many it ended."""
    return await judge_again(node, node.clock() + timedelta(days=1))


async def judge_again(node: Node, before: datetime) -> int:
    """Judges what was kept before a moment and is not finished, by whichever node it came in. Judging twice at once harms nothing: the
    id is claimed once. What fails by a fault of ours once more stays for the next time, and holds up nobody."""
    with node.database.reading() as connection:
        left = messages.pending(connection, before)
    done = 0
    for kept in left:
        taken_up = await node.write(partial(messages.take_up, kept=kept, most_tries=TRIES))
        if taken_up is None:
            continue
        try:
            await process(node, taken_up)
            done += 1
        except Exception:
            log.exception("intake %d could not be judged", kept)
    return done
