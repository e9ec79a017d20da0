"""People who decide, told apart by their names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Connection, insert, select, update

from gateway.core.access import Actor, PrincipalKind, Scope, StaffRole, Way
from gateway.core.names import folded
from gateway.operate.people import keep_token
from gateway.store import tokens
from gateway.store.database import Database
from gateway.store.tables import principal, token


def person(name: str, *, kind: PrincipalKind = PrincipalKind.PERSON, scopes: frozenset[Scope] = frozenset(Scope)) -> Actor:
    """Somebody of this name, who may do everything; however the name is written, it is the same person."""
    return Actor(principal=identity(name), name=name, kind=kind, scopes=scopes, way=Way.TERMINAL)


def identity(name: str) -> str:
    """The id of ``person`` of this name."""
    return sha256(folded(name).encode()).hexdigest()[:16]


def known(connection: Connection, name: str) -> None:
    """Has this person be known to an installation, with every role; nobody let it in."""
    if connection.execute(select(principal.c.id).where(principal.c.id == identity(name))).first() is None:
        # A token of before may have been somebody's of that name: it is a system now.
        connection.execute(update(principal).where(principal.c.name == name).values(name=f"{name} (a system)"))
        values = {"id": identity(name), "kind": PrincipalKind.PERSON.value, "name": name, "roles": " ".join(StaffRole)}
        connection.execute(insert(principal).values(**values, created=datetime(2026, 1, 1, tzinfo=UTC)))


def terminal_of(name: str, home: Path, database: Database) -> Path:
    """The token file of a terminal at which this person sits, in a home. The journal knows nothing of how it came there."""
    file, now = home / "terminals" / f"{identity(name)}.token", datetime.now(UTC)
    if not file.exists():
        secret = f"{tokens.PREFIX}{identity(name)}"
        values = {"id": identity(name), "principal": identity(name), "name": "a terminal", "scopes": "", "created": now}
        with database.write.begin() as connection:
            known(connection, name)
            hashed = sha256(secret.encode()).hexdigest()
            connection.execute(insert(token).values(**values, hash=hashed, expires=now + timedelta(days=3_650)))
        keep_token(file, secret)
    return file
