"""Whether a complete list would change too much at once, so that a person should look first (SEMANTICS: Lists).

Counted are operators: those it would delist, and those it would grant what they do not have. That is a standing, or a level that the
arrangement recognises, or a certificate that has not run out: a list that raises everybody to the recognised level grants to everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from gateway.core import history
from gateway.core.arrangement import Arrangement
from gateway.core.history import Authorisation
from gateway.core.home import HOME_ZONE
from gateway.core.model import Picture, PlacedStatement
from gateway.store import statements
from gateway.store.listings import APPLIED
from gateway.store.tables import listing


@dataclass(frozen=True, slots=True)
class Before:
    """How things were at the moment a list pictures: who in its scope stood (``standing``), and who of them had something of it
    (``lent``); who was covered by a list, whether nobody was."""

    standing: set[str]
    lent: set[str]
    recognised: Callable[[str | None], bool]
    covered: Callable[[str], bool]
    first: bool

    def newly_granted(self, placed: Iterable[PlacedStatement]) -> set[str]:
        """Operators to whom the list grants what they do not have."""
        grants = [one.statement for one in placed if one.statement.standing.grants]
        lends = {one.tin for one in grants if self.recognised(one.level)}
        return ({one.tin for one in grants} - self.standing) | (lends - self.lent)


def before(connection: Connection, arrangement: Arrangement, picture: Picture, received: datetime) -> Before:
    """What a list of this scope and moment meets; which levels are recognised goes by the day on which it came."""
    query = select(listing.c.scope).where(listing.c.partner == arrangement.iso, listing.c.state.in_(APPLIED)).distinct()
    scopes = set(connection.execute(query).scalars())

    def covered(tin: str) -> bool:
        return "*" in scopes or any(covers(scope, arrangement, tin) for scope in scopes)

    first = "*" not in scopes and (not scopes if picture.scope == "*" else picture.scope not in scopes)
    recognised = _recognised(arrangement, received)
    stood: set[str] = set()
    lent: set[str] = set()
    for tin, one in _standing(connection, arrangement, picture.scope, picture.as_of):
        stood.add(tin)
        if recognised(one.level) and not _run_out(one, picture.as_of):
            lent.add(tin)
    return Before(stood, lent, recognised, covered, first)


def standing(connection: Connection, arrangement: Arrangement, scope: str, moment: datetime) -> set[str]:
    """The operators in a list's scope whose standing granted at a moment."""
    return {tin for tin, _ in _standing(connection, arrangement, scope, moment)}


def _standing(
    connection: Connection, arrangement: Arrangement, scope: str, moment: datetime
) -> Iterator[tuple[str, Authorisation]]:
    seconds = int(moment.timestamp())
    for tin, packed in statements.timelines_of(connection, arrangement.iso):
        if covers(scope, arrangement, tin):
            for one in history.unpack(packed).authorisations:
                stand = one.standing_at(seconds)
                if stand is not None and stand.standing.grants:
                    yield tin, one


def _run_out(one: Authorisation, moment: datetime) -> bool:
    period = one.period_at(int(moment.timestamp()))
    return period is not None and period.until is not None and period.until <= int(moment.timestamp())


def _recognised(arrangement: Arrangement, received: datetime) -> Callable[[str | None], bool]:
    day = received.astimezone(HOME_ZONE).date()
    levels, form = arrangement.levels.on(day).value, arrangement.code.on(day).value
    # Where the code itself carries the level, another level is another operator's code.
    in_code = form is not None and form.level_group is not None
    return lambda level: not isinstance(levels, frozenset) or level in levels or (level is None and in_code)


def covers(scope: str, arrangement: Arrangement, tin: str) -> bool:
    """Whether a list of this scope speaks of the operator: all do that name no member."""
    if scope == "*":
        return True
    member = arrangement.member_of(tin)
    return member is not None and member.iso == scope


def passed(connection: Connection, arrangement: Arrangement, granting: int, omitting: int, received: datetime) -> bool:
    """Whether this partner's lists would change more than its threshold on this day, all its messages counted together."""
    if not granting and not omitting:
        return False
    day = received.astimezone(HOME_ZONE)
    most = arrangement.threshold.on(day.date()).value
    if most is None:
        return True
    start = day.replace(hour=0, minute=0, second=0, microsecond=0)
    today = (listing.c.partner == arrangement.iso) & (listing.c.changed >= start) & (listing.c.changed < start + timedelta(days=1))
    counted = select(func.coalesce(func.sum(listing.c.granting), 0), func.coalesce(func.sum(listing.c.omitting), 0))
    earlier = connection.execute(counted.where(today, listing.c.state.in_(("applied", "held")))).one()
    return granting + int(earlier[0]) > most or omitting + int(earlier[1]) > most
