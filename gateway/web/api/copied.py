"""The lines of a local copy, and its cursors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import NamedTuple, Self

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.history import unpack
from gateway.store.active import ActivePartner, ActivePartners
from gateway.store.listings import last_complete
from gateway.store.switches import Switch, recorded
from gateway.views.copies import Held
from gateway.web.api.records import Ran, Stood, authorised, moment


class RanFrom(Ran, frozen=True, kw_only=True):
    """A certificate that counts from ``since`` until the next one does, and is valid before ``until`` (null: no end was stated). It begins
    at its issuer's midnight, and the printed day ends at China's."""

    since: datetime | None
    until: datetime | None


class CopiedAuthorisation(msgspec.Struct, frozen=True, kw_only=True):
    """One authorisation: its two tracks, each in the order of time. A standing holds from its ``since`` until the next one's; ``annulled``,
    once its ``since`` has come, is void from the beginning."""

    level: str | None
    number: str | None
    standings: Sequence[Stood]
    periods: Sequence[RanFrom]


class CopiedStop(msgspec.Struct, frozen=True, kw_only=True):
    """A stop of ours, from ``since`` until before ``until`` (null: no end was said)."""

    since: datetime
    until: datetime | None
    reason: str


class CopiedOperator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator as it stood when ``position`` entries of the journal were sealed, or a moment later. It takes the place of whatever was
    told of this code before."""

    code: str
    arrangement: str
    member: str | None
    names: Sequence[str]
    local_name: str | None
    authorisations: Sequence[CopiedAuthorisation]
    stops: Sequence[CopiedStop]
    position: int


class CopiedArrangement(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps everybody of an arrangement from being relied on: our own stops of it, and the age of the partner's data. ``lists`` is the
    moment of the last complete list by its scope, ``*`` or a member; of those that cover an operator the later counts. Where it is more than
    ``stop_after`` seconds ago (null: however long), or there is none, the data is too old. ``state`` is of the exchange alone."""

    iso: str
    state: str
    stop_after: int | None
    lists: Mapping[str, datetime]
    stops: Sequence[CopiedStop]


class CopyCursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far a copy is in step once every line before this one is applied; ask for changes after ``cursor`` next. ``position``: so many
    entries of the journal are in it. Only what is ``complete`` may be relied on: it holds all that was committed before ``as_of``, and that
    was ``age`` seconds ago when this line was sent (null: not known now)."""

    cursor: str
    position: int
    complete: bool
    as_of: datetime | None
    age: float | None


class CopyLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a copy: one of the three."""

    operator: CopiedOperator | UnsetType = UNSET
    arrangement: CopiedArrangement | UnsetType = UNSET
    cursor: CopyCursor | UnsetType = UNSET


_CURSOR = re.compile(r"(0|[1-9][0-9]{0,17})-([0-9a-f]{16})-([0-9a-f]{8})-([0-9a-f]{8})", re.ASCII)


class Cursor(NamedTuple):
    """A position of the journal, and by what it is known whether one may go on from it: which entry lies before it (after a restore it may be
    another), whom the arrangements count as members (a record names one), and what was last told of the arrangements."""

    position: int
    leaf: str
    members: str
    arrangements: str

    def __str__(self) -> str:
        return "-".join(map(str, self))

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises ``Refusal`` CURSOR_LOST."""
        if not (found := _CURSOR.fullmatch(text)):
            raise lost("This is no cursor of the gateway's.", text)
        return cls(int(found[1]), found[2], found[3], found[4])


def lost(detail: str, cursor: str) -> Refusal:
    return Refusal(Code.CURSOR_LOST, detail, field="after", value=cursor)


def leaf_mark(leaf: bytes | None) -> str:
    """An entry, as a cursor names it; before the first there is none."""
    return (leaf or bytes(8))[:8].hex()


def members_mark(partners: ActivePartners) -> str:
    """Who counts as whose member, as a cursor names it."""
    members = [(iso, one.iso, one.prefixes) for iso, live in sorted(partners.all().items()) for one in live.arrangement.members]
    return sha256(repr(members).encode()).hexdigest()[:8]


def operator_line(held: Held, live: ActivePartner | None, position: int, now: datetime) -> CopyLine:
    """An operator whose view holds ``position`` entries. ``live`` None: its partner's data cannot be opened."""
    timeline, member = unpack(held.timeline), live.arrangement.member_of(held.tin) if live else None
    authorisations = []
    for one in timeline.authorisations:
        shown = authorised(one, timeline, int(now.timestamp()))
        ran = [
            RanFrom(
                granted=said.granted,
                expires=said.expires,
                message_id=said.message_id,
                since=moment(run.since),
                until=None if run.until is None else moment(run.until),
            )
            for said, run in zip(shown.periods, one.periods, strict=True)
        ]
        authorisations.append(CopiedAuthorisation(level=one.level, number=one.number, standings=shown.standings, periods=ran))
    return CopyLine(
        operator=CopiedOperator(
            code=held.tin,
            arrangement=held.partner,
            member=member.iso if member else None,
            names=timeline.names,
            local_name=timeline.local_name,
            authorisations=authorisations,
            stops=_stops(held.stops),
            position=position,
        )
    )


def arrangement_lines(connection: Connection, partners: ActivePartners, day: date) -> list[CopyLine]:
    """Every arrangement, with the limit of that day."""
    lists, stops = last_complete(connection), recorded(connection, ("arrangement",))
    lines = []
    for iso, live in sorted(partners.all().items()):
        with partners.problems.apart(iso, "showing"):
            limit = live.arrangement.stop_after.on(day).value
            lines.append(
                CopyLine(
                    arrangement=CopiedArrangement(
                        iso=iso,
                        state=live.state,
                        stop_after=None if limit is None else int(limit.total_seconds()),
                        lists={scope: as_of for (partner, scope), as_of in sorted(lists.items()) if partner == iso},
                        stops=_stops(one for one in reversed(stops) if one.subject == iso),
                    )
                )
            )
    return lines


def _stops(stops: Iterable[Switch]) -> list[CopiedStop]:
    return [CopiedStop(since=one.since, until=one.ends, reason=one.reason) for one in stops]
