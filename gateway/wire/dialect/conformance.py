"""What can be known of a sample before the first message: every document it can write is valid, and reads as it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from lxml import etree

from gateway.core.errors import Refusal
from gateway.core.model import Kind, Standing, Statement
from gateway.wire.dialect.codec import Reading, SampleCodec
from gateway.wire.dialect.faults import Fault
from gateway.wire.dialect.template import FIELDS, Hole, Template, TemplateFault
from gateway.wire.dialect.tree import TemplateNode, Track, holes_of, values_of
from gateway.wire.dialect.values import LONGEST_TIN
from gateway.wire.schema import Allowed, Schema

_CANDIDATES = ("SG123456789012", "Example Trading Ltd", "1", "A", "A1", "AA", "2026")
_FIXED: dict[str, Any] = {
    "date": date(2026, 4, 1),
    "moment": date(2026, 4, 1),
    "datetime": datetime(2026, 4, 1, 8, 30, tzinfo=UTC),
    "int": 1,
}
Place = tuple[tuple[str, ...], str | None]


def places(face: SampleCodec) -> Iterator[tuple[Template, Place]]:
    """Every template of a face and where it stands: the path from the root, and the attribute."""

    def walk(node: TemplateNode, above: tuple[str, ...]) -> Iterator[tuple[Template, Place]]:
        path = above if node.group else (*above, node.tag)
        for name, _, template in node.attributes:
            yield template, (path, name)
        if node.text is not None:
            yield node.text, (path, None)
        for child in node.children:
            yield from walk(child, path)

    return walk(face.sample.root, ())


def place_of(face: SampleCodec, schema: Schema) -> Iterator[tuple[Hole, Allowed]]:
    """Every hole that the XSD has a place for, and what may stand there."""
    for template, place in places(face):
        if allowed := schema.allows(*place):
            for hole in template.holes:
                yield hole, allowed


def longest_code(faces: Mapping[Kind, list[SampleCodec]], schema: Schema) -> int:
    """The longest identifier that every place for it can hold."""
    longest = LONGEST_TIN
    for mine in faces.values():
        for face in mine:
            for template, place in places(face):
                if "tin" in template.keys and (allowed := schema.allows(*place)) and allowed.longest is not None:
                    longest = min(longest, allowed.longest - sum(map(len, template.texts)))
    return longest


def check_face(face: SampleCodec, schema: Schema, specimens: Mapping[str, str]) -> list[Fault]:
    """Every fault between one sample, its code lists and its XSD."""
    values, faults = _values(face, schema, specimens)
    return faults or _check_documents(face, schema, values)


def states_nothing(face: SampleCodec, schema: Schema, specimens: Mapping[str, str]) -> bool:
    """Whether a document of this face may come without a statement about an operator."""
    if face.sample.outer is None or face.shown:
        return True
    if face.sample.outer is face.sample.root:
        return False
    values, _ = _values(face, schema, specimens)
    settings = {key: str(value) for key, value in values.items() if key.startswith("signatory.")}
    try:
        schema.validate(etree.fromstring(face.write(_outside(face, values, bare=False), settings)))
    except Refusal:
        return False
    return True


def _values(face: SampleCodec, schema: Schema, specimens: Mapping[str, str]) -> tuple[dict[str, Any], list[Fault]]:
    """A value for every hole that the XSD allows there, and what keeps one from having one."""
    file = face.sample.file
    faults = []
    values: dict[str, Any] = {}
    for template, place in places(face):
        allowed = schema.allows(*place)
        if allowed is None:
            if template.holes:
                faults.append(Fault(file, _where(place), "The XSD has no such place.", "Correct the sample."))
            continue
        faults += _uncovered(file, template, place, allowed)
        for hole in template.holes:
            try:
                values[hole.key] = _specimen(hole, template, allowed, specimens)
            except TemplateFault as fault:
                faults.append(Fault(file, _where(place), fault.problem, fault.remedy))
    return values, faults


def _where(place: Place) -> str:
    path = "/".join(etree.QName(tag).localname for tag in place[0])
    return f"{path}/@{place[1]}" if place[1] else path


def _uncovered(file: str, template: Template, place: Place, allowed: Allowed) -> list[Fault]:
    if allowed.enumeration is None or len(template.holes) != 1 or template.texts != ("", ""):
        return []
    (hole,) = template.holes
    if not hole.value.words:
        return (
            []
            if hole.value.gives != "text" or hole.key.startswith("signatory.")
            else [
                Fault(
                    file,
                    _where(place),
                    f"The XSD enumerates what {{{hole.key}}} may be, and no code list says what it means.",
                    "Give the hole a code list.",
                )
            ]
        )
    faults = []
    for code in sorted(allowed.enumeration):
        try:
            hole.value.read(code)
        except LookupError:
            faults.append(
                Fault(
                    file,
                    _where(place),
                    f"The XSD allows the code {code!r}, which the code list does not hold.",
                    "Add it to the code list.",
                )
            )
    for word in hole.value.words:
        if not allowed.fits(code := hole.value.write(word)):
            faults.append(
                Fault(file, _where(place), f"The code {code!r} for {word!r} is not allowed by the XSD.", "Correct the code list.")
            )
    return faults


def _specimen(hole: Hole, template: Template, allowed: Allowed, specimens: Mapping[str, str]) -> Any:
    """A value that may stand in the hole. Raises ``TemplateFault``."""
    if hole.value.words:
        return hole.value.words[0]
    if hole.value.gives != "text":
        return _FIXED[hole.value.gives]
    candidates = (
        (specimens[hole.key],) if hole.key in specimens else tuple(_cut(allowed)) if template.texts == ("", "") else ("A1",)
    )
    for candidate in candidates:
        try:
            if template.texts != ("", "") or allowed.fits(hole.value.write(candidate)):
                return candidate
        except (ValueError, LookupError):
            continue
    raise TemplateFault(
        f"No value was found that the XSD allows for {{{hole.key}}}.", f'Give one in dialect.toml: [specimen] "{hole.key}" = "...".'
    )


def _cut(allowed: Allowed) -> Iterator[str]:
    for candidate in _CANDIDATES:
        yield candidate.ljust(allowed.shortest, candidate[-1])[: allowed.longest or None]


def _check_documents(face: SampleCodec, schema: Schema, values: Mapping[str, Any]) -> list[Fault]:
    file, found = face.sample.file, []
    settings = {key: str(value) for key, value in values.items() if key.startswith("signatory.")}
    for title, reading in specimen_readings(face, values):
        try:
            root = etree.fromstring(face.write(reading, settings))
            schema.validate(root)
            if face.read(root) != reading:
                found.append(Fault(file, title, "The document written reads differently.", "Each value needs exactly one place."))
        except Refusal as refusal:
            found.append(
                Fault(file, title, f"The document written is refused: {refusal.detail}", "Make the sample and its XSD agree.")
            )
    return found


def specimen_readings(face: SampleCodec, values: Mapping[str, Any]) -> Iterator[tuple[str, Reading]]:
    """Readings that between them use every hole, leave every optional place empty, and say every standing."""
    sample = face.sample
    for bare in (False, True):
        left = "without what is optional" if bare else "with everything"
        outside = _outside(face, values, bare)
        if sample.outer is None:
            yield left, outside
            continue
        for track in sample.tracks:
            for standing in _standings(face, track):
                record = record_of(face, track, standing, values, bare)
                if face.shown:
                    yield left, msgspec.structs.replace(outside, shown=(record,))
                else:
                    yield f"{standing}, {left}", msgspec.structs.replace(outside, statements=(Statement(**record),))


def _outside(face: SampleCodec, values: Mapping[str, Any], bare: bool) -> Reading:
    """What the document says outside of its records."""
    top = face.sample.top
    said = {key: value for key, value in values.items() if key in (top.must if bare else top.all)}
    message = {key.removeprefix("message."): value for key, value in said.items() if key.startswith("message.")}
    return Reading(message, (), {key.removeprefix("query."): value for key, value in said.items() if key.startswith("query.")})


def _standings(face: SampleCodec, track: Track) -> list[Standing | None]:
    if "standing" in (said := values_of(track)):
        return [Standing(said["standing"])]
    words = face.sample.standings
    return [standing for standing in Standing if standing in words] or [None]


def record_of(
    face: SampleCodec, track: Track, standing: Standing | None, values: Mapping[str, Any], bare: bool = False
) -> dict[str, Any]:
    """A record from values by the names of their holes: those that have a place where ``standing`` is said; ``bare``: those that must."""
    chosen = {"standing": standing} if standing else {}
    scopes = [holes_of(node, chosen) for node, _ in track]
    keys = {key for holes in scopes for key in (holes.must if bare else holes.all)}
    record = {key: values[key] for key in keys if key in values and key.partition("#")[0] in FIELDS}
    if standing:
        record["standing"] = standing
    record |= values_of(track)
    for form in face.forms:
        form.join(record)
    return record | {name: values[f"query.{name}"] for name in face.from_query}
