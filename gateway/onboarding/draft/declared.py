"""What the XSD declares around the places of a message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import xmlschema
from lxml import etree

from gateway.wire.schema import Allowed, Schema

_XSD = "{http://www.w3.org/2001/XMLSchema}"
_ENUMERATION, _DOCUMENTATION = f"{_XSD}enumeration", f"{_XSD}documentation"


class Child(NamedTuple):
    """A child that an element may have. ``least`` and ``most`` (None: no bound) count the groups around it; ``choice`` names the
    choice it is a branch of."""

    declaration: Any
    least: int
    most: int | None
    choice: int | None


def children(declaration: Any) -> list[Child]:
    """Every element that may stand directly in one of ``declaration``, in the order of the XSD; wildcards are left out."""
    content = declaration.type.content if declaration is not None and declaration.type.is_complex() else None
    return list(_walk(content, 1, 1, None)) if isinstance(content, xmlschema.validators.XsdGroup) else []


def _walk(group: Any, least: int, most: int | None, choice: int | None) -> Iterator[Child]:
    least, most = least * (group.min_occurs or 0), _times(most, group.max_occurs)
    if group.model == "choice" and len(group) > 1:
        least, choice = 0, id(group)
    for particle in group:
        if isinstance(particle, xmlschema.validators.XsdGroup):
            yield from _walk(particle, least, most, choice)
        elif isinstance(particle, xmlschema.XsdElement):
            yield Child(particle, least * (particle.min_occurs or 0), _times(most, particle.max_occurs), choice)


def _times(most: int | None, more: int | None) -> int | None:
    return None if most is None or more is None else most * more


def tags(element: etree._Element) -> tuple[str, ...]:
    """{namespace}names from the root down to ``element``."""
    return tuple(str(one.tag) for one in (*reversed(list(element.iterancestors())), element))


class XsdFacts:
    """The XSD, asked about elements of a message."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def of(self, element: etree._Element) -> Any:
        """xmlschema's declaration; None where only a wildcard lets the element in."""
        return self.schema.declaration(tags(element))

    def child(self, element: etree._Element) -> Child | None:
        """The element as its parent declares it; None for the root and for what a wildcard lets in."""
        parent = element.getparent()
        if parent is None:
            return None
        return next((one for one in children(self.of(parent)) if one.declaration.match(str(element.tag)) is not None), None)

    def repeats(self, element: etree._Element) -> bool:
        found = self.child(element)
        return found is not None and (found.most is None or found.most > 1)

    def optional(self, element: etree._Element, attribute: str | None = None) -> bool:
        if attribute:
            declaration = self.of(element)
            found = None if declaration is None else declaration.attributes.get(attribute)
            return found is not None and found.use == "optional"
        child = self.child(element)
        return child is not None and child.least == 0

    def fixed(self, element: etree._Element, attribute: str | None) -> bool:
        declaration = self.of(element)
        found = declaration.attributes.get(attribute) if declaration is not None and attribute else declaration
        return found is not None and found.fixed is not None

    def allows(self, element: etree._Element, attribute: str | None = None) -> Allowed | None:
        return self.schema.allows(tags(element), attribute)

    def holds_elements(self, element: etree._Element) -> bool:
        declaration = self.of(element)
        return declaration is not None and bool(children(declaration))


def documented(allowed: Allowed | None) -> dict[str, str]:
    """What the XSD's documentation says of each code of an enumeration, if it says anything."""
    facet = None if allowed is None else allowed.type.get_facet(_ENUMERATION)
    found = {}
    for element in [] if facet is None else facet:
        texts = [str(text) for one in element.iter(_DOCUMENTATION) for text in one.itertext()]
        if said := " ".join(" ".join(texts).split()):  # on one line: it becomes a comment
            found[str(element.get("value"))] = said
    return found


def built_in(allowed: Allowed | None) -> str:
    """The name of the built-in type that ``allowed`` is at heart: ``date``, ``dateTime``, ``boolean``, ``string``; empty for others."""
    primitive = None if allowed is None else getattr(allowed.type, "primitive_type", None)
    return "" if primitive is None else str(primitive.local_name)
