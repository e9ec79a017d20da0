"""A person signs in by way of the administration's own provider (OpenID Connect Core 1.0, authorization code with PKCE).

1. the browser is sent there with a state, a nonce and a challenge that hang on its cookie, good once
2. it comes back with a code and that state; anything else is somebody's attempt to have it sign in as another
3. the code is exchanged, by us, with our secret and the verifier of the challenge, for an ID token
4. the token counts where a key of that provider signed it, for us, for this nonce, and its time is not over
5. a person is whoever it names with issuer and subject, never by an e-mail alone; its roles are those of its groups, each time anew.
   Who came with a one-time link is the person whom that is for, and signs in so from then on

What the provider says of itself and its keys is asked anew each time: nobody is let in on a key that it gave up.
"""

from __future__ import annotations

import base64
import hmac
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote_plus

import msgspec
from authlib.common.errors import AuthlibBaseError
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import Connection

from gateway import net
from gateway.core.access import StaffRole
from gateway.core.errors import Code, Refusal
from gateway.core.names import visible_at_all
from gateway.net import Guard, Unreachable
from gateway.node.node import Node
from gateway.operate.sign_in import Browser, too_late
from gateway.settings import Settings
from gateway.store import ceremonies, credentials, provider_accounts, secret, sessions

log = logging.getLogger(__name__)
#: The kind of what is begun, and where the provider sends the browser back to.
GOING, BACK = "provider", "/sign-in/provider/back"
#: What we ask for; groups come in the ID token's claim ``groups``, as the provider is set up to give them.
SCOPE, GROUPS = "openid profile email", "groups"
#: Signatures by a key that only the provider has.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
#: How far its clock and ours may be apart.
SKEW = timedelta(minutes=1)
#: The administrator chose the provider's address, so it may be in the administration's own network.
_GUARD = Guard(private_addresses=True, timeout=timedelta(seconds=10))
_FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}


class Provider(NamedTuple):
    """What the provider says of itself (OpenID Connect Discovery 1.0, 3)."""

    authorize: str
    token: str
    keys: str


class Came(NamedTuple):
    """Who came in: the session's cookie, and where that one wanted to go."""

    session: str
    next: str


async def begin(node: Node, browser: Browser, goes_on: str, link: str = "") -> str:
    """Step 1: the address to send the browser to; ``link`` is the secret of a one-time link, where somebody came with one. Raises ``Refusal``:
    BUSY where the provider cannot be asked, NOT_FOUND for the link, TOO_MANY_REQUESTS."""
    settings, at = node.settings, node.clock()
    provider = await _discover(settings)
    said = {"state": secret.new(), "nonce": secret.new(), "verifier": secret.new() + secret.new(), "next": goes_on, "link": link}

    def job(connection: Connection) -> None:
        whose = credentials.linked(connection, link, at).id if link else None
        ceremonies.begin(connection, browser.cookie, GOING, said, principal=whose, at=at, address=browser.address)

    await node.write(job)
    return str(
        prepare_grant_uri(
            provider.authorize,
            settings.oidc_client,
            "code",
            redirect_uri=settings.public_url + BACK,
            scope=SCOPE,
            state=said["state"],
            nonce=said["nonce"],
            code_challenge=create_s256_code_challenge(said["verifier"]),
            code_challenge_method="S256",
        )
    )


async def end(node: Node, browser: Browser, query: Mapping[str, str]) -> Came:
    """Steps 2 to 5. Raises ``Refusal``: UNAUTHENTICATED, FORBIDDEN for who has no role here, BUSY."""
    settings, at = node.settings, node.clock()
    begun = await node.write(lambda connection: ceremonies.end(connection, browser.cookie, GOING, at))
    if begun is None:
        raise too_late()
    # 2. RFC 9207: where it says whose answer this is, it is ours.
    if not hmac.compare_digest(query.get("state", "").encode(), begun.said["state"].encode()):
        raise _no(browser, "the state is another's")
    if query.get("iss", settings.oidc_issuer) != settings.oidc_issuer:
        raise _no(browser, "the answer is another issuer's")
    if "error" in query:
        raise _no(browser, f"it answered {query['error'][:80]}", page="provider-said-no")
    # 3.
    provider = await _discover(settings)
    answer = await _exchange(settings, provider, query.get("code", ""), begun.said["verifier"], browser)
    # 4.
    claims = _verified(settings, await _ask(provider.keys), answer, begun.said["nonce"], at, browser)
    # 5.
    session = await node.write(lambda connection: _admitted(connection, settings, claims, begun.said["link"], browser, at))
    if isinstance(session, Refusal):
        raise session
    return Came(session, begun.said["next"])


async def _discover(settings: Settings) -> Provider:
    said = await _ask(get_well_known_url(settings.oidc_issuer, external=True))
    endpoints = [said.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    scheme = settings.oidc_issuer.partition(":")[0]
    # A provider that says it is another one is another one; one over TLS sends nobody to an address without.
    right = said.get("issuer") == settings.oidc_issuer
    if not right or not all(isinstance(one, str) and one.startswith(f"{scheme}://") for one in endpoints):
        raise _away(f"it calls itself {said.get('issuer')!r}, or lacks an endpoint")
    return Provider(*map(str, endpoints))


async def _exchange(settings: Settings, provider: Provider, code: str, verifier: str, browser: Browser) -> dict[str, Any]:
    body = prepare_token_request(
        "authorization_code",
        redirect_uri=settings.public_url + BACK,
        code=code,
        code_verifier=verifier,
    )
    # RFC 6749, 2.3.1: both are encoded as in a form first.
    pair = f"{quote_plus(settings.oidc_client)}:{quote_plus(settings.oidc_secret.get_secret_value())}"
    headers = _FORM | {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    try:
        answer = await net.post(provider.token, body.encode(), headers=headers, guard=_GUARD)
    except Unreachable as error:
        raise _away(str(error)) from None
    said = _object(answer.body)
    if answer.status != 200 or not isinstance(said.get("id_token"), str):
        raise _no(browser, f"the code was answered {answer.status} {str(said.get('error', ''))[:80]}")
    return said


def _verified(
    settings: Settings, keys: dict[str, Any], answer: dict[str, Any], nonce: str, at: datetime, browser: Browser
) -> Mapping[str, Any]:
    """The claims of an ID token that is that provider's, for us, for what this browser began, and now."""
    must = {"iss": settings.oidc_issuer, "aud": settings.oidc_client}
    try:
        token = jwt.decode(answer["id_token"], KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type] # it came over the wire
        claims = CodeIDToken(
            token.claims,
            token.header,
            {name: {"essential": True, "value": value} for name, value in must.items()},
            {"nonce": nonce, "client_id": settings.oidc_client, "access_token": answer.get("access_token")},
        )
        claims.validate(now=int(at.timestamp()), leeway=int(SKEW.total_seconds()))
    except (JoseError, AuthlibBaseError, ValueError, TypeError, KeyError) as error:
        raise _no(browser, f"the ID token: {type(error).__name__} {error}") from None
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise _no(browser, "the ID token names nobody")
    return dict(claims)


def _admitted(
    connection: Connection, settings: Settings, claims: Mapping[str, Any], link: str, browser: Browser, at: datetime
) -> str | Refusal:
    """A refusal is given and not raised: the roles that somebody lost stay lost."""
    account, roles = f"{settings.oidc_issuer} {claims['sub']}", _roles(settings, claims.get(GROUPS))
    facts = {"what": "provider", "principal": "unknown", "address": browser.address}
    try:
        one = None if link else provider_accounts.whose(connection, account)
    except Refusal as refused:
        log.warning("sign-in failed", extra={"facts": facts | {"why": refused.detail}})
        return refused
    if one is not None:
        facts["principal"] = one.id
        provider_accounts.follow(connection, one, roles, at=at)
    if not roles:
        log.warning("sign-in failed", extra={"facts": facts | {"why": "none of its groups has a role"}})
        detail, remedy = (
            "This account is in no group that has a role here.",
            "Ask an administrator; AEO_OIDC_ROLES says which have.",
        )
        return Refusal(Code.FORBIDDEN, detail, remedy=remedy, facts={"page": "no-role"})
    try:
        if link:
            one = credentials.use_link(connection, link, account, at=at, address=browser.address)
            provider_accounts.follow(connection, one, roles, at=at)
        elif one is None:
            email = _text(claims, "email") or None
            one = provider_accounts.admit(connection, account, _names(claims), roles, at=at, email=email)
        session = sessions.start(connection, one.id, "oidc", at=at, address=browser.address, agent=browser.agent)
    except Refusal as refused:
        log.warning("sign-in failed", extra={"facts": facts | {"why": refused.detail}})
        return Refusal(Code.UNAUTHENTICATED, refused.detail, remedy=refused.remedy, facts={"page": "provider"} | refused.facts)
    log.info("signed in", extra={"facts": facts | {"principal": one.id}})
    return session


def _roles(settings: Settings, groups: object) -> set[StaffRole]:
    among = {one for one in groups if isinstance(one, str)} if isinstance(groups, list) else {groups}
    return {role for group, role in settings.group_roles if group in among}


def _names(claims: Mapping[str, Any]) -> list[str]:
    """What to call somebody: its name; where that is somebody's here already, with its account's."""
    account = _text(claims, "preferred_username") or str(claims["sub"])
    name = _text(claims, "name") or account
    return [name, f"{name} ({account})", f"{name} ({claims['sub']})"]


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.strip()[:200] if isinstance(value, str) and value.isprintable() and visible_at_all(value) else ""


async def _ask(url: str) -> dict[str, Any]:
    try:
        answer = await net.get(url, headers={"accept": "application/json"}, guard=_GUARD)
    except Unreachable as error:
        raise _away(str(error)) from None
    if answer.status != 200:
        raise _away(f"{url} answered {answer.status}")
    return _object(answer.body)


def _object(body: bytes) -> dict[str, Any]:
    """JSON of an object; of anything else an empty one."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def _away(why: str) -> Refusal:
    log.warning("the provider of sign-in cannot be asked", extra={"facts": {"why": why[:300]}})
    facts = {"page": "provider-away", "retry_after": "60"}
    return Refusal(Code.BUSY, "The provider of sign-in cannot be asked now.", remedy="Try again in a minute.", facts=facts)


def _no(browser: Browser, why: str, page: str = "provider") -> Refusal:
    log.warning("sign-in failed", extra={"facts": {"what": "provider", "why": why[:300], "address": browser.address}})
    detail = "The provider of sign-in did not confirm who this is."
    return Refusal(Code.UNAUTHENTICATED, detail, remedy="Begin again.", facts={"page": page})
