"""What a declared foreign AEO is entitled to on a day, and why (SEMANTICS: The question, The answer).

``decide`` is pure: the clock, the partner's data and its age, our own stops and whether this node is current are arguments. It fails
closed and never blocks: what is not certain grants nothing. A rule that is ours and not the law's says "choice".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from gateway.core import checks
from gateway.core.arrangement import Arrangement, Direction, Law, Role
from gateway.core.day import Day, home_day, terms_of
from gateway.core.declared import Declared, spellings
from gateway.core.history import Authorisation, Timeline, midnight
from gateway.core.home import HOME_ZONE
from gateway.core.question import (
    Answer,
    Caution,
    Currency,
    Decision,
    Disruption,
    Question,
    Reason,
    Stop,
    Switches,
    Used,
    Verdict,
    Warn,
    Why,
)

#: Which reason decides where several apply: what the text alone shows; our own hand, which wins over everything else; whether this
#: node can know; the terms; the age of the data; what the data says; the domestic parties; and last what nobody has told us, for an
#: unknown blocks only its own question.
_DECIDES = {
    reason: rank
    for rank, reason in enumerate(
        (
            Reason.NO_OVERSEAS_PARTY,
            Reason.CODE_MALFORMED,
            Reason.AMBIGUOUS_CODE,
            Reason.ARRANGEMENT_STOPPED,
            Reason.STOPPED_BY_US,
            Reason.NOT_CURRENT,
            Reason.NO_ARRANGEMENT,
            Reason.NOT_IN_FORCE,
            Reason.DIRECTION_NOT_COVERED,
            Reason.MODE_NOT_COVERED,
            Reason.ROLE_NOT_COVERED,
            Reason.DATA_TOO_OLD,
            Reason.OPERATOR_UNKNOWN,
            Reason.NOT_YET_VALID,
            Reason.EXPIRED,
            Reason.SUSPENDED,
            Reason.REVOKED,
            Reason.ANNULLED,
            Reason.WITHDRAWN,
            Reason.DELISTED,
            Reason.LEVEL_NOT_RECOGNISED,
            Reason.DOMESTIC_PARTY_PREVAILS,
            Reason.TERMS_UNKNOWN,
        )
    )
}
_UNDETERMINED = (Reason.AMBIGUOUS_CODE, Reason.NOT_CURRENT, Reason.DATA_TOO_OLD, Reason.TERMS_UNKNOWN)
_ASKED = {None: tuple(Direction)} | {direction: (direction,) for direction in Direction}


def decide(
    question: Question,
    declared: Declared,
    *,
    arrangement: Arrangement | None,
    timeline: Timeline | None,
    currency: Currency,
    switches: Switches,
    law: Law,
    current: bool,
) -> Answer:
    """Answer ``question`` about the code that ``declared`` was read as.

    1. The moment: today means now, any other day its last moment in Asia/Shanghai (choice).
    2. The code: what was typed must be one code, and of the partner's form.
    3. Our own hand, and whether this node can know.
    4. The arrangement and its terms on that day.
    5. The operator: one recognised authorisation that is valid and within its period is enough.
    6. The age of the partner's data.
    7. The domestic parties.
    8. Each direction asked, then all of it together.

    ``arrangement`` and ``timeline`` are those of ``declared.code``, as known at ``question.known_at``; None: there is none.
    ``current`` False: this node cannot know whether it has seen the latest statements.
    """
    # 1
    now = int(question.now.timestamp())
    today = home_day(now)
    on = question.on or today
    moment = question.now if on == today else _last_moment(on)
    at = now if moment is question.now else int(moment.timestamp())
    day = terms_of(arrangement, law, on) if arrangement else None

    # 2
    code = declared.code
    whys = checks.typed(declared, day)

    # 3
    stops = _stops(switches, code, arrangement)
    if stops:
        whys += checks.stopped(stops, code, moment)
    if not current:
        whys.append(Why(code=Reason.NOT_CURRENT))

    # 4
    outside = checks.outside(code, day)
    whys += outside
    terms = None if outside else day

    reached = int(currency.as_of.timestamp()) if currency.as_of else None
    age = _age(reached, int(question.known_at.timestamp()) if question.known_at else now, at)
    rests_on: tuple[Authorisation, ...] = ()
    if code and terms:
        whys += checks.terms(terms, question.mode)
        rests_on, faults = checks.operator(code, timeline, terms, at, None if on == today else on.toordinal())  # 5
        whys += faults
        whys += checks.age(age, currency, terms)  # 6
        if question.parties:
            whys += checks.domestic(question.parties, terms)  # 7

    # 8
    disruptions = _disruptions(switches, arrangement)
    disrupted = bool(disruptions) and any(checks.in_effect(disruption, moment) for disruption in disruptions)
    decisions = tuple([_decision(direction, whys, question.role, terms, disrupted) for direction in _ASKED[question.direction]])
    lead = decisions[0] if len(decisions) == 1 else max(decisions, key=_better)
    granting = tuple([one.direction for one in decisions if one.grant])
    others = [why for one in decisions if one is not lead for why in one.reasons if why.direction]
    said_by = tuple(used(timeline, rests_on, at)) if timeline else ()
    ask_again = None
    if on >= today:  # about a past day the answer stays as it is, and so does the age of what was known then
        begins = midnight(on, HOME_ZONE) if on > today else None
        ages = None if question.known_at else reached
        named = on if question.on and lead.verdict is not Verdict.ELIGIBLE else None
        ask_again = _ask_again(now, begins, day, timeline, ages, [*stops, *disruptions], named)
    return Answer(
        declared=question.code,
        code=code,
        arrangement=arrangement.iso if arrangement else None,
        on=on,
        moment=moment,
        verdict=lead.verdict,
        grant=lead.grant,
        measures=terms.granted(granting, disrupted) if terms and granting else (),
        reasons=(*lead.reasons, *others),
        warnings=tuple(_warnings(question, declared, day, timeline, said_by, age, at)),
        directions=decisions,
        evidence=said_by,
        data_as_of=currency.as_of,
        data_age=age,
        ask_again=ask_again,
        arrangement_digest=arrangement.digest if arrangement else None,
        law_digest=law.digest,
        known_at=question.known_at,
    )


@lru_cache(maxsize=4_096)
def _last_moment(on: date) -> datetime:
    return datetime.combine(on, time(23, 59, 59), HOME_ZONE).astimezone(UTC)


@lru_cache(maxsize=65_536)
def utc(seconds: int) -> datetime:
    """An instant given in epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def _stops(switches: Switches, code: str | None, arrangement: Arrangement | None) -> list[Stop]:
    mine = switches.operators.get(code, ()) if code else ()
    ours = switches.arrangements.get(arrangement.iso, ()) if arrangement else ()
    return [*ours, *mine]


def _disruptions(switches: Switches, arrangement: Arrangement | None) -> list[Disruption]:
    return [*switches.disruptions.get("*", ()), *switches.disruptions.get(arrangement.iso, ())] if arrangement else []


def _age(reached: int | None, known: int, at: int) -> int | None:
    """Seconds by which the data was old at the moment judged, but no older than it was when it was known (choice)."""
    return None if reached is None else max(0, min(known, at) - reached)


def _decision(direction: Direction, whys: list[Why], role: Role | None, terms: Day | None, disrupted: bool) -> Decision:
    """One direction. Where nothing stands against the operator itself, it is the same for every one of that day."""
    if whys or not terms:
        return _judged(direction, whys, role, terms, disrupted)
    return terms.kept(("clear", direction, role, disrupted), lambda: _judged(direction, whys, role, terms, disrupted))


def _judged(direction: Direction, whys: list[Why], role: Role | None, terms: Day | None, disrupted: bool) -> Decision:
    against = [*whys, *checks.direction(direction, role, terms)] if terms else whys
    if against or not terms:
        reasons = tuple(sorted(against, key=lambda why: _DECIDES[why.code]))
        verdict = Verdict.UNDETERMINED if reasons[0].code in _UNDETERMINED else Verdict.NOT_ELIGIBLE
        return Decision(direction=direction, verdict=verdict, grant=False, reasons=reasons)
    measures = terms.granted(_ASKED[direction], disrupted)
    return Decision(direction=direction, verdict=Verdict.ELIGIBLE, grant=bool(measures), measures=measures)


def _better(decision: Decision) -> int:
    return (Verdict.NOT_ELIGIBLE, Verdict.UNDETERMINED, Verdict.ELIGIBLE).index(decision.verdict)


def used(timeline: Timeline, rests_on: Iterable[Authorisation], at: int) -> Iterator[Used]:
    """The statements behind the standing and the period of each authorisation at ``at`` (epoch seconds); one that says both is listed
    once."""
    for authorisation in rests_on:
        stand, period = authorisation.standing_at(at), authorisation.period_at(at)
        said = {stand.evidence: stand.standing.value} if stand else {}
        if period:
            said.setdefault(period.evidence, "period")
        for index, says in said.items():
            evidence = timeline.evidence[index]
            yield Used(
                says=says,
                message_id=evidence.message_id,
                digest=evidence.digest.hex(),
                issued=utc(evidence.issued),
                received=utc(evidence.received),
                level=authorisation.level,
                number=authorisation.number,
                transcribed=evidence.transcribed,
                derived=evidence.derived,
            )


def _warnings(
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
    if question.manifest and not declared.fault and not spellings(question.manifest) & set(declared.readings or ("",)):
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


def limits(day: Day, reached: int | None) -> list[int]:
    """The moments (epoch seconds) from which on data that reaches to ``reached`` is old, and too old."""
    if reached is None:
        return []
    return [reached + limit + 1 for limit in (day.warn_after, day.stop_after) if limit is not None]


def _ask_again(
    now: int,
    begins: int | None,
    day: Day | None,
    timeline: Timeline | None,
    reached: int | None,
    dated: Sequence[Stop | Disruption],
    named: date | None,
) -> datetime | None:
    """The next moment after ``now`` at which the answer can change by itself. A coming day, which ``begins`` then, is judged anew; and
    today, where it was ``named``, is a whole day once it is over, on which a certificate that names it as its last counts as valid."""
    coming = [edge for edge in limits(day, reached) if edge > now] if day else []
    if begins is not None:
        coming.append(begins)
    else:
        if day and day.next_step:
            coming.append(day.next_step)
        if timeline and (change := timeline.next_change_after(now)) is not None:
            coming.append(change)
        if named and timeline and timeline.expires_on(named.toordinal()):
            coming.append(midnight(named + timedelta(days=1), HOME_ZONE))
        if dated:
            edges = (edge for one in dated for edge in (one.since, one.until) if edge)
            coming += [second for edge in edges if (second := int(edge.timestamp())) > now]
    return utc(min(coming)) if coming else None
