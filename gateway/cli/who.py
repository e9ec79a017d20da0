"""Who sits at this terminal: whoever its token file says; or, at the machine of the database, an emergency."""

from __future__ import annotations

import os
import stat
import sys
from datetime import datetime
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection

from gateway.cli.common import changing, errors, escape, settings
from gateway.cli.emergency import declared
from gateway.core.access import SCOPES, Actor, PrincipalKind, Scope, StaffRole, Way
from gateway.core.errors import Code, Refusal
from gateway.node.context import utc_now
from gateway.operate import people
from gateway.store import emergencies, principals, readings, tokens
from gateway.store.emergencies import Emergency
from gateway.store.tokens import PREFIX, Caller


def acting(connection: Connection, scope: Scope) -> Actor:
    """Whoever does this, if he may. Raises ``Refusal``: UNAUTHENTICATED where nobody is signed in, FORBIDDEN."""
    at = utc_now()
    if declared():
        return _as_emergency(connection, at)
    people.made_up(connection, settings(), at)
    who = signed_in(connection)
    if scope not in who.scopes:
        roles = ", ".join(role for role in StaffRole if scope in SCOPES[role])
        raise Refusal(Code.FORBIDDEN, f"{who.name} may not do this: it needs {scope}.", remedy=f"Who has it: {roles}.")
    return who


def reading(scope: Scope, what: Literal["operator", "enterprise", "told"], subject: str) -> None:
    """Notes who looks at this, where somebody is signed in; in production nobody else looks. Raises ``Refusal``: UNAUTHENTICATED,
    FORBIDDEN."""
    chosen = settings()
    if chosen.mode == "demo" and not chosen.terminal_token.exists():
        return
    with changing() as connection:
        if principals.anybody(connection):
            readings.note(connection, acting(connection, scope), what, subject, utc_now())


def signed_in(connection: Connection) -> Caller:
    """Whoever this terminal's token is of, who is told of the emergencies there were. Raises ``Refusal`` UNAUTHENTICATED."""
    at = utc_now()
    try:
        who = tokens.holder(connection, _secret(connection, settings().terminal_token), Way.TERMINAL, at)
    except Refusal as refused:
        if refused.remedy != refused.code.row.remedy:
            raise
        raise Refusal(Code.UNAUTHENTICATED, "This terminal's token is not good any more.", remedy="aeo-gateway login") from None
    for one in emergencies.recent(connection, at)[:3]:
        _red(one)
    return who


def emergency() -> Actor:
    """Whoever has the machine of the database; nobody can tell who that is, so it is never one of two people."""
    name = f"emergency:{os.getuid()}"
    because = declared() or ""
    kind, way = PrincipalKind.EMERGENCY, Way.TERMINAL
    return Actor(principal=name, name=name, kind=kind, scopes=frozenset(Scope), way=way, because=because)


def _as_emergency(connection: Connection, at: datetime) -> Actor:
    who = emergency()
    _red(emergencies.note(connection, who, " ".join(sys.argv[1:4]), at))
    return who


def _red(one: Emergency) -> None:
    errors.print(f"[bold red]EMERGENCY {one.at:%Y-%m-%d %H:%M} UTC[/] {escape(one.name)}: {escape(one.reason)}", highlight=False)


def _secret(connection: Connection, file: Path) -> str:
    try:
        state = file.stat()
        secret = file.read_text("ascii", "replace").strip()
    except FileNotFoundError:
        secret = ""
    except PermissionError:
        raise Refusal(
            Code.UNAUTHENTICATED,
            f"{file} is somebody else's.",
            remedy="Name a file of your own with AEO_TOKEN_FILE, then: aeo-gateway login",
        ) from None
    else:
        if stat.S_IMODE(state.st_mode) & 0o077:
            raise Refusal(
                Code.UNAUTHENTICATED, f"Others can read {file}.", remedy=f"chmod 600 {file}, and take the token in it back."
            )
    if secret.startswith(PREFIX):
        return secret
    if not principals.anybody(connection):
        raise Refusal(
            Code.UNAUTHENTICATED,
            "Nobody is known to this installation yet, so nobody can decide anything.",
            remedy="aeo-gateway init NAME makes the first administrator.",
        )
    raise Refusal(Code.UNAUTHENTICATED, "Nobody is signed in at this terminal.", remedy="aeo-gateway login")
