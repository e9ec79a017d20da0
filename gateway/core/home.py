"""What is home's: the zone in which days are counted, and the credit tiers."""

from __future__ import annotations

from enum import StrEnum
from zoneinfo import ZoneInfo

#: Declared days are days in China (SEMANTICS: The question).
HOME_ZONE = ZoneInfo("Asia/Shanghai")


class Tier(StrEnum):
    """China's own credit tiers: three under Order 251 (2021-11-01), five under Order 282 (2026-04-01)."""

    ADVANCED = "advanced-certified"
    CERTIFIED = "certified"
    GENERAL = "general-compliance"
    REGULAR = "regular"
    DISCREDITED = "discredited"
    SERIOUSLY_DISCREDITED = "seriously-discredited"
