"""One partner spoken to at one moment, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from gateway.core.arrangement import Arrangement
from gateway.core.errors import Code, Refusal
from gateway.core.model import Statement
from gateway.domestic.projection import (
    shared_on,
)
from gateway.node import context
from gateway.node.context import Context
from gateway.store.active import ActivePartner

log = logging.getLogger(__name__)

#: What is said of each enterprise, in order.
StatementsByEnterprise = dict[str, tuple[Statement, ...]]


class LeftOut(msgspec.Struct, frozen=True):
    """What a partner's XML cannot say of an enterprise (a text too long for it), so that only this was left out. An empty ``uscc``: the
    whole message could not be said.
    """

    partner: str
    uscc: str
    code: str
    reason: str


@dataclass(slots=True)
class QueuedNotices:
    """Messages queued for each partner, and what could not be said."""

    queued: dict[str, int] = field(default_factory=dict)
    unsaid: list[LeftOut] = field(default_factory=list)

    def add(self, other: QueuedNotices) -> None:
        """Another partner's beside these."""
        self.queued |= other.queued
        self.unsaid += other.unsaid


class OutgoingDocument(NamedTuple):
    """One message to be queued."""

    message_id: str
    payload: str
    changes: StatementsByEnterprise


@dataclass(frozen=True, slots=True)
class Recipient:
    """One partner spoken to at one moment, inside one transaction."""

    connection: Connection
    node: Context
    live: ActivePartner
    at: datetime
    notices: QueuedNotices

    @property
    def arrangement(self) -> Arrangement:
        return self.live.arrangement

    @property
    def iso(self) -> str:
        return self.live.arrangement.iso

    @property
    def day(self) -> date:
        return context.day_of(self.at)

    @property
    def shared(self) -> frozenset[str]:
        return shared_on(self.arrangement, self.day)

    def unsaid(self, uscc: str, refusal: Refusal) -> None:
        """Notes what could not be said, and goes on."""
        log.warning("%s cannot be told of %s: %s", self.iso, uscc or "anything", refusal)
        self.notices.unsaid.append(LeftOut(self.iso, uscc, str(refusal.code), refusal.detail))

    def ask_for_words(self, *, complete: bool) -> None:
        """Shows as this partner's own what its XML could not say, for a person to supply, until a complete list says everything."""
        left, problems = self.notices.unsaid, self.node.partners.problems
        if left:
            others = f" (and {len(left) - 1} more)" if len(left) > 1 else ""
            said = f"{left[0].uscc or 'A whole message'}{others} cannot be told: {left[0].reason} Supply it in the domestic feed."
            problems.failed(self.iso, "words", Refusal(Code.DATA_INVALID, said))
        elif complete:
            problems.worked(self.iso, "words")


def pairs(changes: StatementsByEnterprise) -> Sequence[tuple[str, Statement]]:
    return [(uscc, statement) for uscc, said in changes.items() for statement in said]
