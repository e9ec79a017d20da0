"""Which kind of message has its sample from where: shown by the partner, like another kind, found in the XSD, or from nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.model import DIALECT_KINDS, Kind
from gateway.onboarding import glossary
from gateway.onboarding.draft.declared import XsdFacts
from gateway.onboarding.draft.document import SampleDocument
from gateway.onboarding.draft.model import Draft, DraftAnswers, Proposal, ServedKinds, Sure
from gateway.onboarding.draft.sample import draft_sample
from gateway.wire.dialect.parse import SAMPLE
from gateway.wire.schema import Schema

#: Kinds that a document about operators serves, too, until the partner says otherwise: the nearest first.
_LIKE = {
    Kind.LIST: (Kind.UPDATE, Kind.NOTICE),
    Kind.UPDATE: (Kind.LIST, Kind.NOTICE),
    Kind.NOTICE: (Kind.UPDATE, Kind.LIST),
}
_EACH = f"{{{SAMPLE}}}each"
NOT_FOUND = "response.not-found"


def propose(
    schema: Schema,
    messages: Mapping[str, bytes],
    *,
    prefixes: tuple[str, ...],
    levels: tuple[str, ...],
    answers: Mapping[str, Any] | None = None,
) -> Draft:
    """Reads ``messages`` (by the sample's name: ``list``, ``response.not-found``) and proposes a sample for every kind that can have one.

    ``answers`` is a ``draft.toml`` that a person has been through. Raises ``Refusal``.
    """
    given, made, declared = DraftAnswers(answers or {}), Draft(), XsdFacts(schema)
    for name in messages:
        if name.partition(".")[0] not in set(DIALECT_KINDS):
            raise Refusal(
                Code.DATA_INVALID,
                f"{name!r} is no kind of message.",
                field="sample",
                value=name,
                remedy=f"Use {', '.join(DIALECT_KINDS)}, or a face of one: response.not-found.",
            )
    for name, message in sorted(messages.items(), key=lambda one: _order(one[0])):
        document = SampleDocument(name, message, schema, prefixes)
        made.notes += [f"{name}: {note}" for note in document.notes]
        made.samples[name] = draft_sample(name, document, declared, prefixes=prefixes, levels=levels, answers=given, draft=made)
        made.messages[name] = document.plain
        made.served.append(ServedKinds(name, "sample", Sure.SURE, "a message was given"))
    for kind in DIALECT_KINDS:
        if kind not in made.samples:
            _serve(kind, made, given, tuple(messages), _called(kind, schema, made))
    if Kind.RESPONSE in made.samples and NOT_FOUND not in made.samples:
        _not_found(made, given, declared)
    _silent_responses(made, given)
    made.served.sort(key=lambda one: _order(one.kind))
    made.proposals = _merged(made.proposals)
    made.specimens = made.specimens | dict(given.specimens)
    made.instead = dict(given.instead)
    made.codes |= {name: dict(words) for name, words in given.codes.items() if name not in made.codes}
    made.parts |= given.parts
    return made


def _serve(kind: Kind, made: Draft, answers: DraftAnswers, shown: tuple[str, ...], called: str) -> None:
    """A kind that no message shows."""
    like = answers.kinds.get(kind)
    if like == "":
        made.served.append(ServedKinds(kind, "", Sure.ANSWERED, "a person said that it is not exchanged"))
        return
    known = like or next((other for other in _LIKE.get(kind, ()) if other in shown), None)
    if known is None:
        made.served.append(
            ServedKinds(
                kind,
                "",
                Sure.QUESTION,
                f'no message shows it{called}: it is refused until one does (--sample {kind}=FILE); not exchanged at all: like = ""',
            )
        )
    elif known not in made.samples:
        raise Refusal(
            Code.DATA_INVALID,
            f"draft.toml says that {kind} is like {known}, which has no sample.",
            field=kind,
            value=known,
            remedy="Name a kind that has one.",
        )
    else:
        made.samples[kind] = made.samples[known]
        why = "a person said so" if like else f"no message shows it; it is written and read as the {known} is"
        made.served.append(ServedKinds(kind, str(known), Sure.ANSWERED if like else Sure.LIKELY, why))


def _called(kind: Kind, schema: Schema, made: Draft) -> str:
    """The root elements of the XSD that no message used and that are called like ``kind``."""
    used = {etree.fromstring(sample).tag for sample in made.samples.values()}
    roots = [one.local_name for tag, one in schema.words.maps.elements.items() if tag not in used]
    alike = [name for name in roots if kind in glossary.meanings(name, "kind")]
    return f", though the XSD's {' or '.join(alike)} may be one" if alike else ""


def _not_found(made: Draft, answers: DraftAnswers, declared: XsdFacts) -> None:
    """Whether a response can say that there is no such operator: with no record in it, where the XSD lets it be so."""
    if answers.kinds.get(NOT_FOUND) is not None:
        made.served.append(ServedKinds(NOT_FOUND, answers.kinds[NOT_FOUND], Sure.ANSWERED, "a person said so"))
        return
    root = etree.fromstring(made.samples[Kind.RESPONSE])
    record = next((one for one in root.iter() if _EACH in one.attrib), root)
    why = f"no message shows it: how is said that a code belongs to nobody (--sample {NOT_FOUND}=FILE)?"
    if record is not root and declared.optional(record):
        made.served.append(
            ServedKinds(
                NOT_FOUND, str(Kind.RESPONSE), Sure.LIKELY, "the XSD lets a response hold no operator, and that is how it is said"
            )
        )
    else:
        made.served.append(ServedKinds(NOT_FOUND, "", Sure.QUESTION, why))


def _silent_responses(made: Draft, answers: DraftAnswers) -> None:
    """The samples of a response that may hold no operator: what the partner means by that, no XSD says."""
    like = {served.kind: served.like for served in made.served}
    silent = [name for name, sample in made.samples.items() if name.partition(".")[0] == Kind.RESPONSE and not _holds(sample)]
    if like.get(NOT_FOUND) == Kind.RESPONSE:
        silent.append(Kind.RESPONSE)
    made.responses = {name: answers.responses[name] for name in silent if name in answers.responses}
    made.open_responses = sorted(set(silent) - set(made.responses))


def _holds(sample: bytes) -> bool:
    return any(_EACH in element.attrib for element in etree.fromstring(sample).iter())


def _order(name: str) -> tuple[int, str]:
    return DIALECT_KINDS.index(Kind(name.partition(".")[0])), name


def _merged(proposals: list[Proposal]) -> list[Proposal]:
    """What is said of several samples alike is said once."""
    found: dict[tuple[str, str, Sure, str], list[Proposal]] = {}
    for one in proposals:
        found.setdefault((one.at, one.hole, one.sure, one.why), []).append(one)
    return [
        Proposal(
            at,
            " · ".join(dict.fromkeys(one.seen for one in same if one.seen)),
            hole,
            sure,
            why,
            tuple(dict.fromkeys(name for one in same for name in one.samples)),
        )
        for (at, hole, sure, why), same in found.items()
    ]
