"""Elements that the XSD knows and a message does not show, put where the XSD wants them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import xmlschema
from lxml import etree

from gateway.onboarding.draft.declared import Child, children

#: How deep an element that no message shows is looked into.
DEEPEST = 4


def missing(parent: etree._Element, declaration: Any) -> Iterator[Child]:
    """What may stand in ``parent`` and does not. Of a choice with a branch there, nothing is missing."""
    known = children(declaration)
    there = [one for one in known if _present(parent, one)]
    chosen = {one.choice for one in there} - {None}
    for one in known:
        if one not in there and one.most != 0 and one.choice not in chosen and not one.declaration.abstract:
            yield one


def others(parent: etree._Element, declaration: Any) -> Iterator[Child]:
    """The branches of choices that stand elsewhere than in ``parent``, where another one does."""
    known = children(declaration)
    chosen = {one.choice for one in known if _present(parent, one)} - {None}
    return (one for one in known if one.choice in chosen and not _present(parent, one))


def add(parent: etree._Element, declaration: Any, child: Child) -> etree._Element:
    """Puts an empty ``child`` into ``parent``, where the XSD wants it."""
    known = children(declaration)
    at = known.index(child)
    later = [
        one
        for one in parent
        if any(_is(one, other) for other in known[at + 1 :]) and not any(_is(one, other) for other in known[:at])
    ]
    element = etree.Element(child.declaration.name, nsmap=parent.nsmap)
    if later:
        later[0].addprevious(element)
    else:
        parent.append(element)
    return element


def skeleton(element: etree._Element, declaration: Any, depth: int = 0) -> bool:
    """Fills ``element`` with everything that the XSD insists on, empty. False: it cannot be told what that is."""
    for name, attribute in declaration.attributes.items():
        if name is not None and attribute.use == "required":
            element.set(name, attribute.fixed or "")
    for child in children(declaration):
        if child.least and not _present(element, child):
            if depth == DEEPEST or child.declaration.abstract:
                return False
            if not skeleton(add(element, declaration, child), child.declaration, depth + 1):
                return False
    return not _undecided(element, declaration)


def _undecided(element: etree._Element, declaration: Any) -> bool:
    """Whether one branch of a choice has to stand here and none does."""
    content = declaration.type.content if declaration.type.is_complex() else None
    if not isinstance(content, xmlschema.validators.XsdGroup):
        return False
    there = {one.choice for one in children(declaration) if _present(element, one)}
    groups = [one for one in (content, *content.iter_model()) if getattr(one, "model", None) == "choice"]
    return any(one.min_occurs and not one.is_emptiable() and id(one) not in there for one in groups)


def _present(parent: etree._Element, child: Child) -> bool:
    return any(_is(one, child) for one in parent)


def _is(element: etree._Element, child: Child) -> bool:
    return isinstance(element.tag, str) and child.declaration.match(str(element.tag)) is not None
