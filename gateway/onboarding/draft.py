"""A draft dialect from an XSD and one message: holes proposed by name, type and value, each marked with how sure it is.

Nothing is guessed silently. A place nobody understood keeps the text of the message as a literal, so that any other text is refused,
and is a question in ``draft.toml``. Answers are written there and the draft is made again; an answer is never overruled.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind
from gateway.onboarding import glossary
from gateway.wire.sample.language import DAYS, MESSAGE
from gateway.wire.sample.parse import SAMPLE
from gateway.wire.schema import Schema
from gateway.wire.xml import parse

_GW = f"{{{SAMPLE}}}"
#: The kinds that one document about operators serves until the partner says otherwise.
SERVES = (Kind.LIST, Kind.UPDATE, Kind.NOTICE)
_DATES = (
    (re.compile(r"\d{4}-\d{2}-\d{2}"), "date"),
    (re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}.*"), "datetime"),
    (re.compile(r"(19|20)\d{6}"), "date:yyyyMMdd"),
    (re.compile(r"(1[3-9]|2\d|3[01])/\d{2}/\d{4}"), "date:dd/MM/yyyy"),
    (re.compile(r"(1[3-9]|2\d|3[01])\.\d{2}\.\d{4}"), "date:dd.MM.yyyy"),
    (re.compile(r"(1[3-9]|2\d|3[01])-\d{2}-\d{4}"), "date:dd-MM-yyyy"),
)


class Sure(StrEnum):
    """``sure``: name and value agree. ``likely``: one of them. ``question``: neither, or they contradict. ``answered``: a person said so."""

    SURE = "sure"
    LIKELY = "likely"
    QUESTION = "question"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What stands in one place. ``hole`` empty: the text stays as it is. ``at`` is the path of names from the root."""

    at: str
    seen: str
    hole: str
    sure: Sure
    why: str


@dataclass(slots=True)
class Draft:
    """``sample`` is the annotated sample; ``codes`` the lists it needs, our words by the partner's codes."""

    sample: bytes
    proposals: list[Proposal]
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    open_codes: dict[str, list[str]] = field(default_factory=dict)
    specimens: dict[str, str] = field(default_factory=dict)

    @property
    def questions(self) -> int:
        """How many places and codes a person has to say something about."""
        return sum(one.sure is Sure.QUESTION for one in self.proposals) + sum(map(len, self.open_codes.values()))


def propose(
    schema: Schema, message: bytes, *, prefixes: tuple[str, ...], levels: tuple[str, ...], answers: Mapping[str, Any] | None = None
) -> Draft:
    """Reads the message and proposes. ``answers`` is a ``draft.toml`` that a person has been through. Raises ``Refusal``."""
    root = parse(message, signed=False)
    schema.validate(root)
    return _Drafter(schema, root, prefixes, levels, answers or {}).draft()


class _Drafter:
    def __init__(
        self, schema: Schema, root: etree._Element, prefixes: tuple[str, ...], levels: tuple[str, ...], answers: Mapping[str, Any]
    ) -> None:
        self.schema, self.root, self.prefixes, self.levels = schema, root, prefixes, levels
        self.answers = {one["at"]: one["hole"] for one in answers.get("place", ()) if one.get("sure") == Sure.ANSWERED}
        self.answered_codes: Mapping[str, Mapping[str, str]] = answers.get("codes", {})
        self.made = Draft(b"", [])
        self.taken: set[str] = set()

    def draft(self) -> Draft:
        record = self._record()
        twins = [one for one in record.itersiblings() if one.tag == record.tag]
        count = 1 + len(twins)
        for other in twins:
            other.getparent().remove(other)  # type: ignore[union-attr] # a sibling has a parent
        inside = list(record.iter("*"))
        outside = [element for element in self.root.iter("*") if element not in inside]
        for element, repeated in [(one, True) for one in inside] + [(one, False) for one in outside]:
            for name in list(element.attrib):
                self._place(element, str(name), str(element.attrib[name]), repeated, count)
            if not len(element):
                self._place(element, None, (element.text or "").strip(), repeated, count)
        record.set(f"{_GW}each", "statements")
        for element in record.iter("*"):
            self._condition(element, record)
        etree.indent(self.root)
        root = etree.Element(self.root.tag, dict(self.root.attrib), nsmap={**self.root.nsmap, "gw": SAMPLE})
        root.text = self.root.text
        root.extend(list(self.root))
        self.made.sample = etree.tostring(root, encoding="utf-8") + b"\n"
        return self.made

    def _record(self) -> etree._Element:
        """The outermost element that the message, or else the XSD, repeats and that holds something."""
        for element in self.root.iter("*"):
            twins = Counter(child.tag for child in element if len(child) or child.attrib)
            tag = next((tag for tag, times in twins.items() if times > 1 or self._repeats(element, str(tag))), None)
            if tag is not None:
                return next(child for child in element if child.tag == tag)
        raise Refusal(
            Code.DATA_INVALID,
            "Nothing in the message is repeated, so nothing looks like an operator.",
            remedy="Give a message about two operators.",
        )

    def _repeats(self, parent: etree._Element, tag: str) -> bool:
        found = self._declared(parent, tag)
        return found is not None and (found.max_occurs is None or found.max_occurs > 1)

    def _declared(self, parent: etree._Element, tag: str) -> Any:
        declaration: Any = self.schema.words.maps.elements.get(str(self.root.tag))
        for step in [*_tags(parent)[1:], tag]:
            content = declaration.type.content if declaration is not None and declaration.type.is_complex() else None
            children = content.iter_elements() if content is not None and hasattr(content, "iter_elements") else ()
            declaration = next((child for child in children if child.name == step), None)
        return declaration

    # -- one place -----------------------------------------------------------------------------------------------------------

    def _place(self, element: etree._Element, attribute: str | None, seen: str, repeated: bool, count: int) -> None:
        at = "/".join(etree.QName(tag).localname for tag in _tags(element)) + (f"/@{attribute}" if attribute else "")
        allowed = self.schema.allows(tuple(_tags(element)), attribute)
        names = [attribute] if attribute else at.split("/")[:-3:-1]
        if at in self.answers:
            hole, sure, why = self.answers[at], Sure.ANSWERED, "a person said so"
        elif not seen and allowed is None:
            return
        elif attribute and self._fixed(element, attribute):
            hole, sure, why = "", Sure.SURE, "the XSD fixes it"
        else:
            hole, sure, why = self._guess(names, seen, repeated, count)
        key = re.sub(r"[{}?]|\|.*", "", hole)
        if hole and sure is not Sure.ANSWERED and key in self.taken:
            hole, sure, why = "", Sure.QUESTION, f"{key} has a place already"
        self.taken |= {key} - {""}
        if key in ("tin", "number"):
            made_up = re.sub(r"\d", "1", seen)  # of the same form, and nobody's
            self.made.specimens[key] = made_up if allowed is None or allowed.fits(made_up) else seen
        self._codes(allowed.enumeration if allowed else None, seen, hole)
        if hole and not hole.endswith("?") and self._optional(element, attribute):
            hole += "?"
        self.made.proposals.append(Proposal(at, seen, hole, sure, why))
        if attribute:
            element.set(attribute, hole or seen)
        else:
            element.text = hole or seen

    def _guess(self, names: list[str], seen: str, repeated: bool, count: int) -> tuple[str, Sure, str]:
        table = "statement" if repeated else "message"
        named = glossary.one(names, table)
        shape = next((form for pattern, form in _DATES if pattern.fullmatch(seen)), None)
        if (not repeated and named == "@count") or (not repeated and seen == str(count)):
            agree = named == "@count" and seen == str(count)
            return "{@count}", Sure.SURE if agree else Sure.LIKELY, f"{seen} stands where {count} are listed"
        if repeated and seen.startswith(self.prefixes) and any(c.isdigit() for c in seen):
            return "{tin}", Sure.SURE if named == "tin" else Sure.LIKELY, "the value begins as this partner's codes do"
        if repeated and seen in self.levels:
            return "{level|level}", Sure.SURE if named == "level" else Sure.LIKELY, "the value is one of its levels"
        if named is None:
            return "", Sure.QUESTION, f"no word for {'/'.join(names)}"
        days = named in DAYS or MESSAGE.get(named.removeprefix("message."), ("",))[0] in ("date", "datetime")
        if days:
            return self._day(named, shape)
        if shape:
            return "", Sure.QUESTION, f"its name says {named}, its value is a day"
        if named in ("standing", "level", "role"):
            return f"{{{named}|{named}}}", Sure.LIKELY, "by its name"
        return f"{{{named}}}", Sure.LIKELY, "by its name"

    def _day(self, named: str, shape: str | None) -> tuple[str, Sure, str]:
        if shape is None:
            return "", Sure.QUESTION, f"its name says {named}; how its days are written cannot be told from this value"
        if named in DAYS and shape == "datetime" and named != "effective":
            return "", Sure.QUESTION, f"its name says {named}, which is a day, and its value is a moment"
        return f"{{{named}|{shape}}}", Sure.SURE, "name and value agree"

    def _codes(self, enumeration: frozenset[str] | None, seen: str, hole: str) -> None:
        name = next((part for part in re.findall(r"\|([a-z]+)", hole) if part in ("standing", "level", "role")), None)
        if name is None:
            return
        codes = sorted(enumeration or {seen})
        words = dict(self.answered_codes.get(name, {}))
        for code in codes:
            if code not in words:
                meant = (
                    glossary.meanings(code, "standing")
                    if name == "standing"
                    else (code,)
                    if name == "level" and code in self.levels
                    else ()
                )
                if len(meant) == 1:
                    words[code] = meant[0]
                else:
                    self.made.open_codes.setdefault(name, []).append(code)
        self.made.codes[name] = words

    def _declaration(self, element: etree._Element) -> Any:
        parent = element.getparent()
        return self.schema.words.maps.elements.get(str(element.tag)) if parent is None else self._declared(parent, str(element.tag))

    def _fixed(self, element: etree._Element, attribute: str) -> bool:
        declared = self._declaration(element)
        return declared is not None and attribute in declared.attributes and declared.attributes[attribute].fixed is not None

    def _optional(self, element: etree._Element, attribute: str | None) -> bool:
        declared = self._declaration(element)
        if declared is None:
            return False
        if attribute:
            return bool(declared.attributes[attribute].use == "optional")
        return bool(declared.min_occurs == 0)

    def _condition(self, element: etree._Element, record: etree._Element) -> None:
        """An optional element with holes inside is there when one of them has a value."""
        if element is record or not len(element) or not self._optional(element, None):
            return
        said = " ".join(str(value) for one in element.iter("*") for value in (one.text or "", *one.attrib.values()))
        keys = dict.fromkeys(re.findall(r"\{([a-z_]+)", said))
        if keys:
            element.set(f"{_GW}if", " ".join(keys))


def _tags(element: etree._Element) -> list[str]:
    return [str(one.tag) for one in (*reversed(list(element.iterancestors())), element)]


def as_toml(draft: Draft) -> str:
    """``draft.toml``: every place with its proposal, and every code; what a person answers there is kept."""
    lines = [
        '# What the draft proposes. To answer: write the hole (or leave it empty for a fixed text), set sure = "answered", and make',
        "# the draft again. A code without a word of ours is a question too: give it one below.",
    ]
    for one in draft.proposals:
        lines += ["", "[[place]]"] + [f"{name} = {_text(getattr(one, name))}" for name in ("at", "seen", "hole", "sure", "why")]
    for name, codes in draft.codes.items():
        lines += ["", f"[codes.{name}]"] + [f"{_text(code)} = {_text(word)}" for code, word in codes.items()]
        lines += [f"# {_text(code)} = ?" for code in draft.open_codes.get(name, ())]
    return "\n".join(lines) + "\n"


def dialect_toml(draft: Draft, summary: str) -> str:
    """``dialect.toml`` with the code lists that are known."""
    lines = [f"summary = {_text(summary)}"]
    tables = {f"codes.{name}": codes for name, codes in draft.codes.items()} | {"specimen": draft.specimens}
    for name, table in tables.items():
        lines += ["", f"[{name}]"] + [f"{_text(key)} = {_text(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
