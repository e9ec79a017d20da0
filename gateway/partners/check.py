"""What the shape alone cannot say about partner data: keys that must agree with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple

from gateway.core.arrangement import CodeForm, Measure
from gateway.core.model import OPTIONAL_FIELDS, Kind
from gateway.partners.pattern import width_of
from gateway.partners.shape import LawFile, PartnerFile, SiteFile, SiteLawFile, SiteTerms, Step
from gateway.wire.algorithms import ALGORITHMS
from gateway.wire.dialect import Dialect

Steps = tuple[Step[Any], ...]

#: What an installation must have chosen before it starts. The Chinese code may stay unknown: then nothing is sent to that partner.
_ASKED_FOR = tuple(name for name in SiteTerms.model_fields if name != "chinese_code")


class Finding(NamedTuple):
    """A fault that does not know its file yet."""

    key: str
    problem: str
    remedy: str


def partner(file: PartnerFile) -> Iterator[Finding]:
    """Every disagreement within one partner's data, the site's settings already laid over."""
    yield from _sources(file.sources, [(f"terms.{name}", steps) for name, steps in file.terms], ())
    yield from _prefixes(file)
    yield from _words(file)
    yield from _beginnings(file)
    yield from _provenances(file)
    yield from _operation(file)


def site(file: SiteFile, shipped: PartnerFile) -> Iterator[Finding]:
    """Whatever an installation may not choose for itself."""
    for name, steps in file.terms:
        before: Steps = getattr(shipped.terms, name)
        for at, step in enumerate(steps):
            key = f"terms.{name}[{at}]"
            if step.setting is None:
                yield Finding(key, "A site holds settings only.", 'Say why it was chosen: setting = "...".')
            until = steps[at + 1].since if at + 1 < len(steps) else date.max
            replaced = [old for old in before if old is _on(before, step.since) or step.since < old.since < until]
            if name == "shared":
                for field in sorted(
                    {field for old in replaced for field in (step.value or frozenset()) - (old.value or frozenset())}
                ):
                    yield Finding(key, f"The arrangement does not allow {field!r} to be shared.", "A site can only share less.")
            elif any(old.source for old in replaced):
                yield Finding(key, "A setting cannot take the place of a fact.", "Remove it, or begin it where the fact ends.")


#: How an installation reaches a partner: nothing that is shipped decides it.
_OF_A_SITE = ("addresses", "client_key", "proxy", "resolve")


def shipped(file: PartnerFile) -> Iterator[Finding]:
    """What only an installation may say of a partner."""
    for name in _OF_A_SITE:
        if name in file.binding.model_fields_set:
            yield Finding(f"binding.{name}", "Only an installation knows this.", "Say it in its site.toml.")


def site_law(file: SiteLawFile) -> Iterator[Finding]:
    """Whatever an installation may not say of what is common to all arrangements."""
    timelines: list[tuple[str, Steps]] = [("suspended_prevails", file.suspended_prevails)]
    timelines += [(f"measures.{measure}.clearance_code", shape.clearance_code) for measure, shape in file.measures.items()]
    for key, steps in timelines:
        for at, step in enumerate(steps):
            if step.source is not None:
                yield Finding(f"{key}[{at}]", "A site holds settings only.", 'Say why it was chosen: setting = "...".')


def dialects(file: PartnerFile, compiled: Mapping[tuple[str, str], Dialect]) -> Iterator[Finding]:
    """Where the dialects, as far as they could be compiled, do not fit what is to be said in them."""
    forms: Steps = (*file.terms.code, *file.terms.chinese_code)
    longest = max(map(_longest, forms), default=0)
    for at, choice in enumerate(step.value for step in file.terms.dialect):
        for version in choice.accepts if choice else ():
            dialect = compiled.get((choice.name, version)) if choice else None
            if dialect and longest > dialect.max_code:
                problem = f"{dialect.name} {version} holds codes of {dialect.max_code} characters; some have {longest}."
                yield Finding(f"terms.dialect[{at}].value", problem, "Choose a dialect that holds them.")
        written = compiled.get((choice.name, choice.version)) if choice else None
        if written:
            yield from _fields(file, written)


def _longest(step: Step[Any]) -> int:
    """Characters of the longest code of a form: the partner's by its pattern, ours by its letters and ten digits."""
    if isinstance(step.value, CodeForm):
        return width_of(step.value.pattern).most
    return len(step.value.removesuffix("+10")) + 10 if step.value else 0


def _fields(file: PartnerFile, dialect: Dialect) -> Iterator[Finding]:
    """What we write: every field shared has a place, and whatever must be filled is shared or set."""
    spoken = f"{dialect.name} {dialect.version}"
    faces = [face for kind in (Kind.LIST, Kind.UPDATE, Kind.NOTICE) if kind in dialect.kinds for face in dialect.faces(kind)]
    needed = {hole.partition("#")[0] for face in faces for hole in face.sample.must} & set(OPTIONAL_FIELDS)
    if not any(step.value for step in file.terms.chinese_code):
        needed = set()  # nothing is told yet
    for at, step in enumerate(file.terms.shared):
        shared: frozenset[str] = step.value or frozenset()
        for field in sorted(shared - dialect.fields):
            yield Finding(
                f"terms.shared[{at}].value", f"{spoken} has no place for {field!r}.", "Share less, or choose another dialect."
            )
        for field in sorted(needed - shared):
            yield Finding(
                f"terms.shared[{at}].value",
                f"{spoken} cannot be written without {field!r}.",
                "Share it, agree with the partner on a text for it ({x|none:TEXT}), or choose another dialect.",
            )
    signed = {hole for face in faces for hole in face.sample.top.must if hole.startswith("signatory.")}
    for hole in sorted(signed - {f"signatory.{name}" for name in file.signatory}):
        yield Finding(hole, f"{spoken} names who signs, and nothing fills {{{hole}}}.", "Set it under [signatory].")


def law(file: LawFile) -> Iterator[Finding]:
    """Every disagreement within the common file."""
    timelines: list[tuple[str, Steps]] = [("prevailing", file.prevailing), ("suspended_prevails", file.suspended_prevails)]
    timelines += [(f"measures.{measure}.clearance_code", shape.clearance_code) for measure, shape in file.measures.items()]
    cited = [(f"measures.{m}.source", shape.source) for m, shape in file.measures.items()]
    cited += [(f"outside.{letters}.source", note.source) for letters, note in file.outside.items()]
    yield from _sources(file.sources, timelines, cited)
    for measure, shape in file.measures.items():
        if shape.scope is not measure.scope:
            yield Finding(f"measures.{measure}.scope", f"Measure {measure} is of scope {measure.scope}.", "Correct it.")
    for measure in sorted(set(Measure) - file.measures.keys()):
        yield Finding("measures", f"Measure {measure} has no words.", "Add it.")


def _sources(
    sources: dict[str, str], timelines: Iterable[tuple[str, Steps]], others: Iterable[tuple[str, str]]
) -> Iterator[Finding]:
    cited = [(f"{key}[{at}].source", step.source) for key, steps in timelines for at, step in enumerate(steps) if step.source]
    cited += others
    for key, source in cited:
        if source not in sources:
            yield Finding(key, f"No source is called {source!r}.", "Add it to [sources], or name one that is there.")
    for source in sources.keys() - {source for _, source in cited}:
        yield Finding(f"sources.{source}", "Nothing cites this source.", "Cite it or remove it.")


def _prefixes(file: PartnerFile) -> Iterator[Finding]:
    prefixes = Counter(prefix for member in file.members for prefix in member.prefixes or (member.iso,))
    for prefix, times in prefixes.items():
        if times > 1:
            yield Finding("members", f"Two members claim the codes that begin with {prefix}.", "Each code has one member.")
    for at, step in enumerate(file.terms.code):
        example = step.value.example if step.value else None
        if example and not example.startswith(tuple(prefixes) or file.iso):
            yield Finding(
                f"terms.code[{at}].value.example", "The example begins with no prefix of this arrangement.", "Correct it."
            )


def _words(file: PartnerFile) -> Iterator[Finding]:
    known = frozenset(file.level_words)
    for at, step in enumerate(file.terms.levels):
        for level in sorted(step.value - known) if isinstance(step.value, frozenset) else ():
            yield Finding(f"terms.levels[{at}].value", f"{level!r} is not among level_words.", "Add it there, or correct it.")
    for code, level in file.codes.get("level", {}).items():
        if level not in known:
            yield Finding(f"codes.level.{code}", f"{level!r} is not among level_words.", "Add it there, or correct it.")


def _beginnings(file: PartnerFile) -> Iterator[Finding]:
    start = next((step.since for step in file.terms.in_force if step.value is not False), None)
    if start is None:
        return
    for name, steps in file.terms:
        if steps and steps[0].since > start:
            yield Finding(
                f"terms.{name}[0].from",
                f"Nothing is said from {start} to {steps[0].since}, though the arrangement may be in force.",
                "Add a step from that day on; unknown is an answer.",
            )


def _provenances(file: PartnerFile) -> Iterator[Finding]:
    for name in _ASKED_FOR:
        for at, step in enumerate(getattr(file.terms, name)):
            if step.unknown is not None:
                yield Finding(
                    f"terms.{name}[{at}]", "This installation has to choose; there is no default.", "Give a value and a setting."
                )
    for at, code in enumerate(file.terms.code):
        if code.value and code.value.confirmed != (code.source is not None):
            yield Finding(
                f"terms.code[{at}].value.confirmed",
                "A pattern is confirmed exactly when it has a source.",
                "Correct one of the two.",
            )
    for at, consent in enumerate(file.terms.consent):
        if consent.value and consent.source is None:
            yield Finding(f"terms.consent[{at}]", "Consent counts only where a sourced term asks for it.", "Name the source.")


def _operation(file: PartnerFile) -> Iterator[Finding]:
    for day in sorted({step.since for step in (*file.terms.warn_after, *file.terms.stop_after)}):
        warn, stop = _on(file.terms.warn_after, day), _on(file.terms.stop_after, day)
        if warn and stop and warn.value and stop.value and warn.value >= stop.value:
            yield Finding(
                "terms.warn_after", f"From {day} on the warning would come no earlier than the stop.", "Warn earlier than you stop."
            )
    for algorithm in sorted(set(file.binding.algorithms) - ALGORITHMS):
        known = ", ".join(sorted(ALGORITHMS))
        yield Finding("binding.algorithms", f"{algorithm!r} is no algorithm of the signature profile.", f"Use {known}.")
    if file.binding.resolve == "proxy" and file.binding.proxy is None:
        yield Finding("binding.resolve", "There is no proxy that could look the name up.", "Name it: binding.proxy.")
    if file.binding.resolve == "proxy" and file.binding.addresses:
        yield Finding(
            "binding.addresses",
            "Where the proxy looks the name up, nobody here sees which address it has.",
            'Remove resolve = "proxy", or leave it to the proxy which addresses it connects to.',
        )
    if file.binding.accept_for < file.binding.retry_for:
        yield Finding(
            "binding.accept_for",
            "It is shorter than retry_for, so a retried message would be too old.",
            "Make it at least as long.",
        )


def _on(steps: Steps, day: date) -> Step[Any] | None:
    return next((step for step in reversed(steps) if step.since <= day), None)
