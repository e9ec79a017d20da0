"""Which groups operators stand in, where the group says how they stand: ``<Active>...</Active><Suspended>...</Suspended>``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lxml import etree

from gateway.onboarding import glossary
from gateway.onboarding.draft.declared import Child, XsdFacts, children
from gateway.onboarding.draft.document import SampleDocument


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """One group. ``at`` is the place of its operators, ``standing`` what its name says of them (empty: nothing).

    ``operator`` is the first of its operators; None, and ``element`` too, where only the XSD knows the group.
    """

    at: str
    standing: str
    element: etree._Element | None
    operator: etree._Element | None
    child: Child | None = None


def groups_of(document: SampleDocument, declared: XsdFacts, outer: etree._Element) -> tuple[Group, ...]:
    """Every group that operators like ``outer`` stand in, its own first; none where they all stand in one place that says nothing."""
    firsts = {document.at(outer): outer}
    for one in document.root.iter(str(outer.tag)):
        if not any(above.tag == outer.tag for above in one.iterancestors()):
            firsts.setdefault(document.at(one), one)
    above = _above(list(firsts.values()))
    shown = [
        Group(at, _standing_of(group), group, one)
        for (at, one), group in zip(firsts.items(), above, strict=True)
        if group is not None
    ]
    if not shown or (len(shown) == 1 and not shown[0].standing):
        return ()
    found = (*shown, *_unshown(document, declared, shown))
    return found if len(found) > 1 else ()


def _standing_of(group: etree._Element | None) -> str:
    """The standing that the name of a group says; empty: none."""
    return "" if group is None else _standing_named(etree.QName(group).localname)


def _standing_named(name: str) -> str:
    """``Suspended`` and ``Suspendus`` alike: a group is often called by its plural."""
    singular = " ".join(word.removesuffix("s") for word in glossary.words(name))
    return glossary.first_meaning([name, singular], "standing") or ""


def _above(operators: list[etree._Element]) -> list[etree._Element | None]:
    """The group each stands in: the outermost element that it shares with none of the others; for one alone, the one that says a standing."""
    lines = [list(operator.iterancestors())[-2::-1] for operator in operators]
    if len(operators) == 1:
        return [next((one for one in lines[0] if _standing_of(one)), None)]
    shared = set.intersection(*map(set, lines))
    return [next((one for one in line if one not in shared), None) for line in lines]


def _unshown(document: SampleDocument, declared: XsdFacts, shown: list[Group]) -> Iterator[Group]:
    """Groups that the XSD allows beside those shown, of the same form as the first."""
    first = shown[0]
    parent = None if first.element is None else first.element.getparent()
    if first.element is None or parent is None:
        return
    form = declared.of(first.element).type
    known = {group.standing for group in shown}
    for child in children(declared.of(parent)):
        standing = _standing_named(child.declaration.local_name)
        if standing and standing not in known and _same(child.declaration.type, form):
            at = first.at.replace(document.at(first.element), f"{document.at(parent)}/{child.declaration.local_name}", 1)
            yield Group(at, standing, None, None, child)


def _same(one: Any, other: Any) -> bool:
    """Whether two types are one, or are written with the same elements of the same types."""
    if one is other:
        return True
    mine, theirs = (
        list(kind.content.iter_elements()) if kind.is_complex() and kind.has_complex_content() else [] for kind in (one, other)
    )
    return (
        bool(mine)
        and len(mine) == len(theirs)
        and all(a.name == b.name and a.type is b.type for a, b in zip(mine, theirs, strict=True))
    )
