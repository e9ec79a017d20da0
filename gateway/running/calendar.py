"""What falls due by the calendar: complete lists to partners, news that a date, or a partner's new terms, bring by themselves, and
messages that another node took in and did not live to judge."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from gateway.core.model import Kind
from gateway.exchange.receive import receive
from gateway.exchange.tell import changes, complete
from gateway.node.context import Context, day_of
from gateway.node.node import Node
from gateway.store import enterprises, leases, partners, sent
from gateway.store.active import ActivePartner

#: How often the calendar is looked at.
EVERY = timedelta(seconds=30)


async def keep(node: Node) -> None:
    """Looks at the calendar once, where this process is the one to; one partner a transaction, so that nobody waits for all of them, and
    what fails with one (again and again, after growing pauses) keeps nothing from the others."""
    if await node.write(partial(_hold, node=node)):
        problems = node.partners.problems
        for iso in node.partners.all():
            if not problems.rests(iso, "calendar") and not problems.rests(iso, "telling"):
                with problems.apart(iso, "calendar", own=True):
                    await node.write(partial(look, node=node, iso=iso, at=node.clock()))
        await receive.judge_again(node, node.clock() - node.settings.lease)


def _hold(connection: Connection, node: Node) -> bool:
    now = node.database_clock(connection)
    return leases.hold(connection, "keeper", leases.HOLDER, now=now, until=now + max(node.settings.lease, 2 * EVERY))


def look(connection: Connection, node: Context, iso: str, at: datetime) -> None:
    """Queues what is due to one partner: its complete list on its schedule, and all that is news to it.

    News of every enterprise is looked for once a day in China, and when the partner is connected or its data changes.
    """
    partners.lock(connection, iso)
    live = node.partners.get(iso)
    hears = changes.may_hear(live, at)
    seen = f"{day_of(at)} {live.bundle.digest[:40]}" if hears else "not connected"
    changed = leases.first(connection, changes.told_mark(iso), seen, at)
    if hears and changed:
        states = {uscc: enterprises.unpack(packed) for uscc, packed in enterprises.every(connection)}
        changes.tell(connection, node, states, at, only=iso)
    # A list that waits for a person is tried again by the hour.
    if hears and _list_due(connection, live, at) and leases.first(connection, f"listed-{iso}", f"{at:%Y-%m-%d %H}", at):
        complete.full_list(connection, node, live, at)


def _list_due(connection: Connection, live: ActivePartner, at: datetime) -> bool:
    every = live.arrangement.list_every.on(day_of(at)).value
    if every is None:
        return False
    last = sent.last_queued(connection, live.arrangement.iso, Kind.LIST)
    return last is None or at - last >= every
