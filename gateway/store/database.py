"""Opening a database, and the one writer.

SQLite (WAL, FULL, ``BEGIN IMMEDIATE``) and PostgreSQL go through the same code. Every change goes through ``Writer``: one thread,
many jobs a transaction, so that thirty concurrent messages cost one flush to disk and not thirty.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, func, inspect, make_url, select, text
from sqlalchemy.exc import DBAPIError

from gateway.store import decisions, opening
from gateway.store.prepared import run

log = logging.getLogger(__name__)
T = TypeVar("T")
_MIGRATIONS = Path(__file__).parent / "migrations"

#: PostgreSQL's deadlock and serialization failure: it took back one of two that were in each other's way, and asks for another try.
_IN_THE_WAY = ("40P01", "40001")
#: What every connection to SQLite begins with: what was committed is on the disk.
SQLITE: dict[str, str | int] = {"journal_mode": "WAL", "synchronous": "FULL", "foreign_keys": "ON", "busy_timeout": 30_000}
#: One number that every node locks while it migrates.
_MIGRATING = 7_226_282


#: Seconds for which a job waits for others to share its transaction, where the last one was shared by so many or more, and less the fewer
#: they were: a commit costs as much for one as for many, and every job alone has the writer and the event loop take the interpreter from
#: each other once more; but where two met by chance there is nobody to wait for.
_COMPANY, _MANY = 0.008, 8


class Database:
    """One database: ``write`` for the writer alone, ``read`` for everybody. Close it when done. Its faults are logged, and say nothing of what
    was to be written: that may be a message, or of a token."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sqlite = make_url(url).get_backend_name() == "sqlite"
        if self.sqlite:
            file = make_url(url).database or ""
            if file and file != ":memory:":
                opening.folder(Path(file).parent)
                Path(file).touch(mode=0o600)  # what partners say is for nobody else on this machine; -wal and -shm follow it
            self.write = _sqlite_engine(url, "BEGIN IMMEDIATE", cache=64)
            self.read = _sqlite_engine(url, "BEGIN", cache=8)  # each of its connections fills one of its own
        else:
            self.write = create_engine(url, pool_pre_ping=True, connect_args=opening.CONNECT_TO_WRITE, hide_parameters=True)
            opening.drop_read_only(self.write)
            self.read = create_engine(
                url,
                pool_pre_ping=True,
                pool_size=8,
                connect_args=opening.CONNECT,
                isolation_level="REPEATABLE READ",
                hide_parameters=True,
            )
        decisions.follow(self.write)

    def migrate(self, revision: str = "head") -> None:
        """Brings the schema to ``revision``, the newest unless told; safe to call at every start, by several nodes at once. Raises
        ``Refusal`` where the database is none for this program."""
        with self.read.connect() as connection:
            if not self.sqlite:
                opening.check_server(connection)
            if revision == "head" and _is_newest(connection):
                return
        from alembic import command  # dear to import, and hardly any start has something to bring
        from alembic.config import Config
        from alembic.migration import MigrationContext
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self.write.begin() as connection:
            if not self.sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
            config.attributes["connection"] = connection
            present = MigrationContext.configure(connection).get_current_revision()
            script = ScriptDirectory.from_config(config)
            if present is not None and present not in {one.revision for one in script.walk_revisions()}:
                raise opening.newer(script.get_current_head())
            command.upgrade(config, revision)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view; nothing done in it can change anything that lasts."""
        with self.read.connect() as connection:
            yield connection

    def close(self) -> None:
        self.write.dispose()
        self.read.dispose()


def _is_newest(connection: Connection) -> bool:
    """Whether the schema is the newest that this program knows."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found == max(file.name[:4] for file in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


def database_clock(connection: Connection) -> datetime:
    """The clock that all nodes on one database have in common (aware UTC): leases and due times are of it and of no other."""
    if connection.dialect.name == "postgresql":
        now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return now.astimezone(UTC)
    return datetime.now(UTC)


def _sqlite_engine(url: str, begin: str, cache: int) -> Engine:
    """``cache`` is in MiB a connection."""
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        # The driver's own transaction handling would begin late and deferred: two writers could then deadlock instead of queueing.
        connection.isolation_level = None
        cursor = connection.cursor()
        for name, value in {**SQLITE, "cache_size": -cache * 1024}.items():
            cursor.execute(f"PRAGMA {name}={value}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


class _Job(NamedTuple):
    """``context`` is of whoever asked for it: what is logged of it belongs to that request."""

    work: Callable[[Connection], Any]
    future: Future[Any] | asyncio.Future[Any]
    context: Context
    loop: asyncio.AbstractEventLoop | None = None

    def begins(self) -> bool:
        """False where whoever waited gave up before; from then on nobody can cancel."""
        return self.future.set_running_or_notify_cancel() if isinstance(self.future, Future) else not self.future.cancelled()


#: A job, what it gave, and how it failed.
_Outcome = tuple[_Job, Any, BaseException | None]


class _NotBegun(Exception):
    """The database cannot be had at all: whoever waits learns it at once, and not each after a wait of his own."""


class _Unsure(Exception):
    """The connection was lost in the very commit: another try could do everything twice."""


class Writer:
    """Runs jobs one after another in shared transactions.

    When a future resolves, what its job did is durable. A job that raises takes back only its own work. Where the database itself
    fails (a deadlock, a full disk, a lost connection) nothing of the shared transaction remains, and each job has another try
    alone; only where a commit's outcome cannot be known do all of them fail without one. A job that fails so has left nothing
    behind, unless its connection was lost in the very commit: so every job can be told a second time. Jobs must not wait for
    anything, and may be run more than once.
    """

    def __init__(self, database: Database, most: int = 64) -> None:
        self._database = database
        self._most = most
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[Connection], T]) -> Future[T]:
        future: Future[T] = Future()
        self._jobs.put(_Job(job, future, copy_context()))
        return future

    def do(self, job: Callable[[Connection], T]) -> T:
        """Submits and waits."""
        return self.submit(job).result()

    def awaited(self, job: Callable[[Connection], T]) -> asyncio.Future[T]:
        """The same for a coroutine: the event loop hears once of all that it has in one transaction."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(job, future, copy_context(), loop))
        return future

    def close(self) -> None:
        """Finishes what was submitted, then ends."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        batch: list[_Job] = []
        while (first := self._jobs.get()) is not None:
            if len(batch) > 1:
                time.sleep(_COMPANY * min(1.0, len(batch) / _MANY))
            batch, last = [first], False
            while len(batch) < self._most and not self._jobs.empty():
                following = self._jobs.get()
                if following is None:
                    last = True
                    break
                batch.append(following)
            self._write([job for job in batch if job.begins()])
            if last:
                return

    def _write(self, batch: list[_Job]) -> None:
        try:
            self._settle(self._together(batch))
        except (_NotBegun, _Unsure) as failed:
            self._fail(batch, failed.__cause__)
        except DBAPIError as error:
            if len(batch) == 1 and not _passing(error):
                self._fail(batch, error)
            else:
                log.info("a transaction of %d was taken back and is tried one by one: %s", len(batch), error.orig)
                self._one_by_one(batch)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it, and this thread must go on
            self._fail(batch, error)

    def _one_by_one(self, batch: list[_Job]) -> None:
        for place, job in enumerate(batch):
            for last in (False, False, True):
                try:
                    self._settle(self._together([job]))
                except _NotBegun as down:
                    return self._fail(batch[place:], down.__cause__)
                except _Unsure as unsure:
                    self._fail([job], unsure.__cause__)
                except Exception as error:  # noqa: BLE001 - as above
                    if not last and isinstance(error, DBAPIError) and _passing(error):
                        continue
                    self._fail([job], error)
                break

    def _together(self, batch: list[_Job]) -> list[_Outcome]:
        """Runs and commits them; raises where the database fails, and then nothing of them remains."""
        outcomes: list[_Outcome] = []
        begun = done = False
        try:
            with self._database.write.begin() as connection, decisions.noted(connection) as decided:
                begun = True
                for job in batch:
                    run(connection, "SAVEPOINT job")
                    before = len(decided.lines)
                    try:
                        outcomes.append((job, job.context.run(job.work, connection), None))
                    except DBAPIError:
                        # SQLite may have ended the whole transaction by itself, PostgreSQL lost the connection: what went before
                        # and what would follow could be committed in part, or twice.
                        raise
                    except Exception as error:  # noqa: BLE001 - the job's own failure belongs to whoever waits for it
                        run(connection, "ROLLBACK TO SAVEPOINT job")
                        del decided.lines[before:]
                        outcomes.append((job, None, error))
                    run(connection, "RELEASE SAVEPOINT job")
                # An aborted transaction is rolled back at commit without a word of complaint; this complains.
                connection.execute(text("SELECT 1"))
                done = True
        except DBAPIError as error:
            if not begun:
                raise _NotBegun from error
            if done and error.connection_invalidated:
                raise _Unsure from error
            raise
        decisions.write(decided)
        return outcomes

    def _settle(self, outcomes: list[_Outcome]) -> None:
        loops: dict[asyncio.AbstractEventLoop | None, list[_Outcome]] = {}
        for outcome in outcomes:
            loops.setdefault(outcome[0].loop, []).append(outcome)
        for loop, of_loop in loops.items():
            if loop is None:
                _resolve(of_loop)
            else:
                with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(_resolve, of_loop)

    def _fail(self, batch: list[_Job], error: BaseException | None) -> None:
        self._settle([(job, None, error or RuntimeError("the writer failed")) for job in batch])


def _resolve(outcomes: list[_Outcome]) -> None:
    for job, result, failure in outcomes:
        if job.future.cancelled():
            continue
        if failure is None:
            job.future.set_result(result)
        elif isinstance(failure, StopIteration):  # no future of a loop can carry it, and those after it would wait for ever
            job.future.set_exception(RuntimeError("a job ran out of what it iterates over"))
        else:
            job.future.set_exception(failure)


def _passing(error: DBAPIError) -> bool:
    """Another try may well do: the connection went, or two were in each other's way."""
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _IN_THE_WAY
