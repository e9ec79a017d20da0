"""The files of a draft: ``draft.toml`` with everything that a person should look at, and ``dialect.toml``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from gateway.onboarding.draft.model import Draft, Sure

_HEAD = """\
# What the draft proposes. To answer: write what stands there, set sure = "answered", and make the draft again.
#
#   hole = "{name}"       a hole, as schemas/README.md describes them        hole = ""    the text stays as it was seen
#   hole = "N"            another fixed text                                 hole = "gw:any"    read past, with all it holds
#   hole = 'gw:when="standing=revoked"'    an element that is there when that is said
#
# An answer holds for the samples it names, or for all where it names none. A code without a word of ours is a question too: give
# it one below. A kind of message is like another one, or not exchanged (like = "").
"""

_RESPONSES = [
    '# What the partner means by a response without an operator: "not-an-AEO" (it takes the status away) or "cannot-say".',
]


def as_toml(draft: Draft) -> str:
    """``draft.toml``: every kind, every place with its proposal, and every code; what a person answers there is kept."""
    lines = [_HEAD.rstrip()]
    for served in draft.served:
        lines += ["", "[[kind]]"] + [f"{name} = {_text(getattr(served, name))}" for name in ("kind", "like", "sure", "why")]
    for one in draft.proposals:
        lines += ["", "[[place]]"] + [f"{name} = {_text(getattr(one, name))}" for name in ("at", "seen", "hole", "sure", "why")]
        lines.append(f"samples = {json.dumps(one.samples)}")
    for name, codes in draft.codes.items():
        lines += _codes(name, codes)
        lines += [f"# {_text(code)} = ?" for code in draft.open_codes.get(name, ())]
        lines += [f"#   the XSD says of {_text(code)}: {text}" for code, text in draft.documented.get(name, {}).items()]
    lines += _tables(draft)
    if draft.open_responses:
        lines += _RESPONSES if draft.responses else ["", "[responses]", *_RESPONSES]
        lines += [f"# {_text(name)} = ?" for name in draft.open_responses]
    return "\n".join(lines) + "\n"


def unanswered(text: str) -> int:
    """How many questions a ``draft.toml`` still asks."""
    lines = text.splitlines()
    return lines.count(f"sure = {_text(Sure.QUESTION)}") + sum(line.startswith("# ") and line.endswith(" = ?") for line in lines)


def dialect_toml(draft: Draft, summary: str) -> str:
    """``dialect.toml`` with the code lists that are known."""
    lines = [f"summary = {_text(summary)}"]
    for name, codes in draft.codes.items():
        lines += _codes(name, codes)
    return "\n".join(lines + _tables(draft)) + "\n"


def _codes(name: str, codes: Mapping[str, str]) -> list[str]:
    return ["", f"[codes.{_text(name) if '.' in name else name}]", *_pairs(codes)]


def _tables(draft: Draft) -> list[str]:
    """What both files hold besides, where it holds anything."""
    tables = (
        ("parts", draft.parts),
        ("instead", draft.instead),
        ("specimen", draft.specimens),
        ("responses", draft.responses),
    )
    return [line for name, table in tables if table for line in ("", f"[{name}]", *_pairs(table))]


def _pairs(table: Mapping[str, str]) -> Iterator[str]:
    return (f"{_text(key)} = {_text(value)}" for key, value in table.items())


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
