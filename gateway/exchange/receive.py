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
is a signed receipt or a signed refusal. A fault of ours is an error without a verdict, and the sender may try again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256

from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.model import Header, Kind
from gateway.exchange.judge import Judged, Transport, claim, prove, translate
from gateway.exchange.node import Node, new_id
from gateway.exchange.record import record
from gateway.store import journal, messages
from gateway.wire import envelope, signature
from gateway.wire.envelope import Receipt

#: Below this size a message is judged where it stands: handing it to a thread costs more than judging it.
SMALL = 64 * 1024

#: How many bytes of unproven messages are kept at the most.
QUARANTINE = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. ``refusal`` is None for a receipt; ``signed`` is None where no partner could be named to sign for."""

    status: int
    signed: bytes | None
    refusal: Refusal | None = None


async def receive(node: Node, body: bytes, transport: Transport) -> Answer:
    """Takes one message through all the steps."""
    received = node.clock()
    kept = await asyncio.wrap_future(
        node.writer.submit(partial(messages.keep, body=body, remote=transport.remote, received=received))
    )  # 0
    return await take(node, body, transport, kept, received)


async def take(node: Node, body: bytes, transport: Transport, kept: int, received: datetime) -> Answer:
    """Everything after the bytes are kept; an interrupted intake comes here again at the next start."""
    progress = _Progress()
    try:
        if len(body) <= SMALL:
            judged, receipt = _judge(node, body, transport, received, progress)
        else:
            judged, receipt = await asyncio.to_thread(_judge, node, body, transport, received, progress)
        recorded = await asyncio.wrap_future(
            node.writer.submit(
                partial(record, node=node, judged=judged, kept=kept, body=body, receipt=receipt, received=received)
            )  # 7
        )
    except Refusal as refusal:
        return await _refuse(node, refusal, body, kept, received, progress)
    node.changed(recorded.timelines)  # 8
    return Answer(200, recorded.answer)


@dataclass(slots=True)
class _Progress:
    """How far judging came: who is claimed to speak, and the header once it is proven."""

    claimed: str | None = None
    proven: Header | None = None


def _judge(node: Node, body: bytes, transport: Transport, received: datetime, progress: _Progress) -> tuple[Judged, bytes]:
    claimed = claim(node, body, transport)  # 1, 2
    progress.claimed = claimed.live.arrangement.iso
    proven = prove(node, claimed, received)  # 3
    progress.proven = proven.header
    judged = translate(proven, received)  # 4, 5, 6
    # Signed before the write lock is taken: a slow key must not hold up every other partner.
    receipt = envelope.write_receipt(Receipt(proven.header.id, proven.envelope.digest, received, node.checkpoint))
    return judged, reply(node, Kind.RECEIPT, receipt, to=proven.header.sender, refers_to=proven.header.id, at=received)


def reply(node: Node, kind: Kind, payload: str, *, to: str, refers_to: str | None, at: datetime) -> bytes:
    """A signed message of ours that answers on the spot."""
    header = Header(
        id=new_id(),
        kind=kind,
        sender=node.settings.administration,
        receiver=to,
        environment=node.environment,
        created=at,
        refers_to=refers_to,
    )
    return signature.sign(envelope.write(header, payload), node.signer)


async def _refuse(node: Node, refusal: Refusal, body: bytes, kept: int, received: datetime, progress: _Progress) -> Answer:
    signed = None
    if progress.claimed is not None:
        payload = envelope.write_refusal(refusal, sha256(body).hexdigest(), received)
        about = progress.proven.id if progress.proven else None
        signed = reply(node, Kind.REFUSAL, payload, to=progress.claimed, refers_to=about, at=received)
    proven = progress.proven is not None
    outcome = "conflict" if refusal.code is Code.ID_CONFLICT else "refused" if proven else "quarantined"

    def close(connection: Connection) -> None:
        messages.close(connection, kept, outcome, partner=progress.claimed, answer=signed, refusal=refusal)
        if proven:
            journal.append(
                connection,
                "refusal",
                f"intake-{kept}",
                {"code": str(refusal.code), "digest": sha256(body).hexdigest()},
                at=received,
                partner=progress.claimed,
            )
        else:
            messages.crowd_out(connection, QUARANTINE)

    await asyncio.wrap_future(node.writer.submit(close))
    return Answer(refusal.code.row.status, signed, refusal)


async def resume(node: Node) -> int:
    """Judges again what was kept but not finished when the process ended; returns how many."""
    with node.database.reading() as connection:
        left = messages.pending(connection)
    for kept, received, remote, body in left:
        await take(node, body, Transport(remote), kept, received)
    return len(left)
