"""What goes wrong with one partner, kept apart from everybody else.

Whatever is done for all partners is done for each of them alone, inside ``Problems.apart``: a fault in one partner's data, key, list or
answer is that partner's state, and nobody else's. The state is in this process's memory (for its metrics), and in a table (``save``), so
that the terminal and every node can show it. It ends when the same thing works again, wherever that is.

Not kept apart: what the database itself fails by, for it concerns everybody, and a transaction that it took back is nobody's alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from gateway.core.errors import Refusal
from gateway.core.text import visible
from gateway.store.database import Database
from gateway.store.tables import partner_problem

log = logging.getLogger(__name__)

#: After a failure the same is not tried again for so long, and for twice as long after each further one, up to the second.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)
#: What a database says of one statement, about what that holds: the transaction goes on without it.
OF_ONE_STATEMENT = (DataError, IntegrityError)

_Key = tuple[str, str]


class PartnerProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What (``what``) has not worked with a partner since when, when it last failed, and by what."""

    partner: str
    what: str
    since: datetime
    last: datetime
    problem: str


@dataclass(slots=True)
class Part:
    """One partner's part of what is done for all. ``fault`` is what it failed by, once it did."""

    fault: Exception | None = None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Problems:
    """What is wrong with which partner, as this process sees it. For any thread: readers see what is replaced and never changed."""

    def __init__(self, clock: Callable[[], datetime] = _utc_now) -> None:
        self._clock = clock
        self._failing: dict[_Key, tuple[PartnerProblem, int]] = {}
        self._worked: dict[_Key, datetime] = {}
        self._changing = Lock()

    @contextmanager
    def apart(self, partner: str, what: str, connection: Connection | None = None, *, own: bool = False) -> Iterator[Part]:
        """Does for one partner what is done for all. With a ``connection``, a failure leaves nothing of it in the transaction, which goes
        on; ``own``: the partner has transactions of its own in there, and each is over. Raises only what is no single partner's: what the
        database, or the memory, fails by."""
        part = Part()
        savepoint = connection.begin_nested() if connection is not None else None
        try:
            yield part
        except Exception as error:
            if isinstance(error, MemoryError) or (
                isinstance(error, DBAPIError) and not _alone(error, own or savepoint is not None)
            ):
                raise
            if savepoint is not None:
                savepoint.rollback()
            part.fault = error
            self.failed(partner, what, error)
        else:
            if savepoint is not None:
                savepoint.commit()
            self.worked(partner, what)

    def failed(self, partner: str, what: str, error: Exception) -> None:
        key, now, problem = (partner, what), self._clock(), _sentence(error)
        with self._changing:
            before = self._failing.get(key)
            times, since = (before[1] + 1, before[0].since) if before else (1, now)
            said = PartnerProblem(partner=partner, what=what, since=since, last=now, problem=problem)
            self._failing = {**self._failing, key: (said, times)}
        if before is None or before[0].problem != problem:
            log.error("%s of %s failed, and nobody else's: %s", what, partner, problem, exc_info=error)
        elif times & (times - 1) == 0:
            log.error("%s of %s failed %d times by the same: %s", what, partner, times, problem)

    def worked(self, partner: str, what: str) -> None:
        key = (partner, what)
        with self._changing:
            self._worked[key] = self._clock()
            failed = key in self._failing
            if failed:
                self._failing = {other: said for other, said in self._failing.items() if other != key}
        if failed:
            log.info("%s of %s works again", what, partner)

    def rests(self, partner: str, what: str) -> bool:
        """Whether it is too early to try again what failed: whatever fails for long must not take everybody's time for long."""
        said = self._failing.get((partner, what))
        if said is None:
            return False
        pause: timedelta = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(said[1] - 1, 20))
        return said[0].last <= self._clock() < said[0].last + pause

    def now(self) -> list[PartnerProblem]:
        """What does not work now, as this process sees it."""
        return [said for _, (said, _) in sorted(self._failing.items())]

    def merged(self, stored: Iterable[PartnerProblem]) -> list[PartnerProblem]:
        """This process's and those that others have noted, of each the one that began first."""
        found = {(one.partner, one.what): one for one in self.now()}
        for one in stored:
            mine = found.get((one.partner, one.what))
            worked = self._worked.get((one.partner, one.what))
            if mine is None and (worked is None or worked < one.last):
                found[one.partner, one.what] = one
            elif mine is not None and one.since < mine.since:
                found[one.partner, one.what] = msgspec.structs.replace(mine, since=one.since)
        return [one for _, one in sorted(found.items())]

    def unsaved(self, stored: Iterable[PartnerProblem]) -> bool:
        """Whether what is kept differs from what this process sees."""
        kept = {(one.partner, one.what): one for one in stored}
        fresh = any(key not in kept or kept[key].problem != said.problem for key, (said, _) in self._failing.items())
        return fresh or any(key not in self._failing and self._ended(one) for key, one in kept.items())

    def save(self, connection: Connection) -> None:
        """Notes what fails, and takes away what worked since it was noted to fail."""
        for one in recorded(connection):
            if (one.partner, one.what) not in self._failing and self._ended(one):
                connection.execute(delete(partner_problem).where(_of(one)))
        for said in self.now():
            changed = connection.execute(update(partner_problem).where(_of(said)).values(last=said.last, problem=said.problem))
            if changed.rowcount == 0:
                connection.execute(insert(partner_problem).values(msgspec.structs.asdict(said)))

    def note(self, database: Database) -> None:
        """``save`` where there is anything to, in a transaction of its own: for commands, and before there is a writer."""
        with database.reading() as connection:
            unsaved = self.unsaved(recorded(connection))
        if unsaved:
            with database.write.begin() as connection:
                self.save(connection)

    def _ended(self, one: PartnerProblem) -> bool:
        worked = self._worked.get((one.partner, one.what))
        return worked is not None and worked >= one.last


def recorded(connection: Connection) -> list[PartnerProblem]:
    """What is noted of all partners, by whichever process."""
    rows = connection.execute(select(partner_problem).order_by(partner_problem.c.partner, partner_problem.c.what))
    return [PartnerProblem(**row._mapping) for row in rows]


def by_partner(found: Iterable[PartnerProblem]) -> dict[str, list[PartnerProblem]]:
    """The same by the partner's code."""
    said: dict[str, list[PartnerProblem]] = {}
    for one in found:
        said.setdefault(one.partner, []).append(one)
    return said


def _of(one: PartnerProblem) -> ColumnElement[bool]:
    return and_(partner_problem.c.partner == one.partner, partner_problem.c.what == one.what)


def _alone(error: DBAPIError, taken_back: bool) -> bool:
    """Whether the database refused one statement for what it holds, and the transaction can go on without it."""
    return taken_back and isinstance(error, OF_ONE_STATEMENT) and not error.connection_invalidated


def _sentence(error: Exception) -> str:
    """Exceptions of this program are sentences; of others the name says most."""
    own = type(error).__module__.startswith("gateway.")
    said = error.detail if isinstance(error, Refusal) else str(error) if own else f"{type(error).__name__}: {error}"
    return visible(said)[:300]
