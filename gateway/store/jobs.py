"""Long work that somebody asked for, as recorded: it waits, is worked on by one node at a time under a lease, and ends with a result.

A node that dies in the middle of it stops prolonging its lease. Another one then begins again where that is safe, and otherwise says that
it was interrupted; what fails again and again is not begun for ever. Leases are of the clock that the nodes share.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, insert, or_, select, update

from gateway.core.access import Actor
from gateway.core.errors import Code, Refusal
from gateway.core.text import visible
from gateway.store.tables import job, numbered

JSON = "application/json"
#: So often is the same work begun: whatever takes a node with it is not to take them all.
MOST_TRIES = 3
#: Characters of a sentence.
_LONGEST = 2_000


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """``state``: waiting, running, done, failed, interrupted. ``done`` of ``of`` and ``sentence`` say how far it has come (``of`` 0: that cannot
    be told), or how it ended. ``media`` is the media type of its result; None: there is none."""

    id: int
    kind: str
    partner: str | None
    who: str
    asked: datetime
    state: str
    done: int
    of: int
    sentence: str
    began: datetime | None
    ended: datetime | None
    media: str | None


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a node is to work on, under its lease: ``tries`` tells its turn from any other's."""

    id: int
    kind: str
    given: dict[str, Any]
    who: str
    tries: int


_COLUMNS = [job.c[name] for name in Job.__struct_fields__]


def ask(
    connection: Connection, kind: str, given: dict[str, Any], *, who: Actor, at: datetime, again: bool, partner: str | None = None
) -> Job:
    """Has work done by whichever node comes first, which finds whoever asked among what is given, as ``by``. ``again``: it may be begun anew where a node died in the middle of it."""
    values = {
        "kind": kind,
        "partner": partner,
        "given": msgspec.json.encode(given | {"by": who.noted}).decode(),
        "again": again,
        "who": who.name,
        "asked": at,
    }
    state = {"state": "waiting", "done": 0, "of": 0, "sentence": "It waits for a node to begin.", "tries": 0}
    return _read(connection.execute(insert(job).values(**values, **state).returning(*_COLUMNS)).one())


def due(connection: Connection, kinds: Collection[str], now: datetime) -> bool:
    """Whether there is anything to take; asked of a reader, for most of the time there is nothing."""
    query = select(job.c.id).where(_free(now), job.c.kind.in_(kinds)).limit(1)
    return connection.execute(query).first() is not None


def take(connection: Connection, kinds: Collection[str], holder: str, *, now: datetime, until: datetime) -> Taken | None:
    """The oldest that waits, or that nobody works on any more; None: there is nothing to do. What is not safe to begin again ends here."""
    query = select(job).where(_free(now), job.c.kind.in_(kinds)).order_by(job.c.id).with_for_update(skip_locked=True)
    for row in connection.execute(query).all():
        if row.state == "running" and (not row.again or row.tries >= MOST_TRIES):
            why = "it may not be begun twice" if not row.again else f"it was begun {row.tries} times"
            _change(
                connection,
                job.c.id == row.id,
                state="interrupted",
                ended=now,
                sentence=f"The node that worked on it stopped; {why}.",
            )
            continue
        values = {"state": "running", "holder": holder, "until": until, "tries": row.tries + 1, "began": now}
        _change(connection, job.c.id == row.id, **values, done=0, of=0, sentence="It has begun.")
        given = msgspec.json.decode(row.given, type=dict[str, Any])
        return Taken(id=row.id, kind=row.kind, given=given, who=row.who, tries=row.tries + 1)
    return None


def progress(connection: Connection, one: Taken, *, until: datetime, done: int, of: int, sentence: str) -> bool:
    """Prolongs the lease and says how far it has come; False where it is no longer this node's."""
    return _change(connection, _mine(one), until=until, done=done, of=of, sentence=_said(sentence))


def finish(connection: Connection, one: Taken, *, at: datetime, sentence: str, body: bytes | None, media: str = JSON) -> bool:
    """It is done. ``body`` is what came of it."""
    kept = {"body": body, "media": None if body is None else media}
    return _change(connection, _mine(one), state="done", done=job.c.of, ended=at, until=None, sentence=_said(sentence), **kept)


def fail(connection: Connection, one: Taken, *, at: datetime, sentence: str) -> bool:
    """It cannot be done."""
    return _change(connection, _mine(one), state="failed", ended=at, until=None, sentence=_said(sentence))


def give_back(connection: Connection, one: Taken, *, now: datetime) -> bool:
    """The node stops: another may take it up at once."""
    return _change(connection, _mine(one), until=now)


def find(connection: Connection, number: int) -> Job:
    """Raises ``Refusal`` NOT_FOUND."""
    row = connection.execute(select(*_COLUMNS).where(numbered(job, number))).first()
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"There is no job {number}.", field="number", value=str(number))
    return _read(row)


def result(connection: Connection, number: int) -> tuple[str, bytes]:
    """The media type and the bytes of what came of it. Raises ``Refusal`` NOT_FOUND where nothing did, yet or any more."""
    row = connection.execute(select(job.c.media, job.c.body, job.c.state).where(numbered(job, number))).first()
    if row is None or row.body is None:
        raise Refusal(Code.NOT_FOUND, f"Job {number} has no result." if row else f"There is no job {number}.", field="number")
    return row.media, bytes(row.body)


def recorded(
    connection: Connection,
    kinds: Collection[str],
    *,
    partner: str | None = None,
    state: str | None = None,
    after: int | None = None,
    most: int = 50,
) -> tuple[list[Job], int | None]:
    """Those of these kinds, the newest first, before number ``after``; and after which number the next ones are, if any."""
    query = select(*_COLUMNS).where(job.c.kind.in_(kinds)).order_by(job.c.id.desc()).limit(most + 1)
    for column, wanted in ((job.c.partner, partner), (job.c.state, state)):
        if wanted is not None:
            query = query.where(column == wanted)
    if after is not None:
        query = query.where(job.c.id < after)
    rows = connection.execute(query).all()
    return [_read(row) for row in rows[:most]], rows[most - 1].id if len(rows) > most else None


def _free(now: datetime) -> ColumnElement[bool]:
    return or_(job.c.state == "waiting", (job.c.state == "running") & (job.c.until < now))


def _mine(one: Taken) -> ColumnElement[bool]:
    return (job.c.id == one.id) & (job.c.state == "running") & (job.c.tries == one.tries)


def _change(connection: Connection, which: ColumnElement[bool], **values: Any) -> bool:
    return connection.execute(update(job).where(which).values(values)).rowcount == 1


def _said(sentence: str) -> str:
    return visible(sentence, "\n")[:_LONGEST]


def _read(row: Row[Any]) -> Job:
    return Job(**row._mapping)
