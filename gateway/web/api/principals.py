"""Who is known here, and what each may do: persons, systems, their tokens, and who stands in for whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request
from sqlalchemy import Connection
from starlette.responses import Response

from gateway.core.access import Scope, StaffRole
from gateway.core.errors import Code, Refusal
from gateway.operate import people
from gateway.store import principals, tokens
from gateway.store.principals import Principal
from gateway.store.proposals import Proposal
from gateway.store.tokens import Caller, Issued
from gateway.web.api.doing import Done, Reason, Reasoned, asked, done, shown, shown_once
from gateway.web.api.questions import Moment
from gateway.web.documents import describe
from gateway.web.guard import Need, Served

router = APIRouter(tags=["people"])
LIMIT = 64 * 1024
#: Days for which a token is good at most.
LONGEST = 3_650
Administrator = Annotated[Caller, Depends(Need(Scope.PRINCIPAL_ADMIN))]
Somebody = Annotated[Caller, Depends(Need(Scope.CLEARANCE_READ))]

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, description="As colleagues know it.")]
Roles = Annotated[tuple[StaffRole, ...], msgspec.Meta(min_length=1, description="What the person may do.")]


class PrincipalList(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody who is known here, persons first."""

    principals: Sequence[Principal]


class Myself(msgspec.Struct, frozen=True, kw_only=True):
    """Whose token this is, and what may be done with it now."""

    principal: str
    name: str
    kind: str
    scopes: Sequence[Scope]


class NewPerson(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person to be made known. ``language`` is en or zh."""

    name: Name
    roles: Roles
    reason: Reason
    email: str | None = None
    language: Annotated[str, msgspec.Meta(pattern="^(en|zh)$")] | None = None


class LetIn(msgspec.Struct, frozen=True, kw_only=True):
    """A person, and the address at which it sets up how it signs in: good once, and shown this once."""

    person: Principal
    link: str


class NewRoles(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person is from now on, and why."""

    roles: Roles
    reason: Reason


class ProviderAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account at the administration's own provider of sign-in, and why it is this person's."""

    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=255, description="What the provider calls the person: `sub`.")]
    reason: Reason


class SignedOut(msgspec.Struct, frozen=True, kw_only=True):
    """A person, and how many of its sessions at the console were ended."""

    person: Principal
    sessions: int


class StandingIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may do for that time what somebody else may; at most 31 days."""

    deputy: Name
    until: Moment
    reason: Reason


class StoodIn(msgspec.Struct, frozen=True, kw_only=True):
    """Who is away, who stands in, and until when."""

    absent: Principal
    deputy: Principal
    until: datetime


class TokenList(msgspec.Struct, frozen=True, kw_only=True):
    """Every token ever given out, the newest first; never the token itself."""

    tokens: Sequence[Issued]


class NewToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token for a system: what it may do, and for how many days."""

    name: Name
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1)]
    days: Annotated[int, msgspec.Meta(ge=1, le=LONGEST)] = 365


class TokenMade(msgspec.Struct, frozen=True, kw_only=True):
    """A token, shown this once."""

    id: str
    token: str
    expires: datetime


@router.get("/v1/me", openapi_extra=describe(gives=Myself))
async def me(service: Served, caller: Somebody) -> Response:
    """Whose token this is."""
    said = Myself(principal=caller.principal, name=caller.name, kind=caller.kind, scopes=sorted(caller.scopes))
    return await shown(service, lambda _: said)


@router.get("/v1/principals", openapi_extra=describe(gives=PrincipalList))
async def listed(service: Served, caller: Administrator) -> Response:
    """Everybody who is known here."""
    return await shown(service, lambda connection: PrincipalList(principals=principals.listed(connection)))


@router.post("/v1/principals", openapi_extra=describe(takes=NewPerson, gives=LetIn, accepts=Proposal, status=201, limit=LIMIT))
async def add(request: Request, service: Served, caller: Administrator) -> Response:
    """Makes a person known. The second person of an installation is made known by the first alone; every other one takes two where the
    settings ask for it: the first call proposes it (202), the same call of a second person does it."""
    given, node, at = await asked(request, service, NewPerson), service.node, service.node.clock()

    def job(connection: Connection) -> Done:
        made = people.add(
            connection,
            given.name,
            given.roles,
            node.settings,
            who=caller,
            reason=given.reason,
            at=at,
            email=given.email,
            language=given.language,
        )
        if isinstance(made, Proposal):
            return Done(made, 202)
        return Done(LetIn(person=made[0], link=f"{node.settings.public_url}/sign-in/{made[1]}"), 201)

    return await shown_once(service, job)


@router.post(
    "/v1/principals/{principal}/roles",
    openapi_extra=describe(takes=NewRoles, gives=Principal, accepts=Proposal, limit=LIMIT, again=True),
)
async def set_roles(principal: str, request: Request, service: Served, caller: Administrator) -> Response:
    """Says what a person is from now on; never one's own roles. It takes two where the settings ask for it."""
    given, node, at = await asked(request, service, NewRoles), service.node, service.node.clock()

    def job(connection: Connection) -> Done:
        made = people.change(connection, principal, given.roles, node.settings, who=caller, reason=given.reason, at=at)
        return Done(made, 202 if isinstance(made, Proposal) else 200)

    return await done(request, service, caller, given, job)


@router.post("/v1/principals/{principal}/link", openapi_extra=describe(takes=Reasoned, gives=LetIn, status=201, limit=LIMIT))
async def link(principal: str, request: Request, service: Served, caller: Administrator) -> Response:
    """A new one-time link with which a person sets up anew how it signs in. Whoever asks for it cannot be the other of two with that person
    for 30 days. Not to be asked again under a key: it is shown once."""
    given, node, at = await asked(request, service, Reasoned), service.node, service.node.clock()

    def job(connection: Connection) -> Done:
        one, secret = people.new_link(connection, principal, who=caller, reason=given.reason, at=at)
        return Done(LetIn(person=one, link=f"{node.settings.public_url}/sign-in/{secret}"), 201)

    return await shown_once(service, job)


@router.post(
    "/v1/principals/{principal}/account",
    openapi_extra=describe(takes=ProviderAccount, gives=Principal, limit=LIMIT, again=True),
)
async def give_account(principal: str, request: Request, service: Served, caller: Administrator) -> Response:
    """Has a person sign in by its account at the administration's own provider; its groups there say its roles. Whoever asks for it cannot be
    the other of two with that person for 30 days."""
    given, node, at = await asked(request, service, ProviderAccount), service.node, service.node.clock()

    def job(connection: Connection) -> Done:
        one = people.give_account(connection, principal, given.subject, node.settings, who=caller, reason=given.reason, at=at)
        return Done(one)

    return await done(request, service, caller, given, job)


@router.post(
    "/v1/principals/{principal}/account/unset",
    openapi_extra=describe(takes=Reasoned, gives=Principal, limit=LIMIT, again=True),
)
async def take_account(principal: str, request: Request, service: Served, caller: Administrator) -> Response:
    """Has a person sign in by no account at that provider any more; its sessions end. The same holds of whoever asks for it."""
    given, at = await asked(request, service, Reasoned), service.node.clock()

    def job(connection: Connection) -> Done:
        return Done(people.take_account(connection, principal, who=caller, reason=given.reason, at=at))

    return await done(request, service, caller, given, job)


@router.post(
    "/v1/principals/{principal}/sign-out", openapi_extra=describe(takes=Reasoned, gives=SignedOut, limit=LIMIT, again=True)
)
async def sign_out(principal: str, request: Request, service: Served, caller: Administrator) -> Response:
    """Ends every session of a person at the console, at once; it may sign in again."""
    given, at = await asked(request, service, Reasoned), service.node.clock()

    def job(connection: Connection) -> Done:
        one, ended = people.sign_out(connection, principal, who=caller, reason=given.reason, at=at)
        return Done(SignedOut(person=one, sessions=ended))

    return await done(request, service, caller, given, job)


@router.post("/v1/principals/{principal}/disable", openapi_extra=describe(takes=Reasoned, gives=Principal, limit=LIMIT, again=True))
async def disable(principal: str, request: Request, service: Served, caller: Administrator) -> Response:
    """Somebody may do nothing any more; every node follows within a second."""
    given, at = await asked(request, service, Reasoned), service.node.clock()

    def job(connection: Connection) -> Done:
        return Done(people.disable(connection, principal, who=caller, reason=given.reason, at=at))

    return await done(request, service, caller, given, job)


@router.post("/v1/principals/{principal}/acknowledge", openapi_extra=describe(gives=Principal, again=True))
async def acknowledge(principal: str, request: Request, service: Served, caller: Somebody) -> Response:
    """A third person has looked at the second one of this installation, whom the first made known alone."""
    at = service.node.clock()

    def job(connection: Connection) -> Done:
        return Done(principals.acknowledge(connection, principal, by=caller, at=at))

    return await done(request, service, caller, principal, job)


@router.post(
    "/v1/principals/{principal}/stand-in",
    openapi_extra=describe(takes=StandingIn, gives=StoodIn, status=201, limit=LIMIT, again=True),
)
async def stand_in(principal: str, request: Request, service: Served, caller: Somebody) -> Response:
    """Has somebody stand in for a person for a while: named by whoever is away, or by an administrator, and never by the one named."""
    given, at = await asked(request, service, StandingIn), service.node.clock()

    def job(connection: Connection) -> Done:
        one, other = people.stand_in(connection, principal, given.deputy, given.until, who=caller, reason=given.reason, at=at)
        return Done(StoodIn(absent=one, deputy=other, until=given.until), 201)

    return await done(request, service, caller, given, job)


@router.get("/v1/tokens", openapi_extra=describe(gives=TokenList))
async def listed_tokens(service: Served, caller: Administrator) -> Response:
    """Every token ever given out: its holder, scopes, end and last use."""
    return await shown(service, lambda connection: TokenList(tokens=tokens.issued(connection)))


@router.post("/v1/tokens", openapi_extra=describe(takes=NewToken, gives=TokenMade, status=201, limit=LIMIT))
async def create_token(request: Request, service: Served, caller: Administrator) -> Response:
    """Makes a token for a system. It is shown this once, so a key does not bring it back: where the answer was lost, revoke it and make
    another."""
    given, at = await asked(request, service, NewToken), service.node.clock()
    expires = at + timedelta(days=given.days)

    def job(connection: Connection) -> Done:
        identity, secret = tokens.create(connection, given.name, given.scopes, at=at, expires=expires, by=caller)
        return Done(TokenMade(id=identity, token=secret, expires=expires), 201)

    return await shown_once(service, job)


@router.post("/v1/tokens/{token}/revoke", openapi_extra=describe(gives=TokenList, again=True))
async def revoke_token(token: str, request: Request, service: Served, caller: Somebody) -> Response:
    """Takes a token back; every node refuses it within a second. One's own anybody may take back, others an administrator."""
    at = service.node.clock()

    def job(connection: Connection) -> Done:
        found = [one for one in tokens.issued(connection) if one.id == token]
        if found and found[0].principal != caller.principal and Scope.PRINCIPAL_ADMIN not in caller.scopes:
            raise Refusal(Code.FORBIDDEN, "This token is somebody else's.")
        tokens.revoke(connection, token, at=at, by=caller)
        return Done(TokenList(tokens=[one for one in tokens.issued(connection) if one.id == token]))

    return await done(request, service, caller, token, job)
