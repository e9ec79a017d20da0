"""Codes that a message holds in parts: country, serial and kind of one number."""

from __future__ import annotations

from lxml import etree

from gateway.onboarding import glossary
from gateway.onboarding.draft.guess import Guess
from gateway.onboarding.draft.model import Sure
from gateway.onboarding.draft.sketch import Sketch

#: What a piece of a code may be called, beside the code itself.
_PARTS = ("tin", "number", "level", "member", "office", "role")


def of(sketch: Sketch, element: etree._Element) -> Guess | None:
    """What ``element`` is of its parent's code, where all of the parent's children are parts of one."""
    parent = element.getparent()
    if parent is None or len(parent) < 2 or parent.attrib or any(len(child) or child.attrib for child in parent):
        return None
    field = glossary.first_meaning([etree.QName(parent).localname], "statement")
    if field not in ("tin", "number") or not sketch.in_statement(parent):
        return None
    if any(glossary.first_meaning([etree.QName(child).localname], "statement") not in (None, field, *_PARTS) for child in parent):
        return None  # it holds the days or the standing of what is numbered, not pieces of its number
    names = [part_name(child, at) for at, child in enumerate(parent)]
    own = [sketch.document.values.get(sketch.document.at(child), [""]) for child in parent]
    if len(set(names)) < len(names) or any(values and all(sketch.guesser.is_code(one) for one in values) for values in own):
        return None
    still = [values[0] if field == "tin" and set(values) <= set(sketch.guesser.prefixes) else None for values in own]
    holes = [
        text if text is not None else f"{{{name}|level}}" if name == "level" else f"{{{name}}}"
        for name, text in zip(names, still, strict=True)
    ]
    sketch.draft.parts.setdefault(field, sketch.answers.parts.get(field, ("/" if "}{" in "".join(holes) else "").join(holes)))
    at = list(parent).index(element)
    if still[at] is not None:
        return Guess("", Sure.LIKELY, "it is the partner's own code, which all its operators share")
    return Guess(f"{{{field}#{names[at]}}}", Sure.LIKELY, f"it is a part of the {field}, put together as parts.{field} says")


def part_name(element: etree._Element, at: int) -> str:
    """A name for a part, of small letters: its own where it has such. The part that is the level gives the level, too."""
    if glossary.first_meaning([etree.QName(element).localname], "statement") == "level":
        return "level"
    name = "_".join(glossary.words(etree.QName(element).localname))
    plain = "".join(c for c in name if c.isascii() and (c.isalpha() or c == "_")).strip("_")
    return plain or f"part_{chr(ord('a') + at)}"
