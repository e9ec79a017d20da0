"""Whether a list or an update would change too much at once, so that a person should look first (exchange/RULES.md, Held for a person).

Counted are operators, by partner and day at home, across lists, updates and notices, as far as no person looked: those whom a list no longer names,
and those who are granted what they do not have. That is a standing, or a level that the arrangement recognises, or a certificate that has
not run out: a list that raises everybody to the recognised level grants to everybody. Renewals of what stands, and losses that are stated,
neither count nor wait. Whatever the threshold, a list waits that names nobody while somebody stands, or omits too large a share of those who
stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from gateway.core import history
from gateway.core.arrangement import Arrangement
from gateway.core.history import Authorisation
from gateway.core.home import HOME_ZONE
from gateway.core.model import Picture, PlacedStatement
from gateway.store import statements
from gateway.store.listings import APPLIED, UPDATE
from gateway.store.tables import applied_change, listing

#: Percent of those who stand in a list's scope that it may omit, where no setting says another; fewer operators than these are no share.
SHARE, FEW = 20, 3


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
    of_partner = (listing.c.partner == arrangement.iso) & (listing.c.scope != UPDATE)
    scopes = set(connection.execute(select(listing.c.scope).where(of_partner, listing.c.state.in_(APPLIED)).distinct()).scalars())

    def covered(tin: str) -> bool:
        return "*" in scopes or any(covers(scope, arrangement, tin) for scope in scopes)

    first = "*" not in scopes and (not scopes if picture.scope == "*" else picture.scope not in scopes)
    recognised = _recognised(arrangement, received)
    stood, lent = _had(_standing(connection, arrangement, picture.scope, picture.as_of), recognised, picture.as_of)
    return Before(stood, lent, recognised, covered, first)


def granted_by(connection: Connection, arrangement: Arrangement, placed: Sequence[PlacedStatement], received: datetime) -> set[str]:
    """Operators to whom an update grants what they do not have when it comes."""
    tins = {one.statement.tin for one in placed if one.statement.standing.grants}
    recognised = _recognised(arrangement, received)
    had = _had(_that_grant(statements.timelines(connection, tins), received), recognised, received)
    return Before(*had, recognised, lambda _: True, first=False).newly_granted(placed)


def _had(
    standing: Iterable[tuple[str, Authorisation]], recognised: Callable[[str | None], bool], moment: datetime
) -> tuple[set[str], set[str]]:
    """Who stood, and who of them had something of it."""
    stood: set[str] = set()
    lent: set[str] = set()
    for tin, one in standing:
        stood.add(tin)
        if recognised(one.level) and not _run_out(one, moment):
            lent.add(tin)
    return stood, lent


def standing(connection: Connection, arrangement: Arrangement, scope: str, moment: datetime) -> set[str]:
    """The operators in a list's scope whose standing granted at a moment."""
    return {tin for tin, _ in _standing(connection, arrangement, scope, moment)}


def _standing(
    connection: Connection, arrangement: Arrangement, scope: str, moment: datetime
) -> Iterator[tuple[str, Authorisation]]:
    theirs = statements.timelines_of(connection, arrangement.iso)
    return _that_grant(((tin, packed) for tin, packed in theirs if covers(scope, arrangement, tin)), moment)


def _that_grant(timelines: Iterable[tuple[str, bytes]], moment: datetime) -> Iterator[tuple[str, Authorisation]]:
    """Every authorisation whose standing grants at a moment."""
    seconds = int(moment.timestamp())
    for tin, packed in timelines:
        for one in history.unpack(packed).authorisations:
            stand = one.standing_at(seconds, seconds)
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


def too_large_a_share(arrangement: Arrangement, omitting: int, standing: int, received: datetime) -> bool:
    """Whether a list would delist a larger share of those who stand in its scope than may go without a person; so few are no share."""
    percent = arrangement.omission_share.on(received.astimezone(HOME_ZONE).date()).value
    return omitting >= FEW and omitting * 100 > (SHARE if percent is None else percent) * standing


def passed(connection: Connection, arrangement: Arrangement, granting: int, omitting: int, received: datetime) -> bool:
    """Whether with this the partner would have changed more than its threshold on this day."""
    if not granting and not omitting:
        return False
    most = arrangement.threshold.on(received.astimezone(HOME_ZONE).date()).value
    if most is None:
        return True
    here = (applied_change.c.partner == arrangement.iso) & (applied_change.c.day == _day(received))
    earlier = connection.execute(select(applied_change.c.granting, applied_change.c.omitting).where(here)).first() or (0, 0)
    return any(more and more + before > most for more, before in zip((granting, omitting), earlier, strict=True))


def count(connection: Connection, iso: str, granting: int, omitting: int, received: datetime) -> None:
    """Counts what was applied without a person."""
    if granting or omitting:
        insert_for = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        put = insert_for(applied_change).values(partner=iso, day=_day(received), granting=granting, omitting=omitting)
        more = {name: applied_change.c[name] + put.excluded[name] for name in ("granting", "omitting")}
        connection.execute(put.on_conflict_do_update(index_elements=[applied_change.c.partner, applied_change.c.day], set_=more))


def _day(moment: datetime) -> int:
    return moment.astimezone(HOME_ZONE).date().toordinal()
