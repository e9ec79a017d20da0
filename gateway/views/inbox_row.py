"""One thing that needs a person, as the inbox shows it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec


class InboxKind(StrEnum):
    """What kind of thing needs a person."""

    HELD_LIST = "held-list"
    HELD_GAIN = "held-gain"
    PROPOSAL = "proposal"
    DEAD_LETTERS = "dead-letters"
    UNREACHABLE = "unreachable"
    OLD_DATA = "old-data"
    ENDING = "ending"
    FAILED_REHEARSAL = "failed-rehearsal"
    DEADLINE = "deadline"
    PARTNER_FAULT = "partner-fault"
    SECOND_PERSON = "second-person"
    EMERGENCY = "emergency"


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What settles it, or shows more of it: a route (null: there is none) and the command that does the same."""

    does: str
    route: str | None
    command: str


class InboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that needs a person. ``subject`` tells it from others of its kind; ``since`` is null where that was not noted. ``count`` is of how many
    messages or operators it is."""

    kind: InboxKind
    subject: str
    partner: str | None
    since: datetime | None
    count: int
    says: str
    if_nobody_acts: str
    actions: Sequence[Action]
