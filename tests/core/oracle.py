"""SEMANTICS.md once more, slowly: what an answer must be, worked out for one instant at a time and without any code of ``core``'s.

``fold`` lays statements over a time line, and ``decide`` collects reasons from tables kept by day. Here the same rules are read off
as they are written, for an operator with one authorisation; whoever changes one side must be able to say why the other is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from gateway.core.arrangement import AnyLevel
from tests.core.cases import Given, TableLine
from tests.rig.shipped import arrangements, law

CHINA = ZoneInfo("Asia/Shanghai")
GRAVITY = ("valid", "reinstated", "suspended", "delisted", "withdrawn", "revoked", "annulled")
ALWAYS = datetime.min.replace(tzinfo=UTC)


class Said(NamedTuple):
    """A statement in time. ``picture``: of a list or a response; its ``effect`` is then no later than its ``issued``."""

    issued: datetime
    effect: datetime
    standing: str
    picture: bool
    line: TableLine


class Verdict(NamedTuple):
    """What matters of an answer for one direction."""

    verdict: str
    measures: frozenset[str]
    reasons: frozenset[str]


def expected(given: Given, direction: str) -> Verdict:
    """The answer for one direction about ``given.tin``, whose code has the partner's own form.

    The reasons fall into six groups. The first group that has any decides, and each is either certain or leaves the answer open; an
    unknown comes last, for it blocks only its own question.
    """
    today = given.now.astimezone(CHINA).date()
    on = given.on or today
    at = given.now if on == today else datetime.combine(on, time(23, 59, 59), CHINA)
    terms = _terms(given, on)
    natural = {"import": "overseas-consignor", "export": "overseas-consignee"}[direction]

    our_own_hand = {name for stop in given.stops if _holds(stop, at) and (name := _stopped(stop.target, given))}
    cannot_know = set() if given.current else {"not-current"}
    not_covered, too_old, against, unknown = set[str](), set[str](), set[str](), set[str]()
    if terms["in_force"] is not True:  # unknown is not in force either, and nothing else is asked then
        not_covered = {"not-in-force"}
    else:
        if terms["directions"] is not None and direction not in terms["directions"]:
            not_covered.add("direction-not-covered")
        if given.role not in (None, natural):
            not_covered.add("role-not-covered")
        modes = terms["modes"]
        if modes is not None and not ({given.mode} if given.mode else {"land", "sea", "air"}) <= set(modes):
            not_covered.add("mode-not-covered")
        unknown = {"terms-unknown" for term in ("directions", "modes", "measures") if terms[term] is None}
        if _too_old(given, at, terms["stop_after"]):
            too_old = {"data-too-old"}
        prevails, open_ = _domestic(given, terms)
        against = {*_against(given, at, None if on == today else on, terms["levels"]), *prevails}
        unknown |= open_

    groups = (our_own_hand, cannot_know, not_covered, too_old, against, unknown)
    reasons = frozenset[str]().union(*groups)
    for group, verdict in zip(groups, ("not-eligible", "undetermined") * 3, strict=True):
        if group:
            return Verdict(verdict, frozenset(), reasons)
    disrupted = any(one.where in ("*", given.partner) and _holds(one, at) for one in given.disruptions)
    return Verdict("eligible", frozenset(letter for letter in terms["measures"] if letter != "R" or disrupted), reasons)


def _terms(given: Given, on: date) -> dict[str, Any]:
    """What the partner's data and the law say on a day, or the case instead."""
    ours = arrangements()[given.partner]
    dated = {name: getattr(ours, name) for name in ("in_force", "directions", "modes", "levels", "measures", "stop_after")}
    dated |= {name: getattr(law(), name) for name in ("prevailing", "suspended_prevails")}
    found = {name: term.on(on).value for name, term in dated.items()}
    for name, value in {**given.terms, **given.law}.items():
        found[name] = None if value == "unknown" else timedelta(days=value) if name == "stop_after" else value
    return found


def _stopped(target: str, given: Given) -> str | None:
    return {given.tin: "stopped-by-us", given.partner: "arrangement-stopped"}.get(target)


def _holds(dated: Any, at: datetime) -> bool:
    return bool(dated.since <= at and (dated.until is None or at < dated.until))


def _too_old(given: Given, at: datetime, limit: timedelta | None) -> bool:
    if given.as_of == "never" or limit is None:
        return True
    as_of: datetime = given.as_of
    return min(given.known_at or given.now, at).replace(microsecond=0) - as_of > limit


def _domestic(given: Given, terms: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Only a Discredited or Seriously Discredited party, or one whose measures are suspended, can prevail."""
    bad = [one for one in given.parties if one.tier in ("discredited", "seriously-discredited")]
    suspended = [one for one in given.parties if one.suspended]
    prevails: set[str] = set()
    unknown: set[str] = set()
    for found, rule in ((bad, terms["prevailing"]), (suspended, terms["suspended_prevails"])):
        if found and rule is None:
            unknown.add("terms-unknown")
        elif found and rule and (rule is True or any(one.tier in rule for one in found)):
            prevails.add("domestic-party-prevails")
    return prevails, unknown


def _against(given: Given, at: datetime, whole: date | None, levels: frozenset[str] | AnyLevel | None) -> Iterator[str]:
    """What stands against the operator's one authorisation: its standing and its period, two separate tracks."""
    told = said(given)
    if not told:
        yield "operator-unknown"
        return
    level = next((one.line.level for one in told if one.line.level), None)
    if levels is not None and levels is not AnyLevel.ANY and level not in levels:
        yield "level-not-recognised"
        return
    zone = _zone(given)
    word = standing(told, at)
    dated = [one for one in told if one.line.granted or one.line.expires]
    certificate = period(dated, at, zone)
    if word is None or (certificate is None and dated):
        yield "not-yet-valid"
    if certificate and certificate.line.expires:
        # The expiry day counts as valid, until the partner's own midnight; and the whole day where a whole one is asked about.
        ended = _midnight(certificate.line.expires + timedelta(days=1), zone) <= at
        if ended and certificate.line.expires != whole:
            yield "expired"
    if word and word.standing != "valid":
        yield word.standing


def said(given: Given) -> list[Said]:
    """What counts of what was told, in the order of issue."""
    counted = []
    for number, line in enumerate((*given.told, *given.then)):
        made = line.list or line.response or line.update or line.notice
        assert made
        if given.known_at and (line.received or made) > given.known_at:
            continue
        if line.voided and (given.known_at is None or line.voided <= given.known_at):
            continue
        standing = "valid" if line.says == "reinstated" else str(line.says)
        if line.held and (line.derived or standing == "valid"):
            continue  # held for a person: what it states as lost counts, and nothing else
        picture = not (line.update or line.notice)
        effect = made if line.effective is None else line.effective
        if not isinstance(effect, datetime):
            effect = _midnight(effect, _zone(given))
        if picture:
            effect = made if standing == "valid" else min(made, effect)
        counted.append((number, Said(made, effect, standing, picture, line)))
    # Of messages issued at one moment the graver has the last word.
    order = sorted(counted, key=lambda one: (one[1].issued, GRAVITY.index(one[1].line.says), one[0]))
    return [one for _, one in order]


def standing(told: Iterable[Said], at: datetime) -> Said | None:
    """Who has the last word about ``at``: of those that reach it, each in place of the one before, but for a loss announced for later."""
    word: Said | None = None
    for one in told:
        since = ALWAYS if one.standing == "annulled" else one.effect
        if since > at:
            continue
        announced = (
            word is not None and word.standing not in ("valid", "annulled") and not word.picture and word.effect >= one.effect
        )
        if word is not None and announced:
            if one.picture:
                continue  # a list or response never lifts it
            if one.standing != "valid" and GRAVITY.index(word.standing) > GRAVITY.index(one.standing):
                continue  # nor does a lesser loss (choice)
            if one.standing != "valid":
                one = one._replace(effect=word.effect)  # one that takes its place is no easier lifted
        word = one
    return word


def period(dated: Iterable[Said], at: datetime, zone: ZoneInfo) -> Said | None:
    """The certificate that counts at ``at``: the one told last of those that had begun."""
    found: tuple[datetime, Said] | None = None
    for one in dated:
        since = _midnight(one.line.granted, zone) if one.line.granted else one.effect
        if since > at:
            continue
        if found and one.picture and since <= one.effect < found[0]:
            continue  # a picture of the certificate of its day takes no announced renewal back (choice)
        found = since, one
    return found[1] if found else None


def _zone(given: Given) -> ZoneInfo:
    ours = arrangements()[given.partner]
    return next((one.zone for one in ours.members if given.tin.startswith(one.prefixes)), ours.zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone)
