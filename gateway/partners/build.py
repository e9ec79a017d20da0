"""From the shape on disk to the words of the core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.arrangement import Arrangement, Binding, Law, MeasureWords, Member, OutsideNote
from gateway.core.terms import Dated, Provenance, Term, Words
from gateway.partners.shape import LawFile, MemberShape, PartnerFile, SiteFile, SiteLawFile, Step, Terms, WordsShape

Sources = Mapping[str, str]


def overlay(file: PartnerFile, site: SiteFile) -> PartnerFile:
    """The partner's data with an installation's settings laid over: a term of the site replaces the shipped one from its first day on."""
    terms = {name: _laid_over(getattr(file.terms, name), steps) for name, steps in site.terms if steps}
    binding = {name: getattr(site.binding, name) for name in site.binding.model_fields_set}
    return file.model_copy(
        update={
            "terms": file.terms.model_copy(update=terms),
            "binding": file.binding.model_copy(update=binding),
            "contacts": file.contacts + site.contacts,
            "signatory": file.signatory | site.signatory,
        }
    )


def _laid_over(shipped: tuple[Step[Any], ...], chosen: tuple[Step[Any], ...]) -> tuple[Step[Any], ...]:
    """``chosen`` from its first day on, in place of what is shipped."""
    return tuple(step for step in shipped if step.since < chosen[0].since) + chosen if chosen else shipped


def law_overlay(file: LawFile, site: SiteLawFile) -> LawFile:
    """What is common to all arrangements with an installation's own words and settings laid over."""
    measures = dict(file.measures)
    for measure, own in site.measures.items():
        shape = measures.get(measure)
        if shape is not None:
            codes = _laid_over(shape.clearance_code, own.clearance_code)
            words = {"en": own.en or shape.en, "zh": own.zh or shape.zh}
            measures[measure] = shape.model_copy(update={"clearance_code": codes, **words})
    suspended = _laid_over(file.suspended_prevails, site.suspended_prevails)
    return file.model_copy(update={"measures": measures, "suspended_prevails": suspended})


def arrangement(file: PartnerFile, digest: str) -> Arrangement:
    """``file`` as the core knows it. An economy with no members named is its own one member."""
    alone = MemberShape(iso=file.iso, name=file.economy, administration=file.administration, zone=file.zone)
    return Arrangement(
        iso=file.iso,
        economy=_words(file.economy),
        administration=file.administration,
        programme=file.programme,
        zone=ZoneInfo(file.zone),
        members=tuple(_member(member) for member in file.members or (alone,)),
        signed=file.signed,
        link=file.link,
        contacts=file.contacts,
        binding=Binding(**dict(file.binding)),
        level_words=file.level_words,
        codes=file.codes,
        digest=digest,
        **{name: _term(getattr(file.terms, name), file.sources) for name in Terms.model_fields},
    )


def law(file: LawFile, digest: str) -> Law:
    """``file`` as the core knows it."""
    return Law(
        measures={
            measure: MeasureWords(Words(shape.en, shape.zh), file.sources[shape.source], _term(shape.clearance_code, file.sources))
            for measure, shape in file.measures.items()
        },
        prevailing=_term(file.prevailing, file.sources),
        suspended_prevails=_term(file.suspended_prevails, file.sources),
        outside={letters: OutsideNote(shape.note, file.sources[shape.source]) for letters, shape in file.outside.items()},
        digest=digest,
    )


def _words(shape: WordsShape) -> Words:
    return Words(shape.en, shape.zh)


def _member(shape: MemberShape) -> Member:
    return Member(shape.iso, _words(shape.name), shape.administration, ZoneInfo(shape.zone), shape.prefixes or (shape.iso,))


def _term(steps: tuple[Step[Any], ...], sources: Sources) -> Term[Any]:
    return Term(tuple(Dated(step.since, step.value, _provenance(step, sources)) for step in steps))


def _provenance(step: Step[Any], sources: Sources) -> Provenance:
    if step.source is not None:
        return Provenance("fact", sources[step.source], step.note)
    if step.unknown is not None:
        return Provenance("unknown", note=step.unknown)
    return Provenance("setting", note=step.setting)
