"""Moments as they are written and read: UTC, always with a zone."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.core.errors import Code, Refusal


def utc_text(value: datetime) -> str:
    """The wire form of a moment: UTC, microseconds only where there are any, Z."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def read_moment(text: str) -> datetime:
    """The inverse of ``utc_text``; raises ``Refusal`` for a date that no calendar has."""
    try:
        return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(Code.ENVELOPE_INVALID, "A moment in the envelope is no real date and time.", value=text) from None
