"""One order for everything: a leased sealer numbers committed entries, grows the tree and signs checkpoints.

A serial column polled by its maximum loses rows when three writers commit out of order; numbers given after commit cannot.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from sqlalchemy import Connection

from gateway.core.protocol import Checkpoint
from gateway.node.node import Node
from gateway.settings import Settings
from gateway.store import journal, leases
from gateway.store.journal import Sealed
from gateway.store.leases import HOLDER


def held_for(settings: Settings) -> timedelta:
    """How long the sealer's lease lasts: another node, or the next process, must have taken over before answers are not current."""
    return settings.current_within / 2


async def step(node: Node) -> bool:
    """Seals a page, while this process holds the lease; whether there is more. The lease says when it last did, should more wait for it
    than a follower looks at."""
    return await node.write(partial(seal, node=node)) == journal.PAGE


def seal(connection: Connection, node: Node, holder: str = HOLDER) -> int:
    """Numbers what was committed and signs a checkpoint when there is anything new; returns how many entries were numbered."""
    shared = node.database_clock(connection)
    if not leases.hold(connection, "sealer", holder, now=shared, until=shared + held_for(node.settings)):
        return 0
    leaves = journal.number(connection)
    if not leaves:
        return 0
    tree, now = journal.frontier(connection).extend(leaves), node.clock()
    signer, fingerprint, _ = node.signing.now()
    root = tree.root.hex()
    text = journal.note(node.settings.administration, tree.size, root, now)
    sealed = Sealed(tree.size, root, now, text, signer.sign(text), fingerprint, signer.algorithm)
    journal.add_checkpoint(connection, tree, sealed)
    node.fault_point("sealing")
    return len(leaves)


def checkpoint_of(sealed: Sealed | None) -> Checkpoint | None:
    return None if sealed is None else Checkpoint(sealed.size, sealed.root, sealed.sealed)
