"""What one administration said about one operator, folded into period and standing (core/RULES.md, Two tracks)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import zip_longest
from typing import Generic, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.history import ALWAYS, DERIVED, HELD, TRANSCRIBED, Authorisation, Evidence, Period, Stand, Timeline, midnight
from gateway.core.home import HOME_ZONE
from gateway.core.model import PlacedStatement, Standing, Statement
from gateway.core.moments import from_epoch
from gateway.core.order import GRAVITY, in_order_of_issue
from gateway.core.reissue import as_first_said

T = TypeVar("T")


def fold(placed: Iterable[PlacedStatement], zone: ZoneInfo) -> Timeline:
    """Fold statements about one operator, in any order of arrival, into its timeline.

    1. Void statements are left out. A held grant grants nothing and a held omission takes nothing; a held loss counts.
    2. The rest is put in the order of issue (``order.py``), what is said again in the place of what it repeats (``reissue.py``).
    3. It is divided among the authorisations it speaks of; what no longer names one of them delists that one.
    4. Each authorisation's standing and period are overlaid, statement by statement.

    ``zone`` is the issuer's own, where its days begin (the EU: the member's). ``Told.digest`` is hexadecimal. That all statements are of
    one operator is not checked.
    """
    valid = [one for one in as_first_said([*placed]) if one.voided is None]
    if len(valid) == 1 and not waits(valid[0]):
        return _alone(valid[0], zone)
    ordered = in_order_of_issue(valid)
    waiting = any(waits(one) for one in valid)
    # What waits for a person orders nothing either.
    applied = in_order_of_issue([one for one in valid if not waits(one)]) if waiting else ordered
    witnesses = _Witnesses()
    authorisations = tuple([_authorisation(identity, about, zone, witnesses) for identity, about in _divided(applied, zone)])
    # Any later word of the partner about this operator answers what the held list left open.
    held = witnesses.index(ordered[-1]) if waiting and waits(ordered[-1]) else None
    return Timeline(
        names=tuple(dict.fromkeys(one.statement.name for one in reversed(applied) if one.statement.name)),
        local_name=next((one.statement.name_local for one in reversed(applied) if one.statement.name_local), None),
        authorisations=authorisations,
        evidence=witnesses.all(),
        held=held,
    )


def _alone(one: PlacedStatement, zone: ZoneInfo) -> Timeline:
    """The same, of a single statement: nearly every operator of a first list, in a third of the time."""
    said, stated, dated = one.statement, _stated(one), _dated(one, zone)
    return Timeline(
        names=(said.name,) if said.name else (),
        local_name=said.name_local or None,
        authorisations=(
            Authorisation(said.level, said.number, (Stand(stated.since, stated.what, 0),), (_kept(dated, 0),) if dated else ()),
        ),
        evidence=(_evidence(one),),
    )


def waits(one: PlacedStatement) -> bool:
    """Whether it counts only once a person has let it."""
    return one.held and (one.derived or one.statement.standing.grants)


class _Identity(NamedTuple):
    """What tells one authorisation of an operator from another, as far as it was stated."""

    level: str | None
    number: str | None

    def narrower_than(self, other: _Identity) -> bool:
        return self != other and all(theirs in (None, ours) for ours, theirs in zip(self, other, strict=True))


def _divided(applied: list[PlacedStatement], zone: ZoneInfo) -> Iterator[tuple[_Identity, list[PlacedStatement]]]:
    """Every authorisation, and what was said of it. Authorisations are told apart by what was granted; a loss that is about none of
    them stands alone, and no grant that names no authorisation can turn it into one (choice: a loss never grants)."""
    if len(applied) == 1:  # most operators there are
        yield _Identity(applied[0].statement.level, applied[0].statement.number), applied
        return
    grants = [one for one in applied if one.statement.standing.grants]
    granted = _narrowest(grants)
    for identity in granted:
        about = [one for one in applied if _addresses(one, identity)]
        if len(about) == len(applied):
            yield identity, about
            continue
        # One message may grant one authorisation and take another: which of them it is here decides where clocks cannot tell.
        yield identity, in_order_of_issue([*about, *_omissions(identity, about, applied, zone)])
    strays = [
        one for one in applied if not one.statement.standing.grants and not any(_addresses(one, identity) for identity in granted)
    ]
    for identity in _narrowest(strays):
        yield identity, [one for one in strays if _addresses(one, identity)]


def _narrowest(placed: list[PlacedStatement]) -> list[_Identity]:
    """Every identity stated, but for those that only leave out a part of another."""
    stated = dict.fromkeys(_Identity(one.statement.level, one.statement.number) for one in placed)
    return [identity for identity in stated if not any(other.narrower_than(identity) for other in stated)]


def _addresses(one: PlacedStatement, identity: _Identity) -> bool:
    """Whether a statement is about this authorisation: one that names no level or number is about every one that has the parts
    it does name; a loss, also about one of which those parts are not known (choice: fail closed)."""
    loses = not one.statement.standing.grants
    parts = (one.statement.level, one.statement.number)
    return all(said in (None, ours) or (loses and ours is None) for said, ours in zip(parts, identity, strict=True))


def _omissions(
    identity: _Identity, about: list[PlacedStatement], applied: list[PlacedStatement], zone: ZoneInfo
) -> Iterator[PlacedStatement]:
    """Delistings of one authorisation that had begun, by what speaks of its operator and not of it: a picture, which shows all there
    is (its parts are of one moment), or a grant of the same number at another level (choice: fail closed)."""
    named = {_word(one) for one in about}
    begun = min(_begins(one, zone) for one in about if one.statement.standing.grants)
    for one in {_word(one): one for one in applied if one.pictured or _replaces(one, identity)}.values():
        if _word(one) not in named and begun <= (since := one.issued if one.pictured else _begins(one, zone)):
            gone = Statement(tin=one.statement.tin, standing=Standing.DELISTED, level=identity.level, number=identity.number)
            yield msgspec.structs.replace(one, statement=gone, takes_effect=since, derived=True)


def _word(one: PlacedStatement) -> tuple[bool, datetime | str]:
    """What was said together: a picture's parts, or one message."""
    return one.pictured, one.issued if one.pictured else one.message_id


def _begins(one: PlacedStatement, zone: ZoneInfo) -> datetime:
    """When what was granted begins."""
    granted = midnight(one.statement.granted, zone) if one.statement.granted else ALWAYS
    return from_epoch(granted) if granted > _seconds(one.takes_effect) else one.takes_effect


def _replaces(one: PlacedStatement, identity: _Identity) -> bool:
    """Whether ``one`` grants the certificate of this number at another level."""
    level, number = one.statement.level, one.statement.number
    return (
        one.statement.standing.grants and number is not None and number == identity.number and None not in (level, identity.level)
    )


class _Segment(NamedTuple, Generic[T]):
    """A piece of either track under construction: ``what`` holds from ``since`` on, because ``placed`` said so."""

    since: int
    what: T
    placed: PlacedStatement


class _Dates(NamedTuple):
    granted: date | None
    expires: date | None
    until: int | None


def _authorisation(identity: _Identity, placed: list[PlacedStatement], zone: ZoneInfo, witnesses: _Witnesses) -> Authorisation:
    stands: list[_Segment[Standing]] = []
    periods: list[_Segment[_Dates]] = []
    for one in placed:
        stands = _stand(stands, one)
        periods = _period(periods, one, zone)
    return Authorisation(
        identity.level,
        identity.number,
        tuple(Stand(since, standing, witnesses.index(one)) for since, standing, one in _merged(stands)),
        tuple(_kept(period, witnesses.index(period.placed)) for period in _merged(periods)),
    )


def _kept(period: _Segment[_Dates], evidence: int) -> Period:
    dates = period.what
    return Period(period.since, dates.until, _ordinal(dates.granted), _ordinal(dates.expires), evidence)


def _stated(one: PlacedStatement) -> _Segment[Standing]:
    standing = Standing.VALID if one.statement.standing.grants else one.statement.standing
    return _Segment(_seconds(one.takes_effect), standing, one)


def _dated(one: PlacedStatement, zone: ZoneInfo) -> _Segment[_Dates] | None:
    granted, expires = one.statement.granted, one.statement.expires
    if granted is None and expires is None:
        return None
    until = midnight(expires + timedelta(days=1), HOME_ZONE) if expires and expires < date.max else None
    return _Segment(_counts_from(one, zone), _Dates(granted, expires, until), one)


def _stand(track: list[_Segment[Standing]], one: PlacedStatement) -> list[_Segment[Standing]]:
    """What one statement does to the standing. A loss that an update or notice announced is not lifted by a picture taken no later
    than it comes; nor by another loss, which takes its place only where it is as grave (choice: suspended now does not undo
    revoked from June on), and is then no easier lifted."""
    effect, said = _seconds(one.takes_effect), _stated(one)
    standing = said.what

    def left(later: _Segment[Standing]) -> _Segment[Standing] | None:
        if later.what.grants or later.placed.pictured or _seconds(later.placed.takes_effect) < effect:
            return None
        if one.pictured:
            return later
        if standing.grants:
            return None
        if GRAVITY[later.what] > GRAVITY[standing]:
            return later
        return said._replace(since=later.since, placed=msgspec.structs.replace(one, takes_effect=later.placed.takes_effect))

    return _void(_overlay(track, said, left), track, said)


def _void(
    overlaid: list[_Segment[Standing]], track: list[_Segment[Standing]], said: _Segment[Standing]
) -> list[_Segment[Standing]]:
    """The same, void from the start where ``said`` took the place of an annulment, or could not take that of another loss: of what was
    before it nothing was said since. An annulment that an update or notice lifted before it came never was."""
    if not track or track[-1].since < said.since:  # nothing was there to take the place of
        return overlaid
    one = said.placed
    lifts = said.what.grants and not one.pictured
    for gone in (said, *track):
        if gone.what is not Standing.ANNULLED or gone.since < said.since or (lifts and _seconds(one.issued) < gone.since):
            continue
        if not any(kept.what is Standing.ANNULLED and said.since <= kept.since <= gone.since for kept in overlaid):
            return [gone._replace(since=ALWAYS), *(segment for segment in overlaid if segment.since >= said.since)]
    return overlaid


def _period(track: list[_Segment[_Dates]], one: PlacedStatement, zone: ZoneInfo) -> list[_Segment[_Dates]]:
    """What one statement does to the period: its dates count from the day it was granted. A picture of a certificate that had
    begun leaves alone one that was announced to begin later (choice: a monthly list must not undo a renewal told before it)."""
    said, effect = _dated(one, zone), _seconds(one.takes_effect)
    if said is None:
        return track
    since = said.since

    def left(later: _Segment[_Dates]) -> _Segment[_Dates] | None:
        return later if one.pictured and since <= effect < _counts_from(later.placed, zone) else None

    return _overlay(track, said, left)


def _counts_from(one: PlacedStatement, zone: ZoneInfo) -> int:
    return midnight(one.statement.granted, zone) if one.statement.granted else _seconds(one.takes_effect)


def _overlay(track: list[_Segment[T]], said: _Segment[T], left: Callable[[_Segment[T]], _Segment[T] | None]) -> list[_Segment[T]]:
    """``said`` from its moment on, in place of what the track held about that time but for what is ``left`` of a later segment."""
    if not track:
        return [said]
    earlier = [segment for segment in track if segment.since < said.since]
    later = track[len(earlier) :]
    overlaid = [*earlier, said]
    for segment, following in zip_longest(later, later[1:]):
        if kept := left(segment):
            if overlaid[-1].since == kept.since:
                overlaid.pop()
            overlaid.append(kept)
            if following:
                overlaid.append(said._replace(since=following.since))
    return overlaid


def _merged(track: list[_Segment[T]]) -> Iterator[_Segment[T]]:
    """Saying the same again adds nothing: the first statement stays the evidence, unless a signed one confirms a typed one."""
    last: _Segment[T] | None = None
    for segment in track:
        if last is None or segment.what != last.what or (last.placed.transcribed and not segment.placed.transcribed):
            yield segment
            last = segment


class _Witnesses:
    """Collects evidence, each message once, and says under which index it stands."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], int] = {}
        self._evidence: list[Evidence] = []

    def index(self, one: PlacedStatement) -> int:
        index = self._seen.setdefault((one.message_id, _flags(one)), len(self._evidence))
        if index == len(self._evidence):
            self._evidence.append(_evidence(one))
        return index

    def all(self) -> tuple[Evidence, ...]:
        return tuple(self._evidence)


def _flags(one: PlacedStatement) -> int:
    return TRANSCRIBED * one.transcribed | DERIVED * one.derived | HELD * one.held


def _evidence(one: PlacedStatement) -> Evidence:
    return Evidence(one.message_id, bytes.fromhex(one.digest), _seconds(one.issued), _seconds(one.received), _flags(one))


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _ordinal(day: date | None) -> int | None:
    return day.toordinal() if day else None
