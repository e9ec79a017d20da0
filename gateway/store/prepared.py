"""Statements that every message runs: compiled once, then handed to the driver as they are.

SQLAlchemy looks a statement up, makes a context, a cursor and a result for every execution. For a row or two that costs ten times
what the database does, and a message runs some fifteen of them. Errors, lost connections and transactions are as with SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError

Process = Callable[[Any], Any]


def run(connection: Connection, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> tuple[list[Any], int]:
    """(rows, how many rows changed) of a statement in the driver's own dialect. Raises what SQLAlchemy raises."""
    if not connection.in_transaction():
        connection.begin()  # as its first statement does otherwise
    raw, driver = connection.connection, _driver(connection)
    try:
        with closing(raw.cursor()) as cursor:
            cursor.execute(sql, values)
            return (list(cursor.fetchall()) if cursor.description else []), cursor.rowcount
    except driver.Error as error:
        raise _failure(connection, error, sql, values) from error


def copy_in(connection: Connection, sql: str, rows: Iterable[Sequence[Any]]) -> None:
    """PostgreSQL's ``COPY ... FROM STDIN``. Raises what SQLAlchemy raises."""
    if not connection.in_transaction():
        connection.begin()
    raw, driver = connection.connection, _driver(connection)
    try:
        with closing(raw.cursor()) as cursor, cursor.copy(sql) as copy:
            for row in rows:
                copy.write_row(row)
    except driver.Error as error:
        raise _failure(connection, error, sql, ()) from error


def _driver(connection: Connection) -> Any:
    return connection.dialect.loaded_dbapi


def _failure(connection: Connection, error: Any, sql: str, values: Sequence[Any] | Mapping[str, Any]) -> Any:
    raw, dialect = connection.connection, connection.dialect
    lost = dialect.is_disconnect(error, raw.dbapi_connection, None)
    if lost:
        connection.invalidate(error)
    base = _driver(connection).Error
    hidden = connection.engine.hide_parameters
    return DBAPIError.instance(sql, values, error, base, hidden, connection_invalidated=lost, dialect=dialect)


class _Ready(NamedTuple):
    """A statement in one dialect, for values of certain names. ``order`` is None where the driver takes them by name."""

    sql: str
    order: Sequence[str] | None
    fixed: Mapping[str, Any]
    given: Mapping[str, Process]
    found: Sequence[tuple[int, Process]]


class Prepared:
    """One statement. The names of values are those of its parameters and of the columns it writes."""

    def __init__(self, statement: Select[Any] | Insert | Update | Delete) -> None:
        self._statement = statement
        self._ready: dict[tuple[str, ...], _Ready] = {}

    def rows(self, connection: Connection, **values: Any) -> list[tuple[Any, ...]]:
        """What it selects, or what it returns of what it wrote."""
        ready = self._for(connection.dialect, values)
        found: list[Any] = run(connection, ready.sql, _bound(ready, values))[0]
        if ready.found:
            found = [_read(ready, row) for row in found]
        return found

    def row(self, connection: Connection, **values: Any) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return next(iter(self.rows(connection, **values)), None)

    def count(self, connection: Connection, **values: Any) -> int:
        """How many rows it changed."""
        ready = self._for(connection.dialect, values)
        return run(connection, ready.sql, _bound(ready, values))[1]

    def _for(self, dialect: Dialect, values: Mapping[str, Any]) -> _Ready:
        key = (dialect.name, *values)
        if key not in self._ready:
            self._ready[key] = self._compile(dialect, list(values))
        return self._ready[key]

    def _compile(self, dialect: Dialect, names: list[str]) -> _Ready:
        made: Any = self._statement.compile(dialect=dialect, column_keys=names)
        assert not made.post_compile_params, "an IN of any length is not one statement"
        binds = {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in made.binds.items()}
        columns = [column.type.dialect_impl(dialect) for column in getattr(self._statement, "exported_columns", ())]
        reads = [column.result_processor(dialect, None) for column in columns]
        return _Ready(
            made.string,
            made.positiontup,
            {name: value for name, value in made.params.items() if name not in names},
            {name: process for name, process in binds.items() if process is not None},
            [(place, process) for place, process in enumerate(reads) if process is not None],
        )


def _bound(ready: _Ready, values: Mapping[str, Any]) -> Sequence[Any] | Mapping[str, Any]:
    bound = {**ready.fixed, **values}
    for name, process in ready.given.items():
        bound[name] = process(bound[name])
    return bound if ready.order is None else [bound[name] for name in ready.order]


def _read(ready: _Ready, row: Sequence[Any]) -> tuple[Any, ...]:
    read = list(row)
    for place, process in ready.found:
        read[place] = process(read[place])
    return tuple(read)
