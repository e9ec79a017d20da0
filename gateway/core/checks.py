"""The checks an answer is made of, one function each: every one returns the reasons that stand against a grant, none of them decides.

Moments named ``at`` are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime

from gateway.core.arrangement import Direction, Law, Mode, Role
from gateway.core.day import Day
from gateway.core.declared import Declared
from gateway.core.history import Authorisation, Timeline
from gateway.core.home import AEO_TIERS, Tier, own_code
from gateway.core.model import Standing
from gateway.core.question import Currency, Disruption, Feed, Party, Reason, Stop, Why
from gateway.core.terms import Provenance

#: What a question that names no mode may be about; whoever means another says so (choice).
USUAL_MODES = frozenset({Mode.LAND, Mode.SEA, Mode.AIR})
_NATURAL = {Direction.IMPORT: Role.CONSIGNOR, Direction.EXPORT: Role.CONSIGNEE}
#: Whatever the unknown rule on conflicting measures may be, parties of these tiers are not what it is about.
_HARMLESS = (Tier.ADVANCED, Tier.CERTIFIED, Tier.GENERAL, Tier.REGULAR)
_LOST = {
    Standing.SUSPENDED: Reason.SUSPENDED,
    Standing.REVOKED: Reason.REVOKED,
    Standing.ANNULLED: Reason.ANNULLED,
    Standing.WITHDRAWN: Reason.WITHDRAWN,
    Standing.DELISTED: Reason.DELISTED,
}


def typed(declared: Declared, day: Day | None) -> list[Why]:
    """Whether the text is one code, and of the partner's form where that is confirmed."""
    if declared.fault:
        return [Why(code=Reason.CODE_MALFORMED, facts=declared.fault)]
    if not declared.readings:
        return [Why(code=Reason.NO_OVERSEAS_PARTY)]
    if len(declared.readings) > 1:
        return [Why(code=Reason.AMBIGUOUS_CODE, facts={"readings": ", ".join(declared.readings)})]
    if day and day.code.value and day.code.value.confirmed and not fits(declared.readings[0], day):
        return [Why(code=Reason.CODE_MALFORMED, facts=example(day), source=day.code.provenance.source)]
    return []


def fits(code: str, day: Day) -> bool:
    """Whether ``code`` has the partner's code form; where none is known, the partner's own list decides."""
    return day.pattern is None or day.pattern.fullmatch(code) is not None


def example(day: Day) -> dict[str, str]:
    """What a right code looks like, as a fact."""
    return {"example": day.code.value.example} if day.code.value and day.code.value.example else {}


def in_effect(dated: Stop, moment: datetime) -> bool:
    """From its beginning until before its end."""
    return dated.since <= moment and (dated.until is None or moment < dated.until)


def stopped(stops: Iterable[Stop], code: str | None, moment: datetime) -> Iterator[Why]:
    """Our own hand on the switch."""
    for stop in stops:
        if in_effect(stop, moment):
            reason = Reason.STOPPED_BY_US if stop.target == code else Reason.ARRANGEMENT_STOPPED
            until = {"until": stop.until.isoformat()} if stop.until else {}
            yield Why(code=reason, facts={"since": stop.since.isoformat(), **until, "reason": stop.reason, "by": stop.by})


def prioritised(disruption: Disruption, moment: datetime) -> bool:
    """Whether goods have priority after this disruption: from the declared resumption until before its declared end."""
    return disruption.resumed is not None and disruption.until is not None and disruption.resumed <= moment < disruption.until


def outside(declared: Declared, day: Day | None, law: Law) -> list[Why]:
    """Whether any arrangement is in force for the code: signed is not in force, and what nobody has told us is not either."""
    code = declared.code
    if code is None:
        return []
    if day is None:
        facts = {"code": code}
        if own_code(code):
            facts["own"] = "yes"
        note = law.outside.get(code[:2])
        if note is None:
            return [Why(code=Reason.NO_ARRANGEMENT, facts=facts)]
        return [Why(code=Reason.NO_ARRANGEMENT, facts=facts | {"note": note.says}, source=note.source)]
    if day.in_force.value is True:
        return []
    known = "unknown" if day.in_force.value is None else "no"
    return [Why(code=Reason.NOT_IN_FORCE, facts={"known": known}, source=day.in_force.provenance.source)]


def terms(day: Day, mode: Mode | None) -> tuple[Why, ...]:
    """The terms that do not depend on the direction. A mode that was not named is taken as one that is not covered, unless land,
    sea and air all are (choice)."""
    return day.kept(("terms", mode), lambda: tuple(_terms(day, mode)))


def _terms(day: Day, mode: Mode | None) -> Iterator[Why]:
    for term, dated in (("directions", day.directions), ("modes", day.modes), ("measures", day.measures)):
        if dated.value is None:
            yield _unknown(term, dated.provenance)
    modes = day.modes.value
    if modes is not None and not modes.issuperset(USUAL_MODES if mode is None else (mode,)):
        facts = {"asked": mode or "", "covered": ", ".join(sorted(modes))}
        yield Why(code=Reason.MODE_NOT_COVERED, facts=facts, source=day.modes.provenance.source)


def direction(asked: Direction, role: Role | None, day: Day) -> tuple[Why, ...]:
    """The terms of one direction: whether it is covered, and by which party a benefit can come. No role: the natural one."""
    return day.kept(("direction", asked, role), lambda: tuple(_direction(asked, role, day)))


def _direction(asked: Direction, role: Role | None, day: Day) -> Iterator[Why]:
    covered = day.directions.value
    if covered is not None and asked not in covered:
        facts = {"asked": asked, "covered": ", ".join(sorted(covered))}
        yield Why(code=Reason.DIRECTION_NOT_COVERED, facts=facts, source=day.directions.provenance.source, direction=asked)
    if role is not None and role is not _NATURAL[asked]:
        yield Why(code=Reason.ROLE_NOT_COVERED, facts={"asked": role, "covered": _NATURAL[asked]}, direction=asked)


def operator(code: str, timeline: Timeline | None, day: Day, at: int, now: int) -> tuple[tuple[Authorisation, ...], list[Why]]:
    """The authorisations an answer about ``at`` rests on as things are ``now``, and what stands against them: nothing, if one of them is
    recognised and valid."""
    if timeline is None or not timeline.authorisations:
        return (), [Why(code=Reason.OPERATOR_UNKNOWN, facts={"code": code})]
    faults: list[Why] = []
    code_level = _level_in(code, day)
    for authorisation in timeline.authorisations:
        found = [*_against(authorisation, timeline, day, code_level, at, now)]
        if not found:
            return (authorisation,), []
        faults += found
    return timeline.authorisations, faults


def _level_in(code: str, day: Day) -> str | None:
    """The level that the code itself carries, for a partner whose codes do."""
    group = day.code.value.level_group if day.code.value else None
    matched = day.pattern.fullmatch(code) if group and day.pattern else None
    return matched[group] if matched and group else None


def _against(
    authorisation: Authorisation, timeline: Timeline, day: Day, code_level: str | None, at: int, now: int
) -> Iterator[Why]:
    """Of an authorisation whose level is not recognised nothing else matters. Where the code carries the level, both must be."""
    recognised = day.levels.value
    if isinstance(recognised, frozenset):  # neither unknown nor any
        stated = {authorisation.level, code_level} - {None} or {None}
        if not stated <= recognised:
            facts = {"level": ", ".join(sorted(filter(None, stated))), "recognised": ", ".join(sorted(recognised))}
            yield Why(code=Reason.LEVEL_NOT_RECOGNISED, facts=_which(authorisation) | facts, source=day.levels.provenance.source)
            return

    def why(reason: Reason, evidence: int, **facts: str) -> Why:
        return Why(code=reason, facts=facts | _which(authorisation), source=f"message {timeline.evidence[evidence].message_id}")

    stand, period = authorisation.standing_at(at, now), authorisation.period_at(at)
    if stand is None:
        first = authorisation.stands[0]
        yield why(Reason.NOT_YET_VALID, first.evidence, **{"from": _moment(first.since)})
    elif period is None and authorisation.periods:
        first_period = authorisation.periods[0]
        yield why(
            Reason.NOT_YET_VALID, first_period.evidence, **{"from": _day(first_period.granted) or _moment(first_period.since)}
        )
    if period and period.until is not None and period.until <= at:
        yield why(Reason.EXPIRED, period.evidence, expires=_day(period.expires))
    if stand and not stand.standing.grants:
        since = {} if stand.standing is Standing.ANNULLED else {"from": _moment(stand.since)}
        yield why(_LOST[stand.standing], stand.evidence, **since)


def age(seconds: int | None, currency: Currency, day: Day) -> list[Why]:
    """Whether the partner's data is too old to rest on. Where no limit is stated for the day, any age is too old."""
    if seconds is not None and day.stop_after is not None and seconds <= day.stop_after:
        return []
    as_of = {"as_of": currency.as_of.isoformat()} if currency.as_of else {}
    limit = {"limit": str(day.stop_after)} if day.stop_after is not None else {}
    return [Why(code=Reason.DATA_TOO_OLD, facts=as_of | limit)]


def domestic(parties: Iterable[Party], day: Day, feed: Feed, known: int) -> Iterator[Why]:
    """Domestic parties whose conflicting measures prevail: Discredited and Seriously Discredited ones, by the law of the day.

    Whoever is an AEO at home and whose measures are suspended, in rectification or by a case, is treated as an ordinary trader, for
    suspension takes its own measures and no more (setting). A party whose tier the gateway does not know takes nothing away (choice).
    """
    if feed.limit is not None and (feed.as_of is None or known - int(feed.as_of.timestamp()) > feed.limit):
        # Nobody can be said not to be Discredited by what credit management said so long ago.
        as_of = {"as_of": feed.as_of.isoformat()} if feed.as_of else {}
        yield Why(code=Reason.DATA_TOO_OLD, facts={"of": "domestic", "limit": str(feed.limit), **as_of})
        return
    prevailing, suspended = day.prevailing, day.suspended_prevails
    for party in parties:
        if party.tier is not None and party.tier not in _HARMLESS and prevailing.value is None:
            yield _unknown("prevailing", prevailing.provenance)
        elif party.tier in (prevailing.value or ()):
            facts = {"party": party.id, "tier": party.tier or ""}
            yield Why(code=Reason.DOMESTIC_PARTY_PREVAILS, facts=facts, source=prevailing.provenance.source)
        elif party.suspended and party.tier in AEO_TIERS and suspended.value is None:
            yield _unknown("suspended_prevails", suspended.provenance)
        elif party.suspended and party.tier in AEO_TIERS and suspended.value:
            facts = {"party": party.id, "measures": Standing.SUSPENDED.value}
            yield Why(code=Reason.DOMESTIC_PARTY_PREVAILS, facts=facts, source=suspended.provenance.source)


def _unknown(term: str, provenance: Provenance) -> Why:
    return Why(code=Reason.TERMS_UNKNOWN, facts={"term": term, "note": provenance.note or ""})


def _which(authorisation: Authorisation) -> dict[str, str]:
    named = {"level": authorisation.level, "number": authorisation.number}
    return {name: value for name, value in named.items() if value}


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _day(ordinal: int | None) -> str:
    return date.fromordinal(ordinal).isoformat() if ordinal else ""
