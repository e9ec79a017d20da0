"""Which element of a message is an operator, and which of its parts an authorisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind
from gateway.onboarding import glossary
from gateway.onboarding.draft.declared import Declared
from gateway.onboarding.draft.document import Document, like_a_code

#: What tells an authorisation from a telephone number, the most telling first.
_TELLING = ("standing", "level", "number", "granted", "expires")


class Shape(NamedTuple):
    """``outer`` is what repeats, None where a message names no operator; ``inner`` what repeats inside it and holds a statement;
    ``named`` is how many operators there are."""

    outer: etree._Element | None
    inner: etree._Element | None
    named: int


def shape_of(document: Document, declared: Declared, sample: str, prefixes: tuple[str, ...]) -> Shape:
    """Finds both, and lays every other operator over the first. Raises ``Refusal`` where nothing looks like an operator."""
    kind, _, face = sample.partition(".")
    outer = None if kind == Kind.QUERY else _outer(document, declared, prefixes, Kind(kind), bool(face))
    count = 0
    if outer is not None:
        twins = document.twins(outer)
        count = 1 + len(twins)
        for other in twins:
            document.overlay(outer, other)
            other.getparent().remove(other)  # type: ignore[union-attr] # a sibling has a parent
    inner = None if outer is None else _inner(document, declared, outer, prefixes)
    document.fold(document.root)
    return Shape(outer, inner, count)


def _outer(
    document: Document, declared: Declared, prefixes: tuple[str, ...], kind: Kind, extra_face: bool
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


def _inner(document: Document, declared: Declared, outer: etree._Element, prefixes: tuple[str, ...]) -> etree._Element | None:
    found = [one for one in outer.iter("*") if one is not outer and _holds(one) and _repeated(document, declared, one)]
    said = [(meaning, one) for meaning in _TELLING for one in found if meaning in set(_meanings(one))]
    operators = [one for one in found if names_operator(one, prefixes)]
    return said[0][1] if said else operators[0] if operators else None


def _repeated(document: Document, declared: Declared, element: etree._Element) -> bool:
    return document.apart(element) is None and (document.at(element) in document.several or declared.repeats(element))


def _holds(element: etree._Element) -> bool:
    return bool(len(element) or element.attrib)


def _about_an_operator(element: etree._Element, prefixes: tuple[str, ...]) -> bool:
    return names_operator(element, prefixes) and "standing" in set(_meanings(element))


def names_operator(element: etree._Element, prefixes: tuple[str, ...]) -> bool:
    """Whether something in it reads like an operator's code, or is called one."""
    texts = [value for one in element.iter("*") for value in (one.text or "", *one.attrib.values())]
    return any(like_a_code(str(text).strip(), prefixes) for text in texts) or "tin" in set(_meanings(element))


def _meanings(element: etree._Element) -> Iterator[str]:
    for one in element.iter("*"):
        for name in (*([] if len(one) else [one.tag]), *one.attrib):
            yield from glossary.meanings(etree.QName(str(name)).localname, "statement")
