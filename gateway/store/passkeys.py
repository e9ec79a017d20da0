"""Passkeys: public keys of a person's devices. What a device signs, and how often it says it did, is checked in ``operate/passkeys.py``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from gateway.core.access import Actor
from gateway.core.errors import Code, Refusal
from gateway.store import journal
from gateway.store.tables import passkey


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """One of them: ``id`` is what the authenticator calls it (base64url), ``signed`` its count."""

    id: str
    principal: str
    name: str
    public_key: bytes
    signed: int
    created: datetime
    last_used: datetime | None


def add(connection: Connection, one: Passkey, *, by: Actor) -> None:
    """A new one of a person. Raises ``Refusal`` DATA_INVALID for one that somebody has."""
    if find(connection, one.id) is not None:
        raise Refusal(Code.DATA_INVALID, "This passkey is known already.", remedy="Use another device.", facts={"page": "passkey"})
    names = ("id", "principal", "name", "public_key", "signed", "created")
    connection.execute(insert(passkey).values({name: getattr(one, name) for name in names}))
    said: dict[str, object] = {"passkey": "added", "name": one.name, "by": by.noted}
    journal.append(connection, "principal", one.principal, said, at=one.created)


def find(connection: Connection, identity: str) -> Passkey | None:
    """By what the authenticator calls it."""
    row = connection.execute(select(passkey).where(passkey.c.id == identity)).first()
    return Passkey(**row._mapping) if row is not None else None


def listed(connection: Connection, identity: str) -> list[Passkey]:
    """A person's, the newest first."""
    mine = select(passkey).where(passkey.c.principal == identity).order_by(passkey.c.created.desc(), passkey.c.id)
    return [Passkey(**row._mapping) for row in connection.execute(mine)]


def used(connection: Connection, one: Passkey, signed: int, at: datetime) -> bool:
    """Notes a use; False where it was used with another count in between."""
    mine = passkey.c.id == one.id, passkey.c.signed == one.signed
    return connection.execute(update(passkey).where(*mine).values(signed=signed, last_used=at)).rowcount == 1


def remove(connection: Connection, identity: str, which: str, *, by: Actor, at: datetime) -> None:
    """One of a person's is good no more. Raises ``Refusal`` NOT_FOUND."""
    mine = passkey.c.id == which, passkey.c.principal == identity
    gone = connection.execute(delete(passkey).where(*mine).returning(passkey.c.name)).first()
    if gone is None:
        detail, remedy = "You have no such passkey (any more).", "Look at those that there are."
        raise Refusal(Code.NOT_FOUND, detail, remedy=remedy, facts={"page": "no-passkey"})
    journal.append(connection, "principal", identity, {"passkey": "removed", "name": gone.name, "by": by.noted}, at=at)
