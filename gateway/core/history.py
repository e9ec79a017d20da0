"""What an administration said about one operator, as functions of time (core/RULES.md, Two tracks).

A ``Timeline`` (``fold.py`` makes it) has for every authorisation the standing and the certificate's period. It holds dates, never
verdicts, so nothing has to happen at midnight. It is small (about 150 bytes packed) because the index holds one for every operator
of every partner.

Moments are whole epoch seconds, rounded down; days are proleptic ordinals (``date.toordinal``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from functools import lru_cache
from itertools import zip_longest
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.model import Standing

T = TypeVar("T")

#: The start of time.
ALWAYS = int(datetime.min.replace(tzinfo=UTC).timestamp())

TRANSCRIBED, DERIVED, HELD = 1, 2, 4


class Evidence(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The message behind a segment: its id and raw digest, when it was issued and received, and how we came by it."""

    message_id: str
    digest: bytes
    issued: int
    received: int
    flags: int = 0

    @property
    def transcribed(self) -> bool:
        """A person typed it in from paper or a spreadsheet."""
        return bool(self.flags & TRANSCRIBED)

    @property
    def derived(self) -> bool:
        """Nobody wrote it: a complete list no longer named the operator."""
        return bool(self.flags & DERIVED)


class Stand(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A standing from ``since`` until the next one; ``evidence`` indexes ``Timeline.evidence``."""

    since: int
    standing: Standing
    evidence: int


class Period(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The certificate that counts from ``since`` until the next one. It is valid before ``until``; None: no end was stated.

    ``granted`` and ``expires`` are the days as issued, both inclusive. A beginning is the issuer's own midnight; ``until`` is the midnight
    at home that ends the printed day: expiry compares dates, so that no answer about that day flips back and forth (choice).
    """

    since: int
    until: int | None
    granted: int | None
    expires: int | None
    evidence: int


class Authorisation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One authorisation of one operator: its two tracks, each ascending by ``since``."""

    level: str | None
    number: str | None
    stands: tuple[Stand, ...]
    periods: tuple[Period, ...]

    def standing_at(self, moment: int, now: int) -> Stand | None:
        """The standing at ``moment`` as it is ``now``; None: nothing that was said takes effect so early.

        An annulment that has taken effect by ``now`` makes void what was before it, from the start of the authorisation.
        """
        found = None
        for stand in self.stands:
            if stand.since <= moment or (stand.standing is Standing.ANNULLED and stand.since <= now):
                found = stand
        return found

    def stands_as_of(self, now: int) -> tuple[Stand, ...]:
        """The track of standings as it is ``now``: an annulment that has taken effect was there from the start of time."""
        for index in reversed(range(len(self.stands))):
            stand = self.stands[index]
            if stand.standing is Standing.ANNULLED and stand.since <= now:
                return (Stand(ALWAYS, stand.standing, stand.evidence), *self.stands[index + 1 :])
        return self.stands

    def period_at(self, moment: int) -> Period | None:
        """The certificate that counts at ``moment``, expired or not; None: none begins so early, or none was stated."""
        for period in reversed(self.periods):
            if period.since <= moment:
                return period
        return None


class Timeline(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Everything said of one operator, folded. ``names`` are the different names under which it was stated, the latest first.

    ``held`` indexes the evidence of a list that waits for a person and that nothing issued later has answered; None: none does.
    """

    names: tuple[str, ...]
    local_name: str | None
    authorisations: tuple[Authorisation, ...]
    evidence: tuple[Evidence, ...]
    held: int | None = None

    def next_change_after(self, moment: int) -> int | None:
        """The first moment after ``moment`` at which a standing, a period or what is held changes by itself; None: never."""
        changes = [stand.since for one in self.authorisations for stand in one.stands if stand.since > moment]
        if self.held is not None and (held := self.evidence[self.held].issued) > moment:
            changes.append(held)
        for one in self.authorisations:
            for period in one.periods:
                if period.since > moment:
                    changes.append(period.since)
                if period.until is not None and period.until > moment:
                    changes.append(period.until)
        return min(changes) if changes else None

    def annulled_after(self, moment: int) -> int | None:
        """The first moment after ``moment`` at which an annulment takes effect: then answers about days before it change too."""
        coming = (
            stand.since
            for one in self.authorisations
            for stand in one.stands
            if stand.standing is Standing.ANNULLED and stand.since > moment
        )
        return min(coming, default=None)

    def rests_on(self, moment: int) -> Iterator[str]:
        """Ids of the messages behind whatever holds at ``moment`` or later."""
        for one in self.authorisations:
            tracks: tuple[tuple[Stand | Period, ...], ...] = (one.stands, one.periods)
            for track in tracks:
                ends = [segment.since for segment in track[1:]]
                for segment, end in zip_longest(track, ends):
                    if end is None or end > moment:
                        yield self.evidence[segment.evidence].message_id
        if self.held is not None:
            yield self.evidence[self.held].message_id


#: A timeline as MessagePack: what the store keeps and the index holds.
pack: Callable[[Timeline], bytes] = msgspec.msgpack.Encoder().encode
unpack: Callable[[bytes], Timeline] = msgspec.msgpack.Decoder(Timeline).decode


@lru_cache(maxsize=65_536)
def midnight(day: date, zone: ZoneInfo) -> int:
    """The moment at which ``day`` begins in ``zone``."""
    return int(datetime.combine(day, time.min, zone).timestamp())
