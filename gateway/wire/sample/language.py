"""The language of samples: holes, templates, and the tree of one annotated sample. See schemas/README.md for what a person writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

from gateway.core.model import Statement
from gateway.wire.sample import values as v
from gateway.wire.xml import plain_code

FIELDS = frozenset(Statement.__struct_fields__)
#: What a document may say about itself, and what kinds of value that is. ``fault`` and ``fault_code`` are for answers that are none.
MESSAGE = {
    "id": ("text",),
    "issued": ("datetime", "date"),
    "as_of": ("datetime", "date"),
    "sender": ("text",),
    "receiver": ("text",),
    "status": ("text",),
    "fault": ("text",),
    "fault_code": ("text",),
    "part": ("int",),
    "parts": ("int",),
}
DAYS = {"granted": ("date",), "expires": ("date",), "decided": ("date",), "effective": ("date", "moment", "datetime")}

COUNT = "@count"
_HOLE = re.compile(r"\{(@count|[a-z][a-z_]*(?:[.#][a-z][a-z_]*)?)((?:\|[^{}|]+)*)\}")


class Missing(Exception):
    """A required value that is not there; its argument is the hole's name."""


class Ill(Exception):
    """A fault in a sample: the problem, and the remedy."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Hole:
    """``key`` is the hole's name as written: ``tin``, ``number#serial``, ``message.id``, ``query.tin``, ``signatory.name``, ``@count``."""

    key: str
    value: v.Value


@dataclass(frozen=True, slots=True)
class Template:
    """What an attribute or a leaf holds: literal text and holes by turns (text first and last, both possibly empty)."""

    texts: tuple[str, ...]
    holes: tuple[Hole, ...] = ()
    optional: bool = False

    @property
    def literal(self) -> str | None:
        return None if self.holes else self.texts[0]

    @property
    def single(self) -> bool:
        """One hole and nothing else."""
        return self.texts == ("", "")

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(hole.key for hole in self.holes)

    def reader(self) -> Callable[[str, dict[str, Any]], None]:
        """Text into a record. Raises ValueError or LookupError with ``key`` as the second argument where one hole is at fault."""
        if not self.holes:
            expected = self.texts[0]

            def guard(text: str, _: dict[str, Any]) -> None:
                if text != expected:
                    raise ValueError(f"only {expected!r} can stand here")

            return guard
        if self.single:
            (hole,) = self.holes
            key, convert = hole.key, hole.value.read

            def single(text: str, record: dict[str, Any]) -> None:
                record[key] = convert(text)

            return single
        match = self._expression().fullmatch
        form = "".join(f"{text}{{{key}}}" for text, key in zip(self.texts, self.keys, strict=False)) + self.texts[-1]

        def mixed(text: str, record: dict[str, Any]) -> None:
            found = match(text)
            if found is None:
                raise ValueError(f"the form is {form}")
            for hole, piece in zip(self.holes, found.groups(), strict=True):
                record[hole.key] = hole.value.read(piece)

        return mixed

    def writer(self) -> Callable[[dict[str, Any]], str | None]:
        """A record into text with every hole filled, draining it. None: an optional text of which nothing is there.

        Raises ``Missing``, ValueError or LookupError.
        """
        match = self._expression().fullmatch
        writes = [(hole.key, hole.value.write) for hole in self.holes]
        form = "%s".join(text.replace("%", "%%") for text in self.texts)

        def mixed(record: dict[str, Any]) -> str | None:
            values = [record.pop(key, None) for key, _ in writes]
            if None in values:
                if self.optional and values.count(None) == len(values):
                    return None
                raise Missing(writes[values.index(None)][0])
            pieces = tuple([write(value) for (_, write), value in zip(writes, values, strict=True)])
            text = form % pieces
            found = match(text)
            if found is None or found.groups() != pieces:
                raise ValueError(f"{text!r} could not be taken apart again")
            return text

        return mixed

    def _expression(self) -> re.Pattern[str]:
        """Linear in the text: an open hole ends where the first character of the next literal stands, and never holds it."""
        expression = re.escape(self.texts[0])
        for hole, after in zip(self.holes, self.texts[1:], strict=True):
            until = f"[^{re.escape(after[0])}]+" if after else ".+"
            expression += f"({hole.value.shape or until})" + re.escape(after)
        return re.compile(expression, re.ASCII | re.DOTALL)


class Vocabulary:
    """What the holes of one dialect may name: fields, parts of composed fields, code lists."""

    def __init__(self, codes: Mapping[str, v.Codes], forms: Mapping[str, str], bare: bool = False) -> None:
        self.codes, self.bare = codes, bare
        self.forms: dict[str, Template] = {}
        for name, form in forms.items():
            self.forms[name] = self._form(name, form)

    def template(self, text: str) -> Template:
        """Raises ``Ill``."""
        pieces: list[str] = []
        holes: list[Hole] = []
        at = 0
        for found in _HOLE.finditer(text):
            pieces.append(text[at : found.start()])
            holes.append(self._hole(found[1], [part for part in found[2].split("|") if part]))
            at = found.end()
        rest = text[at:]
        optional = bool(holes) and rest == "?"
        pieces.append("" if optional else rest)
        if any("{" in piece or "}" in piece for piece in pieces):
            raise Ill(
                f"{text!r} is no hole", "Write {field}, {field|filter} or {field}?; nothing else is understood between braces."
            )
        for (before, after), between in zip(pairwise(holes), pieces[1:-1], strict=True):
            if not between and before.value.shape is None:
                raise Ill(
                    f"nothing tells where {{{before.key}}} ends and {{{after.key}}} begins",
                    "Put literal text between them, or give the first a code list or |pad.",
                )
        return Template(tuple(pieces), tuple(holes), optional)

    def _form(self, name: str, form: str) -> Template:
        if name not in FIELDS:
            raise Ill(f"{name!r} is no field of a statement", "Only fields of a statement have parts.")
        template = self.template(re.sub(r"\{(?!@)", "{" + name + "#", form))
        if len(template.holes) < 1 or template.optional:
            raise Ill(f"{form!r} has no parts", 'Write it like "{country}/{serial}/{kind}".')
        return replace(template, optional=True)  # a record may lack the field, but never one part of it

    def _hole(self, key: str, filters: list[str]) -> Hole:
        if "#" in key and (part := self._part(key)):
            if filters:
                raise Ill(f"the part {{{key}}} has a filter", "Write the filter in the form under [parts].")
            return part
        value = self._base(key)
        for name in filters:
            then = self._filter(name, key)
            value = then if value is v.TEXT else v.chain(value, then)
        return self._typed(key, value)

    def _part(self, key: str) -> Hole | None:
        name = key.partition("#")[0]
        if name not in self.forms:
            return None  # the form itself is being read
        for hole in self.forms[name].holes:
            if hole.key == key:
                return hole
        raise Ill(f"{{{key}}} is no part of {name}", "Name a part of its form under [parts].")

    def _base(self, key: str) -> v.Value:
        scope, dot, name = key.partition(".")
        if key == COUNT:
            return v.INT
        if scope in ("message", "query") and name in (MESSAGE if scope == "message" else FIELDS):
            return v.TEXT
        if (scope == "signatory" and dot) or key in FIELDS or key.partition("#")[0] in FIELDS:
            return v.TEXT
        raise Ill(
            f"no field fills {{{key}}}", "Name a field of a statement, or message., query., signatory. and its name, or @count."
        )

    def _filter(self, name: str, key: str) -> v.Value:
        name, _, argument = name.partition(":")
        fixed = {"date": v.DATE, "datetime": v.DATETIME, "moment": v.MOMENT, "int": v.INT}
        try:
            if name == "date" and argument:
                return v.dates(argument)
            if name == "pad" and argument.isascii() and argument.isdigit() and int(argument):
                return v.pad(int(argument))
            if name in fixed and not argument:
                return fixed[name]
            if name in self.codes and argument in ("", "int"):
                codes = v.standings(self.codes[name]) if key == "standing" else self.codes[name]
                return v.listed(codes, numbers=argument == "int")
        except ValueError as error:
            raise Ill(f"the filter |{name} cannot be used: {error}", "Correct the filter or its code list.") from None
        raise Ill(f"there is no filter or code list {name!r}", "Use date, datetime, moment, int, pad:N or a list under [codes].")

    def _typed(self, key: str, value: v.Value) -> Hole:
        scope, _, name = key.partition(".")
        expected = MESSAGE[name] if scope == "message" else ("int",) if key == COUNT else DAYS.get(key, ("text",))
        if value.gives not in expected:
            raise Ill(f"{{{key}}} holds {value.gives} where {' or '.join(expected)} is needed", "Give the hole the filter for it.")
        if key == "standing" and not value.words:
            raise Ill("{standing} has no code list", "Write {standing|standing} and list the codes under [codes.standing].")
        for word in value.words:
            try:
                value.write(word)
            except ValueError as error:
                raise Ill(f"the code for {word!r} cannot be written: {error}", "Correct the code list or the filter.") from None
        if key in ("tin", "number"):
            inner = value.read
            value = value._replace(read=partial(checked, key=key) if value is v.TEXT else lambda text: checked(inner(text), key))
        return Hole(key, value)


def checked(code: str, key: str) -> str:
    """A code as issued, if a person can tell it from every other: look-alike and invisible characters are refused here."""
    if len(code) <= v.LONGEST_TIN and code.isascii() and code.isalnum():
        return code
    if key == "tin" and len(code) > v.LONGEST_TIN:
        raise ValueError(f"more than {v.LONGEST_TIN} characters are no identifier")
    return plain_code(code, key)


@dataclass(frozen=True, slots=True)
class Each:
    """A repetition. ``by``: fields that hold a group together (``statements by tin``). ``inner``: one row of such a group,
    perhaps only those with one word in one field."""

    by: tuple[str, ...] = ()
    inner: bool = False
    only: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One element of a sample. ``tag`` is {namespace}name, ``written`` the name with its prefix."""

    tag: str
    written: str
    line: int
    attributes: tuple[tuple[str, str, Template], ...] = ()
    text: Template | None = None
    children: tuple[Node, ...] = ()
    each: Each | None = None
    when: tuple[str, str] | None = None
    given: tuple[str, ...] = ()
    any: bool = False
    group: bool = False

    @property
    def required(self) -> bool:
        """Whether a document without it is refused. A choice is required as a whole."""
        return not (self.any or self.each or self.given or self.when or (self.text is not None and self.text.optional))

    def templates(self) -> list[Template]:
        """What stands in the element itself."""
        return [template for _, _, template in self.attributes] + ([self.text] if self.text else [])


@dataclass(slots=True)
class Holes:
    """The holes of one scope: ``all`` of them with how often each can stand in one record, and those that ``must`` be there."""

    all: dict[str, Hole] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    must: set[str] = field(default_factory=set)


def holes_of(node: Node, chosen: Mapping[str, str] | None = None) -> Holes:
    """The holes of a scope that begins at ``node``, without those of repetitions inside it.

    ``chosen`` leaves of a choice only the branch for that word.
    """
    found = Holes()
    for template in node.templates():
        for hole in template.holes:
            found.all[hole.key] = hole
            found.most[hole.key] = found.most.get(hole.key, 0) + 1
            if not template.optional:
                found.must.add(hole.key)
    for field_name, branches in _branches(node.children):
        if field_name and chosen and field_name in chosen:
            branches = [branch for branch in branches if branch.when == (field_name, chosen[field_name])]
        parts = [holes_of(branch, chosen) for branch in branches]
        for part in parts:
            found.all |= part.all
        for key in {key for part in parts for key in part.most}:
            found.most[key] = found.most.get(key, 0) + max(part.most.get(key, 0) for part in parts)
        beside = field_name in found.all  # the field has a hole of its own: a word need not have a branch
        if parts and (not beside or chosen) and all(branch.required or (branch.when and not branch.given) for branch in branches):
            found.must |= set.intersection(*(part.must for part in parts))
        if field_name and not beside:
            found.all[field_name] = Hole(field_name, v.TEXT)
            found.most[field_name] = 1
            found.must.add(field_name)
    return found


def _branches(children: tuple[Node, ...]) -> list[tuple[str | None, list[Node]]]:
    """Children that stand together, and those of which one stands, by the field that chooses."""
    choices: dict[str, list[Node]] = {}
    alone: list[tuple[str | None, list[Node]]] = []
    for child in children:
        if child.when:
            choices.setdefault(child.when[0], []).append(child)
        elif not child.each:
            alone.append((None, [child]))
    return alone + list(choices.items())
