"""Every node follows the one order of the journal: what was committed anywhere is seen here within a poll of being sealed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy import Connection, select

from gateway.clearance.index import Index
from gateway.exchange import keys, sealer
from gateway.exchange.node import Node
from gateway.store import journal, leases
from gateway.store.statements import chunks
from gateway.store.tables import operator
from gateway.trust.certificates import ROLES, Pin, Trust

log = logging.getLogger(__name__)


class Follower:
    """Keeps a node's memory (index, partners, trust, checkpoint) as the database has it. ``also`` refreshes whatever else a node keeps."""

    def __init__(self, node: Node, index: Index, also: Callable[[Connection], None]) -> None:
        self._node, self._index, self._also = node, index, also

    def load(self) -> None:
        """Everything from the start. The position is read before the rows: what is newer is applied again and harms nothing."""
        with self._node.database.reading() as connection:
            sealed = journal.latest(connection)
            position = sealed.size if sealed else 0
            self._refresh(connection)
            rows = ((row.tin, row.timeline) for row in connection.execute(select(operator.c.tin, operator.c.timeline)))
            self._index.load(rows, position)
            self._heartbeat(connection)
            self._node.checkpoint = sealer.checkpoint_of(sealed)

    async def run(self) -> None:
        """Follows until cancelled. While the database cannot be read the node grows old and stops answering: that is meant."""
        while True:
            await asyncio.sleep(self._node.settings.poll.total_seconds())
            try:
                await asyncio.to_thread(self.step)
            except Exception:
                log.exception("the follower failed and will try again")

    def step(self) -> None:
        """Applies what was sealed since the last step."""
        with self._node.database.reading() as connection:
            fresh = journal.since(connection, self._index.position)
            if fresh:
                for batch in chunks([identity for _, identity, _, _ in fresh], 500):
                    rows = connection.execute(select(operator.c.tin, operator.c.timeline).where(operator.c.entry.in_(batch)))
                    self._index.apply((row.tin, row.timeline) for row in rows)
                if any(kind != "message" for _, _, kind, _ in fresh):
                    self._refresh(connection)
                else:
                    self._also(connection)
                self._index.apply((), fresh[-1][0] + 1)
                self._node.checkpoint = sealer.checkpoint_of(journal.latest(connection))
            if len(fresh) < journal.PAGE:
                self._heartbeat(connection)

    def _heartbeat(self, connection: Connection) -> None:
        ends = leases.ends(connection, "sealer")
        if ends is not None:
            self._index.heard(ends - self._node.settings.lease)

    def _refresh(self, connection: Connection) -> None:
        node = self._node
        node.partners.refresh(connection)
        announced = keys.pins(connection)
        for iso, live in node.partners.all().items():
            certificates = [(role, keys.der_of(pem)) for role, pem in live.bundle.certificates]
            pins = [Pin.of(role, der) for name, der in certificates for role in ROLES if name == role]
            pins += [
                Pin.of(role, der, since=since)
                for partner, name, der, since in announced
                for role in ROLES
                if (partner, name) == (iso, role)
            ]
            trust = Trust(tuple(pins), tuple(der for name, der in certificates if name == "authority"))
            if node.trust.trust_of(iso) != trust:
                node.trust.put(iso, trust)
        self._also(connection)
