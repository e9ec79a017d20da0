"""The address that partners send to: an envelope in, a signed receipt or a signed refusal out."""

from __future__ import annotations

import asyncio
import base64
import binascii
from hashlib import sha256

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.core.errors import Code, Refusal
from gateway.exchange.judge import Transport
from gateway.exchange.receive import receive
from gateway.web import body, problems
from gateway.web.documents import describe
from gateway.web.guard import Served
from gateway.web.service import Service

router = APIRouter(tags=["exchange"])
XML = "application/xml"
#: A proxy that ends TLS gives the client's certificate in this header (RFC 9440).
FORWARDED = "client-cert"


@router.post("/exchange", openapi_extra=describe(takes=bytes, gives=bytes, media=(XML, XML)))
async def exchange(request: Request, service: Served) -> Response:
    """Takes one signed message of a partner. The answer is a signed receipt or a signed refusal; a problem where no partner can be named
    to sign for."""
    kind, charset = body.media_type(request)
    if kind != XML or charset not in ("", "utf-8"):
        raise Refusal(Code.MEDIA_TYPE, field="Content-Type", value=request.headers.get("content-type"))
    transport = Transport(request.client.host if request.client else "", _identity(request, service))
    async with body.whole(request, service.node.settings.body_limit, service.room) as message:
        answer = await receive(service.node, message, transport)
    if answer.refusal is None:
        # What a list says of how far the data reaches is told to the very next question too, not at the next poll.
        await asyncio.to_thread(service.refresh)
    if answer.signed is None:
        assert answer.refusal is not None, "a receipt is always signed"
        raise answer.refusal
    if answer.refusal is not None:
        service.metrics.refusals[str(answer.refusal.code)] += 1
    headers = problems.headers(answer.refusal) if answer.refusal else {"Cache-Control": "no-store"}
    return Response(answer.signed, answer.status, headers, f"{XML}; charset=utf-8")


def _identity(request: Request, service: Service) -> str | None:
    """The partner whose client certificate a proxy of ours proved, if one did. From anybody else the header is an attempt to be somebody."""
    given = request.headers.getlist(FORWARDED)
    if not given:
        return None
    if not request.client or request.client.host != service.node.settings.proxy:
        raise Refusal(Code.FORWARDED_IDENTITY, facts={"from": request.client.host if request.client else ""})
    try:
        (field,) = given
        certificate = base64.b64decode(field.strip().removeprefix(":").removesuffix(":"), validate=True)
    except (ValueError, binascii.Error):
        raise Refusal(Code.IDENTITY_MISMATCH, "The forwarded client certificate cannot be read.", field=FORWARDED) from None
    fingerprint, now = sha256(certificate).hexdigest(), service.node.clock()
    for iso in service.node.partners.all():
        for pin, verdict in service.node.trust.verdicts(iso, "tls", now):
            if pin.fingerprint == fingerprint and verdict.passed:
                return iso
    raise Refusal(Code.IDENTITY_MISMATCH, "The client certificate is no partner's.", facts={"fingerprint": fingerprint})
