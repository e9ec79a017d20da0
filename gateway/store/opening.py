"""What a database must be before anything is kept in it, and sentences for when it is not.

After a failover the sessions that were open may go on at a server that only reads now: such a session is dropped at its first refusal,
with all that are idle, and made anew (``drop_read_only``); a new one that cannot write is refused by ``target_session_attrs``.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select, text

from gateway.core.errors import Code, Refusal
from gateway.store import leases
from gateway.store.tables import lease

#: In milliseconds: how long a session may wait for a lock, and hold a transaction without a word.
_WAITS, _SILENT = 30_000, 60_000
#: A node that hangs must not keep the others from a partner's row; one that cannot be reached must not be waited for.
CONNECT = {
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "tcp_user_timeout": 20_000,
    "options": f"-c idle_in_transaction_session_timeout={_SILENT} -c lock_timeout={_WAITS}",
}
#: The same for sessions that write: of several hosts in the address the one that takes it.
CONNECT_TO_WRITE = {**CONNECT, "target_session_attrs": "read-write"}
#: What PostgreSQL says to whoever writes where one can only read: read_only_sql_transaction.
_READ_ONLY = "25006"
#: Under which name it is kept whose database it is.
_IDENTITY = "identity"


def drop_read_only(engine: Engine) -> None:
    """Has a session that can only read be taken for a lost one: no later job gets it, and what failed in it may be tried again."""
    usual = engine.dialect.is_disconnect

    def lost(error: Any, connection: Any, cursor: Any) -> bool:
        return getattr(error, "sqlstate", None) == _READ_ONLY or usual(error, connection, cursor)

    engine.dialect.is_disconnect = lost  # type: ignore[method-assign, assignment]


def can_write(engine: Engine) -> bool:
    """Whether a session of this engine could change anything now; one that could not is dropped. Raises what the database raises."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite" or connection.execute(text("SHOW transaction_read_only")).scalar_one() == "off":
            return True
        connection.invalidate()
        return False


def check_server(connection: Connection) -> None:
    """Raises ``Refusal`` where PostgreSQL could not keep what is told here, or keeps it only as long as it likes."""
    asked = "SELECT setting FROM pg_settings WHERE name IN ('lock_timeout', 'server_encoding') ORDER BY name"
    waits, encoding = connection.execute(text(asked)).scalars()
    if encoding != "UTF8":
        raise Refusal(
            Code.DATA_INVALID,
            f"The database keeps text as {encoding}; names of all partners need UTF-8.",
            remedy="Make it anew: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0, and move what is in it with pg_dump.",
        )
    if int(waits) != _WAITS:
        raise Refusal(
            Code.DATA_INVALID,
            "What this gateway asks of its sessions does not reach PostgreSQL: a pooler (pgbouncer) stands in between and leaves it out.",
            remedy="Name PostgreSQL itself in AEO_DATABASE; each process keeps a pool of its own, of at most 33 sessions.",
        )


def claim(connection: Connection, administration: str, at: datetime) -> None:
    """Notes whose database this is, once. Raises ``Refusal`` where it is another administration's."""
    kept = connection.execute(select(lease.c.holder).where(lease.c.name == _IDENTITY)).scalar_one_or_none()
    if kept is None:
        leases.first(connection, _IDENTITY, administration, at)
    elif kept != administration:
        raise Refusal(
            Code.DATA_INVALID,
            f"This database is of the gateway of {kept}, and AEO_ADMINISTRATION says {administration}.",
            remedy="Give each installation a database of its own in AEO_DATABASE; or correct AEO_ADMINISTRATION.",
        )


def newer(known: str | None) -> Refusal:
    """What to say where the schema is of a release that this program knows nothing of."""
    return Refusal(
        Code.DATA_INVALID,
        f"The database is of a newer release than this program, which knows schemas up to {known}.",
        remedy="Run the release that it was last run with, or a newer one; an older one needs a backup of its own time.",
    )


def folder(path: Path, variable: str = "AEO_HOME") -> None:
    """Makes a folder where there is none. Raises ``Refusal`` where it cannot be one that is written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        said = "there is a file of that name" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        raise Refusal(
            Code.DATA_INVALID,
            f"{path} cannot be a folder of this installation: {said}.",
            remedy=f"Let {variable} name a folder that the user of this process ({os.getuid()}) may write to.",
        ) from None
