"""What a partner is: terms by date, each value with its provenance.

Three kinds of provenance (core/RULES.md, What we know). A *fact* names its source. An *unknown* says that nobody
has told us; it blocks only its own question. A *setting* is a choice of this installation and is never shown as a fact.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, StrEnum
from functools import lru_cache
from importlib import import_module
from typing import Literal
from zoneinfo import ZoneInfo

from gateway.core.home import Tier
from gateway.core.terms import Term, Words


class Direction(StrEnum):
    """Seen from China: goods coming in or going out."""

    IMPORT = "import"
    EXPORT = "export"


class Mode(StrEnum):
    """Modes of transport as arrangements name them; ``land`` is road and rail together."""

    LAND = "land"
    SEA = "sea"
    AIR = "air"
    OTHER = "other"


class Role(StrEnum):
    """The party a declared code stands for. Benefits attach to the first on imports and to the second on exports."""

    CONSIGNOR = "overseas-consignor"
    CONSIGNEE = "overseas-consignee"
    OTHER = "other"


class MeasureScope(StrEnum):
    """What a measure attaches to. An event measure counts only while a declared disruption is in force."""

    DECLARATION = "declaration"
    OPERATOR = "operator"
    EVENT = "event"


class Measure(StrEnum):
    """Facilitation measures by the letters of the arrangements table (docs/domain.md, Measures)."""

    D = "D"
    I = "I"  # noqa: E741 - the letter is the name in every arrangement table
    P = "P"
    L = "L"
    R = "R"
    S = "S"
    K = "K"
    E = "E"

    @property
    def scope(self) -> MeasureScope:
        if self is Measure.R:
            return MeasureScope.EVENT
        return MeasureScope.OPERATOR if self in (Measure.L, Measure.S) else MeasureScope.DECLARATION


class AnyLevel(Enum):
    """Said of the levels recognised: whoever the programme certified. A text says so; where no text speaks of levels they are unknown.

    No string, so that asking whether a level is in it fails instead of comparing letters.
    """

    ANY = "any"


@dataclass(frozen=True, slots=True)
class Member:
    """One member administration. ``prefixes`` are the leading letters its codes carry (``GR`` and never ``EL`` unless stated)."""

    iso: str
    name: Words
    administration: str
    zone: ZoneInfo
    prefixes: tuple[str, ...]


@lru_cache
def _checksum(name: str) -> Callable[[str], bool]:
    valid: Callable[[str], bool] = import_module(f"stdnum.{name}").is_valid
    return valid


@lru_cache(maxsize=1_024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


@dataclass(frozen=True, slots=True)
class CodeForm:
    """How the partner's codes look. ``confirmed``: a mismatch refuses; otherwise it only warns. No pattern: the list decides.

    ``checksum`` names the national checksum likely to hold (a module of python-stdnum); where it fails, that is only said.
    ``level_group`` names a regex group whose text is the level where the code carries it (Serbia).
    """

    pattern: str
    confirmed: bool
    example: str | None = None
    level_group: str | None = None
    checksum: str | None = None

    def doubtful(self, tin: str) -> bool:
        """Whether the national checksum fails, with or without the two leading letters. It never refuses: the examples in official
        notices fail theirs (docs/domain.md, Codes)."""
        return self.checksum is not None and not any(_checksum(self.checksum)(code) for code in (tin, tin[2:]))

    def matches(self, tin: str) -> bool:
        return _compiled(self.pattern).fullmatch(tin) is not None


@dataclass(frozen=True, slots=True)
class DialectChoice:
    """Which XML the partner speaks from a date on. ``accepts`` lists every version it may still send."""

    name: str
    version: str
    accepts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contact:
    """Who to reach at the partner, for what, how and when. Empty until known."""

    role: str
    reach: str
    hours: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """How bytes travel and are trusted: settings of this installation. ``name`` is of the binding (``exchange/bindings``).

    ``endpoint`` None: not connected yet, or the partner pulls from its mailbox. ``accept_for`` bounds the age of a message;
    ``retry_for`` how long we go on trying. ``algorithms`` empty means nothing verifies. ``envelope`` is the version of the envelope in
    which we write; 1 has no proof that who announces a certificate holds its key.

    ``addresses`` (CIDR), where there are any, are those that the endpoint may have, and no others. ``proxy`` is one of ours through which
    it is reached; ``resolve`` who looks its name up. ``client_key`` names the key of ours whose certificate we present there.
    """

    name: str = "https"
    endpoint: str | None = None
    pull: bool = False
    accept_for: timedelta = timedelta(days=3)
    retry_for: timedelta = timedelta(days=2)
    algorithms: tuple[str, ...] = ()
    min_rsa_bits: int = 3072
    private_addresses: bool = False
    envelope: Literal[1, 2] = 1
    addresses: tuple[str, ...] = ()
    proxy: str | None = None
    resolve: Literal["here", "proxy"] = "here"
    client_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """One arrangement as of one version of its data (``digest``). Immutable; every answer names the digest it used."""

    iso: str
    economy: Words
    administration: str
    programme: str
    zone: ZoneInfo
    members: tuple[Member, ...]
    signed: str
    link: Literal["completed", "in process", "not named"]
    contacts: tuple[Contact, ...] = ()

    in_force: Term[bool]
    directions: Term[frozenset[Direction]]
    modes: Term[frozenset[Mode]]
    levels: Term[frozenset[str] | AnyLevel]
    measures: Term[tuple[Measure, ...]]
    code: Term[CodeForm]

    tiers: Term[frozenset[Tier]]
    consent: Term[bool]
    shared: Term[frozenset[str]]
    chinese_code: Term[str]

    warn_after: Term[timedelta]
    stop_after: Term[timedelta]
    threshold: Term[int]
    omission_share: Term[int] = field(default_factory=Term)
    list_every: Term[timedelta]
    dialect: Term[DialectChoice]
    binding: Binding = Binding()

    level_words: tuple[str, ...] = ()
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    digest: str = ""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Every leading letter group by which a declared code belongs to this arrangement."""
        return tuple(prefix for member in self.members for prefix in member.prefixes)

    def member_of(self, tin: str) -> Member | None:
        """The member whose prefix ``tin`` carries; the longest prefix wins."""
        best: tuple[int, Member] | None = None
        for member in self.members:
            for prefix in member.prefixes:
                if tin.startswith(prefix) and (best is None or len(prefix) > best[0]):
                    best = (len(prefix), member)
        return best[1] if best else None

    def zone_of(self, tin: str) -> ZoneInfo:
        """Whose midnight a bare date about ``tin`` means: the member's, otherwise the arrangement's."""
        member = self.member_of(tin)
        return member.zone if member else self.zone


@dataclass(frozen=True, slots=True)
class MeasureWords:
    """What people and clearance call a measure. ``clearance_code`` is a setting of this installation, by date."""

    name: Words
    source: str
    clearance_code: Term[str]


@dataclass(frozen=True, slots=True)
class OutsideNote:
    """What a person should know of codes that belong to no arrangement: a word of the sentences, and how we know."""

    says: str
    source: str


@dataclass(frozen=True, slots=True)
class Law:
    """What is common to all arrangements: measures in words, and the dated rule on conflicting domestic measures.

    ``prevailing`` are the domestic tiers whose conflicting measures prevail over the foreign AEO's; ``suspended_prevails``
    says the same of a domestic AEO whose measures are suspended. ``outside`` are notes on codes of no arrangement, by their first letters.
    """

    measures: Mapping[Measure, MeasureWords]
    prevailing: Term[frozenset[Tier]]
    suspended_prevails: Term[bool]
    outside: Mapping[str, OutsideNote] = field(default_factory=dict)
    digest: str = ""
