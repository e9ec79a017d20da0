"""The default binding: one signed envelope over HTTPS, answered on the spot by a signed receipt or refusal
(schemas/exchange/2/exchange.xsd, and 1 for who has not agreed on it yet).

We write in the version that a partner's binding names, answer in the one in which we were spoken to, and read both: whichever side
changes first, nothing is lost, and no common minute is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from gateway.core.arrangement import Arrangement
from gateway.core.errors import Code, Refusal
from gateway.core.model import Header, Kind
from gateway.core.moments import utc_text
from gateway.core.protocol import OwnPayload, Receipt, RefusalNotice
from gateway.exchange.bindings.base import Claimed, Proven, Signed, Transport
from gateway.exchange.bindings.unproven import Unproven
from gateway.exchange.line import guard_for
from gateway.net import Response
from gateway.node.context import new_id
from gateway.node.node import Node
from gateway.store.active import ActivePartner
from gateway.wire import envelope, payloads, signature
from gateway.wire.algorithms import VerifyKey
from gateway.wire.xml import Limits, canonical, parse


class Https:
    """See ``base.Binding``; nothing is kept between two calls."""

    name = "https"

    def identify_sender(self, node: Node, body: bytes, transport: Transport) -> Claimed:
        if len(body) > node.settings.body_limit:
            raise Refusal(Code.BODY_TOO_LARGE, f"The message has {len(body)} bytes; the limit is {node.settings.body_limit}.")
        root = parse(body, Limits(bytes=node.settings.body_limit))
        live = node.partners.get(envelope.claimed_sender(root))
        iso = live.arrangement.iso
        if transport.identity is not None and transport.identity != iso:
            # TLS certificate of A with a message of B: whoever can connect must not speak for somebody else.
            raise Refusal(Code.IDENTITY_MISMATCH, f"The connection is {transport.identity}'s, the message says {iso}.")
        if live.state != "active":
            raise Refusal(Code.PARTNER_SUSPENDED, f"Exchange with {iso} is {live.state}.")
        return Claimed(root, live)

    def prove(self, node: Node, claimed: Claimed, received: datetime) -> Proven:
        arrangement = claimed.live.arrangement
        keys = node.trust.keys_for(arrangement.iso, "signing", received)
        try:
            verified = signature.verify(claimed.parsed, keys, _policy(arrangement))
        except Refusal as refusal:
            raise node.trust.explain(
                refusal, arrangement.iso, "signing", refusal.facts.get("certificate in KeyInfo"), received
            ) from None
        opened = envelope.read(verified)
        _addressed(node, opened.header, arrangement, received)
        return Proven(claimed.live, opened.header, opened.payload, opened.digest, verified.fingerprint, opened.version)

    def own_payload(self, proven: Proven) -> OwnPayload:
        kind = proven.header.kind
        return payloads.read(kind, proven.payload) if kind in payloads.OURS else None

    def receipt(self, node: Node, proven: Proven, received: datetime) -> bytes:
        about = proven.header.id
        payload = payloads.write_receipt(Receipt(about, proven.digest, received, node.checkpoint))
        return _reply(node, Kind.RECEIPT, payload, to=proven.header.sender, refers_to=about, at=received, version=proven.form)

    def refusal(self, node: Node, refusal: Refusal, body: bytes, *, to: str, about: str | None, at: datetime) -> bytes:
        payload = payloads.write_refusal(refusal, sha256(body).hexdigest(), at)
        return _reply(node, Kind.REFUSAL, payload, to=to, refers_to=about, at=at, version=_as_it_came(node, body, to))

    def sign(self, node: Node, header: Header, payload: str) -> Signed:
        signer, _, good_until = node.signing.now()
        unsigned = envelope.write(header, payload, node.partners.get(header.receiver).arrangement.binding.envelope)
        return Signed(signature.sign(unsigned, signer), sha256(canonical(parse(unsigned))).hexdigest(), good_until)

    async def send(self, node: Node, live: ActivePartner, body: bytes, timeout: timedelta) -> Response:
        iso, binding = live.arrangement.iso, live.arrangement.binding
        identity = node.client_keys.identity(binding.client_key) if binding.client_key else None
        guard = guard_for(binding, node.trust.trust_of(iso).server, identity, timeout)
        headers = {"Content-Type": "application/xml; charset=utf-8"}
        return await node.lines.post(iso, binding.endpoint or "", body, headers=headers, guard=guard)

    def read_answer(self, node: Node, live: ActivePartner, answer: Response) -> Receipt | RefusalNotice:
        keys = node.trust.keys_for(live.arrangement.iso, "signing", node.clock())
        try:
            return _proven_answer(node, live.arrangement, keys, answer.body)
        except Refusal as refused:
            raise Unproven(answer, str(refused) if payloads.version_begun(answer.body) else None) from refused


HTTPS = Https()


def _proven_answer(node: Node, arrangement: Arrangement, keys: Sequence[VerifyKey], body: bytes) -> Receipt | RefusalNotice:
    said = envelope.read(signature.verify(parse(body), keys, _policy(arrangement)))
    header = said.header
    if (header.sender, header.receiver, header.environment) != (arrangement.iso, node.settings.administration, node.environment):
        raise Refusal(Code.IDENTITY_MISMATCH, "The answer is not from this partner to us.")
    match header.kind:
        case Kind.RECEIPT:
            return payloads.read_receipt(said.payload)
        case Kind.REFUSAL:
            return payloads.read_refusal(said.payload)
        case _:
            raise Refusal(Code.KIND_NOT_ACCEPTED, f"The partner answered with a {header.kind}.")


def _policy(arrangement: Arrangement) -> signature.Policy:
    return signature.Policy(frozenset(arrangement.binding.algorithms), arrangement.binding.min_rsa_bits)


def _as_it_came(node: Node, body: bytes, to: str) -> int:
    """The version in which to refuse what could not be read: that of its namespace, as far as it can be seen where a document begins."""
    return payloads.version_begun(body) or node.partners.get(to).arrangement.binding.envelope


def _reply(node: Node, kind: Kind, payload: str, *, to: str, refers_to: str | None, at: datetime, version: int) -> bytes:
    """A signed message of ours that answers on the spot."""
    header = Header(
        id=new_id(),
        kind=kind,
        sender=node.settings.administration,
        receiver=to,
        environment=node.environment,
        created=at,
        refers_to=refers_to,
    )
    return signature.sign(envelope.write(header, payload, version), node.signer)


def _addressed(node: Node, header: Header, arrangement: Arrangement, received: datetime) -> None:
    ours = node.settings.administration
    if header.receiver != ours:
        raise Refusal(
            Code.WRONG_RECEIVER, f"The message is for {header.receiver}; this is {ours}.", field="Receiver", value=header.receiver
        )
    if header.sender != arrangement.iso:
        raise Refusal(
            Code.IDENTITY_MISMATCH,
            "The signed sender is not the one whose keys were asked for.",
            field="Sender",
            value=header.sender,
        )
    if header.environment != node.environment:
        raise Refusal(
            Code.WRONG_ENVIRONMENT, f"A {header.environment} message came to the {node.environment} gateway.", field="Environment"
        )
    clocks = {"created": header.created.isoformat(), "received": received.isoformat()}
    seen = f"It says {utc_text(header.created)}; our clock says {utc_text(received)}"
    if header.created > received + node.settings.clock_skew:
        raise Refusal(Code.CREATED_IN_FUTURE, f"The message was created in the future. {seen}.", field="Created", facts=clocks)
    if header.created < received - arrangement.binding.accept_for:
        raise Refusal(
            Code.TOO_OLD, f"The message is older than {arrangement.binding.accept_for}. {seen}.", field="Created", facts=clocks
        )
    if header.picture and header.picture.as_of > header.created + timedelta(minutes=1):
        raise Refusal(Code.CREATED_IN_FUTURE, "The list pictures a moment after it was made.", field="Picture", facts=clocks)
