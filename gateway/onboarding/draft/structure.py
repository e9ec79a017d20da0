"""Which element of a message is an operator, and which of its parts an authorisation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind
from gateway.onboarding import glossary
from gateway.onboarding.draft.declared import XsdFacts
from gateway.onboarding.draft.document import SampleDocument, like_a_code
from gateway.onboarding.draft.groups import Group, groups_of

#: What tells an authorisation from a telephone number, the most telling first.
_TELLING = ("standing", "level", "number", "granted", "expires")


@dataclass(frozen=True, slots=True)
class Shape:
    """``outer`` is what repeats, None where a message names no operator; ``rows`` what repeats inside it, each inside the one before:
    operators of a group, statements of an operator. ``groups`` are those that say a standing, if any; ``below`` is the place of an
    operator, seen from that of ``outer``."""

    outer: etree._Element | None
    rows: tuple[etree._Element, ...]
    groups: tuple[Group, ...]
    below: str

    @property
    def repeated(self) -> tuple[etree._Element, ...]:
        return () if self.outer is None else (self.outer, *self.rows)


def shape_of(document: SampleDocument, declared: XsdFacts, sample: str, prefixes: tuple[str, ...]) -> Shape:
    """Finds both, and lays every other operator over the first. Raises ``Refusal`` where nothing looks like an operator."""
    kind, _, face = sample.partition(".")
    outer = None if kind == Kind.QUERY else _outer(document, declared, prefixes, Kind(kind), bool(face))
    if outer is None:
        document.fold(document.root)
        return Shape(None, (), (), "")
    groups = () if outer is document.root else groups_of(document, declared, outer)
    for first in [outer, *(group.operator for group in groups if group.operator is not None and group.operator is not outer)]:
        for other in document.twins(first):
            document.overlay(outer, other)
            other.getparent().remove(other)  # type: ignore[union-attr] # a sibling has a parent
        if first is not outer:
            document.overlay(outer, first)
            document.adopt(document.at(first), document.at(outer))
            for part in list(first):
                first.remove(part)
    document.fold(document.root)
    rows = _rows(document, declared, outer, prefixes)
    grouped = rows and names_operator(rows[0], prefixes) and not _beside(outer, rows[0], prefixes)
    below = document.at(rows[0])[len(document.at(outer)) :] if grouped else ""
    return Shape(outer, rows, groups, below)


def _rows(
    document: SampleDocument, declared: XsdFacts, outer: etree._Element, prefixes: tuple[str, ...]
) -> tuple[etree._Element, ...]:
    """What repeats inside ``outer``; inside that only what an operator, and no longer a group of them, holds."""
    first = _inner(document, declared, outer, prefixes)
    if first is None or _beside(outer, first, prefixes):
        return () if first is None else (first,)
    second = _inner(document, declared, first, prefixes)
    return (first,) if second is None or not _beside(first, second, prefixes) else (first, second)


def _beside(level: etree._Element, inner: etree._Element, prefixes: tuple[str, ...]) -> bool:
    """Whether ``level`` names an operator outside ``inner``."""
    inside = set(inner.iter("*"))
    around = [one for one in level.iter("*") if one not in inside]
    if any(_holds_code(one, prefixes) for one in level.iter("*")):
        return any(_holds_code(one, prefixes) for one in around)
    return any(set(_meanings_of(one)) == {"tin"} for one in around)


def _outer(
    document: SampleDocument, declared: XsdFacts, prefixes: tuple[str, ...], kind: Kind, extra_face: bool
) -> etree._Element | None:
    repeated = [
        one for one in document.root.iter("*") if one is not document.root and _holds(one) and _repeated(document, declared, one)
    ]
    named = [one for one in repeated if names_operator(one, prefixes)]
    if named or (repeated and not extra_face and kind is not Kind.RESPONSE):
        return next(iter(named or repeated))
    if kind is Kind.LIST:
        raise Refusal(
            Code.DATA_INVALID,
            "Nothing in the message is repeated, so nothing looks like an operator.",
            remedy="Give a message about two operators; one that can only speak of one is no list: --sample update=FILE.",
        )
    single = [
        one for one in document.root.iter("*") if one is not document.root and _holds(one) and _about_an_operator(one, prefixes)
    ]
    if single:
        return single[0]
    if kind is Kind.RESPONSE and "standing" not in set(_meanings(document.root)):
        return None
    return document.root


def _inner(document: SampleDocument, declared: XsdFacts, outer: etree._Element, prefixes: tuple[str, ...]) -> etree._Element | None:
    found = [one for one in outer.iter("*") if one is not outer and _holds(one) and _repeated(document, declared, one)]
    said = [(meaning, one) for meaning in _TELLING for one in found if meaning in set(_meanings(one))]
    operators = [one for one in found if names_operator(one, prefixes)]
    return said[0][1] if said else operators[0] if operators else None


def _repeated(document: SampleDocument, declared: XsdFacts, element: etree._Element) -> bool:
    return document.apart(element) is None and (document.at(element) in document.several or declared.repeats(element))


def _holds(element: etree._Element) -> bool:
    return bool(len(element) or element.attrib)


def _about_an_operator(element: etree._Element, prefixes: tuple[str, ...]) -> bool:
    return names_operator(element, prefixes) and "standing" in set(_meanings(element))


def names_operator(element: etree._Element, prefixes: tuple[str, ...]) -> bool:
    """Whether something in it reads like an operator's code, or is called one."""
    return any(_holds_code(one, prefixes) for one in element.iter("*")) or "tin" in set(_meanings(element))


def _holds_code(one: etree._Element, prefixes: tuple[str, ...]) -> bool:
    return any(like_a_code(str(text).strip(), prefixes) for text in (one.text or "", *one.attrib.values()))


def _meanings(element: etree._Element) -> Iterator[str]:
    for one in element.iter("*"):
        yield from _meanings_of(one)


def _meanings_of(one: etree._Element) -> Iterator[str]:
    for name in (*([] if len(one) else [one.tag]), *one.attrib):
        yield from glossary.meanings(etree.QName(str(name)).localname, "statement")
