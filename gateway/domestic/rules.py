"""The law on tiers as data: which names exist on a day, and what can follow what (``rules.toml``, dated and cited)."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from importlib.resources import files
from typing import Literal

import msgspec

from gateway.core.errors import Code, Refusal
from gateway.core.home import Tier


class MeasureStatus(StrEnum):
    """Whether the facilitation measures run. ``rectifying`` is a suspension with the tier kept (Order 282, error tolerance).

    ``partially-suspended``: one of them is suspended, as guarantees may be (Order 251), and facilitation runs on without it.
    """

    ACTIVE = "active"
    PARTIALLY_SUSPENDED = "partially-suspended"
    SUSPENDED = "suspended"
    RECTIFYING = "rectifying"

    @property
    def runs(self) -> bool:
        """Whether facilitation as such does: whoever is suspended in part is not suspended, at home or abroad."""
        return self in (MeasureStatus.ACTIVE, MeasureStatus.PARTIALLY_SUSPENDED)


class LegalGround(StrEnum):
    """Why credit management changed something. It is never told abroad.

    ``restatement`` names a tier of Order 251 anew in a name of Order 282. ``other`` is a ground this list does not know: no rule
    foresees it, so what it changes is flagged.
    """

    CERTIFICATION = "certification"
    RE_CERTIFICATION = "re-certification"
    RECTIFICATION_START = "rectification-start"
    RECTIFICATION_SUCCESS = "rectification-success"
    RECTIFICATION_FAILURE = "rectification-failure"
    CRIMINAL_CASE = "criminal-case"
    ADMINISTRATIVE_CASE = "administrative-case"
    CASE_CLOSED = "case-closed"
    DOWNGRADE = "downgrade"
    SERIOUS_DISCREDIT = "serious-discredit"
    RESTORATION = "restoration"
    RESTATEMENT = "restatement"
    CORRECTION = "correction"
    OTHER = "other"


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One order's tiers, best first, from a day on; ``aeo`` are those that are China's AEOs."""

    since: date
    name: str
    tiers: tuple[Tier, ...]
    aeo: frozenset[Tier]
    source: str


class Transition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may follow what on one ground, from ``since`` to ``until`` (both included). A list left out allows any,
    but facilitation never comes back to an AEO by a rule that does not say so in ``measures_to``.
    """

    id: str
    ground: LegalGround
    since: date
    source: str
    move: Literal["up", "down", "same", "any"]
    until: date = date.max
    before: tuple[Tier, ...] = msgspec.field(default=(), name="from")
    after: tuple[Tier, ...] = msgspec.field(default=(), name="to")
    measures_from: tuple[MeasureStatus, ...] = ()
    measures_to: tuple[MeasureStatus, ...] = ()
    within_rectification: bool = False
    known: bool = True


class DeadlineLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Periods in whole years."""

    rectification_years: int
    recertification_years: dict[Tier, int]


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``rules.toml``."""

    order: tuple[Order, ...]
    height: dict[Tier, int]
    limits: DeadlineLimits
    transition: tuple[Transition, ...]


RULES = msgspec.toml.decode(files(__package__).joinpath("rules.toml").read_bytes(), type=Rules)

FIRST_DAY = RULES.order[0].since


def order_on(day: date) -> Order:
    """The order in force on ``day``; refuses earlier days than the first (``data-invalid``)."""
    for order in reversed(RULES.order):
        if order.since <= day:
            return order
    raise Refusal(
        Code.DATA_INVALID,
        f"Tiers are known from {FIRST_DAY} on; before that Order 237 had two AEO tiers, which no tier of today stands for.",
        value=day.isoformat(),
        remedy=f"State what held on {FIRST_DAY} or later.",
    )


def years_after(day: date, years: int) -> date:
    """The same day ``years`` later; 29 February becomes 1 March, so that no period is cut short."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
