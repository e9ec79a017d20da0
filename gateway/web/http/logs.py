"""The log: one JSON object a line, so that nothing a stranger wrote can end a line, begin one, or colour a terminal.

Whatever is logged, by us or by a library, goes through the standard library to one handler; structlog makes the line. A fault that repeats
is folded (``Folding``): a database that is down for an hour is some lines a minute.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import TextIO

from structlog.contextvars import merge_contextvars
from structlog.processors import ExceptionRenderer, JSONRenderer
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger

from gateway.core.moments import from_epoch

#: What a line may say beside its message, and nothing else: whoever logs a payload, a token or a PIN under another name logs nothing.
#: ``request`` and ``traceparent`` are the request's (``tracing.py``), ``caller`` its principal's id, ``token`` the number of its token;
#: ``id`` is a message's, ``intake`` the number under which what came is kept, ``ms`` how long it took; ``by`` is whoever decided, ``entry``
#: the number of the journal's entry.
FIELDS = (
    "request", "traceparent", "caller", "token", "address", "method", "route",
    "partner", "id", "kind", "outcome", "code", "ms", "intake", "attempt",
    "subject", "decision", "by", "entry",
    "facts", "folded",
)  # fmt: skip
#: For so many seconds what equals another is counted; so many of one sort are written meanwhile: of refusals, where each is of another
#: request, some; of faults one. So many sorts are told apart, and what comes beyond those is counted together (choices).
WINDOW, REFUSALS, FAULTS, SORTS = 60.0, 10, 1, 500


class Lines(ProcessorFormatter):
    """``at`` (UTC), ``level``, ``logger``, ``message``; of ``FIELDS`` those that a record carries; ``trace`` where it is of a fault."""

    def __init__(self) -> None:
        # ASCII only: right-to-left marks and other controls are shown by their numbers.
        last = JSONRenderer(ensure_ascii=True, default=str)
        known = ExtraAdder(allow=FIELDS)
        super().__init__(processors=[ExceptionRenderer(), _line, last], foreign_pre_chain=[merge_contextvars, known])


def _line(_: WrappedLogger, __: str, said: EventDict) -> EventDict:
    record: logging.LogRecord = said.pop("_record")
    line: dict[str, object] = {
        "at": from_epoch(record.created).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": said.pop("event"),
    }
    line |= {name: said[name] for name in FIELDS if said.get(name) not in (None, "", {})}
    if "exception" in said:
        line["trace"] = said["exception"]
    return line


def _sort(record: logging.LogRecord) -> tuple[object, ...] | None:
    """What a record has in common with those that say the same; None of one that is never folded: each message that came or went, each
    decision. Whoever logs may name it as ``same``; of a fault it is where and by what it failed."""
    if (named := getattr(record, "same", None)) is not None:
        return (record.name, record.msg, *named)
    if record.levelno < logging.WARNING:
        return None
    if record.exc_info and (error := record.exc_info[1]) is not None:
        return (record.name, record.msg, type(error), str(error)[:200])
    return (record.name, record.getMessage()[:500])


@dataclass(slots=True)
class _Sort:
    """``last`` is the latest that was folded."""

    begun: float
    times: int = 0
    folded: int = 0
    last: logging.LogRecord | None = None


class Folding(logging.StreamHandler[TextIO]):
    """Writes to standard error; of records that say the same the first in ``WINDOW`` seconds, and how many more there were (``folded``,
    with the last of them) when those are over. Holds no more than ``SORTS`` of them. ``clock`` is a steady one, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        #: Of faults (True) and of refusals, each in the order in which they began: who makes up sorts of refusals must not hide a fault.
        self._sorts: dict[bool, dict[tuple[object, ...], _Sort]] = {False: {}, True: {}}
        self._timer: threading.Timer | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Called by ``handle``, which holds the handler's lock."""
        try:
            self.tell()
            sort = _sort(record)
            written = sort is None or self._first(sort, record)
        except Exception:  # noqa: BLE001 - as everywhere in logging: whoever logs goes on, whatever it logs
            self.handleError(record)
        else:
            if written:
                super().emit(record)

    def tell(self, *, every: bool = False) -> None:
        """Writes how many were folded of each sort whose time is over; of ``every`` one at the end."""
        self.acquire()
        try:
            now = self._clock()
            for sorts in self._sorts.values():
                while sorts and (every or now - next(iter(sorts.values())).begun >= WINDOW):
                    one = sorts.pop(next(iter(sorts)))
                    if one.last is not None:
                        told = logging.makeLogRecord(one.last.__dict__ | {"folded": one.folded})
                        Context().run(super().emit, told)  # it is not of the request that happens to be under way
        finally:
            self.release()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.tell(every=True)
        super().close()

    def _first(self, sort: tuple[object, ...], record: logging.LogRecord) -> bool:
        fault = record.levelno >= logging.WARNING
        sorts = self._sorts[fault]
        if sort not in sorts and len(sorts) >= SORTS:
            sort = ("others",)
        one = sorts.setdefault(sort, _Sort(self._clock()))
        one.times += 1
        if one.times <= (FAULTS if fault else REFUSALS):
            return True
        # Without its trace, which was written once and would keep alive whatever the fault had in hand.
        one.folded, one.last = one.folded + 1, logging.makeLogRecord(record.__dict__ | {"exc_info": None, "exc_text": None})
        self._tell_later()
        return False

    def _tell_later(self) -> None:
        """For when nothing more is logged that would have it told."""
        if self._timer is None:
            self._timer = threading.Timer(WINDOW, self._at_last)
            self._timer.daemon = True
            self._timer.start()

    def _at_last(self) -> None:
        self.acquire()
        try:
            self._timer = None
            self.tell()
            if any(one.folded for sorts in self._sorts.values() for one in sorts.values()):
                self._tell_later()
        finally:
            self.release()


def set_up(level: int = logging.INFO) -> None:
    """Has everything that is logged written to standard error, as such lines."""
    handler = Folding()
    handler.setFormatter(Lines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
