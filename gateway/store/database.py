"""Opening a database, and the one writer.

SQLite (WAL, FULL, ``BEGIN IMMEDIATE``) and PostgreSQL go through the same code. Every change goes through ``Writer``: one thread,
many jobs a transaction, so that thirty concurrent messages cost one flush to disk and not thirty.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url

T = TypeVar("T")
_MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """One database: ``write`` for the writer alone, ``read`` for everybody. Close it when done."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sqlite = make_url(url).get_backend_name() == "sqlite"
        if self.sqlite:
            file = make_url(url).database or ""
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            self.write = _sqlite_engine(url, "BEGIN IMMEDIATE")
            self.read = _sqlite_engine(url, "BEGIN")
        else:
            self.write = create_engine(url, pool_pre_ping=True)
            self.read = create_engine(url, pool_pre_ping=True, pool_size=8)

    def migrate(self) -> None:
        """Brings the schema to the newest revision; safe to call at every start."""
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self.write.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view; nothing done in it can change anything that lasts."""
        with self.read.connect() as connection:
            yield connection

    def close(self) -> None:
        self.write.dispose()
        self.read.dispose()


def _sqlite_engine(url: str, begin: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        # The driver's own transaction handling would begin late and deferred: two writers could then deadlock instead of queueing.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000", "cache_size=-65536"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


class Writer:
    """Runs jobs one after another in shared transactions.

    When a future resolves, what its job did is durable. A job that raises takes back only its own work. When the commit itself
    fails, every job of that transaction fails with it and nothing of it remains. Jobs must not wait for anything.
    """

    def __init__(self, database: Database, most: int = 64) -> None:
        self._database = database
        self._most = most
        self._jobs: queue.SimpleQueue[tuple[Callable[[Connection], Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[Connection], T]) -> Future[T]:
        future: Future[T] = Future()
        self._jobs.put((job, future))
        return future

    def do(self, job: Callable[[Connection], T]) -> T:
        """Submits and waits."""
        return self.submit(job).result()

    def close(self) -> None:
        """Finishes what was submitted, then ends."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch, last = [first], False
            while len(batch) < self._most and not self._jobs.empty():
                following = self._jobs.get()
                if following is None:
                    last = True
                    break
                batch.append(following)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[tuple[Callable[[Connection], Any], Future[Any]]]) -> None:
        outcomes: list[tuple[Future[Any], Any, Exception | None]] = []
        try:
            with self._database.write.begin() as connection:
                for job, future in batch:
                    try:
                        with connection.begin_nested():
                            outcomes.append((future, job(connection), None))
                    except Exception as error:  # noqa: BLE001 - the job's own failure belongs to whoever waits for it
                        outcomes.append((future, None, error))
        except Exception as error:  # noqa: BLE001 - the commit failed: nothing of the batch is durable
            if len(batch) > 1:
                # Two nodes may have locked two partners in opposite order, or one job may have spoilt the rest: each alone, then.
                for one in batch:
                    self._commit([one])
                return
            outcomes = [(batch[0][1], None, error)]
        for future, result, failure in outcomes:
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)
