"""Persons who are signed in to the console. A session ends by itself when nobody used it for a while, and after half a day in any case.

Its cookie is 256 random bits of which only a hash is kept; it is new at every sign-in, so whoever planted one has nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from gateway.core.access import Actor, Way
from gateway.core.errors import Code, Refusal
from gateway.core.text import visible
from gateway.store import journal, principals, secret
from gateway.store.tables import principal, session

#: Without use for so long, and after so long, a session is over (choice: a console left alone, and a day's work).
IDLE, LONGEST = timedelta(minutes=30), timedelta(hours=12)
#: That it was used is noted no more often.
NOTED = timedelta(minutes=1)
_AGENT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session. ``id`` is the hash of its cookie, which gives nobody the cookie; ``method`` is how somebody signed in."""

    id: str
    principal: str
    method: str
    created: datetime
    seen: datetime
    expires: datetime
    address: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A person at the console, as it may act now."""

    actor: Actor
    session: Session
    language: str | None


def start(connection: Connection, identity: str, method: str, *, at: datetime, address: str, agent: str, failed: int = 0) -> str:
    """A new session of a person, as the secret of its cookie; ``failed`` attempts went before. Raises ``Refusal`` UNAUTHENTICATED for a
    person that is disabled."""
    who = principals.person(connection, identity, Way.CONSOLE, at, address)
    cookie = secret.new()
    connection.execute(
        insert(session).values(
            hash=secret.digest(cookie),
            principal=identity,
            method=method,
            created=at,
            seen=at,
            expires=at + LONGEST,
            address=address,
            agent=visible(agent)[:_AGENT],
        )
    )
    said: dict[str, object] = {"signed_in": method, "by": who.noted} | ({"failed_before": failed} if failed else {})
    journal.append(connection, "sign-in", identity, said, at=at)
    return cookie


def holder(connection: Connection, cookie: str, at: datetime, address: str) -> SignedIn:
    """Whose session this is. Raises ``Refusal`` UNAUTHENTICATED where it is nobody's, or over."""
    mine = session.c.hash == secret.digest(cookie)
    row = connection.execute(select(session).where(mine, *_open(at))).first()
    if row is None:
        raise over()
    who = principals.person(connection, row.principal, Way.CONSOLE, at, address)
    language = connection.execute(select(principal.c.language).where(principal.c.id == row.principal)).scalar_one()
    return SignedIn(actor=who, session=_read(row), language=language)


def over() -> Refusal:
    """The session is not there any more."""
    return Refusal(
        Code.UNAUTHENTICATED,
        "Nobody is signed in here any more.",
        remedy="Sign in again.",
        facts={"page": "session-over"},
    )


def used(connection: Connection, one: Session, at: datetime) -> None:
    """Notes that a session is in use."""
    connection.execute(update(session).where(session.c.hash == one.id, session.c.seen < at).values(seen=at))


def listed(connection: Connection, identity: str, at: datetime) -> list[Session]:
    """A person's sessions that are open now, the newest first."""
    query = select(session).where(session.c.principal == identity, *_open(at)).order_by(session.c.created.desc(), session.c.hash)
    return [_read(row) for row in connection.execute(query)]


def end(connection: Connection, identity: str, which: str, *, at: datetime, by: Actor) -> None:
    """Ends one session of a person, by its id, at once and on every node. Raises ``Refusal`` NOT_FOUND."""
    if not _end(connection, identity, at, by, session.c.hash == which):
        raise Refusal(
            Code.NOT_FOUND, "This session is over already.", remedy="Look at those that are open.", facts={"page": "no-session"}
        )


def end_all(connection: Connection, identity: str, *, at: datetime, by: Actor, but: str = "", reason: str = "") -> int:
    """Ends all of a person's sessions ``but`` one, and says how many."""
    return _end(connection, identity, at, by, session.c.hash != but, reason)


def _end(connection: Connection, identity: str, at: datetime, by: Actor, which: ColumnElement[bool], reason: str = "") -> int:
    done = connection.execute(update(session).where(session.c.principal == identity, which, *_open(at)).values(ended=at))
    if done.rowcount:
        said: dict[str, object] = {"sessions_ended": done.rowcount, "by": by.noted} | ({"reason": reason} if reason else {})
        journal.append(connection, "sign-in", identity, said, at=at)
    return done.rowcount


def _open(at: datetime) -> tuple[ColumnElement[bool], ...]:
    return session.c.ended.is_(None), session.c.expires > at, session.c.seen > at - IDLE


def _read(row: Row[Any]) -> Session:
    names = ("principal", "method", "created", "seen", "expires", "address", "agent")
    return Session(id=row.hash, **{name: getattr(row, name) for name in names})
