"""The terms of an arrangement in words, for screens, reports and letters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from gateway.core.arrangement import AnyLevel, Arrangement, CodeForm, DialectChoice

#: The terms in the order in which a person asks for them.
TERMS = {
    "in_force": "in force",
    "directions": "directions",
    "modes": "modes of transport",
    "levels": "levels recognised by China",
    "measures": "measures",
    "code": "code form",
    "tiers": "Chinese tiers it recognises",
    "chinese_code": "form of the Chinese code",
    "consent": "consent of the Chinese AEO",
    "shared": "fields we may share",
    "dialect": "dialect",
    "list_every": "our complete list every",
    "warn_after": "data called old after",
    "stop_after": "data too old after",
    "threshold": "changes a day without a person",
    "omission_share": "percent a list may omit without a person",
}


class TermStep(NamedTuple):
    """One step of a term. ``value`` None: unknown. ``why`` is the source of a fact, or what is said beside an unknown or a setting."""

    since: str
    value: str | None
    kind: str
    why: str | None


def steps(arrangement: Arrangement, term: str) -> Iterator[TermStep]:
    """Every step of one term, in the order of time."""
    by = in_force_by(arrangement) if term == "in_force" else None
    for step in getattr(arrangement, term).steps:
        value = None if step.value is None else in_words(step.value)
        if step.since == by:
            value = f"{value}, since when is not known"
        yield TermStep(step.since.isoformat(), value, step.provenance.kind, step.provenance.source or step.provenance.note)


def in_force_since(arrangement: Arrangement) -> date | None:
    """The first day on which it was in force; None where it never was, or where since when is not known (``in_force_by``)."""
    first = next((step.since for step in arrangement.in_force.steps if step.value), None)
    return None if first == in_force_by(arrangement) else first


def in_force_by(arrangement: Arrangement) -> date | None:
    """The day by which it was in force at the latest, where nobody has told us since when: unknown before it. It is no start date."""
    return next((step.since for before, step in pairwise(arrangement.in_force.steps) if step.value and before.value is None), None)


def in_words(value: Any) -> str:
    """A term's value as people write it."""
    match value:
        case bool():
            return "yes" if value else "no"
        case CodeForm():
            confirmed = "confirmed" if value.confirmed else "unconfirmed: only warns"
            return f"{value.pattern} ({confirmed})" + (f", such as {value.example}" if value.example else "")
        case DialectChoice():
            return f"{value.name} {value.version}" + (f"; accepts {', '.join(value.accepts)}" if len(value.accepts) > 1 else "")
        case timedelta():
            return f"{value.days} days" if value >= timedelta(days=1) else f"{value.total_seconds() / 3600:g} hours"
        case AnyLevel():
            return "any level of the programme"
        case frozenset():
            return ", ".join(sorted(map(str, value)))
        case tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)
