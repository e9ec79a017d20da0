"""Passkeys (WebAuthn): a device proves that it has a key, and that it made sure who uses it. No password is asked.

Each proof is over a challenge of ours, made for this browser and good once, and names our own address: it proves nothing anywhere else,
so nobody can be talked into giving it away. A device that counts its signatures and counts backwards was copied.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import webauthn
from sqlalchemy import Connection
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json, parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from gateway.core.access import Actor
from gateway.core.errors import Code, Refusal
from gateway.core.names import visible_at_all
from gateway.node.node import Node
from gateway.operate.sign_in import Browser, too_late
from gateway.settings import Settings
from gateway.store import ceremonies, journal, passkeys, sessions
from gateway.store.passkeys import Passkey

log = logging.getLogger(__name__)
#: Kinds of what is begun.
ADDING, ENTERING = "passkey-add", "passkey"
LONGEST_NAME = 80
#: What a device may say that is no proof, or no JSON at all.
_FAULTS = (WebAuthnException, ValueError, KeyError, TypeError, AttributeError, IndexError)
_REQUIRED = UserVerificationRequirement.REQUIRED


class Party(NamedTuple):
    """Whom a device speaks to: the host, and the address that the browser is at."""

    host: str
    origin: str


def party(settings: Settings) -> Party:
    """Us, by the address at which people reach the console."""
    url = urlsplit(settings.public_url)
    return Party(url.hostname or "", f"{url.scheme}://{url.netloc}")


async def begin_adding(node: Node, browser: Browser, who: Actor) -> str:
    """What a browser is asked to have a new key made with, as JSON."""
    at, we = node.clock(), party(node.settings)

    def job(connection: Connection) -> str:
        options = webauthn.generate_registration_options(
            rp_id=we.host,
            rp_name="AEO",
            user_id=who.principal.encode(),
            user_name=who.name,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=_REQUIRED
            ),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.id)) for one in passkeys.listed(connection, who.principal)
            ],
        )
        _remember(connection, browser, ADDING, options.challenge, who.principal, at)
        return options_to_json(options)

    return await node.write(job)


async def add(node: Node, browser: Browser, who: Actor, name: str, answer: str) -> None:
    """Keeps the key that a device made. Raises ``Refusal``: DATA_INVALID, UNAUTHENTICATED where it took too long."""
    at, we, called = node.clock(), party(node.settings), name.strip()
    if not visible_at_all(called) or not called.isprintable() or len(called) > LONGEST_NAME:
        facts = {"page": "passkey-name"}
        raise Refusal(
            Code.DATA_INVALID, "A passkey needs a name.", field="passkey-name", remedy="Say which device it is.", facts=facts
        )

    def job(connection: Connection) -> None:
        begun = ceremonies.end(connection, browser.cookie, ADDING, at)
        if begun is None or begun.principal != who.principal:
            raise too_late()
        try:
            made = webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=base64url_to_bytes(begun.said["challenge"]),
                expected_rp_id=we.host,
                expected_origin=we.origin,
                require_user_verification=True,
            )
        except _FAULTS as error:
            raise _no(error, browser) from None
        one = Passkey(
            id=bytes_to_base64url(made.credential_id),
            principal=who.principal,
            name=called,
            public_key=made.credential_public_key,
            signed=made.sign_count,
            created=at,
            last_used=None,
        )
        passkeys.add(connection, one, by=who)

    await node.write(job)


async def begin_entering(node: Node, browser: Browser) -> str:
    """What a browser is asked to have signed by whichever passkey its person has for us, as JSON. Raises ``Refusal`` TOO_MANY_REQUESTS."""
    at = node.clock()
    options = webauthn.generate_authentication_options(rp_id=party(node.settings).host, user_verification=_REQUIRED)
    await node.write(lambda connection: _remember(connection, browser, ENTERING, options.challenge, None, at))
    return options_to_json(options)


async def enter(node: Node, browser: Browser, answer: str) -> str:
    """Whoever's passkey that is comes in: the secret of the new session's cookie. Raises ``Refusal`` UNAUTHENTICATED."""
    at = node.clock()
    session = await node.write(lambda connection: _entered(connection, party(node.settings), browser, answer, at))
    if isinstance(session, Refusal):
        raise session
    return session


def _entered(connection: Connection, we: Party, browser: Browser, answer: str, at: datetime) -> str | Refusal:
    """A refusal is given and not raised: that the challenge is used, and what the journal was told, must stay."""
    begun = ceremonies.end(connection, browser.cookie, ENTERING, at)
    if begun is None:
        return too_late()
    try:
        said = parse_authentication_credential_json(answer)
    except _FAULTS as error:
        return _no(error, browser)
    one = passkeys.find(connection, bytes_to_base64url(said.raw_id))
    if one is None:
        log.warning("sign-in failed", extra={"facts": {"what": "passkey", "principal": "unknown", "address": browser.address}})
        facts = {"page": "passkey-unknown"}
        return Refusal(Code.UNAUTHENTICATED, "This passkey is not known here.", remedy="Sign in with a password.", facts=facts)
    counted = _proven(said, one, we, begun.said["challenge"], browser)
    if isinstance(counted, Refusal):
        return counted
    # WebAuthn 3, 7.2, step 22: a device that counts at all counts upwards.
    if ((counted or one.signed) and counted <= one.signed) or not passkeys.used(connection, one, counted, at):
        log.warning("passkey counts backwards", extra={"facts": {"principal": one.principal, "address": browser.address}})
        told: dict[str, object] = {"refused": "the passkey counts backwards", "passkey": one.name, "address": browser.address}
        journal.append(connection, "sign-in", one.principal, told, at=at)
        facts = {"page": "passkey-copied"}
        return Refusal(Code.UNAUTHENTICATED, "This passkey may have been copied.", remedy="Remove it.", facts=facts)
    try:
        session = sessions.start(connection, one.principal, "passkey", at=at, address=browser.address, agent=browser.agent)
    except Refusal as refused:  # the person is disabled
        return refused.but(detail="This passkey is not known here any more.")
    log.info("signed in", extra={"facts": {"principal": one.principal, "address": browser.address}})
    return session


def _proven(said: AuthenticationCredential, one: Passkey, we: Party, challenge: str, browser: Browser) -> int | Refusal:
    """The count that the device gives, where its proof holds."""
    handle = said.response.user_handle
    if handle is not None and handle != one.principal.encode():
        return _no(ValueError("the user handle is another's"), browser)
    try:
        proven = webauthn.verify_authentication_response(
            credential=said,
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=we.host,
            expected_origin=we.origin,
            credential_public_key=one.public_key,
            credential_current_sign_count=0,  # the count is judged, and told, by who asked
            require_user_verification=True,
        )
    except _FAULTS as error:
        return _no(error, browser)
    return proven.new_sign_count


def _remember(connection: Connection, browser: Browser, kind: str, challenge: bytes, principal: str | None, at: datetime) -> None:
    said = {"challenge": bytes_to_base64url(challenge)}
    ceremonies.begin(connection, browser.cookie, kind, said, principal=principal, at=at, address=browser.address)


def _no(error: Exception, browser: Browser) -> Refusal:
    log.warning("sign-in failed", extra={"facts": {"what": "passkey", "why": str(error)[:200], "address": browser.address}})
    facts = {"page": "passkey"}
    remedy = "Try again, or sign in with a password."
    return Refusal(Code.UNAUTHENTICATED, "The passkey did not prove that it is its person's.", remedy=remedy, facts=facts)
