"""First pass: elements as a whole, before anybody looks at what they hold.

What a person answered about an element (``gw:any``, ``gw:when="standing=revoked"``) is put onto it. An element that no hole can stand
for becomes a question: it is taken out where the XSD lets it be absent (a message that holds it is refused until somebody says what it
means), and stays as the literal text it was where it must be there.
"""

from __future__ import annotations

from lxml import etree

from gateway.onboarding.draft.model import Sure
from gateway.onboarding.draft.sketch import GW, Sketch


def set_aside(sketch: Sketch) -> None:
    """Answers about whole elements, and elements that no hole can stand for."""
    _inside(sketch, sketch.document.root)


def _inside(sketch: Sketch, element: etree._Element) -> None:
    for child in list(element):
        if sketch.drafted_elsewhere(child):
            continue
        verb = None if sketch.is_operator(child) else sketch.apply_verb(child)
        if verb and verb[1] == "any":
            _empty(child)
        elif (why := _without_a_hole(sketch, child)) and not verb and child not in sketch.shape.repeated:
            _ask_about(sketch, child, why)
        else:
            _inside(sketch, child)


def _without_a_hole(sketch: Sketch, element: etree._Element) -> str | None:
    """Why no hole can stand for it; None: one can."""
    if len(element) and any((text or "").strip() for text in (element.text, *(child.tail for child in element))):
        return "text stands between its elements, which no sample can say"
    if sketch.declared.of(element) is None:
        return "the XSD lets anything stand here and does not say what"
    if sketch.document.at(element) in sketch.document.several:
        return "it stands several times" + (" in one operator" if sketch.in_statement(element) else "")
    return None


def _ask_about(sketch: Sketch, element: etree._Element, why: str) -> None:
    optional = sketch.declared.optional(element) or sketch.declared.child(element) is None
    until = "until then it is refused" if optional else "until then only this very text is accepted"
    seen = (element.text or "").strip()
    sketch.propose(sketch.document.at(element), seen, "", Sure.QUESTION, f"{why}; gw:any reads past it, {until}")
    parent = element.getparent()
    if optional and parent is not None:
        parent.remove(element)
    elif len(element):  # text between its elements can be said by no sample, not even as it is
        element.text = None
        for child in element:
            child.tail = None


def _empty(element: etree._Element) -> None:
    for child in list(element):
        element.remove(child)
    for name in [name for name in element.attrib if not str(name).startswith(GW)]:
        del element.attrib[name]
    element.text = None
