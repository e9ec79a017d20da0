"""What somebody has begun who is not signed in yet, until it is done: the second half of a sign-in, setting up, a challenge, a way through
another provider. It hangs on a cookie of his browser, and can be ended once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, delete, func, select

from gateway.core.errors import Code, Refusal
from gateway.store.secret import digest
from gateway.store.tables import ceremony
from gateway.store.upsert import insert_for

#: For how long what was begun can be ended, and how many of strangers' there may be from one address and in all (choice). Who has proven
#: a password, or a link, is kept out by none of them.
LASTS = timedelta(minutes=15)
OF_ONE, IN_ALL = 50, 5_000


class Ceremony(NamedTuple):
    """What was begun, by whom where that is known, and what its end is held against."""

    principal: str | None
    said: dict[str, str]


def begin(
    connection: Connection, cookie: str, kind: str, said: dict[str, str], *, principal: str | None, at: datetime, address: str
) -> None:
    """One of a kind for each browser: what it had begun before is forgotten. Without a ``principal`` it is a stranger's, of which there are
    so many at once. Raises ``Refusal`` TOO_MANY_REQUESTS."""
    connection.execute(delete(ceremony).where(ceremony.c.expires <= at))
    if principal is None:
        _bound(connection, address)
    values = {"principal": principal, "created": at, "expires": at + LASTS, "address": address, "body": msgspec.json.encode(said)}
    put = insert_for(connection, ceremony).values(hash=digest(cookie), kind=kind, **values)
    connection.execute(put.on_conflict_do_update(index_elements=[ceremony.c.hash, ceremony.c.kind], set_=values))


def _bound(connection: Connection, address: str) -> None:
    strangers = select(func.count()).select_from(ceremony).where(ceremony.c.principal.is_(None))
    mine = connection.execute(strangers.where(ceremony.c.address == address)).scalar_one()
    if mine >= OF_ONE or connection.execute(strangers).scalar_one() >= IN_ALL:
        facts = {"retry_after": str(LASTS // timedelta(seconds=1)), "page": "too-many-begun"}
        detail = "Too many have begun to sign in and not ended it."
        raise Refusal(Code.TOO_MANY_REQUESTS, detail, remedy="Try again in a quarter of an hour.", facts=facts)


def look(connection: Connection, cookie: str, kind: str, at: datetime) -> Ceremony | None:
    """What this browser has begun of this kind, if its time is not over."""
    mine = ceremony.c.hash == digest(cookie), ceremony.c.kind == kind, ceremony.c.expires > at
    row = connection.execute(select(ceremony.c.principal, ceremony.c.body).where(*mine)).first()
    return Ceremony(row.principal, msgspec.json.decode(row.body, type=dict[str, str])) if row is not None else None


def end(connection: Connection, cookie: str, kind: str, at: datetime) -> Ceremony | None:
    """The same, and it cannot be ended again."""
    found = look(connection, cookie, kind, at)
    gone = connection.execute(delete(ceremony).where(ceremony.c.hash == digest(cookie), ceremony.c.kind == kind))
    return found if gone.rowcount else None
