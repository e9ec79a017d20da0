"""Persons' accounts at the administration's own provider of sign-in: an account is its issuer and what that calls the person (OpenID
Connect Core 1.0, 2: ``iss`` and ``sub``), and signs in one person here at the most.

An account that was taken from a person lets nobody in as somebody new, or one person could be two: a person says whose it is from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from gateway.core.access import Actor, PrincipalKind, StaffRole
from gateway.core.errors import Code, Refusal
from gateway.store import journal, principals
from gateway.store.principals import Principal
from gateway.store.tables import former_account, principal
from gateway.store.upsert import insert_for


def whose(connection: Connection, account: str) -> Principal | None:
    """Who signs in by it. Raises ``Refusal`` FORBIDDEN for one that was taken from somebody."""
    row = connection.execute(select(principal).where(principal.c.subject == account)).first()
    if row is not None:
        return principals.read(row)
    if connection.execute(select(former_account.c.account).where(former_account.c.account == account)).first() is not None:
        raise Refusal(
            Code.FORBIDDEN,
            "This account signed in a person here, and was taken from it.",
            remedy="Ask an administrator to say whose it is: aeo-gateway principal account.",
            facts={"page": "former-account"},
        )
    return None


def admit(
    connection: Connection,
    account: str,
    called: Sequence[str],
    roles: Iterable[StaffRole],
    *,
    at: datetime,
    email: str | None = None,
) -> Principal:
    """Makes a person known by the word of that provider, tied to nobody, under the first of ``called`` that is nobody's yet. Raises
    ``Refusal`` DATA_INVALID where every one is. An e-mail that is another's name here is left out."""
    for last, name in zip([*[False] * (len(called) - 1), True], called, strict=True):
        try:
            why = "let in by the administration's own provider of sign-in"
            one = principals.add_person(connection, name, roles, by=(), at=at, email=email, reason=why)
        except Refusal as refused:
            if refused.field == "email":
                return admit(connection, account, called, roles, at=at)
            if last:
                raise
            continue
        connection.execute(update(principal).where(principal.c.id == one.id).values(subject=account))
        journal.append(connection, "principal", one.id, {"subject": account}, at=at)
        return one
    raise AssertionError("there is a name at least")


def follow(connection: Connection, one: Principal, roles: Iterable[StaffRole], *, at: datetime) -> None:
    """A person has the roles that its groups at that provider give it, none among them: then it may do nothing, however it comes."""
    chosen = sorted(set(roles))
    if list(one.roles) == chosen:
        return
    connection.execute(update(principal).where(principal.c.id == one.id).values(roles=" ".join(chosen)))
    said: dict[str, object] = {"roles": chosen, "before": list(one.roles), "reason": "its groups changed", "by": []}
    journal.append(connection, "principal", one.id, said, at=at)


def give(connection: Connection, one: Principal, account: str, *, by: Actor, reason: str, at: datetime) -> None:
    """By this account a person signs in from now on, and by none of before. Raises ``Refusal`` DATA_INVALID for one that is somebody's."""
    if one.kind is not PrincipalKind.PERSON or one.disabled:
        raise Refusal(Code.DATA_INVALID, "Only a person who is known here signs in.", field="principal", value=one.name)
    row = connection.execute(select(principal.c.id, principal.c.name).where(principal.c.subject == account)).first()
    if row is not None:
        whom = "this very person" if row.id == one.id else row.name
        raise Refusal(
            Code.DATA_INVALID,
            f"This account signs in {whom} already.",
            field="subject",
            value=account,
            remedy="Take it back there first: aeo-gateway principal unset-account.",
            facts={"page": "account-taken"},
        )
    _keep_former(connection, one, at)
    connection.execute(delete(former_account).where(former_account.c.account == account))
    connection.execute(update(principal).where(principal.c.id == one.id).values(subject=account))
    said: dict[str, object] = {"subject": account, "sign_in": "given an account", "reason": reason, "by": by.noted}
    journal.append(connection, "principal", one.id, said, at=at)


def take(connection: Connection, one: Principal, *, by: Actor, reason: str, at: datetime) -> None:
    """A person signs in by no account any more. Raises ``Refusal`` NOT_FOUND where it has none."""
    if one.account is None:
        raise Refusal(Code.NOT_FOUND, f"No account at the provider signs {one.name} in.", field="principal", value=one.name)
    _keep_former(connection, one, at)
    connection.execute(update(principal).where(principal.c.id == one.id).values(subject=None))
    said: dict[str, object] = {"subject": None, "before": one.account, "sign_in": "account taken", "reason": reason, "by": by.noted}
    journal.append(connection, "principal", one.id, said, at=at)


def _keep_former(connection: Connection, one: Principal, at: datetime) -> None:
    if one.account is not None:
        values = {"principal": one.id, "ended": at}
        put = insert_for(connection, former_account).values(account=one.account, **values)
        connection.execute(put.on_conflict_do_update(index_elements=[former_account.c.account], set_=values))
