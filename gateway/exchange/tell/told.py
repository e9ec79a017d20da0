"""What a partner was last told of each enterprise, and whether it has proven to know it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.core.model import Standing, Statement
from gateway.domestic.projection import (
    LEARNED,
)
from gateway.store.disclosures import Disclosure


def last_told(tellings: Iterable[Disclosure]) -> tuple[dict[str, Disclosure], dict[str, list[Disclosure]]]:
    """By enterprise: what its partner last heard, or may have heard, of it; and what is still unsent."""
    newest: dict[str, Disclosure] = {}
    waiting: dict[str, list[Disclosure]] = {}
    for one in tellings:
        if one.untried:
            waiting.setdefault(one.uscc, []).append(one)
        else:
            newest[one.statement.tin] = one
    # A changed code ends the old number and grants the new in one message: the new is what was heard last.
    in_order = sorted(newest.values(), key=lambda one: (one.row, one.statement.standing in LEARNED))
    return {one.uscc: one for one in in_order}, waiting


def proven_to_know(last: Disclosure | None, statement: Statement) -> bool:
    """Whether the partner has proven to know just this; saying it again then takes nothing from the proof."""
    if last is None or not last.proven:
        return False
    before = last.statement
    if before.standing is Standing.REINSTATED:
        before = msgspec.structs.replace(before, standing=Standing.VALID)
    return before == statement
