"""Terminals that ask to be signed in (RFC 8628): each shows a short code, and whoever is signed in at the console enters it and decides.

The terminal learns the outcome by a long code that only it has, and is then given one personal token.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, delete, func, insert, select, update

from gateway.core.access import Actor, Way
from gateway.core.errors import Code, Refusal
from gateway.store import journal, principals, secret, tokens
from gateway.store.tables import device

#: For how long a code is good, how often its terminal may ask, and for how long it is signed in (choice).
LASTS, EVERY, SIGNED_IN = timedelta(minutes=10), timedelta(seconds=5), timedelta(days=30)
#: How many codes may be open for one address, and in all: so many of 20^8, that nobody hits one by trying (RFC 8628, 5.1).
OF_ONE, IN_ALL = 5, 1_000
#: Letters of a code: no vowels, so that it is no word, and none that looks like a digit (RFC 8628, 6.1).
LETTERS, LENGTH = "BCDFGHJKLMNPQRSTVWXZ", 8


class State(StrEnum):
    """How far a terminal is."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    USED = "used"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A terminal that waits for a person; ``code`` as people read it, ``address`` where it asked from."""

    code: str
    address: str
    asked: datetime


def ask(connection: Connection, *, at: datetime, address: str) -> tuple[str, str]:
    """A new device code and its user code. Raises ``Refusal`` TOO_MANY_REQUESTS."""
    connection.execute(delete(device).where(device.c.expires <= at))
    pending = select(func.count()).select_from(device).where(device.c.state == State.PENDING)
    mine = connection.execute(pending.where(device.c.address == address)).scalar_one()
    if mine >= OF_ONE or connection.execute(pending).scalar_one() >= IN_ALL:
        raise Refusal(
            Code.TOO_MANY_REQUESTS,
            f"Too many terminals wait for somebody to enter their code; {mine} of them are at this address.",
            remedy="Enter one of the codes, or wait until they end: each is good for 10 minutes.",
            facts={"retry_after": str(LASTS // timedelta(seconds=1))},
        )
    device_code, user_code = secret.new(), "".join(secrets.choice(LETTERS) for _ in range(LENGTH))
    values = {"hash": secret.digest(device_code), "user_code": user_code, "created": at, "expires": at + LASTS}
    connection.execute(insert(device).values(values | {"address": address, "state": State.PENDING.value}))
    return device_code, shown(user_code)


def waiting(connection: Connection, typed: str, at: datetime) -> Waiting:
    """The terminal that shows this code. Raises ``Refusal`` NOT_FOUND."""
    code = "".join(letter for letter in typed.upper() if letter in LETTERS)
    open_now = device.c.user_code == code, device.c.state == State.PENDING, device.c.expires > at
    row = connection.execute(select(device).where(*open_now)).first()
    if row is None:
        raise _nobody()
    return Waiting(shown(row.user_code), row.address, row.created)


def decide(connection: Connection, typed: str, *, approve: bool, by: Actor, at: datetime) -> Waiting:
    """A person says whether this terminal may act as that person. Raises ``Refusal`` NOT_FOUND."""
    one = waiting(connection, typed, at)
    state = State.APPROVED if approve else State.DENIED
    mine = device.c.user_code == one.code.replace("-", ""), device.c.state == State.PENDING
    if connection.execute(update(device).where(*mine).values(state=state.value, principal=by.principal)).rowcount == 0:
        raise _nobody()  # somebody else was faster
    said: dict[str, object] = {"terminal": state.value, "from": one.address, "by": by.noted}
    journal.append(connection, "sign-in", by.principal, said, at=at)
    return one


def poll(connection: Connection, device_code: str, at: datetime) -> str | tuple[str, timedelta]:
    """What the terminal is told: an error of RFC 8628 (3.5), or the token it is given this once and for how long that is good."""
    mine = device.c.hash == secret.digest(device_code)
    row = connection.execute(select(device).where(mine)).first()
    if row is None or row.state == State.USED:
        return "invalid_grant"
    if row.expires <= at:
        return "expired_token"
    connection.execute(update(device).where(mine).values(polled=at))
    if row.state == State.PENDING:
        # A little early is on time: the terminal's clock is not ours.
        early = row.polled is not None and at - row.polled < EVERY * 0.8
        return "slow_down" if early else "authorization_pending"
    if row.state == State.DENIED:
        return "access_denied"
    if (
        connection.execute(update(device).where(mine, device.c.state == State.APPROVED).values(state=State.USED.value)).rowcount
        == 0
    ):
        return "invalid_grant"  # it asked twice at once
    try:
        who = principals.person(connection, row.principal, Way.CONSOLE, at, row.address)
    except Refusal:  # disabled since
        return "access_denied"
    name = f"terminal at {row.address}"
    _, made = tokens.personal(connection, who.principal, name, at=at, expires=at + SIGNED_IN, by=who)
    return made, SIGNED_IN


def shown(code: str) -> str:
    """A code as people read it: in two halves."""
    return f"{code[:4]}-{code[4:]}"


def _nobody() -> Refusal:
    return Refusal(
        Code.NOT_FOUND,
        "No terminal waits with this code.",
        field="code",
        remedy="Compare the letters, or begin again at the terminal: aeo-gateway login",
        facts={"page": "user-code"},
    )
