"""What grows by how much, and where that leads: plain sums over what came on which day.

Days are whole days since 1970 UTC, amounts bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: How far ahead is looked for the day on which a disk is full, in days.
HORIZON = 3_650


@dataclass(frozen=True, slots=True)
class Growing:
    """One class of what is kept. ``came``: bytes still there by the day on which they came. ``days``: how long they are kept; None:
    always. ``open``: bytes older than that, kept because something still needs them; ``stays``: the share that so far stayed so."""

    came: Mapping[int, int]
    days: int | None = None
    open: int = 0
    stays: float = 0.0

    @property
    def size(self) -> int:
        return sum(self.came.values())

    def growth(self, today: int, window: int, first: int) -> float:
        """Bytes a day over the last ``window`` days, today among them; over fewer where ``first``, the installation's first day, is later."""
        over = max(1, min(window, today - first + 1))
        return sum(amount for day, amount in self.came.items() if today - over < day <= today) / over

    def after(self, today: int, ahead: int, a_day: float) -> float:
        """Bytes after ``ahead`` more days on which ``a_day`` bytes come. What is open now is taken to stay open."""
        if self.days is None:
            return self.size + a_day * ahead
        young = sum(amount for day, amount in self.came.items() if day > today + ahead - self.days)
        fresh = a_day * min(ahead, self.days)
        passing = max(0.0, self.size - self.open - young) + a_day * max(0, ahead - self.days)
        return self.open + young + fresh + passing * self.stays


def first_over(room: float, more: Callable[[int], float]) -> int | None:
    """The first day ahead on which more than ``room`` is needed; None: not within ten years. Once it is too much it stays so."""
    if more(HORIZON) <= room:
        return None
    return bisect_right(range(HORIZON), room, key=more)
