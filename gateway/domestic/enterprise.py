"""A Chinese enterprise as the gateway knows it: three values kept apart.

*Tier* is what credit management decided; it is kept during rectification. *Measure status* says whether facilitation runs.
*Recognition by a partner* is neither: it is derived, per arrangement and day (``projection.py``).
All dates are calendar days in China; a step holds from its day on, that day included.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Generic, TypeVar

import msgspec

from gateway.core.home import Tier
from gateway.domestic.rules import LegalGround, MeasureStatus, order_on

T = TypeVar("T")

#: The word for general consent; a partner's two letters stand for that partner, with ``-`` before them for its exception.
EVERY_PARTNER = "all"


class DatedStep(msgspec.Struct, Generic[T], frozen=True):
    """A value from a day on. ``ground`` is for us alone and never leaves credit management."""

    value: T
    since: date
    ground: LegalGround | None = None


def last_step(steps: Sequence[DatedStep[T]], day: date) -> DatedStep[T] | None:
    """The step in force on ``day``; None before the first. ``steps`` ascend by day."""
    return next((step for step in reversed(steps) if step.since <= day), None)


def at(steps: Sequence[DatedStep[T]], day: date) -> T | None:
    """The value in force on ``day``; None before the first step."""
    step = last_step(steps, day)
    return step.value if step else None


class Enterprise(msgspec.Struct, frozen=True, kw_only=True):
    """One enterprise and its three dated tracks, keyed by ``uscc`` (18 characters).

    ``customs_code`` has 10 digits; enterprises under Art. 41 of Order 282 trade without one, and are never told abroad.
    ``name_en`` is the registered English name. ``recertify_by`` is when certification is to be renewed: a date for us, no expiry.
    Each consent step names everything consented to from its day on: ``all``, partners, and ``-XX`` for an exception.
    """

    uscc: str
    customs_code: str | None = None
    name_zh: str
    name_en: str | None = None
    address: str | None = None
    tiers: tuple[DatedStep[Tier], ...] = ()
    measures: tuple[DatedStep[MeasureStatus], ...] = ()
    consents: tuple[DatedStep[tuple[str, ...]], ...] = ()
    certified_on: date | None = None
    recertify_by: date | None = None

    @property
    def steps(self) -> tuple[DatedStep[Any], ...]:
        """What credit management decided: every step of tier and measures."""
        return (*self.tiers, *self.measures)

    def tier_on(self, day: date) -> Tier | None:
        """The tier on ``day``; None where none is stated, or the name stated is not one of that day's law (nothing is converted).

        Refuses days before 2021-11-01 (``data-invalid``).
        """
        tier = at(self.tiers, day)
        return tier if tier in order_on(day).tiers else None

    def measures_on(self, day: date) -> MeasureStatus | None:
        """The measure status on ``day``; None where none is stated."""
        return at(self.measures, day)

    def listed_on(self, day: date) -> bool:
        """Whether it stands on the list of the seriously discredited that day (Order 282, Art. 16)."""
        return self.tier_on(day) is Tier.SERIOUSLY_DISCREDITED

    def consents_on(self, partner: str, day: date) -> bool:
        """Whether it consents on ``day`` to ``partner`` hearing of it; silence is no consent."""
        given = at(self.consents, day) or ()
        return partner in given or (EVERY_PARTNER in given and f"-{partner}" not in given)
