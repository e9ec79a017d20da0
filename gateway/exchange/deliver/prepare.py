"""The head of a partner's queue, made ready to be sent or collected: leased, numbered, signed, durably kept."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial

import msgspec
from sqlalchemy import Connection

from gateway.core.model import Header
from gateway.exchange.bindings.base import Signed
from gateway.exchange.bindings.table import binding_of
from gateway.exchange.deliver.resend import reissue
from gateway.node.node import Node
from gateway.store import journal, outbox
from gateway.store.active import ActivePartner
from gateway.store.outbox import Leased
from gateway.store.sent import Ended


async def prepare(node: Node, live: ActivePartner, *, again: bool = False) -> Leased | None:
    """Leases the head of a queue with its signed bytes; None where nothing is to be sent now. ``again``: see ``outbox.lease``.

    Signing stands between two transactions: a slow key must not hold up every other partner. The first try's bytes are kept before
    they are sent; whoever lost the lease in between sends nothing.
    """
    taken = await take(node, live, again=again)
    return taken and await make_ready(node, live, *taken)


async def take(node: Node, live: ActivePartner, *, again: bool = False) -> tuple[Leased, Header] | None:
    """Leases the head of a queue and numbers it."""
    taken = await node.write(partial(_take, node=node, live=live, again=again))
    node.fault_point("leased")
    return taken


async def make_ready(node: Node, live: ActivePartner, leased: Leased, header: Header) -> Leased | None:
    """The same with its signed bytes; None where somebody else has the lease by now."""
    if leased.body is not None:
        return leased
    signed = await asyncio.to_thread(binding_of(live).sign, node, header, leased.payload)
    if not await node.write(partial(_keep, leased=leased, signed=signed, at=node.clock())):
        return None
    node.fault_point("signed")
    return msgspec.structs.replace(leased, header=header, body=signed.body, digest=signed.digest, good_until=signed.good_until)


def _take(connection: Connection, node: Node, live: ActivePartner, again: bool) -> tuple[Leased, Header] | None:
    iso, now = live.arrangement.iso, node.database_clock(connection)
    for message_id in outbox.expire(connection, iso, now):
        journal.append(connection, "expired", message_id, {}, at=node.clock(), partner=iso)
    leased = outbox.lease(connection, iso, now=now, until=now + node.settings.lease, again=again)
    if leased is None:
        return None
    if leased.good_until is not None and leased.good_until <= now:
        over = Ended(leased.id, leased.header.id, leased.header.kind, "sending", leased.created, leased.good_until)
        reissue(connection, node, live, [over], node.clock())
        return None
    return leased, outbox.number(connection, leased)


def _keep(connection: Connection, leased: Leased, signed: Signed, at: datetime) -> bool:
    if not outbox.signed(connection, leased, signed.body, signed.digest, signed.good_until):
        return False
    said: dict[str, object] = {"message": leased.header.kind.value, "digest": signed.digest}
    journal.append(connection, "sent", leased.header.id, said, at=at, partner=leased.partner)
    return True
