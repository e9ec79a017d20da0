"""A draft of what the columns of a partner's spreadsheet hold, from their headings: looked up, never concluded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from gateway.onboarding import glossary
from gateway.wire.dialect.template import DAYS


def draft(headings: Iterable[str], levels: Iterable[str]) -> str:
    """The ``[sheet]`` for a site's file. What the glossary does not know holds nothing yet, and is marked as a question."""
    known = tuple(levels)
    lines = ["[sheet]", "columns = [", *(f"    {line}" for line in _columns(headings, listed=bool(known))), "]"]
    lines += [
        "",
        "[sheet.codes.standing]  # its word for each standing, in place of ours",
        '"valid" = "valid"',
        '"suspended" = "suspended"',
    ]
    if known:
        lines += [
            "",
            "[sheet.codes.level]  # its word for each level",
            *(f"{json.dumps(one)} = {json.dumps(one)}" for one in known),
        ]
    return "\n".join(lines)


def _columns(headings: Iterable[str], *, listed: bool) -> Iterator[str]:
    taken: set[str] = set()
    for heading in headings:
        named = json.dumps(heading, ensure_ascii=False)
        field = glossary.first_meaning([heading], "statement")
        if field is None or field in taken:
            yield f"{{ heading = {named} }},  # what does it hold? Nothing: it is read past"
            continue
        taken.add(field)
        form = "|standing" if field == "standing" else "|level" if field == "level" and listed else "|date" if field in DAYS else ""
        blank = "" if field in ("tin", "standing") else "?"
        dated = "  # |date is 2026-06-01; write |date:dd/MM/yyyy where the text says so" if field in DAYS else ""
        yield f'{{ heading = {named}, holds = "{{{field}{form}}}{blank}" }},{dated}'
