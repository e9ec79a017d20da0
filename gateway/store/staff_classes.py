"""The shelves of what is kept of staff beside the journal: who signed in where and with what, and what is left of who may do nothing any
more. Each goes by itself (choice: operate/RULES.md, What is kept of staff), unless a person says how long; the journal says only how
many went, or it would keep for good what goes here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement, func, or_, select
from sqlalchemy import true as always

from gateway.core.access import PrincipalKind
from gateway.store.attempts import FORGOTTEN
from gateway.store.retention_class import RetentionClass, length_of
from gateway.store.tables import attempt, ceremony, device, link, passkey, principal, session, token

#: Days for what an inquiry may ask for: the least that the Cybersecurity Law (2016, Art. 21(3)) has records of a network be kept is six
#: months. What only ever served a sign-in that is over goes the next day.
INQUIRY, OVER = 200, 1
_GONE = select(principal.c.id).where(principal.c.disabled.is_not(None))
_LEFT = (principal.c.email, principal.c.password, principal.c.totp)


def _staff(
    name: str,
    holds: str,
    purpose: str,
    stays: str,
    at: ColumnElement[Any],
    size: tuple[Column[Any], ...],
    days: int,
    *,
    closed: ColumnElement[bool] | None = None,
    filled: ColumnElement[bool] | None = None,
    emptied: Mapping[str, Any] | None = None,
    **more: Any,
) -> RetentionClass:
    return RetentionClass(
        name,
        holds,
        purpose,
        stays,
        size[0].table,
        at,
        length_of(*size),
        always() if filled is None else filled,
        always() if closed is None else closed,
        size[0],
        None,
        emptied,
        marks=False,
        default=days,
        named=False,
        **more,
    )


#: None of them can be used any more: each counts from the moment at which it ends by itself, or was ended.
STAFF_CLASSES = (
    _staff(
        "sessions",
        "sign-ins at the console: when, from where, with which browser",
        "following up on a stolen session",
        "who signed in and when, in the journal",
        session.c.expires,
        (session.c.address, session.c.agent),
        INQUIRY,
    ),
    _staff(
        "links",
        "one-time links to set up a sign-in",
        "following up on a link that a wrong hand used",
        "who had it made, in the journal",
        link.c.expires,
        (link.c.hash,),
        INQUIRY,
    ),
    _staff(
        "personal-tokens",
        "tokens of persons that ended or were taken back: from where, and their last use",
        "following up on a stolen token",
        "who was given it and when, in the journal",
        func.coalesce(token.c.revoked, token.c.expires),
        (token.c.name,),
        INQUIRY,
        closed=token.c.principal.in_(select(principal.c.id).where(principal.c.kind == PrincipalKind.PERSON)),
    ),
    _staff(
        "terminals",
        "terminals that asked to be signed in: from where",
        "signing in at a terminal",
        "who let it in, in the journal",
        device.c.expires,
        (device.c.address,),
        OVER,
    ),
    _staff(
        "begun",
        "sign-ins that were begun: from where",
        "ending them",
        "nothing",
        ceremony.c.expires,
        (ceremony.c.address, ceremony.c.body),
        OVER,
    ),
    _staff(
        "attempts",
        "attempts to sign in that failed, by account and address",
        "having the next one wait",
        "how many failed before somebody came in, in the journal",
        attempt.c.last,
        (attempt.c.subject,),
        OVER,
        least=FORGOTTEN,
    ),
    _staff(
        "former-staff",
        "e-mail, password and second factor of persons who may do nothing any more",
        "reaching them",
        "id, name and roles: the journal names them",
        principal.c.disabled,
        _LEFT,
        INQUIRY,
        filled=or_(*(column.is_not(None) for column in _LEFT)),
        closed=principal.c.disabled.is_not(None),
        # What the provider of sign-in calls it stays: it keeps who was shut out from being let in as somebody new.
        emptied={"email": None, "password": None, "totp": None, "totp_step": None},
    ),
    _staff(
        "former-passkeys",
        "passkeys of persons who may do nothing any more, since their last use",
        "nothing any more",
        "that there was one, in the journal",
        func.coalesce(passkey.c.last_used, passkey.c.created),
        (passkey.c.name, passkey.c.public_key),
        INQUIRY,
        closed=passkey.c.principal.in_(_GONE),
    ),
)
