"""Text that strangers wrote, for the eyes of people."""

from __future__ import annotations


def visible(text: str, kept: str = "") -> str:
    """Characters that no document can hold, or that would turn or hide the text around them, as their escapes; ``kept`` stay."""
    return "".join(c if c.isprintable() or c in kept else f"\\u{ord(c):04x}" for c in text)
