"""A person signs in with a password and a second factor, or sets both up with a one-time link.

1. the attempt is counted, as failed, before anything is judged; whoever failed too often waits
2. name or e-mail and password: whoever is unknown costs as much time as whoever is known, and is told the same
3. what is proven so far hangs on a cookie of this browser, for some minutes
4. the code of the second factor, good once: a new session, and the failures of before are told to the journal and forgotten

Whatever fails is counted, and logged without what was typed: people type passwords where names belong.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.node.node import Node
from gateway.operate.passwords import Passwords
from gateway.store import attempts, ceremonies, credentials, journal, sessions
from gateway.store.attempts import Subject
from gateway.store.credentials import Account

log = logging.getLogger(__name__)
#: Kinds of what is begun: a sign-in whose password is proven, and setting up.
HALF, SETTING_UP = "half", "set-up"
#: Failures in a row of one account that the journal hears of (choice): their number, and not each of them.
TOLD = frozenset({5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000})


@dataclass(frozen=True, slots=True)
class Browser:
    """Whoever is at the other end: the ``cookie`` that tells this browser from others before anybody is signed in, address and user agent."""

    cookie: str
    address: str
    agent: str


async def password(node: Node, passwords: Passwords, browser: Browser, called: str, typed: str) -> None:
    """Steps 1 to 3. Raises ``Refusal``: UNAUTHENTICATED, TOO_MANY_REQUESTS."""
    at = node.clock()
    known, subjects = await node.write(lambda connection: _counted(connection, called, browser, at))
    try:
        right = await passwords.check(known.password if known else None, typed)
    except Refusal:  # nobody looked at it
        await node.write(lambda connection: attempts.forgive(connection, subjects))
        raise
    if known is None or not right:
        await node.write(lambda connection: _failed(connection, known, subjects, "password", browser, at))
        raise wrong()
    fresh = await passwords.hash(typed) if passwords.outdated(known.password) else None
    await node.write(lambda connection: _half(connection, known, subjects, browser, at, fresh))


async def code(node: Node, browser: Browser, typed: str) -> str:
    """Step 4: the secret of the new session's cookie. Raises ``Refusal``: UNAUTHENTICATED where no password was proven of late, DATA_INVALID
    for the code, TOO_MANY_REQUESTS."""
    at = node.clock()
    cookie = await node.write(lambda connection: _whole(connection, browser, typed, at))
    if cookie is None:
        raise credentials.wrong_code()
    return cookie


async def begin_set_up(node: Node, passwords: Passwords, browser: Browser, link: str, chosen: str) -> None:
    """The password of who sets up with a one-time link; the second factor comes next. Raises ``Refusal``: NOT_FOUND, DATA_INVALID,
    TOO_MANY_REQUESTS."""
    at = node.clock()
    # Before hashing: without a link nobody has this node work.
    one = await node.write(lambda connection: credentials.linked(connection, link, at))
    said = {"link": link, "password": await passwords.hash(chosen), "totp": credentials.new_totp()}
    await node.write(
        lambda c: ceremonies.begin(c, browser.cookie, SETTING_UP, said, principal=one.id, at=at, address=browser.address)
    )


async def end_set_up(node: Node, browser: Browser, link: str, typed: str) -> str:
    """The code of the new second factor: with it the link is used up and the person is signed in; the secret of the session's cookie.
    Raises ``Refusal``: NOT_FOUND, DATA_INVALID for the code, UNAUTHENTICATED where it took too long."""
    at = node.clock()

    def job(connection: Connection) -> str:
        begun = ceremonies.look(connection, browser.cookie, SETTING_UP, at)
        if begun is None or begun.said["link"] != link:
            raise too_late()
        new = {"password": begun.said["password"], "totp": begun.said["totp"]}
        one = credentials.set_up(connection, link, **new, code=typed, at=at, address=browser.address)
        ceremonies.end(connection, browser.cookie, SETTING_UP, at)
        attempts.clear(connection, attempts.account(one.id))
        attempts.clear(connection, attempts.second_factor(one.id))
        return sessions.start(connection, one.id, "set-up", at=at, address=browser.address, agent=browser.agent)

    return await node.write(job)


def wrong() -> Refusal:
    """Nobody is told whether it was the name or the password."""
    return Refusal(
        Code.UNAUTHENTICATED,
        "The name or the password is not right.",
        remedy="Type both again. Who has forgotten a password asks an administrator for a new link.",
        facts={"page": "wrong"},
    )


def too_late() -> Refusal:
    """What was begun in this browser is not there any more."""
    return Refusal(
        Code.UNAUTHENTICATED,
        "What was begun here took longer than 15 minutes, or was begun in another browser.",
        remedy="Begin again.",
        facts={"page": "too-late"},
    )


def _counted(connection: Connection, called: str, browser: Browser, at: datetime) -> tuple[Account | None, list[Subject]]:
    known = credentials.account(connection, called)
    # No id has a blank: whoever types somebody's id slows nobody down.
    subjects = [attempts.account(known.id if known else f"name {called}"), attempts.address(browser.address)]
    _begin(connection, subjects, known, browser, at)
    return known, subjects


def _begin(connection: Connection, subjects: list[Subject], known: Account | None, browser: Browser, at: datetime) -> None:
    try:
        attempts.begin(connection, subjects, at)
    except Refusal as refused:
        log.warning("sign-in slowed down", extra={"facts": _facts(known, browser) | {"seconds": refused.facts.get("seconds", "")}})
        raise


def _failed(
    connection: Connection, known: Account | None, subjects: list[Subject], what: str, browser: Browser, at: datetime
) -> None:
    count = attempts.failures(connection, subjects[0])
    log.warning("sign-in failed", extra={"facts": _facts(known, browser) | {"what": what, "failures": str(count)}})
    if known is not None and count in TOLD:
        said: dict[str, object] = {"failed": count, "what": what, "address": browser.address}
        journal.append(connection, "sign-in", known.id, said, at=at)


def _half(
    connection: Connection, known: Account, subjects: list[Subject], browser: Browser, at: datetime, fresh: str | None
) -> None:
    attempts.forgive(connection, subjects)
    if fresh is not None:
        credentials.rehash(connection, known, fresh)
    ceremonies.begin(connection, browser.cookie, HALF, {}, principal=known.id, at=at, address=browser.address)


def _whole(connection: Connection, browser: Browser, typed: str, at: datetime) -> str | None:
    """None where the code is not right: that must stay counted, so nothing is raised."""
    begun = ceremonies.look(connection, browser.cookie, HALF, at)
    known = credentials.by_id(connection, begun.principal) if begun is not None and begun.principal else None
    if known is None:
        raise too_late()
    subjects = [attempts.second_factor(known.id)]
    _begin(connection, subjects, known, browser, at)
    if not credentials.use_code(connection, known, typed, at):
        _failed(connection, known, subjects, "code", browser, at)
        return None
    ceremonies.end(connection, browser.cookie, HALF, at)
    failed = attempts.clear(connection, attempts.account(known.id)) + attempts.clear(connection, subjects[0]) - 1
    log.info("signed in", extra={"facts": _facts(known, browser)})
    return sessions.start(connection, known.id, "password", at=at, address=browser.address, agent=browser.agent, failed=failed)


def _facts(known: Account | None, browser: Browser) -> dict[str, str]:
    return {"principal": known.id if known else "unknown", "address": browser.address}
