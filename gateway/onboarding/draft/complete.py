"""Fifth pass: what the XSD allows and no message shows.

An attribute or element that is understood by its name and type alone is added with its hole, as long as its field has no place yet;
everything else is written down as left out, and a message that holds it is refused. This runs after what is shown was settled: what a
partner really sends has the first claim on a field.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from gateway.onboarding.draft import absent
from gateway.onboarding.draft.model import Sure
from gateway.onboarding.draft.places import spot_at, spots_in
from gateway.onboarding.draft.settle import settle
from gateway.onboarding.draft.sketch import ALWAYS, GW, Sketch, key_of, standing_named


def complete(sketch: Sketch) -> None:
    """Completes every element of the sample by what may stand in it."""
    for element in list(sketch.document.root.iter("*")):
        if f"{GW}any" not in element.attrib and not sketch.drafted_elsewhere(element):
            _complete_one(sketch, element, 0)


def _complete_one(sketch: Sketch, element: etree._Element, depth: int) -> bool:
    """Adds what is understood by name and type; says what else there could be. Returns whether a hole was added."""
    declaration = sketch.declared.of(element)
    if declaration is None:
        return False
    added = False
    for name, attribute in declaration.attributes.items():
        if name is not None and name not in element.attrib and attribute.use != "prohibited":
            added |= _add(sketch, element, str(name))
    for one in absent.missing(element, declaration):
        if any(group.child == one for group in sketch.shape.groups):
            continue  # grouping.py puts it there with an operator in it
        child = absent.add(element, declaration, one)
        if sketch.apply_verb(child) or _opened(sketch, child, one.declaration, depth):
            added = True
        else:
            element.remove(child)
            sketch.leave_out(element, one.declaration.local_name)
    for one in absent.others(element, declaration):
        if not standing_named(one.declaration.local_name):
            sketch.leave_out(element, one.declaration.local_name)
    return added


def _opened(sketch: Sketch, child: etree._Element, declaration: Any, depth: int) -> bool:
    """Whether the element, or something in it, is understood."""
    if sketch.declared.allows(child) is not None and not sketch.declared.holds_elements(child):
        required = [name for name, one in declaration.attributes.items() if name and one.use == "required"]
        return not required and _add(sketch, child, None)
    if depth == absent.DEEPEST or not absent.skeleton(child, declaration):
        return False
    spots = [spot for one in child.iter("*") for spot in spots_in(sketch, one)]
    if any(not spot.guess.hole or key_of(spot.guess.hole) in _with_a_place(sketch) for spot in spots):
        return False
    for spot in spots:
        settle(sketch, spot)
    return _complete_one(sketch, child, depth + 1) or bool(spots)


def _add(sketch: Sketch, element: etree._Element, attribute: str | None) -> bool:
    found = spot_at(sketch, element, attribute)
    key, answered = key_of(found.guess.hole), found.guess.sure is Sure.ANSWERED
    if not answered and (not key or found.guess.sure is not Sure.LIKELY or key in _with_a_place(sketch)):
        if attribute:
            sketch.leave_out(element, f"@{etree.QName(attribute).localname}")
        return False
    why = found.guess.why if answered else f"{found.guess.why}; the XSD allows it, no message shows it"
    settle(sketch, found._replace(guess=found.guess._replace(why=why)))
    return True


def _with_a_place(sketch: Sketch) -> set[str]:
    """Fields that take no further place: those that have one, and those that every message of the kind shows."""
    return sketch.placed[None] | ALWAYS | {"message.id"}
