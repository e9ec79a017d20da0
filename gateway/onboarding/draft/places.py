"""Third pass: a guess for every place, that is for every attribute and every leaf.

What is known of a place (its names, all the values it has in the message, its type, whether it must be there) is gathered from message
and XSD and given to the ``Guesser``; an answer of a person, and what the XSD fixes, go before. Nothing is written down and the tree
stays as it is: two places may be guessed alike, and which of them gets the field is settled by the next pass.
"""

from __future__ import annotations

from lxml import etree

from gateway.onboarding.draft import parts
from gateway.onboarding.draft.groups import Group
from gateway.onboarding.draft.guess import Guess, Where
from gateway.onboarding.draft.model import Sure
from gateway.onboarding.draft.sketch import GW, VERB, Sketch, Spot

_RANK = (Sure.ANSWERED, Sure.SURE, Sure.LIKELY, Sure.QUESTION)


def every_spot(sketch: Sketch) -> list[Spot]:
    """Every place of the sample with its guess, the surest first."""
    found = [spot for element in sketch.document.root.iter("*") for spot in spots_in(sketch, element)]
    return sorted(found, key=lambda spot: _RANK.index(spot.guess.sure))


def spots_in(sketch: Sketch, element: etree._Element) -> list[Spot]:
    """The places of one element: its attributes, and its text where it is a leaf."""
    if f"{GW}any" in element.attrib or sketch.drafted_elsewhere(element):
        return []
    names: list[str | None] = [str(name) for name in element.attrib if not str(name).startswith(GW)]
    if not len(element) and (sketch.declared.allows(element) is not None or (element.text or "").strip()):
        names.append(None)
    return [spot_at(sketch, element, name) for name in names]


def spot_at(sketch: Sketch, element: etree._Element, attribute: str | None) -> Spot:
    """One place: the attribute of that name, or the element's text."""
    at = sketch.document.at(element, attribute)
    where = Where(
        _names(sketch, element, attribute),
        sketch.document.values.get(at, []),
        sketch.declared.allows(element, attribute),
        sketch.in_statement(element),
        _required(sketch, element, attribute),
        _listed(sketch, element),
    )
    return Spot(element, attribute, where, _guess(sketch, at, element, attribute, where), _branch(sketch, element))


def _guess(sketch: Sketch, at: str, element: etree._Element, attribute: str | None, where: Where) -> Guess:
    answer = sketch.answers.at(at, sketch.name)
    if answer is not None and not VERB.fullmatch(answer):
        return Guess(answer, Sure.ANSWERED, "a person said so")
    if attribute and attribute == sketch.document.apart(element):
        return Guess("", Sure.SURE, "it tells elements of one name apart")
    if sketch.declared.fixed(element, attribute):
        return Guess("", Sure.SURE, "the XSD fixes it")
    if not attribute and (part := parts.of(sketch, element)):
        return part
    guess = sketch.guesser.guess(where)
    if not sketch.about_one_operator or (guess.sure is Sure.SURE and not sketch.guesser.asks):
        return guess
    # What stands in such a document may be said of the document as well as of the operator.
    other = sketch.guesser.guess(where._replace(in_statement=False))
    if other.hole.startswith("{query."):
        return other
    return other if other.hole and _RANK.index(other.sure) < _RANK.index(guess.sure) else guess


def _names(sketch: Sketch, element: etree._Element, attribute: str | None) -> list[str]:
    """The nearest first: what tells it apart, its own, its own with its parent's, its parent's."""
    by, own = sketch.document.apart(element), etree.QName(element).localname
    if attribute:
        name = etree.QName(attribute).localname
        return [name, f"{own} {name}", own]
    parent = element.getparent()
    above = "" if parent is None else etree.QName(parent).localname
    told = [str(element.get(by)), f"{own} {element.get(by)}"] if by else []
    return [*told, own, *([f"{above} {own}", above] if above else [])]


def _required(sketch: Sketch, element: etree._Element, attribute: str | None) -> bool:
    """Whether no statement can be without it, by the XSD."""
    return not sketch.declared.optional(element, attribute) and not any(
        sketch.declared.optional(one)
        for one in (element, *element.iterancestors())
        if sketch.in_statement(one) and one not in sketch.shape.repeated
    )


def _listed(sketch: Sketch, element: etree._Element) -> int:
    """How many operators the message names in the group that ``element`` stands in, or in all."""
    outer, group = sketch.shape.outer, _group(sketch, element)
    places = [one.at for one in ((group,) if group else sketch.shape.groups)]
    places = places or ([] if outer is None else [sketch.document.at(outer)])
    return sum(sketch.document.times[at + sketch.shape.below] for at in places)


def _branch(sketch: Sketch, element: etree._Element) -> etree._Element | None:
    """The status block it stands in; outside of statements the group."""
    block = next((one for one in (element, *element.iterancestors()) if one in sketch.blocks), None)
    group = None if sketch.in_statement(element) else _group(sketch, element)
    return block if block is not None or group is None else group.element


def _group(sketch: Sketch, element: etree._Element) -> Group | None:
    around = {element, *element.iterancestors()}
    return next((group for group in sketch.shape.groups if group.element in around), None)
