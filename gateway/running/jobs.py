"""Long work, done beside everything else: each job in a process of its own, so that no answer waits for it, and one at a time a node.

1  whatever waits, or was left by a node that died, is taken under a lease
2  a process that is spawned (never forked) does it, and says how far it has come; each time the lease is prolonged
3  what came of it is recorded; where the process dies or refuses, that is recorded instead
4  a node that stops gives back what it was at
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection as Pipe
from typing import Any, NamedTuple

from sqlalchemy import Connection

from gateway.core.errors import Refusal
from gateway.node.node import Node
from gateway.node.workplace import Tell, Workplace, open_workplace
from gateway.settings import Settings
from gateway.store import jobs, leases
from gateway.store.jobs import Taken

log = logging.getLogger(__name__)

#: How often a node looks whether somebody asked for anything, and by how much the process steps back for the node where they share a core.
EVERY, STEPS_BACK = timedelta(seconds=1), 5
#: How often a lease is prolonged within its length.
_PROLONGED = 3


#: Does the work: a sentence on how it ended, and what came of it, as JSON. It is pickled: a function of a module, or a ``partial`` of one.
#: The text is who asked. Raises ``Refusal``.
Handler = Callable[[Workplace, dict[str, Any], str, Tell], tuple[str, bytes]]


class _Came(NamedTuple):
    """How far it has come."""

    done: int
    of: int
    sentence: str


class _Ended(NamedTuple):
    """How it ended; without a body, why nothing came of it."""

    sentence: str
    body: bytes | None = None


class Jobs:
    """Works on what was asked for. ``handlers`` are by the kind of job."""

    def __init__(self, node: Node, handlers: Mapping[str, Handler]) -> None:
        self._node, self._handlers = node, handlers

    async def step(self) -> bool:
        """Takes one job and sees it to its end; False: there is none."""
        one = await self._node.write(self._take) if await asyncio.to_thread(self._due) else None
        if one is None:
            return False
        process = _Process(self._node.settings, self._handlers[one.kind], one)
        try:
            await self._see_through(process, one)
        except asyncio.CancelledError:
            self._node.writer.submit(partial(self._give_back, one=one))
            raise
        finally:
            await asyncio.to_thread(process.end)
        return True

    async def _see_through(self, process: _Process, one: Taken) -> None:
        """Until it has ended, or somebody else took it."""
        came = _Came(0, 0, "It has begun.")
        while True:
            said = await asyncio.to_thread(process.next, self._node.settings.lease / _PROLONGED)
            if isinstance(said, _Ended):
                await self._node.write(partial(_record, one=one, ended=said, at=self._node.clock()))
                return
            came = said or came
            if not await self._node.write(partial(self._progress, one=one, came=came)):
                return

    def _due(self) -> bool:
        with self._node.database.reading() as connection:
            return jobs.due(connection, tuple(self._handlers), self._node.database_clock(connection))

    def _take(self, connection: Connection) -> Taken | None:
        now = self._node.database_clock(connection)
        return jobs.take(connection, tuple(self._handlers), leases.HOLDER, now=now, until=now + self._node.settings.lease)

    def _progress(self, connection: Connection, one: Taken, came: _Came) -> bool:
        until = self._node.database_clock(connection) + self._node.settings.lease
        return jobs.progress(connection, one, until=until, **came._asdict())

    def _give_back(self, connection: Connection, one: Taken) -> bool:
        return jobs.give_back(connection, one, now=self._node.database_clock(connection))


def _record(connection: Connection, one: Taken, ended: _Ended, at: datetime) -> None:
    if ended.body is None:
        log.warning("job %d (%s) failed: %s", one.id, one.kind, ended.sentence)
        jobs.fail(connection, one, at=at, sentence=ended.sentence)
    else:
        jobs.finish(connection, one, at=at, sentence=ended.sentence, body=ended.body)


class _Process:
    """One job at work."""

    def __init__(self, settings: Settings, handler: Handler, one: Taken) -> None:
        context = get_context("spawn")
        self._ours, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_work, args=(theirs, settings, handler, one.given, one.who))
        self._process.start()
        theirs.close()

    def next(self, within: timedelta) -> _Came | _Ended | None:
        """How far it has come, or its end. None: it said nothing within the time."""
        try:
            if not self._ours.poll(within.total_seconds()):
                return None
            said: _Came | _Ended = self._ours.recv()
        except (EOFError, OSError):
            self._process.join(5)
            return _Ended(f"The process that worked on it ended (exit code {self._process.exitcode}).")
        return said

    def end(self) -> None:
        """Whatever it is at."""
        self._process.kill()
        self._process.join()
        self._ours.close()


def _work(pipe: Pipe, settings: Settings, handler: Handler, given: dict[str, Any], who: str) -> None:
    """In the process."""
    os.nice(STEPS_BACK)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def tell(done: int, of: int, sentence: str) -> None:
        pipe.send(_Came(done, of, sentence))

    try:
        with open_workplace(settings, migrate=False) as desk:
            said = _Ended(*handler(desk, given, who, tell))
    except Refusal as refused:
        said = _Ended(f"{refused.detail} {refused.remedy}")
    except Exception as error:
        log.exception("long work failed")
        said = _Ended(f"The gateway failed: {type(error).__name__}.")
    with suppress(OSError):
        pipe.send(said)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
