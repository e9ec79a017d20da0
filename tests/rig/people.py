"""People who decide, told apart by their names."""

from __future__ import annotations

from hashlib import sha256

from gateway.core.access import Actor, PrincipalKind, Scope, Way


def person(name: str, *, kind: PrincipalKind = PrincipalKind.PERSON, scopes: frozenset[Scope] = frozenset(Scope)) -> Actor:
    """Somebody of this name, who may do everything; the same name is the same person."""
    return Actor(principal=identity(name), name=name, kind=kind, scopes=scopes, way=Way.TERMINAL)


def identity(name: str) -> str:
    """The id of ``person`` of this name."""
    return sha256(name.encode()).hexdigest()[:16]
