"""What one shelf of retention is: rows of one table, and which of them can be put away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, func


@dataclass(frozen=True, slots=True, eq=False)
class RetentionClass:
    """Rows of one class. ``filled`` are those that hold bytes to put away, ``closed`` those of them that nothing open needs.

    ``at`` is the moment from which the days count; ``called`` and ``digest`` name a row in the journal (no digest: that of ``body``).
    ``emptied`` is what its columns are set to; None: the row goes. ``marks``: when is noted in the row. ``asked``: it is kept at least as
    long as a partner's message may be sent, or ours asked for, again. ``default``: for how many days where no person says it; None: for
    good. ``least``: it is kept for so long whatever a person says. ``named``: the journal names each row that goes, and not only how many.
    """

    name: str
    holds: str
    purpose: str
    stays: str
    table: Table
    at: ColumnElement[Any]
    size: ColumnElement[Any]
    filled: ColumnElement[bool]
    closed: ColumnElement[bool]
    called: Column[Any]
    digest: Column[Any] | None
    emptied: Mapping[str, Any] | None
    marks: bool = True
    asked: bool = False
    default: int | None = None
    least: timedelta = timedelta()
    named: bool = True

    @property
    def key(self) -> ColumnElement[Any]:
        """What tells its rows apart; of several columns their texts in a row."""
        first, *more = self.table.primary_key
        return reduce(lambda one, column: one + ":" + column, more, first)


def length_of(*columns: Column[Any]) -> ColumnElement[Any]:
    """Bytes in these columns."""
    return sum((func.coalesce(func.length(column), 0) for column in columns[1:]), func.coalesce(func.length(columns[0]), 0))
