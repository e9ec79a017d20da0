"""What falls due by the calendar: complete lists to partners, and news that a date brings by itself."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from gateway.core.arrangement import HOME_ZONE
from gateway.core.model import Kind
from gateway.exchange import sealer, tell
from gateway.exchange.node import Node
from gateway.store import enterprises, leases, outbox

log = logging.getLogger(__name__)

#: How often the calendar is looked at.
EVERY = timedelta(seconds=30)


async def run(node: Node) -> None:
    """Looks at the calendar until cancelled."""
    while True:
        try:
            await asyncio.wrap_future(node.writer.submit(partial(look, node=node)))
        except Exception:
            log.exception("the calendar could not be kept and will be looked at again")
        await asyncio.sleep(EVERY.total_seconds())


def look(connection: Connection, node: Node) -> None:
    """Queues what is due: once a day in China what the day itself makes news, and each partner's complete list on its schedule."""
    now = node.clock()
    if not leases.hold(connection, "keeper", sealer.HOLDER, now=now, until=now + node.settings.lease):
        return
    if leases.first(connection, "day", now.astimezone(HOME_ZONE).date().isoformat(), now):
        states = {uscc: tell.unpack(packed) for uscc, packed in enterprises.every(connection)}
        tell.tell(connection, node, states, now)
    for live in node.partners.all().values():
        if tell.connected(live) and _list_due(connection, node, live.arrangement.iso, now):
            tell.full_list(connection, node, live, now)


def _list_due(connection: Connection, node: Node, iso: str, now: datetime) -> bool:
    every = node.partners.get(iso).arrangement.list_every.on(now.astimezone(HOME_ZONE).date()).value
    if every is None:
        return False
    last = outbox.last_queued(connection, iso, Kind.LIST)
    return last is None or now - last >= every
