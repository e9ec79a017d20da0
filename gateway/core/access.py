"""Who acts, and what that one may do: persons by their roles, systems by the scopes of their tokens, an emergency by what it is for.

A route and a command name exactly one scope; a person's roles are sets of them. Who may be the second of two people says ``four_eyes``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What one may do. A route or a command names exactly one; the values are stored with tokens."""

    CLEARANCE_READ = "clearance:read"
    DOMESTIC_READ = "domestic:read"
    DOMESTIC_WRITE = "domestic:write"
    DOMESTIC_CONFIRM = "domestic:confirm"
    STOP_WRITE = "stop:write"
    EXCHANGE_READ = "exchange:read"
    EXCHANGE_WRITE = "exchange:write"
    LIST_DECIDE = "list:decide"
    PARTNER_ADMIN = "partner:admin"
    KEY_ADMIN = "key:admin"
    PRINCIPAL_ADMIN = "principal:admin"
    RETENTION_ADMIN = "retention:admin"
    AUDIT_READ = "audit:read"
    METRICS_READ = "metrics:read"


class StaffRole(StrEnum):
    """What a person is here. The values are stored."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


_VIEWER = frozenset({Scope.CLEARANCE_READ, Scope.DOMESTIC_READ, Scope.EXCHANGE_READ})
_OPERATOR = _VIEWER | {Scope.DOMESTIC_WRITE, Scope.EXCHANGE_WRITE, Scope.STOP_WRITE}
#: What each role may do (choice): an operator keeps the exchange going and has the hand on the switch, since a stop is urgent and grants
#: nothing; an approver decides what grants; an administrator keeps partners, people and keys; an auditor reads everything and changes nothing.
SCOPES: Mapping[StaffRole, frozenset[Scope]] = {
    StaffRole.VIEWER: _VIEWER,
    StaffRole.OPERATOR: _OPERATOR,
    StaffRole.APPROVER: _OPERATOR | {Scope.DOMESTIC_CONFIRM, Scope.LIST_DECIDE, Scope.PARTNER_ADMIN},
    StaffRole.ADMINISTRATOR: _VIEWER
    | {Scope.PARTNER_ADMIN, Scope.KEY_ADMIN, Scope.PRINCIPAL_ADMIN, Scope.RETENTION_ADMIN, Scope.AUDIT_READ, Scope.METRICS_READ},
    StaffRole.AUDITOR: _VIEWER | {Scope.AUDIT_READ, Scope.METRICS_READ},
}


def scopes_of(roles: Iterable[StaffRole]) -> frozenset[Scope]:
    """What somebody with these roles may do."""
    return frozenset().union(*(SCOPES[role] for role in roles))


class PrincipalKind(StrEnum):
    """``emergency`` is whoever sits at the machine of the database: nobody that could be told from another, so never one of two people."""

    PERSON = "person"
    SYSTEM = "system"
    EMERGENCY = "emergency"


class Way(StrEnum):
    """How somebody came."""

    TERMINAL = "terminal"
    CONSOLE = "console"
    TOKEN = "token"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Whoever does something. ``principal`` is the id under which he is known, whatever his name or token; ``address`` is where a request
    came from, and empty at a terminal; ``because`` is why it is an emergency."""

    principal: str
    name: str
    kind: PrincipalKind
    scopes: frozenset[Scope]
    way: Way
    address: str = ""
    because: str = ""

    @property
    def noted(self) -> dict[str, str]:
        """What the journal keeps of him, as its ``by``."""
        said = {"principal": self.principal, "name": self.name, "kind": self.kind.value, "way": self.way.value}
        return said | {name: text for name, text in (("address", self.address), ("emergency", self.because)) if text}


def once_noted(by: Mapping[str, str]) -> Actor:
    """Whoever asked for what is done now, from what was noted of him then (``Actor.noted``); he may do nothing more with it."""
    return Actor(
        principal=by["principal"],
        name=by["name"],
        kind=PrincipalKind(by["kind"]),
        scopes=frozenset(),
        way=Way(by["way"]),
        address=by.get("address", ""),
        because=by.get("emergency", ""),
    )


def itself(name: str) -> Actor:
    """This very program, where it does something that no person asked for: a rehearsal, the demonstration."""
    return Actor(principal="", name=name, kind=PrincipalKind.SYSTEM, scopes=frozenset(Scope), way=Way.TERMINAL)
