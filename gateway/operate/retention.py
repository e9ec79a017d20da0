"""Putting away what is closed and past its rule: found beside everybody's work, and written in small batches between it.

A partner's message is kept past its rule as long as an answer rests on it: while it is behind anything that holds for a day within the
rule, as we know it now or knew it at any moment within the rule. Whatever was answered in that time can be explained with its proof.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

import msgspec
from sqlalchemy import Connection

from gateway.core import history
from gateway.core.access import Actor
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import Decision
from gateway.exchange.certificates import revocation_evidence
from gateway.node.context import Context
from gateway.node.node import Node
from gateway.node.workplace import Tell, Workplace, nobody
from gateway.settings import Settings
from gateway.store import leases, proposals, retention, retention_classes, statements
from gateway.store.active import ActivePartner, folding
from gateway.store.bulk import chunks
from gateway.store.proposals import Matter, Proposal
from gateway.store.retention import DueRow, Rule
from gateway.store.retention_class import RetentionClass

#: How often is looked, and how long after a rule was set it first counts: a slip of the hand can be taken back (choice).
EVERY, GRACE = timedelta(hours=1), timedelta(days=1)
#: The most that goes in one transaction, the pause after it (seconds), and the most that is found at once.
ROWS, BYTES, PAUSE, ROUND = 100, 32 << 20, 0.2, 20_000
#: Operators looked at between two pauses (seconds), so that a node answers while it looks.
LOOK, BREATH = 200, 0.001


class PutAway(msgspec.Struct, frozen=True, kw_only=True):
    """Of one class: rows past its rule, their bytes, and how many went."""

    due: int
    bytes: int
    gone: int


async def put_away(node: Node) -> None:
    """Puts away what is due, on one node at a time."""
    await once(node)


async def once(node: Node) -> int:
    """Looks once; returns how many rows went."""
    at, gone = node.clock(), 0
    for rule in await asyncio.to_thread(_in_force, node, at):
        while await node.write(partial(_hold, node=node)):
            found = await asyncio.to_thread(_found, node, rule, at)
            went = 0
            for batch in batches(found):
                went += await node.write(partial(retention.prune, rule=rule, keys=batch, at=node.clock()))
                await asyncio.sleep(PAUSE)
            gone += went
            if len(found) < ROUND or not went:
                break
    return gone


def decide_rule(
    connection: Connection, settings: Settings, shelf: str, days: int, *, because: str, who: Actor, at: datetime
) -> Proposal | None:
    """How long a class is kept from now on; the proposal, where that takes two people and nobody else asked for the very same yet. Raises
    ``Refusal``: NOT_FOUND, DATA_INVALID."""
    retention.class_of(shelf)
    matter = Matter(Decision.RETENTION, proposals.digest(shelf, days))
    decided = proposals.propose_or_agree(
        connection, matter, two_people=settings.two_people, who=who, reason=f"{shelf}, {days} days: {because}", at=at
    )
    if isinstance(decided, Proposal):
        return decided
    retention.set_rule(connection, shelf, days, because=because, who=who, at=at)
    return None


def run(desk: Workplace, only: str | None, at: datetime, *, dry_run: bool, tell: Tell = nobody) -> dict[str, PutAway]:
    """At a person's word: puts away now, or only counts, what is closed and past its rule, of one class or of all. ``tell`` hears before each how
    many are done, of how many, and its name. Raises ``Refusal`` NOT_FOUND for a class without a rule."""
    with desk.database.reading() as connection:
        rules = retention.rules(connection)
    if only is not None and retention.class_of(only).name not in rules:
        raise Refusal(Code.NOT_FOUND, f"The shelf {only!r} has no rule: it is kept.", remedy="aeo-gateway retention set")
    chosen = [one for one in retention_classes.RETENTION_CLASSES if one.name in rules and only in (None, one.name)]
    said: dict[str, PutAway] = {}
    for number, one in enumerate(chosen):
        tell(number, len(chosen), one.name)
        rule = rules[one.name]
        with desk.database.reading() as connection:
            found = list(find(connection, desk, one, rule.days, at))
        went = 0
        for batch in [] if dry_run else batches(found):
            with desk.database.write.begin() as connection:
                went += retention.prune(connection, rule, batch, at)
        said[one.name] = PutAway(due=len(found), bytes=sum(each.bytes for each in found), gone=went)
    return said


def _in_force(node: Node, at: datetime) -> list[Rule]:
    with node.database.reading() as connection:
        rules = retention.rules(connection)
    return [
        rules[kept.name]
        for kept in retention_classes.RETENTION_CLASSES
        if kept.name in rules and rules[kept.name].since + GRACE <= at
    ]


def _hold(connection: Connection, node: Node) -> bool:
    now = node.database_clock(connection)
    return leases.hold(connection, "retention", leases.HOLDER, now=now, until=now + 2 * EVERY)


def _found(node: Node, rule: Rule, at: datetime) -> list[DueRow]:
    with node.database.reading() as connection:
        return list(islice(find(connection, node, retention.class_of(rule.shelf), rule.days, at), ROUND))


def batches(found: Iterable[DueRow]) -> Iterator[list[int | str]]:
    """Keys for one transaction each."""
    keys: list[int | str] = []
    size = 0
    for one in found:
        if keys and (len(keys) == ROWS or size + one.bytes > BYTES):
            yield keys
            keys, size = [], 0
        keys.append(one.key)
        size += one.bytes
    if keys:
        yield keys


def find(connection: Connection, node: Context, kept: RetentionClass, days: int, at: datetime) -> Iterator[DueRow]:
    """What of a class may go at a moment, if it is kept for so many days."""
    before = at - max(timedelta(days=days), kept.least)
    if kept.asked:
        before = min(before, at - asked_for(node))
    due = retention.due(connection, kept, before)
    if kept.name == "messages":
        return _unused(connection, node, due, before)
    return _unnamed(connection, due, before) if kept.name == "revocation" else due


def asked_for(node: Context) -> timedelta:
    """How long after it was made a message can still be sent again or asked for again, of whatever partner."""
    accepted = (live.arrangement.binding.accept_for for live in node.partners.all().values())
    return max(accepted, default=timedelta()) + node.settings.clock_skew


def _unused(connection: Connection, node: Context, due: Iterable[DueRow], since: datetime) -> Iterator[DueRow]:
    """Those of these messages on which no answer rested since then, and none rests. Of a partner of which that cannot be told, none."""
    resting: dict[str, set[str]] = {}
    unread: set[str] = set()
    for one in due:
        live = node.partners.all().get(one.partner or "")
        if live is None:
            continue
        iso, unused = live.arrangement.iso, False
        if iso in unread:
            continue
        with node.partners.problems.apart(iso, "retention") as part:
            if iso not in resting:
                resting[iso] = _rested_on(connection, iso, int(since.timestamp()))
            unused = one.called not in resting[iso] and not _was_used(connection, live, one.called, since)
        if part.fault is not None:
            unread.add(iso)
        elif unused:
            yield one


def _unnamed(connection: Connection, due: Iterable[DueRow], before: datetime) -> Iterator[DueRow]:
    """Those of these revocation facts that have ended by then and that no message still kept was judged with."""
    ended = [one for one in due if (end := revocation_evidence.ends(connection, str(one.key))) is not None and end < before]
    named = revocation_evidence.named(connection) if ended else set()
    return iter([one for one in ended if one.key not in named])


def _rested_on(connection: Connection, iso: str, since: int) -> set[str]:
    found: set[str] = set()
    for some in chunks(statements.timelines_of(connection, iso), LOOK):
        for _, packed in some:
            found.update(history.unpack(packed).rests_on(since))
        time.sleep(BREATH)
    return found


def _was_used(connection: Connection, live: ActivePartner, message_id: str, since: datetime) -> bool:
    iso, fold, seconds = live.arrangement.iso, folding(live.arrangement), int(since.timestamp())
    for some in chunks(statements.operators_in(connection, iso, message_id), LOOK):
        for tin, told in statements.knowledge_since(connection, iso, some, since):
            if message_id in fold(tin, told).rests_on(seconds):
                return True
        time.sleep(BREATH)
    return False
