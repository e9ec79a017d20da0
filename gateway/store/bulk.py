"""Many rows at once, past the statement processing that costs more than the rows themselves: by the driver, on PostgreSQL by COPY."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Table

from gateway.store.prepared import copy_in
from gateway.store.tables import Moment

_moment = Moment().process_bind_param


def put(connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts rows whose values stand in the order of ``columns``; moments are turned into what the tables keep."""
    dialect = connection.dialect
    if not rows:
        return
    moments = {place for place, column in enumerate(columns) if isinstance(table.c[column].type, Moment)}
    plain = list(rows)
    if moments:
        plain = [tuple([_moment(one, dialect) if place in moments else one for place, one in enumerate(row)]) for row in rows]
    named = ", ".join(f'"{column}"' for column in columns)
    if dialect.name == "postgresql":
        copy_in(connection, f'COPY "{table.name}" ({named}) FROM STDIN', plain)
        return
    marks = ", ".join("?" * len(columns))
    connection.exec_driver_sql(f'INSERT INTO "{table.name}" ({named}) VALUES ({marks})', plain)  # noqa: S608 - names of our tables


def change(connection: Connection, table: Table, columns: Sequence[str], key: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Updates rows found by ``key``, whose value stands last in each of them."""
    if not rows:
        return
    mark = "%s" if connection.dialect.name == "postgresql" else "?"
    values = ", ".join(f'"{column}" = {mark}' for column in columns)
    connection.exec_driver_sql(f'UPDATE "{table.name}" SET {values} WHERE "{key}" = {mark}', list(rows))  # noqa: S608 - names of our tables


T = TypeVar("T")


# SQLite takes at most 32,766 bound values in one statement.
_CHUNK = 10_000


def chunks(items: Iterable[T], size: int = _CHUNK) -> Iterator[list[T]]:
    """Lists of at most ``size``."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
