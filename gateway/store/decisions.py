"""One line of the log for each decision of a person or a system, once it is durable and not before.

It is written by the process that did it, after its commit: the request is known there, and every other node would see the same entry of
the journal and could not know who has written of it. A command at a terminal has no log; what it decided is written by whichever node
gives its entry a position, and a lease has one do that, once. A process that ends between a commit and its line leaves that line out:
the journal is the record, the log a way to it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, event
from structlog.contextvars import get_contextvars

from gateway.core.access import Way

log = logging.getLogger(__name__)
_NOTED = "decided"
#: How the journal's canonical JSON has it of who sat at a terminal.
_AT_A_TERMINAL = f'"way":"{Way.TERMINAL}"'.encode()


@dataclass(slots=True)
class Decided:
    """What is decided in a transaction, for ``write`` once that is committed; how many ``lines`` there were at each savepoint."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)


def follow(engine: Engine) -> None:
    """Has what a savepoint takes back be no decision. SQLAlchemy names them ``sa_savepoint_1`` and so on, in each connection anew."""

    @event.listens_for(engine, "savepoint")
    def begun(connection: Connection, name: str | None) -> None:
        if (decided := _under_way(connection)) is not None:
            decided.marks.append(len(decided.lines))

    @event.listens_for(engine, "rollback_savepoint")
    def taken_back(connection: Connection, name: str, context: object) -> None:
        if (decided := _under_way(connection)) is not None:
            del decided.lines[decided.marks[int(name.rpartition("_")[2]) - 1] :]


@contextmanager
def noted(connection: Connection) -> Iterator[Decided]:
    """Keeps what is decided in the transaction."""
    information, decided = connection.info, Decided()
    information[_NOTED] = decided
    try:
        yield decided
    finally:
        information.pop(_NOTED, None)  # not by the connection, which may be lost


def note(connection: Connection, entry: int, said: dict[str, Any]) -> None:
    """Called with every entry of the journal. One without ``by`` decides nothing; what this program does of itself nobody decided."""
    if "by" in said and (decided := _under_way(connection)) is not None:
        people = _people(said["by"])
        if people and not any(one["way"] == Way.TERMINAL for one in people):
            decided.lines.append(get_contextvars() | _line(entry, said, people))


def numbered(connection: Connection, entry: int, body: bytes) -> None:
    """Called with every entry that is given its position."""
    if _AT_A_TERMINAL in body and (decided := _under_way(connection)) is not None:
        said = msgspec.json.decode(body)
        if people := _people(said.get("by")):
            decided.lines.append(_line(entry, said, people))


def write(decided: Decided) -> None:
    """What is durable now."""
    for line in decided.lines:
        log.info("decided", extra=line)


def _under_way(connection: Connection) -> Decided | None:
    """None where nobody writes a log of it, or the connection is lost."""
    decided: Decided | None = None if connection.invalidated else connection.info.get(_NOTED)
    return decided


def _people(by: Any) -> list[dict[str, str]]:
    """By their ids and not their names: how long those are kept is the database's matter."""
    named = by if isinstance(by, list) else [by]
    kept = ("principal", "way", "address", "emergency")
    return [{name: one[name] for name in kept if name in one} for one in named if isinstance(one, dict) and one.get("principal")]


def _line(entry: int, said: dict[str, Any], people: list[dict[str, str]]) -> dict[str, Any]:
    return {name: said.get(name) for name in ("kind", "subject", "partner", "decision")} | {"by": people, "entry": entry}
