"""Messages made wrong on purpose, whatever their XML looks like."""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from gateway.core.model import Kind
from gateway.wire.dialect import Dialect
from gateway.wire.dialect.conformance import places
from gateway.wire.dialect.template import Template


def unexpected(payload: str) -> str:
    """With an element that no schema knows, at the end of the document."""
    end = payload.rindex("</")
    return f'{payload[:end]}<u:Unexpected xmlns:u="urn:aeo-gateway:unexpected"></u:Unexpected>{payload[end:]}'


def unknown_code(dialect: Dialect, kind: Kind) -> Callable[[str], str] | None:
    """A change of one code into one that no list holds; None where the dialect has no code list at all."""
    coded = [
        (template, place)
        for face in dialect.faces(kind)
        for template, place in places(face)
        if template.single and template.holes[0].value.words
    ]
    if not coded:
        return None

    def edit(payload: str) -> str:
        root = etree.fromstring(payload)
        for template, (path, attribute) in coded:
            for element in _found(root, path):
                code = element.get(attribute) if attribute else element.text
                # elements of one name, told apart by an attribute, hold other things at the same path
                if not code or not _listed(template, code):
                    continue
                if attribute:
                    element.set(attribute, _other(template, code))
                else:
                    element.text = _other(template, code)
                return etree.tostring(root, encoding="unicode")
        raise LookupError("the message holds none of its dialect's codes")

    return edit


def _found(root: etree._Element, path: tuple[str, ...]) -> list[etree._Element]:
    elements = [root] if root.tag == path[0] else []
    for tag in path[1:]:
        elements = [child for element in elements for child in element if child.tag == tag]
    return elements


def _other(template: Template, code: str) -> str:
    """A text like ``code`` that is not in the list."""
    for filling in "9Z7Q":
        text = (filling if not code.isdigit() or filling.isdigit() else "8") * len(code)
        if not _listed(template, text):
            return text
    raise LookupError("every text like this code is in its list")


def _listed(template: Template, code: str) -> bool:
    try:
        template.holes[0].value.read(code)
    except (LookupError, ValueError):
        return False
    return True
