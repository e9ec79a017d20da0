"""A provider of sign-in as an administration has one (OpenID Connect): discovery, authorize, token, keys; and what an attacker would make it say."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.sandbox.listen import listening

CLIENT, SECRET = "aeo-gateway", "a secret: with/signs"


@dataclass
class ProviderFixture:
    """``account`` is who signs in there; ``spoil`` changes what the ID token says, ``signing`` is the key it is signed with."""

    clock: Callable[[], datetime]
    issuer: str = ""
    account: dict[str, Any] = field(default_factory=dict)
    keys: KeySet = field(default_factory=lambda: KeySet([RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})]))
    signing: Any = None
    spoil: Callable[[dict[str, Any]], dict[str, Any]] = field(default=lambda claims: claims)
    issued: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/keys", self.jwks),
            ]
        )

    async def discovery(self, request: Request) -> Response:
        endpoints = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        return JSONResponse({"issuer": self.issuer} | {name: self.issuer + path for name, path in endpoints.items()})

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if asked.get("client_id") != CLIENT or asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
            return Response("not ours", 400)
        code = secrets.token_urlsafe(16)
        self.issued[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}")

    async def token(self, request: Request) -> Response:
        asked = dict(parse_qsl((await request.body()).decode()))
        self.asked.append(request.headers["authorization"])
        given = self.issued.pop(asked.get("code", ""), None)
        known = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"aeo-gateway:a+secret%3A+with%2Fsigns"
        if not known or given is None or given["redirect_uri"] != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if create_s256_code_challenge(asked["code_verifier"]) != given["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(self.clock().timestamp())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": given["nonce"]} | self.account
        key = self.signing or self.keys.keys[0]
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, self.spoil(claims), key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": signed})

    async def jwks(self, request: Request) -> Response:
        return JSONResponse(self.keys.as_dict(private=False))


@contextmanager
def provider(clock: Callable[[], datetime]) -> Iterator[ProviderFixture]:
    """One that listens on a port of this machine."""
    made = ProviderFixture(clock)
    with listening(made.application) as url:
        made.issuer = url
        yield made
