"""The default binding: one signed envelope over HTTPS, answered by a signed receipt or refusal (ARCHITECTURE: How a message travels)."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.core.arrangement import Arrangement
from gateway.core.errors import Code, Refusal
from gateway.core.model import Header, Kind
from gateway.exchange.bindings.base import Claimed, Proven, Transport
from gateway.node.context import new_id
from gateway.node.node import Node
from gateway.store.active import ActivePartner
from gateway.wire import envelope, signature
from gateway.wire.envelope import Envelope
from gateway.wire.xml import Limits, parse


def identify_sender(node: Node, body: bytes, transport: Transport) -> Claimed:
    """1, 2: which partner speaks, parsed under limits; a proven transport identity must agree."""
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


def prove(node: Node, claimed: Claimed, received: datetime) -> Proven:
    """3: signed by one of this partner's pinned keys, for us, for this environment, in time."""
    arrangement = claimed.live.arrangement
    keys = node.trust.keys_for(arrangement.iso, "signing", received)
    policy = signature.Policy(frozenset(arrangement.binding.algorithms), arrangement.binding.min_rsa_bits)
    try:
        verified = signature.verify(claimed.root, keys, policy)
    except Refusal as refusal:
        raise node.trust.explain(
            refusal, arrangement.iso, "signing", refusal.facts.get("certificate in KeyInfo"), received
        ) from None
    opened = envelope.read(verified)
    _addressed(node, opened.header, arrangement, received)
    return Proven(claimed.live, opened, verified.fingerprint)


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
    seen = f"It says {envelope.moment(header.created)}; our clock says {envelope.moment(received)}"
    if header.created > received + node.settings.clock_skew:
        raise Refusal(Code.CREATED_IN_FUTURE, f"The message was created in the future. {seen}.", field="Created", facts=clocks)
    if header.created < received - arrangement.binding.accept_for:
        raise Refusal(
            Code.TOO_OLD, f"The message is older than {arrangement.binding.accept_for}. {seen}.", field="Created", facts=clocks
        )
    if header.picture and header.picture.as_of > header.created + timedelta(minutes=1):
        raise Refusal(Code.CREATED_IN_FUTURE, "The list pictures a moment after it was made.", field="Picture", facts=clocks)


def reply(node: Node, kind: Kind, payload: str, *, to: str, refers_to: str | None, at: datetime) -> bytes:
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
    return signature.sign(envelope.write(header, payload), node.signer)


#: How long a partner may take to answer; never longer than four fifths of what is left of the lease.
PATIENCE = timedelta(seconds=20)


def read_answer(node: Node, live: ActivePartner, body: bytes) -> Envelope:
    """The partner's answer, proven like any message of its own. Raises ``Refusal``."""
    arrangement = live.arrangement
    policy = signature.Policy(frozenset(arrangement.binding.algorithms), arrangement.binding.min_rsa_bits)
    verified = signature.verify(parse(body), node.trust.keys_for(arrangement.iso, "signing", node.clock()), policy)
    said = envelope.read(verified)
    if (said.header.sender, said.header.receiver, said.header.environment) != (
        arrangement.iso,
        node.settings.administration,
        node.environment,
    ):
        raise Refusal(Code.IDENTITY_MISMATCH, "The answer is not from this partner to us.")
    return said
