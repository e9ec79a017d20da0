"""Two people: whoever agrees to what another proposed is somebody else."""

from __future__ import annotations

import unicodedata

from gateway.core.errors import Code, Refusal


def second(who: str, first: str) -> None:
    """Refuses (DATA_INVALID) the same person under a name that only looks different."""
    if _folded(who) == _folded(first):
        raise Refusal(
            Code.DATA_INVALID, f"{who} proposed it; it takes a second person.", remedy="Have somebody else look at it and confirm."
        )


def _folded(name: str) -> str:
    shown = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) not in ("Cc", "Cf"))
    return " ".join(shown.split()).casefold()
