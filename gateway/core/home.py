"""What is home's: the zone in which days are counted, and the credit tiers."""

from __future__ import annotations

import re
from enum import StrEnum
from zoneinfo import ZoneInfo

#: Declared days are days in China (core/RULES.md, The question).
HOME_ZONE = ZoneInfo("Asia/Shanghai")


class Tier(StrEnum):
    """China's own credit tiers: three under Order 251 (2021-11-01), five under Order 282 (2026-04-01)."""

    ADVANCED = "advanced-certified"
    CERTIFIED = "certified"
    GENERAL = "general-compliance"
    REGULAR = "regular"
    DISCREDITED = "discredited"
    SERIOUSLY_DISCREDITED = "seriously-discredited"


#: The tiers that are China's AEOs (Order 251: Advanced Certified only; Order 282, Art. 8: both).
AEO_TIERS = (Tier.ADVANCED, Tier.CERTIFIED)

#: Our own operators' codes as they are written abroad and at home.
_OWN_CODE = re.compile(r"(?:AEO)?CN([0-9]{10})")
#: The same of whatever number an enterprise has at home; which of the two stand before it is not asked.
_OWN_NUMBER = re.compile(r"(?:AEO)?(?P<country>CN)?(?P<number>[0-9]{10}|[0-9A-Z]{18})")


def own_code(code: str) -> str | None:
    """The enterprise's number in one of our own operators' codes; None where it is none."""
    found = _OWN_CODE.fullmatch(code)
    return found[1] if found else None


def own_number(text: str) -> tuple[str, bool]:
    """An enterprise's number without ``AEO`` and the country that people write before it, and whether the country stood there."""
    found = _OWN_NUMBER.fullmatch(text)
    return (found["number"], found["country"] is not None) if found else (text, False)
