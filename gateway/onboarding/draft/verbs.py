"""Sixth pass: the verbs that say what is repeated and what may be absent.

``gw:each`` goes onto what repeats, with the fields that hold a group together; ``gw:if`` onto optional elements, with the fields that
they hold. Both name fields, so every hole has to stand where it will stay.
"""

from __future__ import annotations

from itertools import zip_longest

from lxml import etree

from gateway.onboarding.draft.sketch import GW, Sketch, keys_in


def put_verbs(sketch: Sketch) -> None:
    """Puts ``gw:each`` and ``gw:if`` where no person put a verb."""
    levels = sketch.shape.repeated
    for level, inner in zip_longest(levels, levels[1:]):
        whole = "statements" if level is levels[0] else "."
        if f"{GW}each" not in level.attrib:
            level.set(f"{GW}each", f"{whole} by {' '.join(_held_together_by(level, inner))}" if inner is not None else whole)
    for element in sketch.document.root.iter("*"):
        if element not in levels and not {f"{GW}if", f"{GW}any"} & {*map(str, element.attrib)}:
            _condition(sketch, element)
    for operator in (sketch.shape.outer, *(group.operator for group in sketch.shape.groups)):
        for around in [] if operator is None else operator.iterancestors():
            if sketch.declared.optional(around) and not any(str(name).startswith(GW) for name in around.attrib):
                around.set(f"{GW}if", "statements")


def _held_together_by(outer: etree._Element, inner: etree._Element) -> list[str]:
    """The fields that hold a group together: the operator's code, or what is said once for several operators."""
    around = [one for one in outer.iter("*") if one is not inner and inner not in one.iterancestors()]
    keys = [key for one in around for key, always in keys_in(one) if always]
    keys = keys or [key for one in around for key, _ in keys_in(one)]
    return ["tin"] if "tin" in keys else list(dict.fromkeys(keys)) or ["tin"]


def _condition(sketch: Sketch, element: etree._Element) -> None:
    """An optional element with holes inside is there when one of them has a value."""
    block = element in sketch.blocks
    if not (block or sketch.declared.optional(element)) or (block and _one_of_several(sketch, element)) or _optional_leaf(element):
        return
    keys = dict.fromkeys(key for one in element.iter("*") for key, _ in keys_in(one))
    if keys and not {"tin", "standing"} & keys.keys() and not any(key.startswith(("message.", "query.", "@")) for key in keys):
        element.set(f"{GW}if", " ".join(keys))


def _optional_leaf(element: etree._Element) -> bool:
    """Whether it is a leaf whose own hole says that it may be absent: ``{x}?``."""
    holds_more = len(element) or any("{" in str(value) for value in element.attrib.values())
    return not holds_more and (element.text or "").endswith("?")


def _one_of_several(sketch: Sketch, block: etree._Element) -> bool:
    """Whether the XSD lets exactly one of several blocks stand."""
    child = sketch.declared.child(block)
    return child is not None and child.choice is not None
