"""The read index of one node: every operator's timeline, packed, in memory. Dated timelines and never verdicts, so that midnight,
which makes no transaction, changes nothing here.

One writer (the node's follower of the journal) calls ``load`` and ``apply``; any number of readers, on any thread, call the rest
without a lock: an entry is one object that is replaced whole, so a reader sees it before or after a change, never half. The writer must
read the store and apply what it read in one step, one after the other; then what it applies is never older than what is here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime, timedelta

from gateway.core.history import Timeline, unpack


class Index:
    """Timelines by code, as the store had them at a position of the journal.

    ``bound`` is how long a node may answer without knowing that all that was committed is here: a revocation is never served later
    than that (and the time of one poll) after its transaction.
    """

    def __init__(self, bound: timedelta) -> None:
        self.bound = bound
        self._timelines: dict[str, bytes] = {}
        self._position = 0
        self._heard: datetime | None = None

    @property
    def position(self) -> int:
        """How many entries of the journal are reflected here: the first position not yet seen."""
        return self._position

    def load(self, rows: Iterable[tuple[str, bytes]], position: int) -> None:
        """Take (code, packed timeline) of every operator in place of whatever was here. ``position`` is to be read from the store
        before the rows are: what is newer is then applied again and harms nothing. Until something is heard nothing is current."""
        timelines = dict(iter(rows))  # a database result has keys() and would pass for a mapping
        self._heard = None
        self._timelines = timelines
        self._position = position

    def apply(self, changes: Iterable[tuple[str, bytes]], position: int | None = None) -> None:
        """Replace these operators' timelines; then everything before ``position`` is reflected, where one is given (news of this
        node's own, which has no position yet, may be told ahead)."""
        self._timelines.update(iter(changes))
        if position is not None:
            self._position = max(self._position, position)

    def heard(self, moment: datetime) -> None:
        """The moment (aware) from before which everything that was committed is applied."""
        self._heard = moment

    def current(self, now: datetime) -> bool:
        """Whether what is here can be answered from: what was last heard is no older than the bound. A moment further ahead than
        that is a clock that jumped, and proves nothing."""
        return self._heard is not None and abs(now - self._heard) <= self.bound

    def age(self, now: datetime) -> timedelta | None:
        """How long ago all that was committed was applied; None: nothing was heard since the load."""
        return None if self._heard is None else now - self._heard

    def get(self, code: str) -> Timeline | None:
        """The timeline of exactly this code; None: no partner ever stated it."""
        packed = self._timelines.get(code)
        return None if packed is None else unpack(packed)

    def known(self, code: str) -> bool:
        """Whether a partner ever stated exactly this code, whatever became of it."""
        return code in self._timelines

    def __len__(self) -> int:
        return len(self._timelines)

    def memory(self) -> int:
        """Bytes taken by keys, timelines and the table of them. It looks at every entry: for a measurement, not for a request."""
        timelines = self._timelines
        return sys.getsizeof(timelines) + sum(
            sys.getsizeof(code) + sys.getsizeof(packed) for code, packed in timelines.copy().items()
        )
