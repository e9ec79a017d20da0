"""Text that people wrote: made fit for the eyes of others, and reasons."""

from __future__ import annotations

from gateway.core.errors import Code, Refusal


def visible(text: str, kept: str = "") -> str:
    """Characters that no document can hold, or that would turn or hide the text around them, as their escapes; ``kept`` stay."""
    return "".join(c if c.isprintable() or c in kept else f"\\u{ord(c):04x}" for c in text)


def a_reason(text: str) -> None:
    """Raises ``Refusal`` DATA_INVALID where whoever decides gave no reason."""
    if not text.strip():
        raise Refusal(Code.DATA_INVALID, "A reason must be given.", field="reason")
