"""What every pass works on: one sample in the making, and everything that is proposed for it.

A sample begins as the partner's message itself. Each pass changes its tree a little and writes down what a person should look at;
``sample.py`` says in which order they run, and why. What a place means is not decided here but in ``guess.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from lxml import etree

from gateway.core.model import Kind
from gateway.onboarding import glossary
from gateway.onboarding.draft.declared import XsdFacts
from gateway.onboarding.draft.document import SampleDocument
from gateway.onboarding.draft.guess import Guess, Guesser, Where
from gateway.onboarding.draft.model import Draft, DraftAnswers, Proposal, Sure
from gateway.onboarding.draft.structure import Shape, shape_of
from gateway.wire.dialect.parse import SAMPLE

#: Before the name of each verb: ``gw:each``.
GW = f"{{{SAMPLE}}}"
#: An answer about an element as a whole: ``gw:any``, ``gw:when="standing=revoked"``.
VERB = re.compile(r'gw:(each|when|if|any)(?:="([^"]*)")?')
#: Every message of its kind holds these, so they are never optional in a sample.
ALWAYS = {"tin", "standing", "query.tin", "@count"}


class Spot(NamedTuple):
    """A leaf or an attribute, and what is proposed for it. ``branch`` is the status block or the group that it stands in, if any."""

    element: etree._Element
    attribute: str | None
    where: Where
    guess: Guess
    branch: etree._Element | None


@dataclass(slots=True, eq=False)
class Sketch:
    """One sample in the making.

    ``name`` is the sample's (``response.not-found``). The tree of ``document`` is the message and becomes the sample; ``declared`` is
    what the XSD says of it, ``shape`` what of it repeats, and ``answers`` are what a person said before. What is found out for the
    dialect as a whole (code lists, parts, specimens) goes into ``draft``, what is said of a single place into ``proposals``.

    ``blocks`` are the elements that are there for one standing alone, with that standing. ``placed`` are the fields that have their
    place already, by the block or group they stand in; under None those outside of all.
    """

    name: str
    document: SampleDocument
    declared: XsdFacts
    shape: Shape
    guesser: Guesser
    answers: DraftAnswers
    draft: Draft
    blocks: dict[etree._Element, str] = field(default_factory=dict)
    placed: dict[etree._Element | None, set[str]] = field(default_factory=lambda: {None: set()})
    proposals: list[Proposal] = field(default_factory=list)

    @property
    def about_one_operator(self) -> bool:
        """Whether the whole document is one operator, so that it speaks of itself and of the operator in one breath."""
        return self.shape.outer is self.document.root

    def in_statement(self, element: etree._Element) -> bool:
        """Whether it stands in what repeats: there it speaks of an operator, elsewhere of the document."""
        outer = self.shape.outer
        return outer is not None and (element is outer or outer in element.iterancestors())

    def is_operator(self, element: etree._Element) -> bool:
        """Whether it is the first operator of a group."""
        return any(element is group.operator for group in self.shape.groups)

    def drafted_elsewhere(self, element: etree._Element) -> bool:
        """Whether it is the operator of a further group: one is drafted, in the first group, for all of them."""
        return element is not self.shape.outer and self.is_operator(element)

    def propose(self, at: str, seen: str, hole: str, sure: Sure, why: str) -> None:
        self.proposals.append(Proposal(at, seen, hole, sure, why, (self.name,)))

    def leave_out(
        self,
        parent: etree._Element,
        name: str,
        sure: Sure = Sure.LEFT_OUT,
        why: str = "the XSD allows it, no message shows it: one that holds it is refused",
    ) -> None:
        """Writes down that what ``name`` says may stand in ``parent`` and has no place in the sample, unless a person spoke of it."""
        at = f"{self.document.at(parent)}/{name}"
        if self.answers.at(at, self.name) is None:
            self.propose(at, "", "", sure, why)

    def verb(self, at: str) -> re.Match[str] | None:
        """What a person said of the element at ``at`` as a whole: the verb, and its argument."""
        return VERB.fullmatch(self.answers.at(at, self.name) or "")

    def apply_verb(self, element: etree._Element) -> re.Match[str] | None:
        """Puts onto ``element`` the verb that a person said of it, if any, and returns it."""
        at = self.document.at(element)
        if verb := self.verb(at):
            self.propose(at, "", verb[0], Sure.ANSWERED, "a person said so")
            element.set(f"{GW}{verb[1]}", verb[2] or "")
        return verb


def begin(
    name: str,
    document: SampleDocument,
    declared: XsdFacts,
    *,
    prefixes: tuple[str, ...],
    levels: tuple[str, ...],
    answers: DraftAnswers,
    draft: Draft,
) -> Sketch:
    """The sketch before the first pass. Raises ``Refusal`` where nothing in the message looks like an operator and something must."""
    shape = shape_of(document, declared, name, prefixes)
    guesser = Guesser(prefixes, levels, asks=name.partition(".")[0] in (Kind.QUERY, Kind.RESPONSE))
    guesser.learn(document.values.values())
    sketch = Sketch(name, document, declared, shape, guesser, answers, draft)
    if any(group.standing for group in shape.groups):
        sketch.placed[None].add("standing")
    return sketch


def key_of(hole: str) -> str:
    """The name of the first hole in ``hole``: ``granted`` of ``{granted|date}Z``."""
    found = re.search(r"\{([^{}|]+)", hole)
    return found[1] if found else ""


def keys_in(element: etree._Element) -> list[tuple[str, bool]]:
    """The fields that stand in the element itself, and whether each always does."""
    texts = [str(value) for name, value in element.attrib.items() if not str(name).startswith(GW)] + [element.text or ""]
    found = [(key.partition("#")[0], not text.endswith("?")) for text in texts for key in re.findall(r"\{([^{}|]+)", text)]
    when = element.get(f"{GW}when", "").partition("=")[0]
    return found + ([(when, True)] if when else [])


def standing_named(name: str) -> str:
    """The standing that an element's name stands for, if that is one and the name means nothing else; empty: none."""
    return "" if glossary.meanings(name, "statement") else glossary.first_meaning([name], "standing") or ""
