"""Whether a partner's data can be relied on: every point with a tick, a warning or a cross, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from gateway.core.arrangement import HOME_ZONE
from gateway.core.errors import Refusal
from gateway.core.model import DIALECT_KINDS, Kind
from gateway.onboarding import examples, reach
from gateway.onboarding.point import Checked, Mark, Point
from gateway.onboarding.words import TERMS
from gateway.partners import Bundle, PartnerFaults, load_one
from gateway.partners.canonical import canonical
from gateway.sandbox import made_up
from gateway.sandbox.speech import Speech
from gateway.wire.sample import Dialect, Reading
from gateway.wire.schema import survives
from gateway.wire.xml import parse

#: Operators that every kind of message must hold and give back.
GENERATED = 100
_compiled: dict[tuple[Path, bytes], bool] = {}


def check(partners: Path, schemas: Path, site: Path | None, iso: str, *, now: datetime, production: bool, online: bool) -> Checked:
    """Looks at everything about one partner. ``now`` is aware; ``online`` also asks the partner's endpoint."""
    try:
        bundle = load_one(partners / iso.lower(), schemas, site)
    except PartnerFaults as found:
        faults = [Point(Mark.BAD, f"{one.file} {one.key}: {one.problem}", one.remedy) for one in found.faults]
        return Checked(iso.upper(), "", tuple(faults))
    points = [Point(Mark.OK, f"the profile is complete, without holes, overlaps or contradictions; data {bundle.digest[:16]}")]
    points += _terms(bundle, now)
    for spoken in sorted(bundle.dialects):
        points += _dialect(bundle, bundle.dialects[spoken], schemas / "/".join(spoken), now)
    points += reach.certificates(bundle, now, production=production)
    points += reach.endpoint(bundle, online=online)
    return Checked(bundle.iso, bundle.digest, tuple(points))


def _terms(bundle: Bundle, now: datetime) -> Iterator[Point]:
    today = now.astimezone(HOME_ZONE).date()
    for name, label in TERMS.items():
        step = getattr(bundle.arrangement, name).on(today)
        if step.value is None:
            yield Point(
                Mark.WARN,
                f"{label}: unknown. {step.provenance.note or ''} It blocks only its own question.",
                f"When it is known, add a step to terms.{name} with its source.",
            )
    if bundle.arrangement.in_force.on(today).value is False:
        yield Point(
            Mark.WARN, "signed, and not in force: nothing is granted.", "Add a step to terms.in_force when a source says so."
        )


def _dialect(bundle: Bundle, dialect: Dialect, folder: Path, now: datetime) -> Iterator[Point]:
    name = f"{dialect.name} {dialect.version}"
    if _compiles(folder, json.loads(bundle.content)["dialects"]["/".join((dialect.name, dialect.version))]):
        count = len(list(folder.glob("*.xsd")))
        yield Point(Mark.OK, f"{name}: {count} XSD, compiled within its limits; nothing is imported from outside")
    else:
        yield Point(
            Mark.BAD, f"{name}: the XSD does not compile within 5 seconds.", "Simplify it: see the limits in schemas/README.md."
        )
    yield Point(Mark.OK, f"{name}: every sample is valid, every required field is bound, every code of the XSD is mapped")
    missing = sorted(kind for kind in DIALECT_KINDS if kind not in dialect.kinds)
    if missing:
        yield Point(Mark.WARN, f"{name} has no sample for {', '.join(missing)}.", "Such messages are refused until there is one.")
    yield _round_trip(bundle, dialect, name, now)
    yield from examples.read_all(folder, name)


def _compiles(folder: Path, files: Mapping[str, str]) -> bool:
    """``survives`` once for the same files: it starts a process, and many partners share one dialect."""
    key = (folder, canonical(files))
    if key not in _compiled:
        _compiled[key] = survives(folder)
    return _compiled[key]


def _round_trip(bundle: Bundle, dialect: Dialect, name: str, now: datetime) -> Point:
    kinds = [kind for kind in (Kind.LIST, Kind.UPDATE, Kind.NOTICE) if kind in dialect.kinds]
    moment = now.replace(microsecond=0)
    today = moment.astimezone(HOME_ZONE).date()
    try:
        statements = tuple(made_up.operators(bundle.arrangement, Speech(bundle, dialect), GENERATED, today))
        for kind in kinds:
            said = Reading({"id": "check", "issued": moment, "as_of": moment}, statements)
            root = parse(dialect.write(kind, said, dict(bundle.signatory)).encode(), signed=False)
            dialect.validate(root)
            if dialect.read(kind, root).statements != statements:
                return Point(
                    Mark.BAD, f"{name}: a {kind} reads differently from what was written.", "Give each value exactly one place."
                )
    except (Refusal, ValueError) as problem:
        return Point(Mark.BAD, f"{name}: made-up operators cannot be said: {problem}", "Make samples, code lists and codes agree.")
    return Point(Mark.OK, f"{name}: {GENERATED} made-up operators, written and read back in {', '.join(kinds)}")
