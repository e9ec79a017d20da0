"""A question about a declared foreign AEO, and its answer: the words of ``eligibility.decide`` (core/RULES.md, The question)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum

import msgspec

from gateway.core.arrangement import Direction, Measure, MeasureScope, Mode, Role
from gateway.core.home import Tier


class Verdict(StrEnum):
    """Undetermined means ordinary treatment, as not eligible does; it says that we cannot know, not that we know."""

    ELIGIBLE = "eligible"
    NOT_ELIGIBLE = "not-eligible"
    UNDETERMINED = "undetermined"


class Reason(StrEnum):
    """Why not: the closed list, in its order (core/RULES.md, Reasons and warnings). Beside each, the facts of its sentence."""

    NO_OVERSEAS_PARTY = "no-overseas-party"
    CODE_MALFORMED = "code-malformed"  # character, position | length, longest | example (what a right one looks like)
    AMBIGUOUS_CODE = "ambiguous-code"  # readings
    NO_ARRANGEMENT = (
        "no-arrangement"  # code, own? ("yes": it is a code of ours), note? (what a person should know of such codes, as a word)
    )
    NOT_IN_FORCE = "not-in-force"  # known: "no" or "unknown"
    ARRANGEMENT_STOPPED = "arrangement-stopped"  # since, until?, reason, by
    DIRECTION_NOT_COVERED = "direction-not-covered"  # asked, covered
    MODE_NOT_COVERED = "mode-not-covered"  # asked ("" where the question named none), covered
    ROLE_NOT_COVERED = "role-not-covered"  # asked, covered
    TERMS_UNKNOWN = "terms-unknown"  # term, note
    OPERATOR_UNKNOWN = "operator-unknown"  # code
    LEVEL_NOT_RECOGNISED = "level-not-recognised"  # level ("" where none was stated), recognised, number?
    NOT_YET_VALID = "not-yet-valid"  # from, level?, number?
    EXPIRED = "expired"  # expires, level?, number?
    SUSPENDED = "suspended"  # from (an annulment has none), level?, number?; so have the other standings
    REVOKED = "revoked"
    ANNULLED = "annulled"
    WITHDRAWN = "withdrawn"
    DELISTED = "delisted"
    STOPPED_BY_US = "stopped-by-us"  # since, until?, reason, by
    DOMESTIC_PARTY_PREVAILS = "domestic-party-prevails"  # party, and tier or measures ("suspended")
    DATA_TOO_OLD = (
        "data-too-old"  # as_of? (none: no complete list was ever received), limit? in seconds; of: "domestic" for our own feed
    )
    NOT_CURRENT = "not-current"


class Warn(StrEnum):
    """What a person should look at, though it decides nothing: the closed list."""

    DATA_OLD = "data-old"  # age and limit in seconds
    NAME_DIFFERS = "name-differs"  # declared | before, stated
    CODES_DISAGREE = "codes-disagree"  # declared, manifest
    CODE_FOLDED = "code-folded"  # declared, read, slips
    PATTERN_UNCONFIRMED = "pattern-unconfirmed"  # example?
    HELD_FOR_REVIEW = "held-for-review"  # message
    TRANSCRIBED = "transcribed"  # message
    PARTY_UNKNOWN = "party-unknown"  # party
    PARTY_CODE_PASSED_ON = "party-code-passed-on"  # party, since
    ALIAS_USED = "alias-used"  # alias, code (partner messages and cases only)


class Party(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A domestic party of the declaration. ``tier`` and ``suspended`` hold on the day asked on; None: the gateway knows no tier.

    ``declared`` is the text as typed, where it was folded to ``id`` (``slips``). ``known``: the feed spoke of it. ``passed_on``: the day on
    which the customs code asked by passed on, from the party or, where it has it still, to it.
    """

    id: str
    tier: Tier | None = None
    suspended: bool = False
    declared: str | None = None
    slips: tuple[str, ...] = ()
    known: bool = True
    passed_on: date | None = None


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A code as declared, and the circumstances. ``now`` and ``known_at`` are aware; ``on`` is a day in Asia/Shanghai, None: today there.

    ``direction`` None asks for both. ``manifest`` is what the manifest gives for the same party, where it was asked; ``name`` the declared
    name. ``known_at`` only bounds the age of the data: the caller brings history, rules and stops as they were known then.
    """

    code: str
    now: datetime
    on: date | None = None
    direction: Direction | None = None
    mode: Mode | None = None
    role: Role | None = None
    name: str | None = None
    manifest: str | None = None
    parties: tuple[Party, ...] = ()
    known_at: datetime | None = None


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """Our own hand: an operator's (by its code) or an arrangement's (by its code) benefits, stopped from ``since`` until before ``until``."""

    target: str
    since: datetime
    until: datetime | None = None
    reason: str
    by: str

    @property
    def edges(self) -> tuple[datetime | None, ...]:
        """The moments at which it begins and ends to count."""
        return self.since, self.until


class Disruption(msgspec.Struct, frozen=True, kw_only=True):
    """A disruption of trade declared by a person; ``where`` is an arrangement's code, a member's, or ``*`` for all of them.

    While it lasts nothing moves. Priority (measure R) is from the declared resumption, ``resumed``, until before its declared end,
    ``until``; without both there is none.
    """

    where: str
    since: datetime
    resumed: datetime | None = None
    until: datetime | None = None
    what: str
    by: str

    @property
    def edges(self) -> tuple[datetime | None, ...]:
        """The moments at which priority begins and ends."""
        return self.resumed, self.until


class Switches(msgspec.Struct, frozen=True, kw_only=True):
    """Every stop and disruption of ours that was known, by what it targets."""

    operators: Mapping[str, Sequence[Stop]] = {}
    arrangements: Mapping[str, Sequence[Stop]] = {}
    disruptions: Mapping[str, Sequence[Disruption]] = {}


class Currency(msgspec.Struct, frozen=True, gc=False):
    """How far a partner's data reaches: ``as_of`` of its last complete list for the operator's scope; None: never received."""

    as_of: datetime | None = None


class Feed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far domestic parties are known: ``as_of`` when what the feed said was so (None: it never said anything), and ``limit``, the age
    in seconds from which on it is too old to know anybody by (None: no limit is set). ``complete``: it names every enterprise there is."""

    as_of: datetime | None = None
    limit: int | None = None
    complete: bool = False

    @property
    def ends(self) -> int | None:
        """From when on (epoch seconds) nobody is known by it; None: it never grows too old, or never said anything."""
        return None if self.limit is None or self.as_of is None else int(self.as_of.timestamp()) + self.limit + 1

    def too_old(self, at: int) -> bool:
        """Whether nobody is known by it at ``at`` (epoch seconds): what never said anything is too old for any limit."""
        return self.limit is not None and (self.ends is None or at >= self.ends)


#: A feed that is never too old, and claims nothing.
ALWAYS_KNOWN = Feed()


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """One reason. ``direction`` None: for every direction asked. ``source`` cites the term, the law or the partner's message."""

    code: Reason
    facts: dict[str, str] = {}
    source: str | None = None
    direction: Direction | None = None


class Caution(msgspec.Struct, frozen=True, kw_only=True):
    """One warning."""

    code: Warn
    facts: dict[str, str] = {}


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """One measure: what it attaches to, clearance's own code for it on that day, the term that grants it, and for which directions."""

    measure: Measure
    scope: MeasureScope
    clearance_code: str | None
    source: str | None
    directions: tuple[Direction, ...]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one direction. The first reason decides; where something is granted, reasons say what is not."""

    direction: Direction
    verdict: Verdict
    grant: bool
    measures: tuple[Granted, ...] = ()
    reasons: tuple[Why, ...] = ()


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """A statement this answer rests on, and where to find it."""

    says: str
    message_id: str
    digest: str
    issued: datetime
    received: datetime
    level: str | None = None
    number: str | None = None
    transcribed: bool = False
    derived: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer. ``verdict`` and ``grant`` are the best of ``directions``; every measure says for which it holds.

    ``moment`` is the instant judged (UTC); ``ask_again`` the next at which this answer can change by itself, None: never.
    ``data_as_of`` and ``data_age`` (seconds, at the moment judged) say how far the partner's data reaches.
    """

    declared: str
    code: str | None
    arrangement: str | None
    on: date
    moment: datetime
    verdict: Verdict
    grant: bool
    measures: tuple[Granted, ...]
    reasons: tuple[Why, ...]
    warnings: tuple[Caution, ...]
    directions: tuple[Decision, ...]
    evidence: tuple[Used, ...]
    data_as_of: datetime | None
    data_age: int | None
    ask_again: datetime | None
    arrangement_digest: str | None
    law_digest: str
    known_at: datetime | None = None
