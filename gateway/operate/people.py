"""Letting people in: the first one, those after it, what they may do, and how they come to sign in for the first time.

Who makes people up could be any two of them, so what concerns people takes two itself, from the third person on: the first makes the
second known alone, which stays to be looked at until a third acknowledges.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import get_args

from sqlalchemy import Connection, insert, update

from gateway.core.access import Actor, PrincipalKind, Scope, StaffRole, Way, itself
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import Decision, takes_two
from gateway.core.text import a_reason
from gateway.settings import Sentences, Settings
from gateway.store import journal, principals, proposals, provider_accounts, sessions, tokens
from gateway.store.principals import Principal
from gateway.store.proposals import Matter, Proposal
from gateway.store.tables import deputy, link

#: For how long a one-time link is good (choice: over a weekend).
LINK_FOR = timedelta(days=3)
#: For how long anybody may be stood in for at most (choice).
STAND_IN_FOR = timedelta(days=31)
#: In which a person can read.
LANGUAGES = get_args(Sentences)
#: The two made-up persons of the demonstration, and the file in home that says who the second is.
MADE_UP = ("Zhang San (made up)", "Li Si (made up)")
SECOND = "second.token"


def first(connection: Connection, name: str, email: str | None, *, who: Actor, at: datetime) -> tuple[Principal, str]:
    """The first person of an installation, an administrator and approver; with the secret of its one-time link. Raises ``Refusal``
    DATA_INVALID where there is anybody."""
    principals.lock(connection)
    if principals.anybody(connection):
        raise Refusal(
            Code.DATA_INVALID,
            "This installation knows people already.",
            remedy="An administrator adds others: aeo-gateway principal add. Where none can sign in any more: "
            "aeo-gateway --emergency REASON principal link NAME.",
        )
    roles = (StaffRole.ADMINISTRATOR, StaffRole.APPROVER)
    one = principals.add_person(connection, name, roles, by=(who,), at=at, email=email, reason="the first of this installation")
    return one, _link(connection, one, who, at)


def add(
    connection: Connection,
    name: str,
    roles: Sequence[StaffRole],
    settings: Settings,
    *,
    who: Actor,
    reason: str,
    at: datetime,
    email: str | None = None,
    language: str | None = None,
) -> tuple[Principal, str] | Proposal:
    """One more person, with the secret of its one-time link; or the proposal that waits for a second person. Raises ``Refusal``
    DATA_INVALID."""
    a_reason(reason)
    if language not in (None, *LANGUAGES):
        raise Refusal(Code.DATA_INVALID, f"A person reads one of: {', '.join(LANGUAGES)}.", field="language", value=language)
    principals.lock(connection)
    alone = principals.persons(connection) == 1 and who.kind is PrincipalKind.PERSON
    if alone:
        by: tuple[Actor, ...] = (who,)
    else:
        matter = Matter(Decision.ROLES, proposals.digest("add", name, sorted(roles), email, language))
        said = f"{name} as {', '.join(sorted(roles))}: {reason}"
        decided = _decided(connection, matter, settings, who=who, reason=said, at=at)
        if isinstance(decided, Proposal):
            return decided
        by = decided
    one = principals.add_person(connection, name, roles, by=by, at=at, email=email, language=language, exempt=alone, reason=reason)
    return one, _link(connection, one, who, at)


def change(
    connection: Connection, called: str, roles: Sequence[StaffRole], settings: Settings, *, who: Actor, reason: str, at: datetime
) -> Principal | Proposal:
    """What a person is from now on. Raises ``Refusal``: NOT_FOUND, DATA_INVALID, as for one's own roles."""
    a_reason(reason)
    principals.lock(connection)
    one = principals.find(connection, called)
    if one.id == who.principal:
        raise Refusal(Code.DATA_INVALID, "Nobody changes what he himself may do.", remedy="Have another administrator do it.")
    decided = _decided(
        connection,
        Matter(Decision.ROLES, proposals.digest("roles", one.id, sorted(roles))),
        settings,
        who=who,
        reason=f"{one.name} as {', '.join(sorted(roles))}: {reason}",
        at=at,
    )
    if isinstance(decided, Proposal):
        return decided
    return principals.set_roles(connection, one.id, roles, by=decided, reason=reason, at=at)


def new_link(connection: Connection, called: str, *, who: Actor, reason: str, at: datetime) -> tuple[Principal, str]:
    """A person sets up anew how it signs in; what it used for that until now ends. Whoever had it done cannot be the other of two with it
    for a while. Raises ``Refusal``: NOT_FOUND, DATA_INVALID."""
    _by_a_person(who)
    a_reason(reason)
    one = principals.find(connection, called)
    if one.kind is not PrincipalKind.PERSON or one.disabled:
        raise Refusal(Code.DATA_INVALID, "Only a person who is known here signs in.", field="principal", value=called)
    secret = _link(connection, one, who, at)
    principals.tie_to(connection, one.id, (who,), "sign-in", at)
    journal.append(connection, "principal", one.id, {"sign_in": "reset", "reason": reason, "by": who.noted}, at=at)
    return one, secret


def give_account(
    connection: Connection, called: str, subject: str, settings: Settings, *, who: Actor, reason: str, at: datetime
) -> Principal:
    """A person signs in by an account at the administration's own provider: ``subject`` is what that calls it (``sub``). It is a reset of
    how it signs in, and its roles are those of its groups there from then on. Raises ``Refusal``: NOT_FOUND, DATA_INVALID."""
    _by_a_person(who)
    a_reason(reason)
    one, named = principals.find(connection, called), subject.strip()
    if not settings.oidc_issuer:
        raise Refusal(Code.DATA_INVALID, "No provider of sign-in is set here.", remedy="Set AEO_OIDC_ISSUER, then restart.")
    if not named or not named.isprintable():
        raise Refusal(
            Code.DATA_INVALID, "What the provider calls a person is a text without breaks.", field="subject", value=subject
        )
    provider_accounts.give(connection, one, f"{settings.oidc_issuer} {named}", by=who, reason=reason, at=at)
    principals.tie_to(connection, one.id, (who,), "sign-in", at)
    return principals.find(connection, one.id)


def take_account(connection: Connection, called: str, *, who: Actor, reason: str, at: datetime) -> Principal:
    """A person signs in by no account at that provider any more; its sessions end. Another way it has, such as a password, stays. It is a
    reset of how it signs in. Raises ``Refusal``: NOT_FOUND, DATA_INVALID."""
    _by_a_person(who)
    a_reason(reason)
    one = principals.find(connection, called)
    provider_accounts.take(connection, one, by=who, reason=reason, at=at)
    sessions.end_all(connection, one.id, at=at, by=who, reason=reason)
    principals.tie_to(connection, one.id, (who,), "sign-in", at)
    return principals.find(connection, one.id)


def disable(connection: Connection, called: str, *, who: Actor, reason: str, at: datetime) -> Principal:
    """Somebody may do nothing any more; one person is enough, for it takes away. Raises ``Refusal``: NOT_FOUND, DATA_INVALID."""
    a_reason(reason)
    principals.lock(connection)
    one = principals.disable(connection, principals.find(connection, called).id, by=who, reason=reason, at=at)
    sessions.end_all(connection, one.id, at=at, by=who, reason=reason)
    connection.execute(update(link).where(link.c.principal == one.id, link.c.used.is_(None)).values(used=at))
    return one


def sign_out(connection: Connection, called: str, *, who: Actor, reason: str, at: datetime) -> tuple[Principal, int]:
    """Ends every session of a person, who may sign in again; with how many there were. Raises ``Refusal``: NOT_FOUND, DATA_INVALID."""
    a_reason(reason)
    one = principals.find(connection, called)
    ended = sessions.end_all(connection, one.id, at=at, by=who, reason=reason)
    return one, ended


def stand_in(
    connection: Connection, absent: str, instead: str, until: datetime, *, who: Actor, reason: str, at: datetime
) -> tuple[Principal, Principal]:
    """For a time one person may do what another may. Nobody names himself for another; naming for oneself is allowed. Raises
    ``Refusal``: NOT_FOUND, DATA_INVALID, FORBIDDEN."""
    _by_a_person(who)
    a_reason(reason)
    one, other = principals.find(connection, absent), principals.find(connection, instead)
    if PrincipalKind.SYSTEM in (one.kind, other.kind) or one.id == other.id or one.disabled or other.disabled:
        raise Refusal(Code.DATA_INVALID, "One person stands in for another; both must be known here.")
    if not at < until <= at + STAND_IN_FOR:
        raise Refusal(Code.DATA_INVALID, f"It ends within {STAND_IN_FOR.days} days.", field="until", value=until.isoformat())
    if who.principal not in (one.id,) and Scope.PRINCIPAL_ADMIN not in who.scopes:
        raise Refusal(Code.FORBIDDEN, "Who stands in is named by whoever is away, or by an administrator.")
    if who.principal == other.id:
        raise Refusal(
            Code.DATA_INVALID, "Nobody names himself to stand in for another.", remedy="Have another administrator do it."
        )
    values = {"principal": one.id, "deputy": other.id, "since": at, "until": until, "reason": reason, "named_by": who.principal}
    connection.execute(insert(deputy).values(values))
    said: dict[str, object] = {"deputy": other.id, "until": until, "reason": reason, "by": who.noted}
    journal.append(connection, "principal", one.id, said, at=at)
    return one, other


def made_up(connection: Connection, settings: Settings, at: datetime) -> None:
    """The two made-up persons of the demonstration, the first of whom sits at its terminal; nothing where anybody is known already."""
    if settings.mode != "demo" or principals.anybody(connection):
        return
    roles = (StaffRole.ADMINISTRATOR, StaffRole.APPROVER, StaffRole.AUDITOR)
    who, files = itself("the demonstration"), (settings.terminal_token, settings.home / SECOND)
    for name, file in zip(MADE_UP, files, strict=True):
        one = principals.add_person(connection, name, roles, by=(), at=at, reason="made up for the demonstration")
        _, secret = tokens.personal(connection, one.id, "the demonstration", at=at, expires=at + timedelta(days=3_650), by=who)
        keep_token(file, secret)


def keep_token(file: Path, secret: str) -> None:
    """Writes a token where only its owner can read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as opened:
        opened.write(secret + "\n")
    beside.replace(file)


def _decided(
    connection: Connection, matter: Matter, settings: Settings, *, who: Actor, reason: str, at: datetime
) -> tuple[Actor, ...] | Proposal:
    """Those who decided: ``who`` alone where one is enough."""
    if not takes_two(matter.decision, two_people=settings.two_people):
        _by_a_person(who)
    waiting = [one for one in proposals.open_now(connection, matter.decision) if one.digest == matter.digest]
    decided = proposals.propose_or_agree(connection, matter, two_people=settings.two_people, who=who, reason=reason, at=at)
    if isinstance(decided, Proposal):
        return decided
    if (one := proposals.agreed_to(connection, waiting)) is None:
        return (who,)
    first = principals.find(connection, one.proposer)  # a system, perhaps, or somebody who may do nothing any more
    return (Actor(principal=first.id, name=first.name, kind=first.kind, scopes=frozenset(), way=Way.TERMINAL), who)


def _by_a_person(who: Actor) -> None:
    """Whoever made a system's token would do through it, unseen, what ties him to somebody."""
    if who.kind is PrincipalKind.SYSTEM:
        raise Refusal(Code.DATA_INVALID, f"{who.name} is a system: people are let in by people.", remedy="Have a person do it.")


def _link(connection: Connection, one: Principal, who: Actor, at: datetime) -> str:
    """A new one-time link; those of before are good no more."""
    secret = secrets.token_urlsafe(32)
    connection.execute(update(link).where(link.c.principal == one.id, link.c.used.is_(None)).values(used=at))
    values = {"hash": sha256(secret.encode()).hexdigest(), "principal": one.id, "created": at, "expires": at + LINK_FOR}
    connection.execute(insert(link).values(values))
    journal.append(connection, "principal", one.id, {"link": "made", "expires": at + LINK_FOR, "by": who.noted}, at=at)
    return secret
