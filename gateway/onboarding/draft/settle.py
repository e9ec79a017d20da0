"""Fourth pass: each place gets its hole, or keeps its text.

A field has one place in a statement (one in each status block), so the surest guesses are settled first: whoever comes later with the
same field becomes a question. With the hole goes what it needs: its codes into the code list, and a specimen where the usual made-up
values would not do. A place that nobody understands is taken out where the XSD lets it be absent, and keeps the text of the message
where it must be there.
"""

from __future__ import annotations

import re

from lxml import etree

from gateway.onboarding.draft import codes
from gateway.onboarding.draft.declared import documented
from gateway.onboarding.draft.model import Sure
from gateway.onboarding.draft.sketch import ALWAYS, Sketch, Spot, key_of
from gateway.wire.schema import Allowed


def settle(sketch: Sketch, spot: Spot) -> None:
    """Takes the hole, unless its field has a place already, and writes it down."""
    element, attribute, where, (hole, sure, why), branch = spot
    at = sketch.document.at(element, attribute)
    key = key_of(hole)
    placed = sketch.placed.setdefault(branch, set())
    around = set() if key == "@count" else sketch.placed[None]
    if key and sure is not Sure.ANSWERED and key in placed | around:
        hole, sure, why, key = "", Sure.QUESTION, f"{key} has a place already", ""
    placed |= {key} - {""}
    seen = where.values[0] if where.values else ""
    listed = where.allowed.enumeration if where.allowed is not None else None
    meant = "{level|level}" if key.endswith("#level") else hole
    levels, explained = sketch.guesser.levels, documented(where.allowed)
    codes.collect(sketch.draft, meant, listed or where.values, levels, sketch.answers, explained)
    if key:
        _specimen(sketch, key, hole, seen, where.allowed)
    if key and sketch.declared.optional(element, attribute) and key not in ALWAYS:
        hole = _optional(element, attribute, hole)
    if not hole and len(set(where.values)) > 1 and sure is Sure.QUESTION:
        why += "; its values differ"
    if not hole and sure is Sure.QUESTION and element is not sketch.document.root and _may_go(sketch, element, attribute):
        sketch.propose(at, seen, hole, sure, f"{why}; until somebody says it is left out, and a message that holds it is refused")
        _take_out(element, attribute)
        return
    sketch.propose(at, seen, hole, sure, why)
    if attribute:
        element.set(attribute, hole or seen)
    else:
        element.text = hole or seen


def _optional(element: etree._Element, attribute: str | None, hole: str) -> str:
    """``?`` where it can be said; beside literal text an element takes gw:if instead."""
    return hole if hole.endswith("?") or not re.fullmatch(r"\{[^{}]*\}", hole) or (not attribute and element.attrib) else hole + "?"


def _may_go(sketch: Sketch, element: etree._Element, attribute: str | None) -> bool:
    if not attribute and (len(element) or element in sketch.shape.repeated):
        return False
    return sketch.declared.optional(element, attribute) and element not in sketch.blocks


def _take_out(element: etree._Element, attribute: str | None) -> None:
    parent = element.getparent()
    if attribute:
        del element.attrib[attribute]
    elif parent is not None:
        parent.remove(element)


def _specimen(sketch: Sketch, key: str, hole: str, seen: str, allowed: Allowed | None) -> None:
    """A value of the same form that is nobody's, where none of the usual ones would do."""
    made_up = re.sub(r"\d", "1", seen)
    usual = key not in ("tin", "number", "query.tin") and "#" not in key
    if not seen or key == "@count" or (usual and (allowed is None or allowed.fits("Made-up"))):
        return
    value = made_up if allowed is None or allowed.fits(made_up) else seen
    sketch.draft.specimens.setdefault(key, f"{sketch.guesser.prefixes[0]}{value}" if "|bare:" in hole else value)
