"""What a partner's own XML can and must say of an operator, asked of its dialect: no partner is known here by name."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from gateway.core.model import Kind, Statement
from gateway.partners import Bundle
from gateway.wire.sample import Dialect
from gateway.wire.sample.check import places
from gateway.wire.sample.face import Face
from gateway.wire.sample.language import FIELDS, Hole, Template
from gateway.wire.schema import Allowed

#: Kinds that state operators, the fullest first.
STATING = (Kind.LIST, Kind.UPDATE, Kind.NOTICE)
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


class Speech:
    """How operators are stated in one dialect of one partner."""

    def __init__(self, bundle: Bundle, dialect: Dialect) -> None:
        faces = [face for kind in STATING if kind in dialect.kinds for face in dialect.faces(kind) if face.sample.outer]
        self._face = faces[0]
        self._sayable = dialect.fields | {"tin", "standing"}
        self.must = frozenset(key for face in faces for key in _must(face))
        files = json.loads(bundle.content)["dialects"][f"{dialect.name}/{dialect.version}"]
        self.specimens: Mapping[str, str] = tomllib.loads(files["dialect.toml"]).get("specimen", {})
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

    def effective(self, now: datetime, zone: ZoneInfo) -> date | datetime | None:
        """How the dialect says that something holds from ``now`` on; None where saying nothing says it better than a bare day."""
        slot = self._slots.get("effective")
        if slot is None or "effective" not in self._sayable:
            return None
        if slot.hole.value.gives != "date":
            return now
        return now.astimezone(zone).date() if "effective" in self.must else None

    def sayable(self, statement: Statement, serial: int) -> Statement:
        """``statement`` without what the dialect has no place for, and with made-up values where it insists on one."""
        said = {
            name: value
            for name in statement.__struct_fields__
            if (value := getattr(statement, name)) is not None and name in self._sayable and self.fits(name, value)
        }
        for form in self._face.forms:
            if form.in_parts and (form.name in self.must or any(field in said for _, field in form.gives)):
                said |= self._composed(form.name, said, serial)
                said[form.name] = self._join(form, said)
        for key in sorted(self.must):
            if key in FIELDS and key not in said and key in self._slots:
                said[key] = self._made_up(key, serial)
        return Statement(**{name: value for name, value in said.items() if name in FIELDS})

    def _composed(self, name: str, said: Mapping[str, Any], serial: int) -> dict[str, Any]:
        parts = [key for key in self._slots if key.startswith(f"{name}#")]
        given = {key: said[key.partition("#")[2]] for key in parts if key.partition("#")[2] in said}
        return {key: given.get(key) or self._part(key, said["tin"], serial) for key in parts}

    def _join(self, form: Any, said: Mapping[str, Any]) -> str:
        record = dict(said)
        form.join(record)
        return str(record[form.name])

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


def _must(face: Face) -> set[str]:
    rows = [holes.must for _, holes in face.sample.rows]
    return {key.partition("#")[0] for key in face.sample.record.must.union(*rows)}
