"""An answer as JSON: what was decided, and the sentences that say it, in both languages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from gateway.clearance.wording import Language, sentence
from gateway.core.arrangement import Direction, Law, Measure, MeasureScope
from gateway.core.checks import PARTY_TERMS
from gateway.core.question import Answer, Caution, Granted, Reason, Used, Verdict, Warn, Why


class Both(msgspec.Struct, frozen=True, gc=False):
    """The same in English and Chinese."""

    en: str
    zh: str


class RenderedMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """One facilitation measure: its letter, what it attaches to, clearance's own code for it, and the directions it holds for."""

    measure: Measure
    scope: MeasureScope
    words: Both
    clearance_code: str | None
    directions: tuple[Direction, ...]
    source: str | None


class RenderedReason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason. ``direction`` null: for every direction asked."""

    code: Reason
    sentence: str
    words: Both
    facts: dict[str, str]
    source: str | None
    direction: Direction | None


class RenderedWarning(msgspec.Struct, frozen=True, kw_only=True):
    """One warning: for a person to look at, it decides nothing."""

    code: Warn
    sentence: str
    words: Both
    facts: dict[str, str]


class RenderedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a declared foreign AEO is entitled to. ``grant`` false means ordinary treatment, whatever the verdict.

    ``moment`` is the instant judged; ``data_age`` is in seconds; ``ask_again`` is when this answer can next change by itself.
    ``suggestions`` are known codes one slip away: nothing is granted by them.
    """

    declared: str
    code: str | None
    arrangement: str | None
    on: date
    moment: datetime
    verdict: Verdict
    grant: bool
    sentence: str
    measures: Sequence[RenderedMeasure]
    reasons: Sequence[RenderedReason]
    warnings: Sequence[RenderedWarning]
    directions: dict[Direction, Verdict]
    evidence: Sequence[Used]
    data_as_of: datetime | None
    data_age: int | None
    ask_again: datetime | None
    as_known_at: datetime | None
    arrangement_digest: str | None
    law_digest: str
    suggestions: Sequence[str] = ()


#: Measures by the tuple that ``Day`` keeps for its day: the same few thousand operators' measures are said again and again.
_said: dict[int, tuple[tuple[Granted, ...], tuple[RenderedMeasure, ...]]] = {}
_KEPT = 1_024


def render(
    answer: Answer, law: Law, language: Language, suggestions: Sequence[str] = (), *, domestic: bool = False
) -> RenderedAnswer:
    """``answer`` with its words. ``law`` is the one it was decided by. ``domestic``: whoever asks may know domestic data; anybody else
    reads that it is not applied for reasons on our side, and nothing of which party's tier that is
    (domestic/RULES.md, Domestic parties of a declaration)."""
    return RenderedAnswer(
        declared=answer.declared,
        code=answer.code,
        arrangement=answer.arrangement,
        on=answer.on,
        moment=answer.moment,
        verdict=answer.verdict,
        grant=answer.grant,
        sentence=_VERDICTS[language, answer.verdict],
        measures=_measures(answer.measures, law),
        reasons=[_reason(why if domestic else _without_party(why), language) for why in answer.reasons],
        warnings=[_warning(caution, language) for caution in answer.warnings],
        directions={one.direction: one.verdict for one in answer.directions},
        evidence=answer.evidence,
        data_as_of=answer.data_as_of,
        data_age=answer.data_age,
        ask_again=answer.ask_again,
        as_known_at=answer.known_at,
        arrangement_digest=answer.arrangement_digest,
        law_digest=answer.law_digest,
        suggestions=suggestions,
    )


_VERDICTS = {(language, verdict): sentence(verdict, {}, language) for language in Language for verdict in Verdict}


def _measures(granted: tuple[Granted, ...], law: Law) -> tuple[RenderedMeasure, ...]:
    kept = _said.get(id(granted))
    if kept is not None and kept[0] is granted:
        return kept[1]
    said = tuple(
        RenderedMeasure(
            measure=one.measure,
            scope=one.scope,
            words=_name(one.measure, law),
            clearance_code=one.clearance_code,
            directions=one.directions,
            source=one.source,
        )
        for one in granted
    )
    if len(_said) >= _KEPT:
        _said.clear()
    _said[id(granted)] = granted, said
    return said


def _name(measure: Measure, law: Law) -> Both:
    words = law.measures.get(measure)
    return Both(words.name.en, words.name.zh) if words else Both(measure, measure)


def _without_party(why: Why) -> Why:
    """That a rule on parties of some tier is unknown would say that one of them is of that tier."""
    of_party = why.code is Reason.DOMESTIC_PARTY_PREVAILS or why.facts.get("term") in PARTY_TERMS
    return Why(code=why.code, direction=why.direction) if of_party else why


def _reason(why: Why, language: Language) -> RenderedReason:
    words = _both(why.code, why.facts)
    return RenderedReason(
        code=why.code,
        sentence=words.zh if language is Language.ZH else words.en,
        words=words,
        facts=why.facts,
        source=why.source,
        direction=why.direction,
    )


def _warning(caution: Caution, language: Language) -> RenderedWarning:
    words = _both(caution.code, caution.facts)
    return RenderedWarning(
        code=caution.code, sentence=words.zh if language is Language.ZH else words.en, words=words, facts=caution.facts
    )


def _both(code: str, facts: dict[str, str]) -> Both:
    return Both(sentence(code, facts, Language.EN), sentence(code, facts, Language.ZH))
