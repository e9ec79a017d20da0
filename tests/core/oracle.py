"""core/RULES.md once more, slowly: what an answer must be, worked out for one instant at a time and without any code of ``core``'s.

``fold`` lays statements over a time line, and ``decide`` collects reasons from tables kept by day. Here the same rules are read off
as they are written, for an operator with one authorisation; whoever changes one side must be able to say why the other is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from itertools import combinations
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from gateway.core.arrangement import AnyLevel
from tests.core.cases import Given, TableLine
from tests.rig.shipped import arrangements, law

CHINA = ZoneInfo("Asia/Shanghai")
GRAVITY = ("valid", "reinstated", "suspended", "delisted", "withdrawn", "revoked", "annulled")
LOSSES = GRAVITY[2:]
#: Closer than this two clocks cannot say which of two statements was first.
SKEW = timedelta(minutes=5)
#: What becomes of the declaration leaves these alone: they are the operator's own.
OPERATOR_S_OWN = frozenset("LS")


class Said(NamedTuple):
    """A statement in time. ``picture``: of a list or a response; its ``effect`` is then no later than its ``issued``.

    ``numbering``: the class and epoch its ``number`` counts in; None: it carries no number.
    """

    issued: datetime
    effect: datetime
    standing: str
    picture: bool
    line: TableLine
    numbering: tuple[str, int] | None = None
    number: int = 0


class Verdict(NamedTuple):
    """What matters of an answer for one direction; ``warnings`` are those about domestic parties."""

    verdict: str
    measures: frozenset[str]
    reasons: frozenset[str]
    warnings: frozenset[str]


def expected(given: Given, direction: str) -> Verdict:
    """The answer for one direction about ``given.tin``, whose code has the partner's own form.

    The reasons fall into groups. The first that has any decides, and each is either certain or leaves the answer open. A domestic party that
    prevails takes the measures of the declaration and the event, never those of the operator; an unknown comes last, for it blocks only
    its own question.
    """
    today = given.now.astimezone(CHINA).date()
    on = given.on or today
    at = given.now if on == today else datetime.combine(on, time(23, 59, 59), CHINA)
    known = given.known_at or given.now
    terms = _terms(given, on)
    natural = {"import": "overseas-consignor", "export": "overseas-consignee"}[direction]

    our_own_hand = {name for stop in given.stops if _holds(stop, at) and (name := _stopped(stop.target, given))}
    cannot_know = set() if given.current else {"not-current"}
    not_covered, too_old, against = set[str](), set[str](), set[str]()
    untold, prevails, rule_unknown = set[str](), False, False
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
        untold = {term for term in ("directions", "modes", "measures") if terms[term] is None}
        nobody_known = bool(given.parties) and _feed_too_old(given, known)
        if nobody_known or _too_old(given, min(known, at), terms["stop_after"]):
            too_old = {"data-too-old"}
        if not nobody_known:
            prevails, rule_unknown = _domestic(given, terms)
        against = {*_against(given, at, max(at, known), on, terms["levels"])}

    measures = frozenset(letter for letter in terms["measures"] or () if letter != "R" or _prioritised(given, at))
    if prevails:
        measures &= OPERATOR_S_OWN
    reasons = our_own_hand | cannot_know | not_covered | too_old | against
    reasons |= {"domestic-party-prevails"} if prevails else set()
    reasons |= {"terms-unknown"} if untold or rule_unknown else set()

    def answer(verdict: str, granted: frozenset[str] = frozenset()) -> Verdict:
        return Verdict(verdict, granted, frozenset(reasons), frozenset(_party_warnings(given)))

    groups = (our_own_hand, cannot_know, not_covered, too_old, against)
    for group, verdict in zip(
        groups, ("not-eligible", "undetermined", "not-eligible", "undetermined", "not-eligible"), strict=True
    ):
        if group:
            return answer(verdict)
    if prevails and not measures and "measures" not in untold:
        return answer("not-eligible")  # none is left, whatever else nobody has told us
    if untold or (rule_unknown and not prevails):  # where one prevails, it matters no more whether another does
        return answer("undetermined")
    return answer("eligible", measures)


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


def _prioritised(given: Given, at: datetime) -> bool:
    """Priority after a disruption, everywhere, of the arrangement or of the member: from the declared resumption to its declared end."""
    member = next((one.iso for one in arrangements()[given.partner].members if given.tin.startswith(one.prefixes)), None)
    return any(
        one.where in ("*", given.partner, member) and one.resumed and one.until and one.resumed <= at < one.until
        for one in given.disruptions
    )


def _too_old(given: Given, at: datetime, limit: timedelta | None) -> bool:
    if given.as_of == "never" or limit is None:
        return True
    as_of: datetime = given.as_of
    return at.replace(microsecond=0) - as_of > limit


def _feed_too_old(given: Given, at: datetime) -> bool:
    """Past the limit no domestic party is known, of whatever day; a feed that never said anything knows nobody either."""
    feed = given.feed
    if feed.limit is None:
        return False
    return feed.as_of is None or at.replace(microsecond=0) - feed.as_of > timedelta(seconds=feed.limit)


def _domestic(given: Given, terms: dict[str, Any]) -> tuple[bool, bool]:
    """Whether a domestic party prevails, and whether the rule for one of them is unknown.

    A Discredited or Seriously Discredited one does as the law of the day says. One that is an AEO at home and whose measures are
    suspended is an ordinary trader, unless the law of the day says otherwise. Nobody else ever does.
    """
    prevails = unknown = False
    for party in given.parties:
        if party.tier in ("discredited", "seriously-discredited"):
            rule = terms["prevailing"] if terms["prevailing"] is None else party.tier in terms["prevailing"]
        elif party.tier in ("advanced-certified", "certified") and party.suspended:
            rule = terms["suspended_prevails"]
        else:
            rule = False
        prevails |= rule is True
        unknown |= rule is None
    return prevails, unknown


def _party_warnings(given: Given) -> Iterator[str]:
    for party in given.parties:
        if given.feed.complete and not party.known:
            yield "party-unknown"
        if party.passed_on:
            yield "party-code-passed-on"
        if party.slips:
            yield "code-folded"


def _against(given: Given, at: datetime, asked: datetime, on: date, levels: frozenset[str] | AnyLevel | None) -> Iterator[str]:
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
    word = standing(told, at, asked)
    dated = [one for one in told if one.line.granted or one.line.expires]
    certificate = period(dated, at, zone)
    if word is None or (certificate is None and dated):
        yield "not-yet-valid"
    if certificate and certificate.line.expires and certificate.line.expires < on:
        yield "expired"  # dates are compared: the day in China with the day printed
    if word and word.standing != "valid":
        yield word.standing


def said(given: Given) -> list[Said]:
    """What counts of what was told, in the order of issue."""
    counted = []
    for line in (*given.told, *given.then):
        made = line.list or line.response or line.update or line.notice
        assert made
        received = line.received or made
        if given.known_at and received > given.known_at:
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
        if effect <= made:  # now or before it, by a clock that may be ahead of ours
            effect = min(effect, received)
        kind = "bulk" if line.list else "urgent" if line.notice else "normal"
        numbering = (kind, line.epoch) if line.sequence else None
        counted.append(Said(made, effect, standing, picture, line, numbering, line.sequence))
    return in_order(counted)


def in_order(told: list[Said]) -> list[Said]:
    """From the last word backwards: of those that nothing left was certainly issued after, a loss goes before a grant."""
    left, order = list(told), list[Said]()
    while left:
        open_ = [one for one in left if not any(_after(other, one, told) for other in left)]
        losses = [one for one in open_ if one.standing != "valid"]
        # Of several losses, and of several grants, the moment decides; of those of one moment the graver has the last word.
        last = max(losses or open_, key=lambda one: (one.issued, GRAVITY.index(one.line.says)))
        left.remove(last)
        order.insert(0, last)
    return order


def _after(later: Said, one: Said, told: list[Said]) -> bool:
    """Whether ``later`` was certainly issued after ``one``: its sender numbered them so, or clocks can tell.

    A picture counts at the moment it shows, which may lie long before its number, but not after it. So what was numbered after a picture is
    later; a picture itself is later than what was numbered before it only where its moment agrees, or where clocks can tell.
    """
    if _numbered_before(one, later):
        return True
    if _numbered_before(later, one):
        return False
    numbered_so = one.numbering and one.numbering == later.numbering and one.number < later.number
    if numbered_so and earliest(later, told) >= latest(one, told):
        return True
    return earliest(later, told) - latest(one, told) >= SKEW


def earliest(one: Said, told: list[Said]) -> datetime:
    """The earliest moment of issue that its sender's clock and numbers leave: no later than what was numbered after it."""
    return min(other.issued for other in told if other is one or _numbered_before(one, other))


def latest(one: Said, told: list[Said]) -> datetime:
    """The latest: no earlier than what was numbered before it. Where a clock went back, it cannot tell which moment is the right one."""
    return max(other.issued for other in told if other is one or _numbered_before(other, one))


def _numbered_before(one: Said, other: Said) -> bool:
    """Whether the sender's numbers alone show that ``one`` was issued before ``other``, a message that pictures nothing."""
    alike = one.numbering and one.numbering == other.numbering and not other.picture
    return bool(alike) and one.number < other.number


def undecided(told: list[Said]) -> bool:
    """Whether two statements are left of one moment, equally grave and not numbered: no rule says which of them is the later."""
    return any(
        one.issued == other.issued
        and one.line.says == other.line.says
        and not (_after(one, other, told) or _after(other, one, told))
        and (one.effect, one.line.granted, one.line.expires, one.picture)
        != (other.effect, other.line.granted, other.line.expires, other.picture)
        for one, other in combinations(told, 2)
    )


def annulled_beside_another_loss(told: list[Said]) -> bool:
    """Whether something is annulled that an update or notice says is lost otherwise: lost it is, by whichever of the two words."""
    return any(one.standing == "annulled" for one in told) and any(
        not one.picture and one.standing not in ("valid", "annulled") for one in told
    )


def standing(told: list[Said], at: datetime, asked: datetime) -> Said | None:
    """The standing at ``at`` as things are when ``asked``: an annulment in effect later, and by then, makes void what was before it."""
    for moment in sorted(one.effect for one in told):
        if at < moment <= asked and (void := _last_word(told, moment, asked)) and void.standing == "annulled":
            return void
    return _last_word(told, at, asked)


def _last_word(told: list[Said], at: datetime, asked: datetime) -> Said | None:
    """Who has the last word about ``at``: of those that reach it, each in place of the one before, but for a loss announced for later.
    An annulment that has come reaches back to the start of the authorisation, whatever was said after it about later days."""
    word: Said | None = None
    for place, one in enumerate(told):
        came = one.standing == "annulled" and one.effect <= asked and not _taken_back(one, told[place + 1 :])
        if one.effect > at and not came:
            continue
        if one.effect > at and word and word.standing == "annulled":
            continue  # void already, by a word that reaches it
        if word and word.standing != "valid" and not word.picture and word.effect >= one.effect:  # it was announced for later
            if one.picture:
                continue  # a list or response never lifts it
            if one.standing != "valid" and GRAVITY.index(word.standing) > GRAVITY.index(one.standing):
                continue  # nor does a lesser loss (choice)
            if one.standing != "valid":
                one = one._replace(effect=word.effect)  # one that takes its place is no easier lifted
        word = one
    return word


def _taken_back(annulment: Said, later: Iterable[Said]) -> bool:
    """Whether an update or notice lifted an announced annulment before it came: then it never was in effect."""
    return any(
        one.standing == "valid" and not one.picture and one.effect <= annulment.effect and one.issued < annulment.effect
        for one in later
    )


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
