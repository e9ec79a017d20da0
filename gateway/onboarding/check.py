"""Whether a partner's data can be relied on: every point with a tick, a warning or a cross, and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.core.errors import Refusal
from gateway.core.home import HOME_ZONE
from gateway.core.model import DIALECT_KINDS, Kind, Standing, Statement
from gateway.domestic.projection import code_prefix, shared_on
from gateway.net import Identity
from gateway.onboarding import connectivity, examples
from gateway.onboarding.draft.files import unanswered
from gateway.onboarding.finding import Checked, Finding, Mark
from gateway.onboarding.terms import TERMS
from gateway.partners import Bundle, PartnerFaults, load_one
from gateway.partners.canonical import canonical
from gateway.sandbox import made_up
from gateway.sandbox.box import SIGNATORY
from gateway.sandbox.messages import STATING, Capabilities
from gateway.wire.dialect import Dialect, Reading
from gateway.wire.schema import survives
from gateway.wire.xml import parse

#: Operators that every kind of message must hold and give back.
GENERATED = 100
_compiled: dict[bytes, bool] = {}


def check(
    partners: Path,
    schemas: Path,
    site: Path | None,
    iso: str,
    *,
    now: datetime,
    production: bool,
    online: bool,
    identity: Callable[[str], Identity] | None = None,
) -> Checked:
    """Looks at everything about one partner. ``now`` is aware; ``online`` also asks the partner's endpoint. ``identity`` gives our
    certificates for connections (``connectivity.endpoint``)."""
    try:
        bundle = load_one(partners / iso.lower(), schemas, site)
    except PartnerFaults as found:
        faults = [Finding(Mark.BAD, f"{one.file} {one.key}: {one.problem}", one.remedy) for one in found.faults]
        folders = {schemas.joinpath(*Path(one.file).parts[-3:-1]) for one in found.faults}
        return Checked(iso.upper(), "", (*faults, *(asked for folder in sorted(folders) for asked in _open_questions(folder))))
    findings = [Finding(Mark.OK, f"the profile is complete, without holes, overlaps or contradictions; data {bundle.digest[:16]}")]
    findings += _terms(bundle, now)
    for spoken in sorted(bundle.dialects):
        findings += _dialect(bundle, bundle.dialects[spoken], schemas / "/".join(spoken), now)
    findings += _envelope(bundle)
    findings += connectivity.certificates(bundle, now, production=production)
    findings += connectivity.endpoint(bundle, online=online, identity=identity)
    return Checked(bundle.iso, bundle.digest, tuple(findings))


def _terms(bundle: Bundle, now: datetime) -> Iterator[Finding]:
    today = now.astimezone(HOME_ZONE).date()
    for name, label in TERMS.items():
        step = getattr(bundle.arrangement, name).on(today)
        if step.value is None:
            yield Finding(
                Mark.WARN,
                f"{label}: unknown. {step.provenance.note or ''} It blocks only its own question.",
                f"When it is known, add a step to terms.{name} with its source.",
            )
    if bundle.arrangement.in_force.on(today).value is False:
        yield Finding(
            Mark.WARN, "signed, and not in force: nothing is granted.", "Add a step to terms.in_force when a source says so."
        )


def _envelope(bundle: Bundle) -> Iterator[Finding]:
    if bundle.arrangement.binding.envelope == 1:
        yield Finding(
            Mark.WARN,
            "it is spoken to in envelope 1: certificates that it announces are taken without proof that it holds their keys.",
            "When both sides can read envelope 2, set envelope = 2 under [binding].",
        )


def _dialect(bundle: Bundle, dialect: Dialect, folder: Path, now: datetime) -> Iterator[Finding]:
    name = f"{dialect.name} {dialect.version}"
    yield from _open_questions(folder)
    files = json.loads(bundle.content)["dialects"]["/".join((dialect.name, dialect.version))]
    xsds = {file: text for file, text in files.items() if file.endswith(".xsd")}
    if _compiles(xsds):
        yield Finding(Mark.OK, f"{name}: {len(xsds)} XSD, compiled within its limits; nothing is imported from outside")
    else:
        yield Finding(
            Mark.BAD, f"{name}: the XSD does not compile within 5 seconds.", "Simplify it: see the limits in schemas/README.md."
        )
    yield Finding(Mark.OK, f"{name}: every sample is valid, every required field is bound, every code of the XSD is mapped")
    missing = sorted(kind for kind in DIALECT_KINDS if kind not in dialect.kinds)
    if missing:
        yield Finding(Mark.WARN, f"{name} has no sample for {', '.join(missing)}.", "Such messages are refused until there is one.")
    yield from _loss(dialect, name)
    yield from _telling(bundle, dialect, name, now)
    yield _round_trip(bundle, dialect, name, now)
    yield from examples.read_all(folder, name)


def _open_questions(folder: Path) -> Iterator[Finding]:
    """What a draft asked and nobody answered: until then it stands as it was seen, or is refused."""
    draft = folder / "draft.toml"
    if draft.is_file() and (count := unanswered(draft.read_text("utf-8"))):
        yield Finding(
            Mark.WARN,
            f"{folder.parent.name} {folder.name}: {count} of the questions its draft asks are open.",
            "Answer them in its draft.toml, and run aeo-gateway partner new again with the same --xsd and --sample.",
        )


def _loss(dialect: Dialect, name: str) -> Iterator[Finding]:
    """Without a word for a loss nobody's status could ever be taken away."""
    words = {
        Standing(word)
        for kind in STATING
        if kind in dialect.kinds
        for face in dialect.faces(kind)
        for word in face.sample.standings
    }
    if words and not any(word.grants for word in words):
        yield Finding(Mark.BAD, f"{name} has no word for valid.", "Map a code to it under [codes.standing].")
    if all(word.grants for word in words):
        yield Finding(
            Mark.BAD,
            f"{name} has no word for any loss: nobody could be suspended or revoked by a message.",
            "Map a code to it under [codes.standing], or add the message that says it: notice.xml.",
        )


def _telling(bundle: Bundle, dialect: Dialect, name: str, now: datetime) -> Iterator[Finding]:
    """What the partner's XML insists on has to be known of a Chinese operator, or agreed."""
    capabilities, told = Capabilities(bundle, dialect), (Standing.VALID, Standing.SUSPENDED)
    needed = {field for standing in told for field in capabilities.needed(standing)}
    today = now.astimezone(HOME_ZONE).date()
    unknown = sorted(needed - {"tin", "standing"} - shared_on(bundle.arrangement, today))
    prefix = code_prefix(bundle.arrangement, today)
    if prefix and not capabilities.fits("tin", code := f"{prefix}1234567890"):
        yield Finding(
            Mark.WARN,
            f"{name} has no room for a Chinese code such as {code}: nothing can be told to this partner, and it cannot ask.",
            "Agree with the partner on an XSD that holds it.",
        )
    if unknown:
        yield Finding(
            Mark.WARN,
            f"{name} insists on {', '.join(unknown)}, which we do not tell: until that is settled nothing of ours can be written.",
            "Share it under terms.shared where we have it, or agree with the partner on a text for it: {x|none:TEXT}.",
        )


def _compiles(xsds: Mapping[str, str]) -> bool:
    """``survives`` once for the same files: it starts a process, and many partners share one dialect."""
    key = canonical(xsds)
    if key not in _compiled:
        _compiled[key] = survives({name: text.encode() for name, text in xsds.items()})
    return _compiled[key]


def _changed(bundle: Bundle, dialect: Dialect, kind: Kind, statements: tuple[Statement, ...], moment: datetime) -> bool:
    """Whether ``statements`` are others after they were written and read."""
    said: dict[str, Any] = {"id": "check", "issued": moment, "as_of": moment, "sender": bundle.iso, "receiver": bundle.iso}
    root = parse(dialect.write(kind, Reading(said, statements), SIGNATORY | dict(bundle.signatory)).encode(), signed=False)
    dialect.validate(root)
    return dialect.read(kind, root).statements != statements


def _round_trip(bundle: Bundle, dialect: Dialect, name: str, now: datetime) -> Finding:
    kinds = [kind for kind in STATING if kind in dialect.kinds]
    moment = now.replace(microsecond=0)
    today = moment.astimezone(HOME_ZONE).date()
    try:
        capabilities = Capabilities(bundle, dialect)
        operators = made_up.operators(bundle.arrangement, capabilities, GENERATED, today)
        for kind in kinds:
            able = [one for one in operators if capabilities.can_state(one.standing, kind)]
            statements = tuple(capabilities.fitted(one, serial, kind) for serial, one in enumerate(able, 1))
            for some in (statements,) if dialect.holds_many(kind) else ((one,) for one in statements):
                if _changed(bundle, dialect, kind, some, moment):
                    return Finding(
                        Mark.BAD, f"{name}: a {kind} reads differently from what was written.", "Give each value exactly one place."
                    )
    except (Refusal, ValueError) as problem:
        return Finding(
            Mark.BAD, f"{name}: made-up operators cannot be said: {problem}", "Make samples, code lists and codes agree."
        )
    return Finding(Mark.OK, f"{name}: {GENERATED} made-up operators, written and read back in {', '.join(kinds)}")
