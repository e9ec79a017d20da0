"""What a declared foreign AEO is entitled to on a day, and why (core/RULES.md, The question and The answer).

``decide`` is pure: the clock, the partner's data and its age, our own stops and whether this node is current are arguments. It fails
closed and never blocks: what is not certain grants nothing. A rule that is ours and not the law's says "choice".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from functools import lru_cache
from typing import NamedTuple

from gateway.core import cautions, checks
from gateway.core.arrangement import Arrangement, Direction, Law, Role
from gateway.core.day import Day, home_day, terms_of
from gateway.core.declared import Declared
from gateway.core.history import Authorisation, Timeline, midnight
from gateway.core.home import HOME_ZONE
from gateway.core.moments import bounded, from_epoch
from gateway.core.question import (
    ALWAYS_KNOWN,
    Answer,
    Currency,
    Decision,
    Disruption,
    Feed,
    Question,
    Reason,
    Stop,
    Switches,
    Used,
    Verdict,
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


class _When(NamedTuple):
    """The moment judged, and what was known: instants are epoch seconds. ``today``: the day asked about is the one that now is at home."""

    now: int
    known: int
    on: date
    moment: datetime
    at: int
    today: date

    @classmethod
    def of(cls, question: Question) -> _When:
        """Today means now, any other day its last moment at home (choice)."""
        now = int(question.now.timestamp())
        today = home_day(now)
        on = question.on or today
        moment = question.now if on == today else _last_moment(on)
        known = int(question.known_at.timestamp()) if question.known_at else now
        return cls(now, known, on, moment, now if moment is question.now else int(moment.timestamp()), today)


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
    feed: Feed = ALWAYS_KNOWN,
) -> Answer:
    """Answer ``question`` about the code that ``declared`` was read as.

    1. The moment: today means now, any other day its last moment at home (choice).
    2 to 7. What stands against the operator (``_against``).
    8. Each direction asked, then all of it together.

    ``arrangement`` and ``timeline`` are those of ``declared.code``, as known at ``question.known_at``; None: there is none.
    ``current`` False: this node cannot know whether it has seen the latest statements. ``feed`` is how far domestic parties are known.
    """
    when = _When.of(question)  # 1
    code, at = declared.code, when.at
    day = terms_of(arrangement, law, when.on) if arrangement else None
    stops = _stops(switches, code, arrangement)
    reached = int(currency.as_of.timestamp()) if currency.as_of else None
    age = _age(reached, when.known, at)
    whys, terms, rests_on = _against(question, declared, when, day, law, stops, current, timeline, currency, age, feed)
    disruptions = _disruptions(switches, code, arrangement)  # 8
    prioritised = any(checks.prioritised(disruption, when.moment) for disruption in disruptions)
    decisions = tuple([_decision(direction, whys, question.role, terms, prioritised) for direction in _ASKED[question.direction]])
    used_now = tuple(used(timeline, rests_on, at, max(at, when.known))) if timeline else ()
    lead = decisions[0] if len(decisions) == 1 else max(decisions, key=_better)
    granting = tuple([one.direction for one in decisions if one.grant])
    again = _ask_again(when, day, timeline, None if question.known_at else reached, [*stops, *disruptions])
    if terms and question.parties and not question.known_at:
        again = checks.or_too_old(again, feed, when.now)
    beside = cautions.of_question(question, declared, day, timeline, used_now, age, at)
    return Answer(
        declared=question.code,
        code=code,
        arrangement=arrangement.iso if arrangement else None,
        on=when.on,
        moment=when.moment,
        verdict=lead.verdict,
        grant=lead.grant,
        measures=terms.granted(granting, prioritised, of_operator=bool(lead.reasons)) if terms and granting else (),
        reasons=_reasons(decisions, lead),
        warnings=(*beside, *cautions.of_parties(question.parties, feed)),
        directions=decisions,
        evidence=used_now,
        data_as_of=currency.as_of,
        data_age=age,
        ask_again=again,
        arrangement_digest=arrangement.digest if arrangement else None,
        law_digest=law.digest,
        known_at=question.known_at,
    )


class _Against(NamedTuple):
    """What stands against the operator, whatever the direction; the terms that it was judged by, and the authorisations that it rests on."""

    whys: list[Why]
    terms: Day | None = None
    rests_on: tuple[Authorisation, ...] = ()


def _against(
    question: Question,
    declared: Declared,
    when: _When,
    day: Day | None,
    law: Law,
    stops: list[Stop],
    current: bool,
    timeline: Timeline | None,
    currency: Currency,
    age: int | None,
    feed: Feed,
) -> _Against:
    """What stands against the operator, by the arguments of ``decide``.

    2. The code: what was typed must be one code, and of the partner's form.
    3. Our own hand, and whether this node can know.
    4. The arrangement and its terms on that day.
    5. The operator: one recognised authorisation that is valid and within its period is enough.
    6. The age of the partner's data.
    7. The domestic parties.
    """
    code, at = declared.code, when.at
    whys = checks.typed(declared, day)  # 2
    if stops:  # 3
        whys += checks.stopped(stops, code, when.moment)
    if not current:
        whys.append(Why(code=Reason.NOT_CURRENT))
    outside = checks.outside(declared, day, law)  # 4
    whys += outside
    if outside or not code or not day:
        return _Against(whys, None if outside else day)
    whys += checks.terms(day, question.mode)
    rests_on, faults = checks.operator(code, timeline, day, at, max(at, when.known))  # 5
    whys += faults
    whys += checks.age(age, currency, day)  # 6
    if question.parties:
        whys += checks.domestic(question.parties, day, feed, when.known)  # 7
    return _Against(whys, day, rests_on)


def _reasons(decisions: tuple[Decision, ...], lead: Decision) -> tuple[Why, ...]:
    """The best direction's, and those of another that are its own."""
    if len(decisions) == 1:
        return lead.reasons
    return (*lead.reasons, *(why for one in decisions if one is not lead for why in one.reasons if why.direction))


@lru_cache(maxsize=4_096)
def _last_moment(on: date) -> datetime:
    return bounded(datetime.combine(on, time(23, 59, 59), HOME_ZONE))


@lru_cache(maxsize=65_536)
def utc(seconds: int) -> datetime:
    """An instant given in epoch seconds."""
    return from_epoch(seconds)


def _stops(switches: Switches, code: str | None, arrangement: Arrangement | None) -> list[Stop]:
    mine = switches.operators.get(code, ()) if code else ()
    ours = switches.arrangements.get(arrangement.iso, ()) if arrangement else ()
    return [*ours, *mine]


def _disruptions(switches: Switches, code: str | None, arrangement: Arrangement | None) -> list[Disruption]:
    """Those that touch the operator: everywhere, of its arrangement, or of its own member."""
    if not switches.disruptions or arrangement is None:
        return []
    member = arrangement.member_of(code) if code else None
    places = {"*", arrangement.iso, *([member.iso] if member else [])}
    return [one for place in sorted(places) for one in switches.disruptions.get(place, ())]


def _age(reached: int | None, known: int, at: int) -> int | None:
    """Seconds by which the data was old at the moment judged, but no older than it was when it was known (choice)."""
    return None if reached is None else max(0, min(known, at) - reached)


def _decision(direction: Direction, whys: list[Why], role: Role | None, terms: Day | None, prioritised: bool) -> Decision:
    """One direction. Where nothing stands against the operator itself, it is the same for every one of that day."""
    if whys or not terms:
        return _judged(direction, whys, role, terms, prioritised)
    return terms.kept(("clear", direction, role, prioritised), lambda: _judged(direction, whys, role, terms, prioritised))


def _judged(direction: Direction, whys: list[Why], role: Role | None, terms: Day | None, prioritised: bool) -> Decision:
    against = [*whys, *checks.direction(direction, role, terms)] if terms else whys
    reasons = tuple(sorted(against, key=lambda why: _DECIDES[why.code]))
    prevails = any(why.code is Reason.DOMESTIC_PARTY_PREVAILS for why in reasons)
    # Where one party prevails it matters no more whether another does, by a rule that nobody has told us.
    decides = [why for why in reasons if not (prevails and checks.of_parties(why))]
    left = terms.granted((direction,), prioritised, of_operator=prevails) if terms else ()
    if not reasons or (left and not decides):
        # What prevails takes the measures of the declaration, not those of the operator.
        return Decision(direction=direction, verdict=Verdict.ELIGIBLE, grant=bool(left), measures=left, reasons=reasons)
    nothing_left = prevails and not left and bool(terms and terms.measures.value is not None)
    open_ = [why for why in decides if not (nothing_left and why.code is Reason.TERMS_UNKNOWN)]
    verdict = Verdict.UNDETERMINED if open_ and open_[0].code in _UNDETERMINED else Verdict.NOT_ELIGIBLE
    return Decision(direction=direction, verdict=verdict, grant=False, reasons=reasons)


def _better(decision: Decision) -> int:
    return (Verdict.NOT_ELIGIBLE, Verdict.UNDETERMINED, Verdict.ELIGIBLE).index(decision.verdict)


def used(timeline: Timeline, rests_on: Iterable[Authorisation], at: int, now: int) -> Iterator[Used]:
    """The statements behind the standing and the period of each authorisation at ``at`` as it is ``now`` (epoch seconds); one that says
    both is listed once."""
    for authorisation in rests_on:
        stand, period = authorisation.standing_at(at, now), authorisation.period_at(at)
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


def limits(day: Day, reached: int | None) -> list[int]:
    """The moments (epoch seconds) from which on data that reaches to ``reached`` is old, and too old."""
    if reached is None:
        return []
    return [reached + limit + 1 for limit in (day.warn_after, day.stop_after) if limit is not None]


def _ask_again(
    when: _When, day: Day | None, timeline: Timeline | None, reached: int | None, dated: Sequence[Stop | Disruption]
) -> datetime | None:
    """The next moment at which the answer can change by itself. A coming day is judged anew when it begins; about a past day the answer
    stays as it is, and so does the age of what was known then, until an annulment takes effect that makes void what was before."""
    now = when.now
    if when.on < when.today:
        change = timeline.annulled_after(now) if timeline else None
        return utc(change) if change is not None else None
    coming = [edge for edge in limits(day, reached) if edge > now] if day else []
    if when.on > when.today:
        coming.append(midnight(when.on, HOME_ZONE))
    else:
        if day and day.next_step:
            coming.append(day.next_step)
        if timeline and (change := timeline.next_change_after(now)) is not None:
            coming.append(change)
        edges = (edge for one in dated for edge in one.edges if edge)
        coming += [second for edge in edges if (second := int(edge.timestamp())) > now]
    return utc(min(coming)) if coming else None
