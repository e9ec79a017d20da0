"""Who may do what only one node may do at a time. All moments are of the clock that the nodes share."""

from __future__ import annotations

import os
import socket
from datetime import datetime

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.store.tables import lease


def hold(connection: Connection, name: str, holder: str, *, now: datetime, until: datetime) -> bool:
    """Takes or prolongs a lease; False while another holder's has not ended. ``until`` of a beating lease is also its heartbeat.

    Whoever holds it keeps the row locked until its transaction ends, so nobody takes over while it still writes.
    """
    ours = (lease.c.holder == holder) | (lease.c.until < now)
    taken = connection.execute(update(lease).where(lease.c.name == name, ours).values(holder=holder, until=until))
    if taken.rowcount == 0 and ends(connection, name) is None:
        insert_for = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        put = insert_for(lease).values(name=name, holder=holder, until=until).on_conflict_do_nothing()
        return connection.execute(put.returning(lease.c.name)).first() is not None
    return taken.rowcount == 1


def first(connection: Connection, name: str, mark: str, now: datetime) -> bool:
    """Whether ``mark`` is new under this name: of all nodes, one gets True, once."""
    insert_for = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    put = insert_for(lease).values(name=name, holder=mark, until=now)
    new = put.on_conflict_do_update(
        index_elements=[lease.c.name], set_={"holder": mark, "until": now}, where=lease.c.holder != mark
    )
    # Of an INSERT, psycopg's row count is not to be had; a row that comes back is.
    return connection.execute(new.returning(lease.c.name)).first() is not None


def forget(connection: Connection, name: str) -> None:
    """Whatever was marked under this name was not."""
    connection.execute(delete(lease).where(lease.c.name == name))


def marked(connection: Connection, beginning: str) -> list[str]:
    """The names that begin so and under which something is marked."""
    return list(connection.execute(select(lease.c.name).where(lease.c.name.startswith(beginning, autoescape=True))).scalars())


def ends(connection: Connection, name: str) -> datetime | None:
    """When the lease ends; None where nobody ever held it."""
    return connection.execute(select(lease.c.until).where(lease.c.name == name)).scalar_one_or_none()


#: This process, as a lease names its holder.
HOLDER = f"{socket.gethostname()}:{os.getpid()}"
