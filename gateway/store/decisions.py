"""One line of the log for each decision of a person or a system, once it is durable and not before.

It is written by the process that did it, after its commit: the request is known there, and every other node would see the same entry of
the journal and could not know who has written of it. A command at a terminal has no log; what it decided is written by whichever node
gives its entry a position, and a lease has one do that, once. A process that ends between a commit and its line leaves that line out:
the journal is the record, the log a way to it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, event
from structlog.contextvars import get_contextvars

from gateway.core.access import Way

log = logging.getLogger(__name__)
_NOTED, _MARKS = "decisions noted", "decisions before savepoints"
#: How the journal's canonical JSON has it of who sat at a terminal.
_AT_A_TERMINAL = f'"way":"{Way.TERMINAL}"'.encode()


def follow(engine: Engine) -> None:
    """Has what is taken back in part of a transaction be no decision."""

    @event.listens_for(engine, "savepoint")
    def begun(connection: Connection, name: str) -> None:
        connection.info.setdefault(_MARKS, {})[name] = len(connection.info.get(_NOTED, ()))

    @event.listens_for(engine, "rollback_savepoint")
    def taken_back(connection: Connection, name: str, context: object) -> None:
        del connection.info.get(_NOTED, [])[connection.info[_MARKS][name] :]


@contextmanager
def noted(connection: Connection) -> Iterator[list[dict[str, Any]]]:
    """What is decided in the transaction, for ``write`` once that is committed."""
    found: list[dict[str, Any]] = []
    connection.info[_NOTED] = found
    try:
        yield found
    finally:
        del connection.info[_NOTED]


def note(connection: Connection, entry: int, said: dict[str, Any]) -> None:
    """Called with every entry of the journal. One without ``by`` decides nothing; what this program does of itself nobody decided."""
    if "by" in said and _NOTED in connection.info:
        people = _people(said["by"])
        if people and not any(one["way"] == Way.TERMINAL for one in people):
            connection.info[_NOTED].append(get_contextvars() | _line(entry, said, people))


def numbered(connection: Connection, entry: int, body: bytes) -> None:
    """Called with every entry that is given its position."""
    if _AT_A_TERMINAL in body and _NOTED in connection.info:
        said = msgspec.json.decode(body)
        if people := _people(said.get("by")):
            connection.info[_NOTED].append(_line(entry, said, people))


def write(decided: Iterable[dict[str, Any]]) -> None:
    """What was ``noted`` and is durable now."""
    for one in decided:
        log.info("decided", extra=one)


def _people(by: Any) -> list[dict[str, str]]:
    """By their ids and not their names: how long those are kept is the database's matter."""
    named = by if isinstance(by, list) else [by]
    kept = ("principal", "way", "address", "emergency")
    return [{name: one[name] for name in kept if name in one} for one in named if isinstance(one, dict) and one.get("principal")]


def _line(entry: int, said: dict[str, Any], people: list[dict[str, str]]) -> dict[str, Any]:
    return {name: said.get(name) for name in ("kind", "subject", "partner", "decision")} | {"by": people, "entry": entry}
