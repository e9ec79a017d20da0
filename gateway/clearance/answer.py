"""Story three: what is this declared foreign AEO entitled to, and why.

    1  read the declared text: which code, of which arrangement
    2  what was said of the operator, and how far the partner's data reaches
    3  our own hand, the law, the domestic parties, and whether this node can know
    4  decide

Everything comes from memory, in microseconds, and nothing is written. What a partner's *state* says (active, suspended, retired) plays
no part: it is about the exchange of messages. Benefits end by the terms, by our own hand or because the data grows too old (choice).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec
from sqlalchemy import Connection

from gateway import partners
from gateway.core.arrangement import Arrangement, Direction, Law, Mode, Role
from gateway.core.day import home_day
from gateway.core.declared import CodeRegistry, near, resolve
from gateway.core.eligibility import decide
from gateway.core.history import Timeline
from gateway.core.question import ALWAYS_KNOWN, Answer, Currency, Feed, Party, Question, Reason, Switches
from gateway.domestic.claim import FeedStatus
from gateway.store import feed_claims, switches
from gateway.store.active import ActivePartners
from gateway.store.listings import last_complete

NEVER = Currency()


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question as a caller puts it; what is left out is not known to him. ``parties`` are domestic, by USCC or customs code."""

    code: str
    on: date | None = None
    direction: Direction | None = None
    mode: Mode | None = None
    role: Role | None = None
    name: str | None = None
    manifest: str | None = None
    parties: tuple[str, ...] = ()


class Knowledge(CodeRegistry, Protocol):
    """What was known at a moment; a node's own ``Answers`` is what is known now."""

    @property
    def law(self) -> Law: ...

    @property
    def switches(self) -> Switches: ...

    def timeline(self, arrangement: Arrangement, code: str) -> Timeline | None:
        """What was said of the operator, folded."""
        ...

    def currency(self, arrangement: Arrangement, code: str) -> Currency:
        """How far the partner's data reaches for the operator."""
        ...

    def feed(self, on: date) -> Feed:
        """How far domestic parties are known, for a question about the day ``on``."""
        ...


def answer_from(
    knowledge: Knowledge,
    asked: Asked,
    *,
    now: datetime,
    current: bool = True,
    known_at: datetime | None = None,
    parties: tuple[Party, ...] = (),
) -> Answer:
    """The answer to one question, from what was known."""
    on = asked.on or home_day(int(now.timestamp()))
    declared = resolve(asked.code, knowledge, on)  # 1
    code, arrangement = declared.code, declared.arrangement
    timeline, currency = None, NEVER
    if code and arrangement:  # 2
        timeline, currency = knowledge.timeline(arrangement, code), knowledge.currency(arrangement, code)
    question = Question(
        code=asked.code,
        now=now,
        on=asked.on,
        direction=asked.direction,
        mode=asked.mode,
        role=asked.role,
        name=asked.name,
        manifest=asked.manifest,
        parties=parties,
        known_at=known_at,
    )
    return decide(  # 3, 4
        question,
        declared,
        arrangement=arrangement,
        timeline=timeline,
        currency=currency,
        switches=knowledge.switches,
        law=knowledge.law,
        current=current,
        feed=knowledge.feed(on) if parties else ALWAYS_KNOWN,
    )


class ReadIndex(Protocol):
    """The node's read index, as far as answers need it."""

    def get(self, code: str) -> Timeline | None: ...

    def known(self, code: str) -> bool: ...

    def current(self, now: datetime) -> bool: ...


#: Why nobody is known by a code, where a slip of a key may be all there is to it.
_UNRECOGNISED = (Reason.OPERATOR_UNKNOWN, Reason.CODE_MALFORMED, Reason.NO_ARRANGEMENT)


def unrecognised(answer: Answer) -> str | None:
    """The code as it was read, where nobody is known by it and near misses may help a person; None: somebody is."""
    lead = answer.reasons[0].code if answer.reasons else None
    return (answer.code or answer.declared) if lead in _UNRECOGNISED else None


class AnswerBasis(NamedTuple):
    """What is the same for every operator."""

    registry: partners.Registry
    law: Law
    reach: ListCoverage
    switches: Switches


class Answers:
    """What is known now. Whoever follows the journal calls ``refresh``; any number of threads may ask. ``domestic_stop_after``: past what
    age the domestic feed knows nobody (None: never)."""

    def __init__(
        self,
        partners: ActivePartners,
        index: ReadIndex,
        clock: Callable[[], datetime],
        domestic_stop_after: timedelta | None = None,
    ) -> None:
        self._partners, self._index, self.now = partners, index, clock
        self._domestic_stop_after = domestic_stop_after
        self._feed = FeedStatus()
        self._reach = ListCoverage({})
        self.switches = Switches()
        self.known = index.known

    def refresh(self, connection: Connection) -> None:
        """Follows the lists that came in, our own switches, and what the domestic feed claims."""
        self._reach = ListCoverage(last_complete(connection))
        self.switches = switches.switches(connection)
        self._feed = feed_claims.status(connection)

    def answer(self, asked: Asked, parties: tuple[Party, ...] = ()) -> Answer:
        """The answer now. Raises ``Refusal`` NOT_FOUND before anything was activated."""
        now = self.now()
        return answer_from(self, asked, now=now, current=self._index.current(now), parties=parties)

    def near(self, code: str) -> list[str]:
        """Known codes one slip away, for a person to look at; nothing is ever granted by them."""
        return near(code, self)

    @property
    def law(self) -> Law:
        return self._partners.law

    @property
    def ground(self) -> AnswerBasis:
        """What every answer now rests on; another one once any of it has changed."""
        return AnswerBasis(self._partners.registry, self._partners.law, self._reach, self.switches)

    def arrangement_for(self, code: str) -> Arrangement | None:
        return self._partners.registry.arrangement_for(code)

    def timeline(self, arrangement: Arrangement, code: str) -> Timeline | None:
        return self._index.get(code)

    def currency(self, arrangement: Arrangement, code: str) -> Currency:
        return self._reach.of(arrangement, code)

    def feed(self, on: date) -> Feed:
        return self._feed.on(on, self._domestic_stop_after)


class ListCoverage:
    """``as_of`` of the last complete list by partner and scope: ``*`` is the whole arrangement, otherwise one member."""

    def __init__(self, lists: Mapping[tuple[str, str], datetime]) -> None:
        self._whole = {partner: Currency(as_of) for (partner, scope), as_of in lists.items() if scope == "*"}
        self._members = {where: Currency(as_of) for where, as_of in lists.items() if where[1] != "*"}

    def of(self, arrangement: Arrangement, code: str) -> Currency:
        """The later of the two lists that cover an operator: the whole arrangement's, and its own member's."""
        whole = self._whole.get(arrangement.iso, NEVER)
        member = arrangement.member_of(code) if self._members else None
        own = self._members.get((arrangement.iso, member.iso), NEVER) if member else NEVER
        if own.as_of is None or (whole.as_of is not None and whole.as_of > own.as_of):
            return whole
        return own
