"""Large messages are judged and recorded whole by a process of their own: a list of 25,000 operators takes a core for seconds, and
neither the answers nor the small messages of this node may wait for it.

The process is spawned, never forked: a fork would share the key's session, the database's connections and every lock. It opens
database and key for itself, reads the message where it was kept, and ends with its parent.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context, parent_process

from gateway.core.errors import Refusal
from gateway.core.protocol import Checkpoint
from gateway.exchange.receive.steps import Outcome, check, finish
from gateway.node.node import Node
from gateway.node.signing import Signing
from gateway.settings import Settings
from gateway.store import messages
from gateway.store.active import ActivePartners
from gateway.store.database import Database, Writer
from gateway.store.messages import Kept
from gateway.trust.certificates import TrustStore
from gateway.trust.keys import KeyRing

#: By how much the process steps back for the node where they have to share a core (choice): a list can wait, a suspension cannot.
STEPS_BACK = 5


class Large:
    """One process. Where it dies (for want of memory, say) the message it held has no verdict and is kept, and the next one gets a new
    process. ``log`` sets up its log."""

    def __init__(self, settings: Settings, log: Callable[[], None] | None = None) -> None:
        self._settings, self._log = settings, log
        self._pool: ProcessPoolExecutor | None = None

    def warm(self) -> ProcessPoolExecutor:
        """Has the process start, if it has not: a node that receives anything at all will have use for it, and it takes seconds."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, mp_context=get_context("spawn"), initializer=_open, initargs=(self._settings, self._log)
            )
            self._pool.submit(os.getpid)  # a pool starts its process with its first task
        return self._pool

    async def work(self, node: Node, kept: Kept) -> Outcome:
        """Steps 1 to 7 for one message. Raises what broke, which is then no verdict."""
        loop = asyncio.get_running_loop()
        pool = self.warm()
        try:
            return await loop.run_in_executor(pool, _work, kept.id, node.trust, node.checkpoint)
        except BrokenProcessPool:
            if self._pool is pool:
                self._pool = None
            raise

    def close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)


_node: Node


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _open(settings: Settings, log: Callable[[], None] | None) -> None:
    """In the process: a node of its own."""
    global _node
    os.nice(STEPS_BACK)
    if log is not None:
        log()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    passphrase = settings.key_passphrase.get_secret_value()
    signing = Signing(KeyRing(settings.keys), settings.key, passphrase, _utc_now, production=settings.mode == "production")
    database = Database(settings.database_url)
    _node = Node(settings, database, Writer(database), ActivePartners(), TrustStore({}), signing, _utc_now)
    with database.reading() as connection:
        _node.partners.refresh(connection)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(kept_id: int, trust: TrustStore, checkpoint: Checkpoint | None) -> Outcome:
    """In the process. What is trusted, and how far the journal is, come with the message, as its node knows them."""
    node = _node
    node.trust, node.checkpoint = trust, checkpoint
    with node.database.reading() as connection:
        node.partners.refresh(connection)
        kept = messages.kept(connection, kept_id)
    outcome = Outcome()
    try:
        message, receipt = check(node, kept, outcome)
        outcome.ended = node.writer.do(partial(finish, node=node, message=message, kept=kept, receipt=receipt))
    except Refusal as refusal:
        outcome.ended = refusal
    return outcome
