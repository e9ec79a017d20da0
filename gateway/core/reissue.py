"""What is said again counts with the number and moment of what it refers to (exchange/RULES.md, Numbers)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.core.model import PlacedStatement


def as_first_said(placed: Sequence[PlacedStatement]) -> Sequence[PlacedStatement]:
    """The statements of one operator, each reissue in the place of what it refers to, annulled or not, through other reissues too.

    A reissue is an update that refers to an update, or a notice that refers to a notice, of the same sender; what refers to anything
    else, or to what never came, is news. Found when folding and not when recording: a reissue may come before what it repeats.
    """
    if not any(one.refers_to for one in placed):
        return placed
    said = {one.message_id: one for one in placed if not one.pictured}
    return [_in_place_of(_first(one, said), one) if one.refers_to else one for one in placed]


def _first(one: PlacedStatement, said: dict[str, PlacedStatement]) -> PlacedStatement:
    """What it repeats, and that repeats; itself where it repeats nothing, or messages name each other in a circle."""
    first, seen = one, {one.message_id}
    while first.refers_to and (other := said.get(first.refers_to)) and other.priority is one.priority:
        if other.message_id in seen:
            return one
        seen.add(other.message_id)
        first = other
    return first


def _in_place_of(first: PlacedStatement, one: PlacedStatement) -> PlacedStatement:
    if first is one:
        return one
    effect = one.takes_effect if one.statement.effective else min(first.issued, first.received, one.received)
    return msgspec.structs.replace(one, issued=first.issued, takes_effect=effect, sequence=first.sequence, epoch=first.epoch)
