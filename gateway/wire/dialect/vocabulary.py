"""What the holes of one dialect may name, and the reading of what stands between braces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise

from gateway.wire.dialect import values as v
from gateway.wire.dialect.template import ANY, COUNT, DAYS, FIELDS, MESSAGE, Hole, Template, TemplateFault, checked

#: The last filter of a hole may say which text stands for no value.
_NONE = "none:"
_HOLE = re.compile(r"\{(@count|[a-z][a-z_]*(?:[.#][a-z][a-z_]*)?)((?:\|[^{}|]+)*)\}")


class Vocabulary:
    """Fields, parts of composed fields, code lists. ``bare``: records are shown and need neither identifier nor standing. ``stored``:
    what is read was activated before, and is not refused by a rule of today."""

    def __init__(self, codes: Mapping[str, v.Codes], forms: Mapping[str, str], bare: bool = False, *, stored: bool = False) -> None:
        self.codes, self.bare, self._stored = codes, bare, stored
        self.forms: dict[str, Template] = {}
        for name, form in forms.items():
            self.forms[name] = self._form(name, form)

    def template(self, text: str) -> Template:
        """Raises ``TemplateFault``."""
        if text == ANY:
            return Template(("",), (), optional=True, ignored=True)
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
            raise TemplateFault(
                f"{text!r} is no hole", "Write {field}, {field|filter} or {field}?; nothing else is understood between braces."
            )
        if any(hole.value.nothing is not None for hole in holes) and (optional or len(holes) > 1 or any(pieces)):
            raise TemplateFault(f"{text!r} says nothing in two ways", f"A hole with |{_NONE}... stands alone, and takes no ?.")
        for (before, after), between in zip(pairwise(holes), pieces[1:-1], strict=True):
            if not between and before.value.shape is None:
                raise TemplateFault(
                    f"nothing tells where {{{before.key}}} ends and {{{after.key}}} begins",
                    "Put literal text between them, or give the first a code list or |pad.",
                )
        template = Template(tuple(pieces), tuple(holes), optional)
        if not self._stored and (problem := template.runs_away):
            raise TemplateFault(f"{text!r} {problem}", "Put literal text between its holes, or let no code begin another.")
        return template

    def _form(self, name: str, form: str) -> Template:
        if name not in FIELDS:
            raise TemplateFault(f"{name!r} is no field of a statement", "Only fields of a statement have parts.")
        template = self.template(re.sub(r"\{(?!@)", "{" + name + "#", form))
        if len(template.holes) < 1 or template.optional:
            raise TemplateFault(f"{form!r} has no parts", 'Write it like "{country}/{serial}/{kind}".')
        return replace(template, optional=True)  # a record may lack the field, but never one part of it

    def _hole(self, key: str, filters: list[str]) -> Hole:
        if "#" in key and (part := self._part(key)):
            if filters:
                raise TemplateFault(f"the part {{{key}}} has a filter", "Write the filter in the form under [parts].")
            return part
        value = self._base(key)
        nothing = filters.pop()[len(_NONE) :] if filters and filters[-1].startswith(_NONE) else None
        for name in filters:
            then = self._filter(name, key)
            value = then if value is v.TEXT else v.chain(value, then)
        hole = self._typed(key, value)
        return hole if nothing is None else self._or_nothing(hole, nothing)

    def _or_nothing(self, hole: Hole, text: str) -> Hole:
        if hole.key not in FIELDS - {"tin", "standing"} or self.bare:
            raise TemplateFault(f"{{{hole.key}}} cannot be nothing", f"Only a field that a statement may lack takes |{_NONE}...")
        try:
            return replace(hole, value=v.none(hole.value, text))
        except ValueError as error:
            raise TemplateFault(f"the filter |{_NONE}{text} cannot be used: {error}", "Agree on another text for it.") from None

    def _part(self, key: str) -> Hole | None:
        name = key.partition("#")[0]
        if name not in self.forms:
            return None  # the form itself is being read
        for hole in self.forms[name].holes:
            if hole.key == key:
                return hole
        raise TemplateFault(f"{{{key}}} is no part of {name}", "Name a part of its form under [parts].")

    def _base(self, key: str) -> v.Value:
        scope, dot, name = key.partition(".")
        if key == COUNT:
            return v.INT
        if scope in ("message", "query") and name in (MESSAGE if scope == "message" else FIELDS):
            return v.TEXT
        if (scope == "signatory" and dot) or key in FIELDS or key.partition("#")[0] in FIELDS:
            return v.TEXT
        raise TemplateFault(
            f"no field fills {{{key}}}", "Name a field of a statement, or message., query., signatory. and its name, or @count."
        )

    def _filter(self, name: str, key: str) -> v.Value:
        name, _, argument = name.partition(":")
        fixed = {"date": v.DATE, "datetime": v.DATETIME, "moment": v.MOMENT, "int": v.INT}
        try:
            if name == "date" and argument:
                return v.dates(argument)
            if name == "datetime" and argument:
                return v.moments(argument)
            if name == "pad" and argument.isascii() and argument.isdigit() and int(argument):
                return v.pad(int(argument))
            if name == "bare" and key in ("tin", "query.tin"):
                return v.bare(argument)
            if name in fixed and not argument:
                return fixed[name]
            if name in self.codes and argument in ("", "int"):
                codes = v.standings(self.codes[name]) if key == "standing" else self.codes[name]
                return v.listed(codes, numbers=argument == "int")
        except ValueError as error:
            raise TemplateFault(f"the filter |{name} cannot be used: {error}", "Correct the filter or its code list.") from None
        raise TemplateFault(
            f"there is no filter or code list {name!r}",
            "Use date, datetime, moment, int, pad:N, bare:XX (for tin), none:TEXT or a list under [codes].",
        )

    def _typed(self, key: str, value: v.Value) -> Hole:
        scope, _, name = key.partition(".")
        expected = MESSAGE[name] if scope == "message" else ("int",) if key == COUNT else DAYS.get(key, ("text",))
        if value.gives not in expected:
            raise TemplateFault(
                f"{{{key}}} holds {value.gives} where {' or '.join(expected)} is needed", "Give the hole the filter for it."
            )
        if key == "standing" and not value.words:
            raise TemplateFault(
                "{standing} has no code list", "Write {standing|standing} and list the codes under [codes.standing]."
            )
        for word in value.words:
            try:
                value.write(word)
            except ValueError as error:
                raise TemplateFault(
                    f"the code for {word!r} cannot be written: {error}", "Correct the code list or the filter."
                ) from None
        if key in ("tin", "number"):
            inner = value.read
            value = value._replace(read=partial(checked, key=key) if value is v.TEXT else lambda text: checked(inner(text), key))
        return Hole(key, value)
