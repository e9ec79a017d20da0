"""The order in which statements about one operator were issued, whatever the order in which they came (SEMANTICS: What is told abroad).

    1  what one message says stays together, in the order in which it takes effect
    2  a list or response counts as of the moment it pictures, everything else as of its creation; of messages issued at one moment the
       one that ends in the graver standing comes last (choice: fail closed)
    3  within one priority class and numbering epoch the sender's numbers decide, whatever its clocks said
    4  where clocks cannot tell a loss from a grant of another class or epoch, closer than the skew allowed, the loss comes last

Ids order nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import msgspec

from gateway.core.model import PlacedStatement, Priority, Standing

#: How far two clocks of one partner may be apart (choice: what the protocol allows a sender's clock, whatever an installation accepts:
#: two nodes, and two releases, must fold alike).
SKEW = timedelta(minutes=5)

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
    which it ends."""

    issued: datetime
    gravity: int
    numbered: tuple[Priority, int] | None
    sequence: int
    pictured: bool
    says: tuple[PlacedStatement, ...]

    @property
    def grants(self) -> bool:
        return self.gravity <= GRAVITY[Standing.REINSTATED]


def in_order_of_issue(placed: Sequence[PlacedStatement]) -> list[PlacedStatement]:
    """The statements of one operator in the order of issue; deterministic for any order of arrival."""
    if len(placed) < 2:
        return list(placed)
    messages = _by_moment(placed)
    if len(messages) > 1:
        messages = _losses_last(_by_number(messages))
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
    first = said[0]
    numbered = (first.priority, first.epoch) if first.sequence else None
    return _Message(first.issued, GRAVITY[said[-1].statement.standing], numbered, first.sequence, first.pictured, tuple(said))


def _content(one: PlacedStatement) -> bytes:
    return msgspec.msgpack.encode((one.takes_effect, one.statement, one.held, one.derived))


def _by_number(messages: list[_Message]) -> list[_Message]:
    """Puts each class right by its numbers: a message whose clock went back counts as issued with the one before it. Pictures stay where
    their moments put them: what they show is of then, whenever they were made and numbered."""
    classes: dict[tuple[Priority, int], list[_Message]] = {}
    for one in messages:
        if one.numbered and not one.pictured:
            classes.setdefault(one.numbered, []).append(one)
    put_right: dict[int, _Message] = {}
    for those in classes.values():
        latest = None
        for one in sorted(those, key=lambda one: one.sequence):
            latest = one.issued if latest is None else max(latest, one.issued)
            put_right[id(one)] = one if one.issued == latest else one._replace(issued=latest)
    if all(one.issued == put_right[id(one)].issued for those in classes.values() for one in those) and _ascending(classes):
        return messages
    moved = sorted((put_right.get(id(one), one) for one in messages), key=lambda one: (one.issued, one.gravity))
    for of_class in classes:
        places = [at for at, one in enumerate(moved) if one.numbered == of_class and not one.pictured]
        for at, one in zip(places, sorted((moved[at] for at in places), key=lambda one: one.sequence), strict=True):
            moved[at] = one
    return moved


def _ascending(classes: dict[tuple[Priority, int], list[_Message]]) -> bool:
    return all(a.sequence <= b.sequence for those in classes.values() for a, b in pairwise(those))


def _losses_last(messages: list[_Message]) -> list[_Message]:
    """Moves each loss behind the last grant of another class or epoch that clocks cannot place before it, but never past what its own
    sender numbered after it."""
    for at in range(len(messages) - 2, -1, -1):
        loss = messages[at]
        if loss.grants:
            continue
        last = at
        for behind in range(at + 1, len(messages)):
            other = messages[behind]
            if other.issued - loss.issued >= SKEW or (loss.numbered and other.numbered == loss.numbered):
                break
            if other.grants:
                last = behind
        if last > at:
            messages.insert(last, messages.pop(at))
    return messages
