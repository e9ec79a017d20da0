"""Every node follows the one order of the journal: what was committed anywhere is seen here within a poll, numbered or not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, select

from gateway.clearance.index import Index
from gateway.core.protocol import Checkpoint
from gateway.exchange.certificates import partner
from gateway.journal import sealer
from gateway.node.node import Node
from gateway.store import journal, leases
from gateway.store.active import ActivePartner
from gateway.store.bulk import chunks
from gateway.store.tables import operator

NEVER = float("-inf")

#: Kinds of entries that change what a node knows of its partners.
_ABOUT_PARTNERS = ("partner", "certificate")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look at the journal brought: (code, timeline, its journal entry), and the position up to which that is all. ``whole``: what
    was committed before this moment (of this process's steady clock) is among it, or was seen before."""

    rows: list[tuple[str, bytes, int]]
    position: int | None
    checkpoint: Checkpoint | None
    whole: float
    more: bool


class Follower:
    """Keeps a node's memory (index, partners, trust, checkpoint, lists and switches) as the database has it. ``on_news`` is called, on the
    event loop, when that has come to reflect more of the journal."""

    def __init__(self, node: Node, index: Index, on_news: Callable[[], object] = lambda: None) -> None:
        self._node, self._index, self._on_news = node, index, on_news
        node.committed.on_timelines = index.apply
        self._whole = NEVER

    def load(self) -> None:
        """Everything from the start. The position is read before the rows: what is newer is applied again and harms nothing."""
        began = time.monotonic()
        with self._node.database.reading() as connection:
            sealed = journal.latest(connection)
            position = sealed.size if sealed else 0
            self._refresh(connection)
            rows = ((row.tin, row.timeline) for row in connection.execute(select(operator.c.tin, operator.c.timeline)))
            self._index.load(rows, position)
            self._hear(began)
            self._node.checkpoint = sealer.checkpoint_of(sealed)
        self._node.committed.reread()

    async def step(self) -> bool:
        """Applies what was sealed since the last step, a page at a time; whether there is more. While the database cannot be read the
        node grows old and stops answering: that is meant.

        It reads on a thread and applies on the event loop, where ``receive`` applies what this node itself commits: an operator
        that ``receive`` has told the index of meanwhile is ahead of what was read here, and is not taken back.
        """
        seen = await asyncio.to_thread(self._look)
        self._node.committed.followed(seen.rows)
        if seen.position is not None:
            self._index.apply((), seen.position)
            self._node.checkpoint = seen.checkpoint
        if not seen.more:
            self._hear(seen.whole)
        if seen.position is not None:
            self._on_news()
        return seen.more

    def _look(self) -> _Seen:
        """What was numbered since, and what waits for its number: a large list may hold SQLite's one lock, and keep the sealer from its
        work, for longer than answers may be old."""
        now = time.monotonic()
        with self._node.database.reading() as connection:
            waiting = journal.waiting(connection)
            whole = now if len(waiting) < journal.PAGE else self._numbered(connection, now)
            fresh = journal.since(connection, self._index.position)
            rows: list[tuple[str, bytes, int]] = []
            for batch in chunks([identity for identity, _ in waiting] + [identity for _, identity, _, _ in fresh], 500):
                found = select(operator.c.tin, operator.c.timeline, operator.c.entry).where(operator.c.entry.in_(batch))
                rows += [(row.tin, row.timeline, row.entry) for row in connection.execute(found)]
            kinds = {kind for _, kind in waiting} | {kind for _, _, kind, _ in fresh}
            if kinds.intersection(_ABOUT_PARTNERS):
                self._refresh(connection)
            position = fresh[-1][0] + 1 if fresh else None
            checkpoint = sealer.checkpoint_of(journal.latest(connection)) if fresh else None
        if kinds:
            self._node.committed.reread()
        return _Seen(rows, position, checkpoint, whole, len(fresh) == journal.PAGE)

    def _numbered(self, connection: Connection, now: float) -> float:
        """The latest moment of which it is known that all that was committed by then had its position: when the sealer's heart beat, by
        the clock that all nodes share, for two machines' own clocks may differ."""
        ends = leases.ends(connection, "sealer")
        if ends is None:
            return self._whole
        beat = self._node.database_clock(connection) - (ends - sealer.held_for(self._node.settings))
        return max(self._whole, now - beat.total_seconds())

    def _hear(self, whole: float) -> None:
        """Everything from before ``whole`` is applied."""
        self._whole = whole
        if whole != NEVER:
            self._index.heard(self._node.clock() - timedelta(seconds=time.monotonic() - whole))

    def _refresh(self, connection: Connection) -> None:
        node = self._node

        def pin(partners: Mapping[str, ActivePartner]) -> None:
            for iso, trust in partner.trusts(connection, partners, node.settings.clock_skew, node.partners.problems).items():
                if node.trust.trust_of(iso) != trust:
                    node.trust.put(iso, trust)

        node.partners.refresh(connection, pin)
