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

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.store import journal
from gateway.store.database import Database, Writer
from gateway.store.tables import token

#: Begins every token, so that tools which look for leaked secrets can tell one.
PREFIX = "aeo_"
#: A revoked or expired token is refused by every node within this time.
STALE = timedelta(seconds=1)
_RENEW = STALE / 2
#: Last use is noted no more often than this.
NOTED = timedelta(minutes=1)
_USED = update(token).where(token.c.id == bindparam("i")).values(last_used=bindparam("at"))


@dataclass(frozen=True, slots=True)
class Caller:
    """A token's holder. ``name`` is who answers for what is done with it; ``expires`` is aware and no longer belongs to its life."""

    id: str
    name: str
    scopes: frozenset[Scope]
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A token as an administrator sees it: everything but the token."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created: datetime
    expires: datetime
    last_used: datetime | None
    revoked: datetime | None


def create(
    connection: Connection, name: str, scopes: Iterable[Scope], *, at: datetime, expires: datetime, by: str
) -> tuple[str, str]:
    """A new token: its id, and the secret that is shown this once. Raises ``Refusal`` DATA_INVALID."""
    carried = sorted(set(scopes))
    if not name.strip() or not carried or expires <= at:
        raise Refusal(Code.DATA_INVALID, "A token needs a name, at least one scope and an end in the future.")
    identity, secret = secrets.token_hex(8), PREFIX + secrets.token_urlsafe(32)
    connection.execute(
        insert(token).values(id=identity, name=name, hash=_hash(secret), scopes=" ".join(carried), created=at, expires=expires)
    )
    journal.append(connection, "token", identity, {"created": name, "scopes": carried, "expires": expires, "by": by}, at=at)
    return identity, secret


def revoke(connection: Connection, identity: str, *, at: datetime, by: str) -> None:
    """Ends a token on every node within ``STALE``. Raises ``Refusal`` NOT_FOUND for one that does not exist or is revoked already."""
    done = connection.execute(update(token).where(token.c.id == identity, token.c.revoked.is_(None)).values(revoked=at))
    if done.rowcount == 0:
        raise Refusal(Code.NOT_FOUND, "No token that could be revoked has this id.", field="id", value=identity)
    journal.append(connection, "token", identity, {"revoked": True, "by": by}, at=at)


def issued(connection: Connection) -> list[Issued]:
    """Every token ever made, the newest first."""
    rows = connection.execute(select(token).order_by(token.c.created.desc(), token.c.id))
    return [
        Issued(
            id=row.id,
            name=row.name,
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
            rows = connection.execute(select(token).where(token.c.revoked.is_(None)))
            return {row.hash: Caller(row.id, row.name, frozenset(map(Scope, row.scopes.split())), row.expires) for row in rows}

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


def _hash(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
