"""What a person proves itself with: a password, of which argon2's text is kept, and a second factor; and the one-time link with which it
sets up both."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyotp
from sqlalchemy import Connection, delete, or_, select, update

from gateway.core import names
from gateway.core.access import Actor, PrincipalKind, Way
from gateway.core.errors import Code, Refusal
from gateway.store import journal, principals, provider_accounts, sessions
from gateway.store.principals import Principal
from gateway.store.secret import digest
from gateway.store.tables import link, passkey, principal

#: A code of RFC 6238 is of so many seconds, and taken one such step before and after (choice: clocks of telephones).
STEP, AROUND = timedelta(seconds=30), 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person as it signs in."""

    id: str
    name: str
    password: str
    totp: str


def account(connection: Connection, called: str) -> Account | None:
    """Who goes by this name or e-mail and signs in with a password. An e-mail that two have is nobody's."""
    columns = (principal.c.id, principal.c.name, principal.c.email, principal.c.password, principal.c.totp)
    able = principal.c.kind == PrincipalKind.PERSON, principal.c.disabled.is_(None), principal.c.password.is_not(None)
    rows = connection.execute(select(*columns).where(*able)).all()
    typed = called.strip()
    found = [row for row in rows if names.same(typed, row.name)] if names.visible_at_all(typed) else []
    found = found or [row for row in rows if row.email and row.email.strip().casefold() == typed.casefold()]
    if len(found) != 1 or not found[0].totp:
        return None
    (one,) = found
    return Account(id=one.id, name=one.name, password=one.password, totp=one.totp)


def by_id(connection: Connection, identity: str) -> Account | None:
    """The same by its id."""
    columns = (principal.c.id, principal.c.name, principal.c.password, principal.c.totp)
    row = connection.execute(select(*columns).where(principal.c.id == identity, principal.c.disabled.is_(None))).first()
    return Account(id=row.id, name=row.name, password=row.password, totp=row.totp) if row and row.password and row.totp else None


def new_totp() -> str:
    """A new secret of a second factor, in base32 as people type it."""
    return pyotp.random_base32()


def totp_address(one: str, secret: str, issuer: str) -> str:
    """What the QR code of it says."""
    return pyotp.TOTP(secret).provisioning_uri(name=one, issuer_name=issuer)


def step_of(secret: str, code: str, at: datetime) -> int | None:
    """Of which step of time a code is, if it is one now."""
    typed = "".join(code.split())
    now = int(at.timestamp()) // int(STEP.total_seconds())
    right = None
    for step in range(now - AROUND, now + AROUND + 1):
        # All of them, however early one fits.
        if secrets.compare_digest(pyotp.TOTP(secret).generate_otp(step).encode(), typed.encode("utf-8", "replace")):
            right = step
    return right


def use_code(connection: Connection, one: Account, code: str, at: datetime) -> bool:
    """Whether a code is right and was not used: it is good once, whoever looked over a shoulder."""
    step = step_of(one.totp, code, at)
    if step is None:
        return False
    unused = or_(principal.c.totp_step.is_(None), principal.c.totp_step < step)
    done = connection.execute(update(principal).where(principal.c.id == one.id, unused).values(totp_step=step))
    return done.rowcount == 1


def rehash(connection: Connection, one: Account, hashed: str) -> None:
    """The same password as today's parameters hash it."""
    connection.execute(
        update(principal).where(principal.c.id == one.id, principal.c.password == one.password).values(password=hashed)
    )


def linked(connection: Connection, secret: str, at: datetime) -> Principal:
    """Whose one-time link this is. Raises ``Refusal`` NOT_FOUND where it is nobody's, used, or too old."""
    good = link.c.hash == digest(secret), link.c.used.is_(None), link.c.expires > at
    row = connection.execute(select(link.c.principal).where(*good)).first()
    one = principals.find(connection, row.principal) if row is not None else None
    if one is None or one.disabled:
        raise Refusal(
            Code.NOT_FOUND,
            "This link is not good (any more): each is good once, and for three days.",
            remedy="Ask an administrator for a new one: aeo-gateway principal link NAME.",
            facts={"page": "link"},
        )
    return one


def set_up(connection: Connection, secret: str, *, password: str, totp: str, code: str, at: datetime, address: str) -> Principal:
    """A person signs in from now on with this password and second factor, of which ``code`` is a proof. What it used until now is good no
    more. The link is used up with this. Raises ``Refusal``: NOT_FOUND for the link, DATA_INVALID for the code."""
    one = linked(connection, secret, at)
    step = step_of(totp, code, at)
    if step is None:
        raise wrong_code()
    new = {"password": password, "totp": totp, "totp_step": step}
    connection.execute(update(principal).where(principal.c.id == one.id).values(new))
    _set_up(connection, one, secret, principals.person(connection, one.id, Way.CONSOLE, at, address), at)
    return one


def use_link(connection: Connection, secret: str, account: str, *, at: datetime, address: str) -> Principal:
    """A person signs in from now on by this account at the administration's own provider, and by nothing that it used until now. The link is
    used up with this. Raises ``Refusal``: NOT_FOUND for the link, DATA_INVALID for an account that is somebody's."""
    one = linked(connection, secret, at)
    who = principals.person(connection, one.id, Way.CONSOLE, at, address)
    if one.account != account:
        provider_accounts.give(connection, one, account, by=who, reason="by a one-time link", at=at)
    connection.execute(update(principal).where(principal.c.id == one.id).values(password=None, totp=None, totp_step=None))
    _set_up(connection, one, secret, who, at)
    return principals.find(connection, one.id)


def _set_up(connection: Connection, one: Principal, secret: str, who: Actor, at: datetime) -> None:
    connection.execute(update(link).where(link.c.hash == digest(secret)).values(used=at))
    connection.execute(delete(passkey).where(passkey.c.principal == one.id))
    sessions.end_all(connection, one.id, at=at, by=who)
    journal.append(connection, "principal", one.id, {"sign_in": "set up", "by": who.noted}, at=at)


def wrong_code() -> Refusal:
    """The code is not one of now, or was used."""
    return Refusal(
        Code.DATA_INVALID,
        "The code is not right, or it was used already.",
        field="code",
        remedy="Wait for the next code and enter that; if none is right, compare the clock of the device.",
        facts={"page": "code"},
    )
