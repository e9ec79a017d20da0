"""What a person should look at beside an answer: a caution changes no verdict (core/RULES.md, The answer)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator

from gateway.core import checks
from gateway.core.arrangement import Mode
from gateway.core.day import Day
from gateway.core.declared import Declared, spellings
from gateway.core.history import Timeline
from gateway.core.question import Caution, Feed, Party, Question, Used, Warn


def of_question(
    question: Question,
    declared: Declared,
    day: Day | None,
    timeline: Timeline | None,
    said_by: Iterable[Used],
    age: int | None,
    at: int,
) -> Iterator[Caution]:
    """What a person should look at."""
    code = declared.code
    if day and age is not None and day.warn_after is not None and age > day.warn_after:
        yield Caution(code=Warn.DATA_OLD, facts={"age": str(age), "limit": str(day.warn_after)})
    if timeline and timeline.names and (question.name or len(timeline.names) > 1):
        yield from _names(question.name, timeline)
    # 2018/131 speaks of the manifests of sea and air alone; elsewhere none has to hold the code. Where the mode is not told, it is compared.
    told = question.mode in (None, Mode.SEA, Mode.AIR)
    if question.manifest and told and not declared.fault and not spellings(question.manifest) & set(declared.readings or ("",)):
        yield Caution(code=Warn.CODES_DISAGREE, facts={"declared": question.code, "manifest": question.manifest})
    if declared.slips and code:
        yield Caution(code=Warn.CODE_FOLDED, facts={"declared": declared.text, "read": code, "slips": ", ".join(declared.slips)})
    if code and day and day.code.value and not day.code.value.confirmed and not checks.fits(code, day):
        yield Caution(code=Warn.PATTERN_UNCONFIRMED, facts=checks.example(day))
    if timeline and timeline.held is not None and (held := timeline.evidence[timeline.held]).issued <= at:
        yield Caution(code=Warn.HELD_FOR_REVIEW, facts={"message": held.message_id})
    for one in said_by:
        if one.transcribed:
            yield Caution(code=Warn.TRANSCRIBED, facts={"message": one.message_id})


def of_parties(parties: Iterable[Party], feed: Feed) -> Iterator[Caution]:
    """What a person should look at in the domestic parties: none of them is ever passed over in silence."""
    for party in parties:
        if party.slips and party.declared is not None:
            yield Caution(
                code=Warn.CODE_FOLDED, facts={"declared": party.declared, "read": party.id, "slips": ", ".join(party.slips)}
            )
        if not party.known and feed.complete:
            yield Caution(code=Warn.PARTY_UNKNOWN, facts={"party": party.id})
        if party.passed_on is not None:
            facts = {"party": party.id, "since": party.passed_on.isoformat()}
            yield Caution(code=Warn.PARTY_CODE_PASSED_ON, facts=facts)


def _names(declared: str | None, timeline: Timeline) -> Iterator[Caution]:
    """Nothing passes to the same code reissued under another name; whether it was is for a person to say."""
    stated = timeline.names[0]
    if declared and _plain(declared) not in (_plain(stated), _plain(timeline.local_name or stated)):
        yield Caution(code=Warn.NAME_DIFFERS, facts={"declared": declared, "stated": stated})
    if before := [name for name in timeline.names[1:] if _plain(name) != _plain(stated)]:
        yield Caution(code=Warn.NAME_DIFFERS, facts={"before": before[0], "stated": stated})


def _plain(name: str) -> str:
    """A name without what people write differently: case, width, blanks and punctuation."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))
