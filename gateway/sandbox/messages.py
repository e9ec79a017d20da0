"""What a partner's own XML can and must say of an operator, asked of its dialect: no partner is known here by name."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Standing, Statement
from gateway.partners import Bundle
from gateway.wire.dialect import Dialect
from gateway.wire.dialect.composed import Form
from gateway.wire.dialect.conformance import places
from gateway.wire.dialect.template import FIELDS, Hole, Template
from gateway.wire.schema import Allowed

#: Kinds that state operators, the fullest first.
STATING = (Kind.LIST, Kind.UPDATE, Kind.NOTICE)
_ALWAYS = ("tin", "standing")
_DAY = date(2026, 4, 1)
_FIXED: Mapping[str, Any] = {"date": _DAY, "moment": _DAY, "datetime": datetime(2026, 4, 1, tzinfo=UTC), "int": 1}


class Slot(NamedTuple):
    """Where a value stands: its hole, the text around it, and what the XSD allows there."""

    hole: Hole
    template: Template
    allowed: Allowed | None

    def fits(self, value: Any) -> bool:
        """Whether ``value`` may stand here. Where literal text surrounds the hole only the whole could be judged, so it passes."""
        try:
            text = self.hole.value.write(value)
        except (ValueError, LookupError):
            return False
        return self.allowed is None or not self.template.single or self.allowed.fits(text)


class Capabilities:
    """What messages in one dialect of one partner can say of an operator, and what they insist on."""

    def __init__(self, bundle: Bundle, dialect: Dialect) -> None:
        self._faces = {
            kind: [face for face in dialect.faces(kind) if face.sample.outer]
            for kind in (*STATING, Kind.RESPONSE)
            if kind in dialect.kinds
        }
        faces = [face for kind in STATING for face in self._faces.get(kind, ())]
        if not faces:
            raise Refusal(
                Code.DATA_INVALID, f"{dialect.name} {dialect.version} has no message that states operators.", remedy="Add list.xml."
            )
        self._face = faces[0]
        self._known: dict[tuple[Standing, Kind | None], tuple[frozenset[str], frozenset[str]]] = {}
        self.must = self.needed(Standing.VALID)
        files = json.loads(bundle.content)["dialects"][f"{dialect.name}/{dialect.version}"]
        self.specimens: Mapping[str, str] = tomllib.loads(files["dialect.toml"]).get("specimen", {})
        #: Fields that the parts of another one give.
        self._given = frozenset(name for form in self._face.forms for _, name in form.gives)
        self._fitting: dict[tuple[str, Any], bool] = {}
        self._slots = {
            hole.key: Slot(hole, template, dialect.schema.allows(*place))
            for face in reversed(faces)
            for template, place in places(face)
            for hole in template.holes
        }

    def words(self, field: str) -> tuple[str, ...]:
        """The closed list of what ``field`` may say, wherever it is said; empty: anything."""
        keys = (field, *(part for form in self._face.forms for part, given in form.gives if given == field))
        return next((self._slots[key].hole.value.words for key in keys if key in self._slots), ())

    def fits(self, field: str, value: Any) -> bool:
        """Whether the dialect has a form for ``value``; judged once for each value, since levels and days repeat."""
        known = self._fitting.get((field, value))
        if known is None:
            known = self._fitting[field, value] = field not in self._slots or self._slots[field].fits(value)
        return known

    def effective(self, standing: Standing, now: datetime, zone: ZoneInfo) -> date | datetime | None:
        """How the dialect says that ``standing`` holds from ``now`` on; None where saying nothing says it better than a bare day."""
        slot = self._slots.get("effective")
        if slot is None or "effective" not in self._fields(standing)[1]:
            return None
        if slot.hole.value.gives != "date":
            return now
        return now.astimezone(zone).date() if "effective" in self.needed(standing) else None

    def needed(self, standing: Standing, kind: Kind | None = None) -> frozenset[str]:
        """The fields that must be there where ``standing`` is said, in messages of ``kind`` or in any."""
        return self._fields(standing, kind)[0]

    def _fields(self, standing: Standing, kind: Kind | None = None) -> tuple[frozenset[str], frozenset[str]]:
        """What must be said with ``standing``, and what has a place."""
        if (standing, kind) not in self._known:
            mine = self._faces.get(kind) if kind else [face for faces in self._faces.values() for face in faces]
            faces = mine or [self._face]
            able = [face for face in faces if standing in face.sample.standings] or faces
            fields = [face.fields_for(standing) for face in able]
            self._known[standing, kind] = (
                frozenset().union(*(must for must, _ in fields)),
                frozenset().union(*(every for _, every in fields)),
            )
        return self._known[standing, kind]

    def can_state(self, standing: Standing, kind: Kind) -> bool:
        """Whether messages of ``kind`` have a word for ``standing``, or for what it folds to."""
        words = {word for face in self._faces.get(kind, [self._face]) for word in face.sample.standings}
        return standing in words or (standing.grants and Standing.VALID in words)

    def fitted(self, statement: Statement, serial: int, kind: Kind | None = None) -> Statement:
        """``statement`` without what has no place in messages of ``kind`` (or in any), and with made-up values where one insists on one."""
        needed, placed = self._fields(statement.standing, kind)
        placed |= self._given
        record = {
            name: value
            for name in statement.__struct_fields__
            if (value := getattr(statement, name)) is not None and (name in _ALWAYS or (name in placed and self.fits(name, value)))
        }
        for form in self._face.forms:
            if (
                form.in_parts
                and not _composed(form, record)
                and (form.name in needed or any(field in record for _, field in form.gives))
            ):
                record |= self._composed(form.name, record, serial)
                record[form.name] = self._join(form, record)
                record = {field: record[key] for key, field in form.gives} | record  # what a part says is said
        for key in sorted(needed):
            if key in FIELDS and key not in record and key in self._slots:
                record[key] = self._made_up(key, serial)
        return Statement(**{name: value for name, value in record.items() if name in FIELDS})

    def _composed(self, name: str, record: Mapping[str, Any], serial: int) -> dict[str, Any]:
        parts = [key for key in self._slots if key.startswith(f"{name}#")]
        given = {key: record[key.partition("#")[2]] for key in parts if key.partition("#")[2] in record}
        return {key: given.get(key) or self._part(key, record["tin"], serial) for key in parts}

    def _join(self, form: Any, record: Mapping[str, Any]) -> str:
        joined = dict(record)
        form.join(joined)
        return str(joined[form.name])

    def _part(self, key: str, tin: str, serial: int) -> Any:
        words = self._slots[key].hole.value.words
        return next((word for word in words if tin.startswith(word)), None) or self._made_up(key, serial)

    def _made_up(self, key: str, serial: int) -> Any:
        slot = self._slots[key]
        found = next((value for value in self._candidates(slot, serial) if slot.fits(value)), None)
        if found is None:
            raise ValueError(f'no value can be made up for {{{key}}}: give one in dialect.toml, [specimen] "{key}" = "..."')
        return found

    def _candidates(self, slot: Slot, serial: int) -> Iterator[Any]:
        yield from slot.hole.value.words
        if slot.hole.value.gives != "text":
            yield _FIXED[slot.hole.value.gives]
            return
        specimen = self.specimens.get(slot.hole.key)
        width = len(specimen) if specimen else 4
        yield f"{serial % 10**width:0{width}d}"
        if specimen:
            yield specimen
        shortest, longest = (slot.allowed.shortest, slot.allowed.longest or 35) if slot.allowed else (1, 35)
        for text in ("Made-up", "A1", "1"):
            yield text.ljust(shortest, text[-1])[:longest]


def _composed(form: Form, record: Mapping[str, Any]) -> bool:
    """Whether the field is there already, and can be taken apart."""
    try:
        form.part(dict(record))
    except Refusal:
        return False
    return form.name in record
