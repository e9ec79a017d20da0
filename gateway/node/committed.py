"""The one way for what was committed to be seen: whoever committed it, what this node answers from follows here and nowhere else.

A transaction of this node (a message, a person's decision) is seen by its very next answer; those of other nodes and of commands come
with the journal, through the follower. Timelines are applied on the event loop, so that of two changes of one operator the later stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from sqlalchemy import Connection

from gateway.store.database import Database


@dataclass(frozen=True, slots=True)
class Change:
    """What a transaction changed of what answers rest on: packed timelines by code with the journal entry that they are of, and whether
    it also changed lists or switches (stops, disruptions)."""

    timelines: Mapping[str, bytes] = field(default_factory=dict)
    entry: int = 0
    lists_or_switches: bool = False


class Committed:
    """``on_timelines`` takes (code, packed timeline) on the event loop; ``on_lists_and_switches`` reads what it needs from the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.on_timelines: Callable[[Iterable[tuple[str, bytes]]], None] = lambda _: None
        self.on_lists_and_switches: Callable[[Connection], None] = lambda _: None
        #: Which journal entry an operator's timeline is of, where this node is ahead of the follower.
        self.ahead: dict[str, int] = {}
        self._turn = Lock()

    async def here(self, change: Change) -> None:
        """A transaction of this node is committed; the very next answer knows."""
        self.ahead.update(dict.fromkeys(change.timelines, change.entry))
        self.on_timelines(change.timelines.items())
        if change.lists_or_switches:
            await asyncio.to_thread(self.reread)

    def followed(self, rows: Iterable[tuple[str, bytes, int]]) -> None:
        """What the journal brought: (code, packed timeline, journal entry). What this node committed since it was read is not taken back."""
        due = [(tin, timeline) for tin, timeline, entry in rows if self.ahead.get(tin, 0) <= entry]
        self.on_timelines(due)
        for tin, _ in due:
            self.ahead.pop(tin, None)

    def reread(self) -> None:
        """Has lists and switches follow; for a thread. One after another, or one that read before a stop was ordered could overwrite what
        the next has read of it."""
        with self._turn, self._database.reading() as connection:
            self.on_lists_and_switches(connection)
