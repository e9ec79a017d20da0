"""How the days and moments of a message are written, told from all of their values at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.core import moments

#: Each form of a day by its pattern, as holes name it; what looks the same is decided by a day after the twelfth.
_DAYS = {
    "date": "%Y-%m-%d",
    "date:yyyyMMdd": "%Y%m%d",
    "date:yyyy/MM/dd": "%Y/%m/%d",
    "date:yyyy.MM.dd": "%Y.%m.%d",
    "date:yyyy年MM月dd日": "%Y年%m月%d日",
    "date:dd/MM/yyyy": "%d/%m/%Y",
    "date:dd.MM.yyyy": "%d.%m.%Y",
    "date:dd-MM-yyyy": "%d-%m-%Y",
    "date:MM/dd/yyyy": "%m/%d/%Y",
}
_FULL = re.compile(r"\d{8}|\d{4}\D\d{2}\D\d{2}\D?|\d{2}\D\d{2}\D\d{4}")
_ZONED_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(Z|[+-]\d{2}:\d{2})")
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}:\d{2}(?:\.\d+)?)(Z|[+-]\d{2}:\d{2})?")


def forms(values: Sequence[str]) -> tuple[str, ...]:
    """Every form that fits all ``values``, each as what stands for a hole's ``|filter`` with the literal text after it (``%``):
    ``{%|date}``, ``{%|date}Z``, ``{%|datetime}``. Several: nothing tells which; none: these are no days."""
    if not values:
        return ()
    if zones := _all(_ZONED_DAY, values):
        (suffix, *others) = {found[2] for found in zones}
        return () if others else (f"{{%|date}}{suffix}",)
    if moments := _all(_MOMENT, values):
        if all(found[3] for found in moments):
            return ("{%|datetime}",)
        return () if any(found[3] for found in moments) else (UNZONED,)
    if all(re.fullmatch(r"20\d{12}", value) for value in values):
        return (UNZONED_DIGITS,)
    return tuple(f"{{%|{form}}}" for form, pattern in _DAYS.items() if all(_is_day(value, pattern) for value in values))


#: Moments that do not say their zone: a person has to.
UNZONED = "{%|datetime:yyyy-MM-ddTHH:mm:ss+00:00}"
UNZONED_DIGITS = "{%|datetime:yyyyMMddHHmmss+00:00}"


def midnight(values: Sequence[str]) -> str | None:
    """The form of moments that mean a day: each ends with the same time, as ``2026-01-01T00:00:00Z`` does."""
    found = _all(_MOMENT, values)
    ends = {one[2] + (one[3] or "") for one in found}
    if len(ends) == 1 and (len(found) > 1 or ends <= {"T00:00:00Z", "T00:00:00"}):
        return f"{{%|date}}{ends.pop()}"
    return None


def _all(pattern: re.Pattern[str], values: Sequence[str]) -> list[re.Match[str]]:
    found = [pattern.fullmatch(value) for value in values]
    return [one for one in found if one] if all(found) else []


def _is_day(value: str, pattern: str) -> bool:
    if not _FULL.fullmatch(value):
        return False
    try:
        moments.by_form(value, pattern)
    except ValueError:
        return False
    return True
