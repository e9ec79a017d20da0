"""Attempts to sign in: too many that fail have the next one wait, longer each time, per account and per address; nobody is shut out for good.

An attempt counts as failed from before it is judged until it is known not to have: a hundred at once are a hundred. Only what can be
guessed is counted, so passkeys and the administration's own provider let somebody in whose password others try.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import Connection, delete, func, select

from gateway.core.errors import Code, Refusal
from gateway.store.tables import attempt
from gateway.store.upsert import insert_for

#: The longest pause, and after how long without another attempt those that failed are forgotten (choice).
LONGEST, FORGOTTEN = timedelta(minutes=15), timedelta(days=1)
#: Rows at most: a stranger can make up as many names as he likes, and then the oldest go.
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Subject:
    """What is slowed down, and how many failures it has free: many people may come from one address (choice)."""

    key: str
    free: int

    def pause(self, failures: int) -> timedelta:
        """How long after its last attempt another may be made: from the first failure that is not free on a second, then twice as long
        each time."""
        beyond = failures - self.free
        return timedelta() if beyond < 0 else min(timedelta(seconds=2 ** min(beyond, 30)), LONGEST)


def account(named: str) -> Subject:
    """Somebody's account: by its principal, or by a name that is nobody's, of which only a digest is kept."""
    return Subject(f"account:{sha256(named.casefold().strip().encode('utf-8', 'surrogatepass')).hexdigest()}", 5)


def second_factor(identity: str) -> Subject:
    """The second factor of a person whose password is proven: apart, or whoever tries passwords would shut out who knows it."""
    return Subject(f"code:{identity}", 5)


def address(remote: str) -> Subject:
    """Where a request came from: of IPv6 the network that one subscriber has."""
    try:
        read = ip_address(remote)
    except ValueError:
        return Subject(f"address:{remote[:64]}", 20)
    return Subject(f"address:{ip_network((read, 64), strict=False) if isinstance(read, IPv6Address) else read}", 20)


def begin(connection: Connection, subjects: Iterable[Subject], at: datetime) -> None:
    """Counts an attempt, as failed. Raises ``Refusal`` TOO_MANY_REQUESTS, and counts nothing, where one of ``subjects`` has to wait."""
    those = list(subjects)
    known = {row.subject: row for row in connection.execute(select(attempt).where(attempt.c.subject.in_([s.key for s in those])))}
    counts: dict[str, int] = {}
    for one in those:
        row = known.get(one.key)
        failures = row.failures if row is not None and row.last > at - FORGOTTEN else 0
        wait = row.last + one.pause(failures) - at if row is not None and failures else timedelta()
        if wait > timedelta():
            raise paused(wait)
        counts[one.key] = failures + 1
    for key, failures in counts.items():
        put = insert_for(connection, attempt).values(subject=key, failures=failures, last=at)
        connection.execute(put.on_conflict_do_update(index_elements=[attempt.c.subject], set_={"failures": failures, "last": at}))
    _bound(connection, at)


def forgive(connection: Connection, subjects: Iterable[Subject]) -> None:
    """One attempt of each did not fail."""
    keys = [one.key for one in subjects]
    some = attempt.c.subject.in_(keys), attempt.c.failures > 0
    connection.execute(attempt.update().where(*some).values(failures=attempt.c.failures - 1))


def clear(connection: Connection, subject: Subject) -> int:
    """Forgets what failed, and says how many."""
    row = connection.execute(delete(attempt).where(attempt.c.subject == subject.key).returning(attempt.c.failures)).first()
    return int(row.failures) if row is not None else 0


def failures(connection: Connection, subject: Subject) -> int:
    """How many failed of late."""
    return int(connection.execute(select(attempt.c.failures).where(attempt.c.subject == subject.key)).scalar() or 0)


def paused(wait: timedelta) -> Refusal:
    """Who must wait is told for how long."""
    seconds = math.ceil(wait.total_seconds())
    return Refusal(
        Code.TOO_MANY_REQUESTS,
        f"Too many attempts failed; the next one can be made in {seconds} s.",
        remedy="Wait that long. Who has forgotten a password asks an administrator for a new link.",
        facts={"retry_after": str(seconds), "page": "paused", "seconds": str(seconds)},
    )


def _bound(connection: Connection, at: datetime) -> None:
    if connection.execute(select(func.count()).select_from(attempt)).scalar_one() > MOST:
        connection.execute(delete(attempt).where(attempt.c.last <= at - FORGOTTEN))
        oldest = select(attempt.c.subject).order_by(attempt.c.last.desc()).offset(MOST // 2)
        connection.execute(delete(attempt).where(attempt.c.subject.in_(oldest)))
