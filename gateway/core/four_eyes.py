"""Four eyes: which decisions take two people, and who may be the second of them. It is decided here and nowhere else.

Somebody is known by a typed name, so a name that only looks different is the same person's. That errs on the side of refusing: whoever
is taken for the proposer has somebody else look, while a person taken for two could decide alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from gateway.core.errors import Code, Refusal


class Decision(str, Enum):
    """What people decide and may take two of them. The values are stored with proposals."""

    ANNULMENT = "annulment"
    TRANSCRIPTION = "transcription"
    ACTIVATION = "activation"
    LAW = "law"
    LIST_RELEASE = "list-release"
    LIST_DROP = "list-drop"
    GAINS = "gains"


class When(Enum):
    """When a decision takes two people. ``WHERE_CHOSEN``: where the setting ``two_people`` asks for it."""

    ALWAYS = "always"
    WHERE_CHOSEN = "where two_people is set"
    NEVER = "never"


class Rule(NamedTuple):
    """One row: ``act`` is what a second person does, as it follows "a second person"."""

    when: When
    because: str
    act: str


RULES: Mapping[Decision, Rule] = {
    Decision.ANNULMENT: Rule(
        When.ALWAYS,
        "It takes back what a partner said under its signature, losses too, and can bring benefits back at once.",
        "confirms it",
    ),
    Decision.TRANSCRIPTION: Rule(
        When.ALWAYS,
        "Nobody signed the spreadsheet: what counts as the partner's word rests on who read it alone.",
        "confirms it",
    ),
    Decision.ACTIVATION: Rule(
        When.WHERE_CHOSEN,
        "Partner data says who is believed, and which benefits are granted to whom.",
        "activates the very same data",
    ),
    Decision.LAW: Rule(
        When.WHERE_CHOSEN,
        "What is common to all arrangements decides in every answer.",
        "activates the very same data",
    ),
    Decision.LIST_RELEASE: Rule(
        When.WHERE_CHOSEN,
        "It grants and delists more operators at once than the partner's threshold lets pass.",
        "releases the very same list",
    ),
    Decision.LIST_DROP: Rule(
        When.NEVER,
        "It grants nothing, and the losses that the list states stay.",
        "drops the very same list",
    ),
    Decision.GAINS: Rule(
        When.WHERE_CHOSEN,
        "No rule foresaw the gains, and partners grant benefits abroad by what they are then told.",
        "confirms the very same record",
    ),
}


def takes_two(decision: Decision, *, two_people: bool) -> bool:
    """Whether this decision takes two people here; ``two_people`` is what the setting of that name says."""
    when = RULES[decision].when
    return when is When.ALWAYS or (when is When.WHERE_CHOSEN and two_people)


def a_person(who: str) -> None:
    """Raises ``Refusal`` DATA_INVALID for a name of which nothing is to be seen: whoever decides is somebody."""
    if not _folded(who):
        raise Refusal(Code.DATA_INVALID, "Whoever decides must have a name.", field="who")


def second(who: str, first: str) -> None:
    """Refuses (DATA_INVALID) whoever cannot be the second person after ``first``: the same one, or nobody at all."""
    a_person(who)
    if same(who, first):
        raise Refusal(
            Code.DATA_INVALID, f"{who} proposed it; it takes a second person.", remedy="Have somebody else look at it and confirm."
        )


def same(who: str, other: str) -> bool:
    """Whether two names are one person's: they differ in nothing but case, width, blanks, characters that are not to be seen, composed
    and separate accents, or letters, dashes and apostrophes that look alike. Two names that differ in an accent are two."""
    return _folded(who) == _folded(other)


def _folded(name: str) -> str:
    """The name with every such difference taken out. Blanks go too: one of no width is not to be told from none."""
    apart = unicodedata.normalize("NFKD", name)
    seen = "".join(c for c in apart if not c.isspace() and c not in _UNSEEN and unicodedata.category(c) not in ("Cc", "Cf"))
    # Only both ways: the dotless i has no capital of its own, and the sharp s has one that is two letters.
    folded = unicodedata.normalize("NFKD", seen.upper().casefold())
    return folded.replace("i\u0307", "i").translate(_LOOK_ALIKE)


#: What the categories Cc and Cf leave out of Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties), and the blank of braille.
_UNSEEN = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2065, 0x2065),
        (0x2800, 0x2800),
        (0xFE00, 0xFE0F),
        (0xFFF0, 0xFFF8),
        (0xE0000, 0xE0FFF),
    )
    for code in range(first, last + 1)
)

#: Small Cyrillic and Greek letters, and rare Latin ones, beside the Latin letter that they are taken for.
_LETTERS = "аa вb гr еe һh іi јj кk ӏl мm нh оo рp ԛq сc тt уy үy ѕs ԝw хx ԁd αa βb γy εe ζz ηn ιi κk μm νv οo ρp τt υu χx ɑa ɡg ȷj"
_LOOK_ALIKE = {ord(pair[0]): pair[1] for pair in _LETTERS.split()}
_LOOK_ALIKE |= {ord(dash): "-" for dash in "‐‑‒–—―−⁃˗"} | {ord(mark): "'" for mark in "‘’‛′ʹʻʼʽˈ`"}
