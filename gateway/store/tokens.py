"""Who may call, and for what: bearer tokens with scopes.

A token is 256 random bits, so nobody can guess it and SHA-256 of it is a sound thing to keep: a slow password hash protects secrets that
can be guessed, and would here only let a stranger spend our time. The token itself is shown once, when it is made, and never kept.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from gateway.core.access import Actor, PrincipalKind, Scope, StaffRole, Way, scopes_of
from gateway.core.errors import Code, Refusal
from gateway.store import journal, principals
from gateway.store.database import Database, Writer
from gateway.store.tables import principal, token

#: Begins every token, so that tools which look for leaked secrets can tell one.
PREFIX = "aeo_"
#: A revoked or expired token is refused by every node within this time.
STALE = timedelta(seconds=1)
_RENEW = STALE / 2
#: Last use is noted no more often than this.
NOTED = timedelta(minutes=1)
_USED = update(token).where(token.c.id == bindparam("i")).values(last_used=bindparam("at"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller(Actor):
    """A token's holder. ``id`` is the token's; ``expires`` is aware and no longer belongs to its life."""

    id: str
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A token as an administrator sees it: everything but the token. ``holder`` is the name of the ``principal`` it is of; a person's has no scopes of its
    own: it may do what that person may."""

    id: str
    name: str
    principal: str
    holder: str
    kind: PrincipalKind
    scopes: tuple[Scope, ...]
    created: datetime
    expires: datetime
    last_used: datetime | None
    revoked: datetime | None


def create(
    connection: Connection, name: str, scopes: Iterable[Scope], *, at: datetime, expires: datetime, by: Actor
) -> tuple[str, str]:
    """A new token of the system of this name: its id, and the secret that is shown this once. Whoever makes it may keep it, and so is never
    the second person after that system. Raises ``Refusal`` DATA_INVALID."""
    carried = sorted(set(scopes))
    if not name.strip() or not carried or expires <= at:
        raise Refusal(Code.DATA_INVALID, "A token needs a name, at least one scope and an end in the future.")
    holder = principals.system(connection, name, by=by, at=at)
    principals.tie_to(connection, holder.id, (by,), "token", at)
    return _issue(connection, holder.id, name, carried, at=at, expires=expires, by=by)


def personal(connection: Connection, holder: str, name: str, *, at: datetime, expires: datetime, by: Actor) -> tuple[str, str]:
    """A new token of a person, for a terminal of its own, say; ``name`` tells its tokens apart. Raises ``Refusal``: NOT_FOUND,
    DATA_INVALID for a system, or one that is disabled."""
    one = principals.find(connection, holder)
    if one.kind is not PrincipalKind.PERSON or one.disabled or expires <= at:
        raise Refusal(Code.DATA_INVALID, "A personal token is of a person who is known here, and ends in the future.")
    return _issue(connection, one.id, name, [], at=at, expires=expires, by=by)


def _issue(
    connection: Connection, holder: str, name: str, scopes: list[Scope], *, at: datetime, expires: datetime, by: Actor
) -> tuple[str, str]:
    identity, secret = secrets.token_hex(8), PREFIX + secrets.token_urlsafe(32)
    values = {"id": identity, "principal": holder, "name": name, "hash": _hash(secret), "scopes": " ".join(scopes)}
    connection.execute(insert(token).values(values | {"created": at, "expires": expires}))
    said: dict[str, object] = {"created": name, "principal": holder, "scopes": scopes, "expires": expires, "by": by.noted}
    journal.append(connection, "token", identity, said, at=at)
    return identity, secret


def holder(connection: Connection, secret: str, way: Way, at: datetime) -> Caller:
    """Whose token this is, for whoever has the database at hand. Raises ``Refusal`` UNAUTHENTICATED."""
    found = _callers(connection, way, at, token.c.hash == _hash(secret)).get(_hash(secret))
    if found is None or found.expires <= at:
        raise Refusal(Code.UNAUTHENTICATED)
    return found


def revoke(connection: Connection, identity: str, *, at: datetime, by: Actor) -> None:
    """Ends a token on every node within ``STALE``. Raises ``Refusal`` NOT_FOUND for one that does not exist or is revoked already."""
    done = connection.execute(update(token).where(token.c.id == identity, token.c.revoked.is_(None)).values(revoked=at))
    if done.rowcount == 0:
        raise Refusal(Code.NOT_FOUND, "No token that could be revoked has this id.", field="id", value=identity)
    journal.append(connection, "token", identity, {"revoked": True, "by": by.noted}, at=at)


def issued(connection: Connection, of: str | None = None) -> list[Issued]:
    """Every token ever made, the newest first; only those ``of`` one principal, where that is named by its id."""
    columns = select(token, principal.c.name.label("holder"), principal.c.kind).join(principal, principal.c.id == token.c.principal)
    if of is not None:
        columns = columns.where(token.c.principal == of)
    rows = connection.execute(columns.order_by(token.c.created.desc(), token.c.id))
    return [
        Issued(
            id=row.id,
            name=row.name,
            principal=row.principal,
            holder=row.holder,
            kind=PrincipalKind(row.kind),
            scopes=tuple(map(Scope, row.scopes.split())),
            created=row.created,
            expires=row.expires,
            last_used=row.last_used,
            revoked=row.revoked,
        )
        for row in rows
    ]


class Callers:
    """Tells who presents a token, from memory that is never older than ``STALE``.

    At half that age the table is read again, in a thread, while memory still answers; who comes after the whole of it waits for that
    reading. While the table cannot be read nobody is let in.
    """

    def __init__(self, database: Database, writer: Writer, clock: Callable[[], datetime]) -> None:
        self._database, self._writer, self._clock = database, writer, clock
        self._known: Mapping[str, Caller] = {}
        self._read = datetime.min.replace(tzinfo=UTC)
        self._reading: asyncio.Task[None] | None = None
        self._used: dict[str, datetime] = {}
        self._noted: dict[str, datetime] = {}

    async def check(self, presented: str, scope: Scope) -> Caller:
        """The caller. Raises ``Refusal``: UNAUTHENTICATED without a token that is in force, FORBIDDEN where it lacks ``scope``, BUSY
        while nobody can be known."""
        now = self._clock()
        age = abs(now - self._read)
        if age > _RENEW:
            reading = self._renew(now)
            if age > STALE:
                await asyncio.shield(reading)
        caller = self._known.get(_hash(presented))
        if caller is None or caller.expires <= now:
            raise Refusal(Code.UNAUTHENTICATED)
        if scope not in caller.scopes:
            raise Refusal(Code.FORBIDDEN, f"This needs the scope {scope}.", facts={"token": caller.id})
        self._used[caller.id] = now
        return caller

    def _renew(self, now: datetime) -> asyncio.Task[None]:
        """The reading that is under way, or a new one."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_again(now))
            # A failure that nobody waited for is no news: memory answers until it is too old, and then somebody does.
            self._reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        return self._reading

    async def _read_again(self, now: datetime) -> None:
        try:
            self._known = await asyncio.to_thread(self._load)
        except SQLAlchemyError as error:
            raise Refusal(Code.BUSY, "Who may ask cannot be told now.", facts={"database": str(error)}) from error
        self._read = now
        self._note(now)

    def _load(self) -> dict[str, Caller]:
        with self._database.reading() as connection:
            return _callers(connection, Way.TOKEN, self._clock())

    def _note(self, now: datetime) -> None:
        """Leaves the latest uses to the writer; nobody waits for them."""
        due = {
            identity: at
            for identity, at in self._used.items()
            if now - self._noted.get(identity, datetime.min.replace(tzinfo=UTC)) >= NOTED
        }
        if due:
            self._noted |= dict.fromkeys(due, now)
            self._writer.submit(
                lambda connection: connection.execute(_USED, [{"i": identity, "at": at} for identity, at in due.items()])
            )
        self._used.clear()


def _callers(connection: Connection, way: Way, at: datetime, *which: ColumnElement[bool]) -> dict[str, Caller]:
    """Every token that is good but for its end, by its hash."""
    columns = select(token, principal.c.name.label("holder"), principal.c.kind, principal.c.roles)
    good = token.c.revoked.is_(None), principal.c.disabled.is_(None)
    instead = principals.stood_in(connection, at)
    found = {}
    for row in connection.execute(columns.join(principal, principal.c.id == token.c.principal).where(*good, *which)):
        person = row.kind == PrincipalKind.PERSON
        own = scopes_of(map(StaffRole, row.roles.split())) if person else frozenset(map(Scope, row.scopes.split()))
        found[row.hash] = Caller(
            principal=row.principal,
            name=row.holder,
            kind=PrincipalKind(row.kind),
            scopes=own | instead.get(row.principal, frozenset()),
            way=way,
            id=row.id,
            expires=row.expires,
        )
    return found


def _hash(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
