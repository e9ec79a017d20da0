"""The one judge of regular expressions that others wrote: in XSD, in partner and site data, in samples and column maps.

Python's ``re`` and libxml2 try one way of reading a text after another. How many ways there are is a property of the expression
(A. Weber, H. Seidl, On the degree of ambiguity of finite automata, 1991), and is decided here before any text is matched
(``ambiguity``), for what ``syntax`` reads. What it does not read is refused in a sentence.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from gateway.wire.pattern.ambiguity import TooInvolved, Tries
from gateway.wire.pattern.ambiguity import tries as _tries
from gateway.wire.pattern.syntax import Dialect, NotUnderstood, read, widths

__all__ = ["Dialect", "Judgement", "NotUnderstood", "judge", "read", "widths"]


#: Characters of an example that a fault shows.
_SHOWN = 24


class Judgement(NamedTuple):
    """``problem`` goes on from "a pattern", None where there is none. ``effort`` is what judging cost, in steps of about 1 µs."""

    problem: str | None
    effort: int


@lru_cache(4096)
def judge(pattern: str, dialect: Dialect) -> Judgement:
    """Whether matching ``pattern`` against a whole text takes a bounded number of steps a character, whatever the text."""
    try:
        found: Tries = _tries(read(pattern, dialect))
    except NotUnderstood as error:
        return Judgement(f"is not understood: {error}", len(pattern))
    except TooInvolved as error:
        return Judgement(f"is too involved to be judged: {error}", error.effort)
    if found.example is None:
        return Judgement(None, found.effort)
    example = repr(found.example[:_SHOWN]) + (
        f" and so on, {len(found.example)} characters," if len(found.example) > _SHOWN else ""
    )
    return Judgement(f"can be read in too many ways: {example} takes more than {found.most:,} steps", found.effort)
