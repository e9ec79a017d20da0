"""The address that partners send to: an envelope in, a signed receipt or a signed refusal out."""

from __future__ import annotations

import base64
import logging
from hashlib import sha256
from urllib.parse import unquote

from cryptography.hazmat.primitives.serialization import Encoding
from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.core.errors import Code, Refusal
from gateway.exchange.bindings.base import Transport
from gateway.exchange.receive.receive import receive
from gateway.node.node import Node
from gateway.web import problems
from gateway.web.documents import describe
from gateway.web.guard import Served
from gateway.web.http import body
from gateway.web.http.peer import address
from gateway.web.service import Service
from gateway.wire.certificate import from_pem

log = logging.getLogger(__name__)
router = APIRouter(tags=["exchange"])
PATH = "/exchange"
XML = "application/xml"
#: A proxy that ends TLS gives the client's certificate in this header (RFC 9440).
FORWARDED = "client-cert"


@router.post(PATH, openapi_extra=describe(takes=bytes, gives=bytes, media=(XML, XML)))
async def exchange(request: Request, service: Served) -> Response:
    """Takes one signed message of a partner. The answer is a signed receipt or a signed refusal; a problem where no partner can be named
    to sign for."""
    return await handle(request, service)


async def handle(request: Request, service: Service) -> Response:
    """The same for who comes past the router. Raises ``Refusal`` where the answer is a problem."""
    kind, charset = body.media_type(request)
    if kind != XML or charset not in ("", "utf-8"):
        raise Refusal(Code.MEDIA_TYPE, field="Content-Type", value=request.headers.get("content-type"))
    transport = _transport(request, service.node)
    stranger = "" if transport.identity else transport.remote
    sender = transport.identity or transport.remote
    async with (
        body.whole(request, service.node.settings.body_limit, service.room, stranger) as message,
        service.turns.turn(sender, len(message)),
    ):
        answer = await receive(service.node, message, transport)
    if answer.signed is None:
        assert answer.refusal is not None, "a receipt is always signed"
        raise answer.refusal
    if answer.refusal is not None:
        service.metrics.refusals[str(answer.refusal.code)] += 1
    headers = problems.headers(answer.refusal) if answer.refusal else {"Cache-Control": "no-store"}
    return Response(answer.signed, answer.status, headers, f"{XML}; charset=utf-8")


def _transport(request: Request, node: Node) -> Transport:
    """Who is at the other end: the peer itself or, where that is our TLS proxy, the one it speaks for and whose certificate it proved."""
    peer = request.client.host if request.client else ""
    remote = address(request, node.settings.proxy)
    given = request.headers.getlist(FORWARDED)
    if not peer or peer != node.settings.proxy:
        if given:
            # From anybody else the header is an attempt to be somebody.
            raise _no(Code.FORWARDED_IDENTITY, "", **{"from": peer})
        return Transport(peer)
    return Transport(remote, _partner(node, _certificate(given), remote) if given else None)


def _certificate(given: list[str]) -> bytes:
    """The forwarded certificate in DER: base64 between colons (RFC 9440), or PEM in percent-encoding as nginx gives it."""
    try:
        (field,) = given
        if field.startswith("-----BEGIN"):
            return from_pem(unquote(field).encode()).public_bytes(Encoding.DER)
        return base64.b64decode(field.strip().removeprefix(":").removesuffix(":"), validate=True)
    except ValueError:
        raise Refusal(Code.IDENTITY_MISMATCH, "The forwarded client certificate cannot be read.", field=FORWARDED) from None


def _partner(node: Node, certificate: bytes, remote: str) -> str | None:
    now = node.clock()
    came = {"certificate": sha256(certificate).hexdigest(), "from": remote, "our clock": now.isoformat()}
    claims = node.trust.claims(certificate, now)
    if not claims:
        raise _no(Code.IDENTITY_MISMATCH, "The client certificate is no partner's.", **came)
    if not any(one.verdict.passed for one in claims):
        verdict = claims[0].verdict
        assert verdict.code is not None, "it did not pass"
        raise _no(verdict.code, verdict.detail, **came, partner=claims[0].partner)
    return node.trust.owner(certificate, now)


def _no(code: Code, detail: str, **facts: str) -> Refusal:
    """A refusal before there is a message to keep: the log is where our administrator finds the facts."""
    log.warning("a connection was refused: %s %s", code, facts)
    return Refusal(code, detail, facts=facts)
