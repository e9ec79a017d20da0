"""The words everything else uses: what one administration says about one operator, and how it is carried.

All moments are timezone-aware UTC ``datetime``; a bare ``date`` is a calendar day of whoever said it.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What a message is for (exchange/RULES.md, Protocol). The wire name is the value."""

    LIST = "list"
    UPDATE = "update"
    NOTICE = "notice"
    QUERY = "query"
    RESPONSE = "response"
    RECEIPT = "receipt"
    REFUSAL = "refusal"
    RESULT = "result"
    RESEND = "resend"
    PING = "ping"
    PULL = "pull"
    KEYS = "keys"
    CASE = "case"
    CASE_REPLY = "case-reply"


#: Kinds whose payload is the partner's own document; every other payload is the exchange schema's.
DIALECT_KINDS = (Kind.LIST, Kind.UPDATE, Kind.NOTICE, Kind.QUERY, Kind.RESPONSE)


class Priority(StrEnum):
    """Classes in which sequence numbers count and queues drain: an urgent notice overtakes a list and makes no false gap."""

    URGENT = "urgent"
    NORMAL = "normal"
    BULK = "bulk"


PRIORITY_OF = {Kind.NOTICE: Priority.URGENT, Kind.KEYS: Priority.URGENT, Kind.LIST: Priority.BULK}


def priority_of(kind: Kind) -> Priority:
    """Notice before update before list."""
    return PRIORITY_OF.get(kind, Priority.NORMAL)


class Environment(StrEnum):
    """Keeps rehearsal apart from production: a message of one is refused by the other."""

    TEST = "test"
    PRODUCTION = "production"


class Standing(StrEnum):
    """What is said of an authorisation apart from its period.

    ``reinstated`` is how some partners say ``valid`` after a suspension; it folds to ``valid``.
    ``delisted`` is never said: it is derived when a complete list no longer names the operator.
    """

    VALID = "valid"
    REINSTATED = "reinstated"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    ANNULLED = "annulled"
    WITHDRAWN = "withdrawn"
    DELISTED = "delisted"

    @property
    def grants(self) -> bool:
        """Whether this standing lends facilitation. Every other one is a loss."""
        return self in (Standing.VALID, Standing.REINSTATED)


class Statement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing one administration said about one operator's authorisation: a flat record, as issued.

    ``tin`` is the identifier as the issuer wrote it, country or region code first, at most 35 characters, never rewritten.
    ``effective`` is the moment a standing takes effect; a bare date begins at the issuer's own midnight, absent means
    the moment the message was issued. ``granted`` and ``expires`` are the certificate's period, both days inclusive.
    """

    tin: str
    standing: Standing
    name: str | None = None
    name_local: str | None = None
    address: str | None = None
    level: str | None = None
    number: str | None = None
    granted: date | None = None
    expires: date | None = None
    effective: date | datetime | None = None
    decision: str | None = None
    decided: date | None = None
    office: str | None = None
    member: str | None = None
    role: str | None = None


#: The statement fields an arrangement may or may not allow to be shared; tin and standing are the message itself.
OPTIONAL_FIELDS = tuple(name for name in Statement.__struct_fields__ if name not in ("tin", "standing"))


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a list complete: the moment it pictures, whom it covers, and which part of how many this is.

    ``scope`` is ``"*"`` for the whole arrangement or the code of one member (the EU may send member by member).
    """

    as_of: datetime
    scope: str = "*"
    part: int = 1
    parts: int = 1


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope's header. ``sequence`` counts per receiver and priority class, from 1; 0 means not counted."""

    id: str
    kind: Kind
    sender: str
    receiver: str
    environment: Environment
    created: datetime
    refers_to: str | None = None
    sequence: int = 0
    dialect: str | None = None
    version: str | None = None
    picture: Picture | None = None


class PlacedStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement placed in time: who carried it, when it was issued, and from when on it holds. What ``fold`` folds.

    ``issued`` orders statements (a list's or response's ``as_of``, otherwise the message's creation).
    ``takes_effect`` is resolved from ``Statement.effective`` in the issuer's time zone. ``pictured`` marks what came
    from a list or response: it never lifts a loss announced for a later moment. ``derived`` marks a delisting, which nobody
    wrote. ``held`` marks a grant of a list that waits for a person: it grants nothing.
    ``received`` is our clock, of a list in parts when its last part came; ``as known at`` filters by it. ``sequence`` (0: not numbered)
    orders what one sender said within one ``priority`` class and one numbering ``epoch``, whatever its clocks said. ``refers_to`` is the
    message that an update or notice says again.
    """

    statement: Statement
    issued: datetime
    takes_effect: datetime
    pictured: bool
    message_id: str
    digest: str
    received: datetime
    derived: bool = False
    held: bool = False
    voided: datetime | None = None
    transcribed: bool = False
    sequence: int = 0
    epoch: int = 0
    priority: Priority = Priority.NORMAL
    refers_to: str | None = None
