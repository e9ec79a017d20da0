"""What ends by itself, watched: our certificates, partners' pins and authorities, revocation lists, and announcements not acknowledged.

Each thing is worth one line of the log at 60, 30, 14, 7 and 1 days and when it has ended, whichever node comes first to say it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

import msgspec
from sqlalchemy import Connection

from gateway.exchange.certificates import announce, partner
from gateway.node.context import Context
from gateway.node.node import Node
from gateway.settings import Settings
from gateway.store import leases
from gateway.trust import endings
from gateway.trust.endings import Alert, Ending
from gateway.trust.keys import KeyRing
from gateway.trust.refresh import Folder
from gateway.trust.revocation import RevocationEvidence

log = logging.getLogger(__name__)

#: How often is looked.
EVERY = timedelta(hours=1)


def evidence_store(settings: Settings) -> Folder:
    """Where what is known of revocations outlives the process."""
    return Folder(settings.home / "revocation")


def watched(connection: Connection, node: Context, facts: Iterable[RevocationEvidence], at: datetime) -> Iterator[Ending]:
    """Everything that ends. What a partner's fail by is that partner's problem."""
    problems = node.partners.problems
    ring = KeyRing(node.settings.keys)
    yield from endings.of_keys(key for name in announce.names(node) for key in ring.all(name))
    yield from announce.unheard(connection, node, announce.coming(node, at))
    for iso, trust in partner.trusts(connection, node.partners.all(), node.settings.clock_skew, problems).items():
        ends: list[Ending] = []
        with problems.apart(iso, "expiry"):
            ends += endings.of_partner(iso, trust)
        yield from ends
    yield from endings.of_facts(facts)


class EndingShown(msgspec.Struct, frozen=True, kw_only=True):
    """What ends soon, or has ended: ``kind`` is our-key, certificate, authority or revocation; ``owner`` a partner's code or the name of a key of
    ours. ``succeeded``: another one for the same use lasts longer, so nothing stops."""

    kind: str
    owner: str
    name: str
    ends: datetime
    days_left: float
    succeeded: bool


def shown(alert: Alert) -> EndingShown:
    """For a person or a program."""
    one, left = alert.ending, round(alert.left / timedelta(days=1), 2)
    return EndingShown(kind=one.kind, owner=one.owner, name=one.name, ends=one.ends, days_left=left, succeeded=one.succeeded)


def now(node: Node) -> tuple[Alert, ...]:
    """What ends within 60 days, the soonest first. For a thread."""
    at, facts = node.clock(), node.revocation.facts() if node.revocation else ()
    with node.database.reading() as connection:
        return endings.alerts(watched(connection, node, facts, at), at)


async def warn(node: Node) -> None:
    """Looks, and says in the log what nobody has said yet."""
    alerts = await asyncio.to_thread(now, node)
    for alert in await node.write(partial(not_warned_yet, alerts=alerts, at=node.clock())):
        log.warning("%s", sentence(alert))


def not_warned_yet(connection: Connection, alerts: Iterable[Alert], at: datetime) -> list[Alert]:
    """Those that nobody has said at this threshold, and that matter: what is succeeded by another ends without harm."""
    return [alert for alert in alerts if not alert.ending.succeeded and leases.first(connection, *_mark(alert), at)]


def _mark(alert: Alert) -> tuple[str, str]:
    one = alert.ending
    what = sha256(f"{one.kind} {one.owner} {one.name}".encode()).hexdigest()
    return f"warned-{what[:32]}", f"{one.ends.isoformat()} {alert.days}"


def sentence(alert: Alert) -> str:
    """One line for a person."""
    one, days = alert.ending, abs(int(alert.left / timedelta(days=1)))
    when = f"ends in {days} days" if alert.left > timedelta() else f"ended {days} days ago"
    return f"{one.kind} {one.owner} {one.name} {when}, at {one.ends:%Y-%m-%d %H:%M} UTC"
