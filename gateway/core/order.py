"""The order in which statements about one operator were issued, whatever the order in which they came.

    1  what one message says stays together, in the order in which it takes effect
    2  within one priority class and numbering epoch the sender's numbers decide, whatever its clocks said
    3  across classes and epochs the moment of issue decides, where clocks can tell: further apart than the skew allowed
    4  a list or response was issued at the moment it pictures, which may lie long before its message and its number, but never after
       them; so its number counts only against what was numbered after it, and where the moments agree with it
    5  where neither tells which of two was later, the loss; of two losses or two grants the later moment, then the graver standing
       (choice: fail closed)

Ids order nothing (exchange/RULES.md, Numbers).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from gateway.core.model import PlacedStatement, Priority, Standing

#: How far two clocks of one partner may be apart (choice: what the protocol allows a sender's clock, whatever an installation accepts:
#: two nodes, and two releases, must fold alike).
SKEW = timedelta(minutes=5)

_LAST = datetime.max.replace(tzinfo=UTC)

#: From mild to grave.
GRAVITY = {
    standing: gravity
    for gravity, standing in enumerate(
        (
            Standing.VALID,
            Standing.REINSTATED,
            Standing.SUSPENDED,
            Standing.DELISTED,
            Standing.WITHDRAWN,
            Standing.REVOKED,
            Standing.ANNULLED,
        )
    )
}


class _Message(NamedTuple):
    """What one message says. ``numbered`` names its class and epoch; None: it carries no number. ``gravity`` is that of the standing in
    which it ends. ``earliest`` and ``latest`` are what its sender's clock and numbers leave of the moment of issue."""

    issued: datetime
    gravity: int
    numbered: tuple[Priority, int] | None
    sequence: int
    pictured: bool
    says: tuple[PlacedStatement, ...]
    earliest: datetime
    latest: datetime

    @property
    def grants(self) -> bool:
        return self.gravity <= GRAVITY[Standing.REINSTATED]

    def after(self, other: _Message) -> bool:
        """Whether it was certainly issued after ``other``."""
        if self.numbered and self.numbered == other.numbered and self.sequence != other.sequence:
            later = self.sequence > other.sequence
            if not (self if later else other).pictured:
                return later
            if later and self.earliest >= other.latest:
                return True
        return self.earliest - other.latest >= SKEW


def in_order_of_issue(placed: Sequence[PlacedStatement]) -> list[PlacedStatement]:
    """The statements of one operator in the order of issue; deterministic for any order of arrival."""
    if len(placed) < 2:
        return list(placed)
    messages = _by_moment(placed)
    if _in_doubt(messages):
        messages = [message for group in _apart(_bounded(messages)) for message in _settled(group)]
    return [one for message in messages for one in message.says]


def _by_moment(placed: Iterable[PlacedStatement]) -> list[_Message]:
    together: dict[str, list[PlacedStatement]] = {}
    for one in placed:
        together.setdefault(one.message_id, []).append(one)
    messages = [_message(said) for said in together.values()]
    # The content and, where even that is the same, the id only make the evidence the same on every node.
    messages.sort(key=lambda one: (one.issued, one.gravity, [_content(said) for said in one.says], one.says[0].message_id))
    return messages


def _message(said: list[PlacedStatement]) -> _Message:
    if len(said) > 1:
        said.sort(key=lambda one: (one.takes_effect, GRAVITY[one.statement.standing], _content(one)))
    first, gravity = said[0], GRAVITY[said[-1].statement.standing]
    numbered = (first.priority, first.epoch) if first.sequence else None
    return _Message(first.issued, gravity, numbered, first.sequence, first.pictured, tuple(said), first.issued, first.issued)


def _content(one: PlacedStatement) -> bytes:
    return msgspec.msgpack.encode((one.takes_effect, one.statement, one.held, one.derived))


def _in_doubt(messages: Iterable[_Message]) -> bool:
    """Whether their moments, in which they come, are not their order: a number goes back, or a loss is followed too closely by a grant."""
    highest: dict[tuple[Priority, int], int] = {}
    before = None
    for one in messages:
        if before and one.grants and not before.grants and one.issued - before.issued < SKEW:
            return True
        if one.numbered:
            if one.sequence < highest.get(one.numbered, 0):
                return True
            highest[one.numbered] = one.sequence
        before = one
    return False


def _bounded(messages: list[_Message]) -> list[_Message]:
    """With the earliest and latest moment of each: no earlier than what its sender numbered before it, no later than what it numbered
    after it. Where a clock went back, it cannot tell which of its moments is the right one; a picture's says nothing of its making."""
    classes: dict[tuple[Priority, int], list[int]] = {}
    for at, one in enumerate(messages):
        if one.numbered:
            classes.setdefault(one.numbered, []).append(at)
    bounded = list(messages)
    for places in classes.values():
        in_sequence = sorted(places, key=lambda at: messages[at].sequence)
        if in_sequence == places:
            continue
        latest = messages[in_sequence[0]].issued
        for at in in_sequence:
            latest = max(latest, messages[at].issued)
            if not messages[at].pictured:
                bounded[at] = bounded[at]._replace(latest=latest)
        earliest = _LAST
        for at in reversed(in_sequence):
            bounded[at] = bounded[at]._replace(earliest=min(earliest, messages[at].issued))
            if not messages[at].pictured:
                earliest = bounded[at].earliest
    return bounded


def _apart(messages: list[_Message]) -> Iterator[list[_Message]]:
    """Divided where everything behind was certainly issued after everything before: nearly every message by itself."""
    ordered = sorted(messages, key=lambda one: one.latest)
    first = [one.earliest for one in ordered]
    for at in range(len(first) - 2, -1, -1):
        first[at] = min(first[at], first[at + 1])
    group: list[_Message] = []
    for one, earliest in zip(ordered, first, strict=True):
        if group and earliest - group[-1].latest >= SKEW:
            yield group
            group = []
        group.append(one)
    yield group


def _settled(messages: list[_Message]) -> list[_Message]:
    """From the last word backwards: of those that nothing left was certainly issued after, a loss goes before a grant."""
    if len(messages) == 1:
        return messages
    left = dict(enumerate(messages))
    before = {at: [other for other in left if one.after(left[other])] for at, one in left.items()}
    later = dict.fromkeys(left, 0)
    for those in before.values():
        for at in those:
            later[at] += 1
    settled: list[_Message] = []
    while left:
        last = max(
            (at for at in left if not later[at]), key=lambda at: (not left[at].grants, left[at].issued, left[at].gravity, at)
        )
        settled.append(left.pop(last))
        for at in before[last]:
            later[at] -= 1
    return settled[::-1]
