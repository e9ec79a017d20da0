"""The one writer: what shares a transaction shares no fate but the database's own, and nothing is done twice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from gateway.core.errors import Code, Refusal
from gateway.store import bulk
from gateway.store.database import Database, Writer

numbers = sa.Table("numbers", sa.MetaData(), sa.Column("n", sa.Integer, primary_key=True), sa.Column("text", sa.Text))


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    numbers.metadata.create_all(database.write)
    made = Writer(database)
    yield made
    made.close()


def put(connection: Connection, n: int, text: str = "") -> int:
    connection.execute(sa.insert(numbers).values(n=n, text=text))
    return n


def there(database: Database) -> list[int]:
    with database.reading() as connection:
        return list(connection.execute(sa.select(numbers.c.n).order_by(numbers.c.n)).scalars())


def together(writer: Writer, *jobs: Callable[[Connection], Any]) -> list[Future[Any]]:
    """Has the jobs share one transaction: they wait behind one that lets go when all are there."""
    gate = held(writer)
    futures = [writer.submit(job) for job in jobs]
    gate.set()
    return futures


def held(writer: Writer) -> threading.Event:
    """The writer is at work on a job that ends when what is returned is set."""
    begun, gate = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        begun.set()
        gate.wait(60)

    writer.submit(hold)
    assert begun.wait(60)
    return gate


async def busy(writer: Writer) -> tuple[asyncio.Future[bool], threading.Event]:
    """The same for a coroutine, and what comes of that job."""
    begun, gate = threading.Event(), threading.Event()

    def hold(_: Connection) -> bool:
        begun.set()
        return gate.wait(60)

    future = writer.awaited(hold)
    assert await asyncio.to_thread(begun.wait, 60)
    return future, gate


def outcome(future: Future[Any]) -> Any:
    failure = future.exception(30)
    return future.result() if failure is None else type(failure)


def test_a_job_that_raises_takes_back_only_its_own_work(writer: Writer, database: Database) -> None:
    def refused(connection: Connection) -> None:
        put(connection, 2)
        raise Refusal(Code.ID_CONFLICT)

    futures = together(writer, partial(put, n=1), refused, partial(put, n=3))
    assert [outcome(one) for one in futures] == [1, Refusal, 3]
    assert there(database) == [1, 3]


def test_where_the_database_fails_one_job_the_others_are_done_once(writer: Writer, database: Database) -> None:
    runs: list[int] = []

    def counted(connection: Connection, n: int) -> int:
        runs.append(n)
        return put(connection, n)

    futures = together(writer, partial(counted, n=1), partial(counted, n=1), partial(counted, n=2))
    assert [outcome(one) for one in futures] == [1, sa.exc.IntegrityError, 2]
    assert there(database) == [1, 2]
    assert runs[-1] == 2


def test_when_a_future_resolves_what_its_job_did_is_durable(writer: Writer, database: Database) -> None:
    for n in range(20):
        writer.do(partial(put, n=n))
        assert there(database)[-1] == n


def test_a_commit_that_fails_fails_everybody_and_leaves_nothing(
    writer: Writer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> None:
        raise OperationalError("COMMIT", {}, Exception("made up"), connection_invalidated=True)

    with monkeypatch.context() as patched:
        patched.setattr(database.write.dialect, "do_commit", fails)
        futures = together(writer, partial(put, n=1), partial(put, n=2))
        assert [outcome(one) for one in futures] == [OperationalError] * 2
    assert there(database) == []
    assert writer.do(partial(put, n=3)) == 3


def test_a_job_nobody_waits_for_any_more_is_not_begun_and_ends_nothing(writer: Writer, database: Database) -> None:
    gate = held(writer)
    unwanted, wanted = writer.submit(partial(put, n=1)), writer.submit(partial(put, n=2))
    assert unwanted.cancel()
    gate.set()
    assert wanted.result(60) == 2
    assert there(database) == [2]


def test_a_job_that_is_begun_cannot_be_cancelled(writer: Writer) -> None:
    begun, gate = threading.Event(), threading.Event()

    def slow(_: Connection) -> str:
        begun.set()
        gate.wait(60)
        return "done"

    future = writer.submit(slow)
    assert begun.wait(60)
    assert not future.cancel()
    gate.set()
    assert future.result(60) == "done"


def test_coroutines_hear_each_of_its_own_job(writer: Writer, database: Database) -> None:
    async def waiting() -> list[Any]:
        first, gate = await busy(writer)
        jobs: list[Callable[[Connection], Any]] = [partial(put, n=1), lambda _: 1 // 0, partial(put, n=2), partial(put, n=3)]
        futures = [writer.awaited(job) for job in jobs]
        futures[2].cancel()
        gate.set()
        return await asyncio.gather(first, *futures, return_exceptions=True)

    gave = asyncio.run(waiting())
    assert [one if isinstance(one, int) else type(one) for one in gave] == [True, 1, ZeroDivisionError, asyncio.CancelledError, 3]
    assert there(database) == [1, 3]


def test_a_loop_that_is_gone_ends_nothing(writer: Writer, database: Database) -> None:
    gate = threading.Event()

    async def gone() -> None:
        writer.awaited(lambda _: gate.wait(10) and None)
        writer.awaited(partial(put, n=1))

    asyncio.run(gone())
    gate.set()
    assert writer.do(partial(put, n=2)) == 2
    assert there(database) == [1, 2]


def test_what_no_future_can_carry_keeps_nobody_else_waiting(writer: Writer) -> None:
    async def waiting() -> list[Any]:
        first, gate = await busy(writer)
        futures = [writer.awaited(lambda _: next(iter([]))), writer.awaited(partial(put, n=1))]
        gate.set()
        async with asyncio.timeout(10):
            return await asyncio.gather(first, *futures, return_exceptions=True)

    gave = asyncio.run(waiting())
    assert [one if isinstance(one, int) else type(one) for one in gave] == [True, RuntimeError, 1]


def test_an_error_of_python_hurts_nobody_else(writer: Writer) -> None:
    futures = together(writer, lambda _: 1 // 0, partial(put, n=1))
    assert [outcome(one) for one in futures] == [ZeroDivisionError, 1]


def test_closing_finishes_what_was_submitted(database: Database) -> None:
    numbers.metadata.create_all(database.write)
    writer = Writer(database)
    futures = [writer.submit(partial(put, n=n)) for n in range(200)]
    writer.close()
    assert [one.result(0) for one in futures] == list(range(200))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_disk_fails_whom_it_concerns_and_does_nobody_s_work_twice(writer: Writer, database: Database) -> None:
    with database.write.begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    sa.event.listen(database.write, "begin", lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 20}"))
    futures = together(writer, partial(put, n=1), partial(put, n=2, text="x" * 1_000_000), partial(put, n=3))
    assert [outcome(one) for one in futures] == [1, OperationalError, 3]
    assert there(database) == [1, 3]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_locked_database_is_waited_for(writer: Writer, database: Database) -> None:
    tries = threading.Event()
    with closing(Database(database.url)) as elsewhere, elsewhere.write.begin() as other:
        put(other, 1)
        sa.event.listen(database.write, "checkout", lambda *_: tries.set())
        future = writer.submit(partial(put, n=2))
        assert tries.wait(60)
        assert not future.done()
    assert future.result(60) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_in_each_other_s_way_both_get_through(database: Database) -> None:
    """A deadlock of two nodes: the database takes one back, and it is tried again."""
    numbers.metadata.create_all(database.write)
    with database.write.begin() as connection:
        for n in (1, 2):
            put(connection, n)
    meet = threading.Barrier(2)

    def opposed(connection: Connection, first: int, second: int) -> bool:
        for n in (first, second):
            connection.execute(sa.select(numbers).where(numbers.c.n == n).with_for_update())
            if not meet.broken and n == first:
                try:
                    meet.wait(5)
                except threading.BrokenBarrierError:
                    pass
                else:
                    meet.abort()
        return True

    writers = [Writer(database), Writer(database)]
    futures = [writers[0].submit(partial(opposed, first=1, second=2)), writers[1].submit(partial(opposed, first=2, second=1))]
    assert [one.result(30) for one in futures] == [True, True]
    for writer in writers:
        writer.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_lost_connection_fails_its_jobs_and_no_later_one(writer: Writer, database: Database) -> None:
    def lost(connection: Connection) -> None:
        end(connection, database)
        connection.exec_driver_sql("SELECT 1")

    assert issubclass(outcome(writer.submit(lost)), DBAPIError)
    assert writer.do(partial(put, n=1)) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("company", [False, True])
def test_what_a_lost_connection_took_with_it_is_done_once_on_another(writer: Writer, database: Database, company: bool) -> None:
    runs: list[int] = []

    def loses_it_once(connection: Connection) -> int:
        runs.append(1)
        if len(runs) == 1:
            end(connection, database)
        bulk.put(connection, numbers, ("n", "text"), [(2, ""), (3, "")])
        return 2

    before = [partial(put, n=1)] if company else []
    futures = together(writer, *before, loses_it_once)
    assert [outcome(one) for one in futures] == [1, 2][-len(futures) :]
    assert there(database) == [1, 2, 3][-len(futures) - 1 :]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_job_that_loses_every_connection_fails_alone(writer: Writer, database: Database) -> None:
    def loses_it(connection: Connection) -> None:
        end(connection, database)
        bulk.put(connection, numbers, ("n", "text"), [(2, ""), (3, "")])

    futures = together(writer, partial(put, n=1), loses_it, partial(put, n=4))
    assert [outcome(one) for one in futures] == [1, OperationalError, 4]
    assert there(database) == [1, 4]


def test_what_a_driver_cannot_take_fails_alone(writer: Writer, database: Database) -> None:
    texts: list[Any] = [{"no": "text"}, "\udcff", "\x00"]
    for text in texts if not database.sqlite else texts[:2]:
        odd = partial(bulk.put, table=numbers, columns=("n", "text"), rows=[(8, text), (9, "")])
        futures = together(writer, partial(put, n=1), odd, partial(put, n=2))
        assert [issubclass(outcome(one), Exception) if one is futures[1] else outcome(one) for one in futures] == [1, True, 2]
        assert there(database) == [1, 2]
        writer.do(lambda connection: connection.execute(sa.delete(numbers)) and None)


def end(connection: Connection, database: Database) -> None:
    """Ends a connection's process, as a database that is stopped does."""
    mine = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with database.read.connect() as other:
        other.exec_driver_sql(f"SELECT pg_terminate_backend({mine}, 5000)")
