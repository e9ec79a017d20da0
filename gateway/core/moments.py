"""Moments from outside, bounded when they are read; and moments as they are written.

Whatever a certificate, a message, a request, a file or a terminal says lies between ``FIRST`` and ``LAST``, or it is not read. Every
length of time that data can name is at most ``LONGEST``. So no sum of the two leaves the calendar (years 1 to 9999), and nobody's
moment can make arithmetic fail, here or in the code that works with it. There are two ways to be bounded:

- ``bounded`` saturates: for certificates, revocation lists and what was stored before, where an extreme has a meaning. "9999" in X.509
  means that there is no end (RFC 5280, 4.1.2.5).
- ``meant`` and ``meant_day`` raise ``ValueError``: for whatever somebody states now, in a year that nobody can mean.

Text is read here and nowhere else (``tests/test_moments.py`` holds that): the readers of the standard library raise
``OverflowError`` and others beside ``ValueError``, by what a stranger writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime

from gateway.core.errors import Code, Refusal

#: Within these, both included, lies every moment that comes from outside (choice). Aware, UTC.
FIRST = datetime(1900, 1, 1, tzinfo=UTC)
LAST = datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)
#: No length of time that data or settings name is longer: a hundred years.
LONGEST = timedelta(days=36_525)
#: What is wrong with a moment or day outside of them, as a sentence's end.
OUTSIDE = f"it lies outside of the years {FIRST.year} to {LAST.year}"

_SECONDS = int(FIRST.timestamp()), int(LAST.timestamp())


def bounded(moment: datetime) -> datetime:
    """An aware ``moment`` in UTC; what lies outside of the bounds is the nearer one."""
    if moment <= FIRST:
        return FIRST
    return LAST if moment >= LAST else moment.astimezone(UTC)


def meant(moment: datetime) -> datetime:
    """An aware ``moment`` in UTC. Raises ``ValueError`` for one without a zone, and outside of the bounds."""
    if moment.tzinfo is None:
        raise ValueError("it names no time zone")
    if not FIRST <= moment <= LAST:
        raise ValueError(OUTSIDE)
    return moment.astimezone(UTC)


def meant_day(day: date) -> date:
    """``day`` itself. Raises ``ValueError`` outside of the bounds' years."""
    if not FIRST.year <= day.year <= LAST.year:
        raise ValueError(OUTSIDE)
    return day


def instant(text: str, zone: tzinfo | None = None) -> datetime:
    """A moment in ISO 8601, in UTC; where it names no zone it is in ``zone`` (None: then it is no moment). Raises ``ValueError``."""
    read = datetime.fromisoformat(text)
    return meant(read if read.tzinfo is not None else read.replace(tzinfo=zone))


def day(text: str) -> date:
    """A day in ISO 8601. Raises ``ValueError``."""
    return meant_day(date.fromisoformat(text))


def day_in(text: str, zone: tzinfo) -> date:
    """The day that a moment in ISO 8601 has in ``zone``; of one that names no zone, the day as it is written. Raises ``ValueError``."""
    read = datetime.fromisoformat(text)
    return meant_day(read.date() if read.tzinfo is None else meant(read).astimezone(zone).date())


def by_form(text: str, form: str, zone: tzinfo | None = None) -> datetime:
    """A moment written by a form of ``strptime`` in a ``zone`` that is not written (None: UTC). Raises ``ValueError``."""
    return meant(datetime.strptime(text, form).replace(tzinfo=zone or UTC))


def offset(text: str) -> tzinfo | None:
    """How far a zone is from UTC, as ISO 8601 writes it: ``+08:00``. Raises ``ValueError``."""
    return datetime.fromisoformat(f"2000-01-01T00:00:00{text}").tzinfo


#: What people and programs write for a moment, whether or not it is read: .NET writes seven digits of a second, Java nine or no zone.
_WRITTEN = re.compile(
    r"\s*(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(:\d\d)?(?:[.,](\d{1,12}))?)?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?\s*", re.ASCII
)


def as_example(text: str, fits: Callable[[str], object]) -> str | None:
    """What is wrong with ``text``, a moment or a day of which ``fits`` is not true: by writing what it seems to mean so that it is. None where
    that cannot be told. The end of a sentence."""
    found = _WRITTEN.fullmatch(text[:80])
    if found is None:
        return None
    written_day, clock, seconds, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{written_day}T{clock or '00:00'}{seconds or ':00'}{_offset(zone)}")
        utc = meant(moment)
    except ValueError:
        return None
    local, offset_written = moment.isoformat()[:19], moment.isoformat()[19:]
    fractions = [*(f".{fraction[:digits]}" for digits in (9, 6, 3) if fraction and len(fraction) >= digits), ""]
    forms = [(local, offset_written), (utc.isoformat()[:19], "Z"), (local, "")][zone is None :]
    examples = [*(f"{begin}{one}{end}" for begin, end in forms for one in fractions), written_day]
    example = next((one for one in examples if fits(one)), None)
    if example is None:
        return None
    lacks_zone = clock and not zone and example.endswith("Z")
    return f"write it like {example}{', if UTC is meant: it names no time zone' if lacks_zone else ''}"


def _offset(written: str | None) -> str:
    digits = (written or "Z").upper().replace(":", "")
    return "+00:00" if digits == "Z" else f"{digits[:3]}:{digits[3:] or '00'}"


def http_date(text: str) -> datetime | None:
    """A date as HTTP writes it (RFC 9110, 5.6.7); None where it cannot be read, or cannot be meant."""
    try:
        read = parsedate_to_datetime(text)
        return meant(read if read.tzinfo is not None else read.replace(tzinfo=UTC))
    except (ValueError, OverflowError, TypeError, LookupError):  # the library splits first and looks afterwards
        return None


def from_epoch(seconds: float) -> datetime:
    """A moment given in seconds since 1970 UTC; what lies outside of the bounds is the nearer one."""
    first, last = _SECONDS
    return datetime.fromtimestamp(min(max(seconds, first), last), UTC)


def calendar_day(text: str) -> date:
    """Any day in ISO 8601 that the calendar has: for what is judged by what it is the day of, now (``exchange/receive/authority.py``: the
    days of certificates) or when it came. Raises ``ValueError``."""
    return date.fromisoformat(text)


def utc_text(value: datetime) -> str:
    """The wire form of a moment: UTC, microseconds only where there are any, Z."""
    return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"


def read_moment(text: str) -> datetime:
    """The inverse of ``utc_text``; raises ``Refusal`` for a date that no calendar has, and for one that nobody can mean."""
    try:
        return meant(datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC))
    except ValueError as error:
        said = f"no moment that can be meant: {OUTSIDE}" if OUTSIDE in str(error) else "no real date and time"
        raise Refusal(Code.ENVELOPE_INVALID, f"A moment in the envelope is {said}.", value=text) from None
