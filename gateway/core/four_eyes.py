"""Four eyes: which decisions take two people, and who may be the second of them. It is decided here and nowhere else.

A person is a principal: two tokens or two names of one are one person. Systems propose and never confirm; an emergency is somebody whom
nobody could tell from another, and so is never one of two.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from typing import NamedTuple

from gateway.core.access import Actor, PrincipalKind
from gateway.core.errors import Code, Refusal

#: For so long whoever created a person, reset how it signs in or changed its roles cannot be the other of two with it (choice).
TIED_FOR = timedelta(days=30)


class Decision(str, Enum):
    """What people decide and may take two of them. The values are stored with proposals."""

    ANNULMENT = "annulment"
    TRANSCRIPTION = "transcription"
    ACTIVATION = "activation"
    LAW = "law"
    LIST_RELEASE = "list-release"
    LIST_DROP = "list-drop"
    GAINS = "gains"
    KEYS = "keys"
    RETENTION = "retention"
    ROLES = "roles"


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
    Decision.KEYS: Rule(
        When.WHERE_CHOSEN,
        "Whoever holds the key speaks for this administration, and an old one taken away too early stops every partner.",
        "asks for the very same",
    ),
    Decision.RETENTION: Rule(
        When.WHERE_CHOSEN,
        "What is gone cannot be shown any more.",
        "asks for the very same",
    ),
    Decision.ROLES: Rule(
        When.WHERE_CHOSEN,
        "Whoever makes people up could be any two of them.",
        "asks for the very same",
    ),
}


def takes_two(decision: Decision, *, two_people: bool) -> bool:
    """Whether this decision takes two people here; ``two_people`` is what the setting of that name says."""
    when = RULES[decision].when
    return when is When.ALWAYS or (when is When.WHERE_CHOSEN and two_people)


def one_of_two(who: Actor) -> None:
    """Refuses (DATA_INVALID) whoever can be neither the first nor the second of two people."""
    if who.kind is PrincipalKind.EMERGENCY:
        raise Refusal(
            Code.DATA_INVALID,
            "An emergency is nobody in particular, and this takes two people.",
            remedy="Have two people sign in and do it; aeo-gateway init makes the first where there is none.",
        )


def second(who: Actor, proposer: str, name: str, tie: str | None) -> None:
    """Refuses (DATA_INVALID) whoever cannot be the second person after the principal ``proposer``, who goes by ``name``: the same person,
    a system, an emergency, or one that for now hangs on the other (``tie`` says why)."""
    one_of_two(who)
    if who.principal == proposer:
        raise Refusal(
            Code.DATA_INVALID, f"{name} proposed it; it takes a second person.", remedy="Have somebody else look at it and confirm."
        )
    if who.kind is PrincipalKind.SYSTEM:
        raise Refusal(
            Code.DATA_INVALID, f"{who.name} is a system: it may propose, and a person confirms.", remedy="Have a person confirm it."
        )
    if tie:
        raise Refusal(
            Code.DATA_INVALID,
            f"{who.name} and {name} cannot be the two: {tie}",
            remedy="Have somebody else confirm it.",
        )
