"""What is typed at a terminal, and what it can show."""

from __future__ import annotations

import codecs
import io
import sys

#: Our own signs, for a terminal that cannot show them.
_PLAIN = {"✓": "+", "✗": "x", "…": "...", "–": "-", "→": "->", "“": '"', "”": '"'}


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(one, "?") for one in error.object[error.start : error.end]), error.end


codecs.register_error("aeo-plain", _plain)


def any_terminal() -> None:
    """Has what the terminal's character set (GBK, Latin-1) cannot show written by plain signs, where Python would give up."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="aeo-plain")


def has(encoding: str, one: str) -> bool:
    """Whether a terminal's character set has this character."""
    try:
        return one.isascii() or bool(one.encode(encoding))
    except UnicodeEncodeError:
        return False


def partner_code(text: str) -> str:
    """A partner's code as people type it: small letters are its too."""
    return text.strip().upper()
