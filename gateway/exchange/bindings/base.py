"""The port: what a way of carrying messages must give, and what the stories above may rely on.

Nothing above this room knows how a message looks on the wire. A binding turns bytes into something proven, a payload and its header
into signed bytes and a request, and a partner's answer into what it means. It guarantees:

- only what a partner's pinned key signed, for us, for this environment and in time, becomes ``Proven``; every other outcome is a
  ``Refusal`` with a code. Each stage takes the type that only the stage before it makes.
- reading is pure computing on what the node knows already: no database, no network, no clock of its own (moments are arguments).
- ``digest`` names what was signed, whoever computes it: it is the same at the sender, in the receipt, and when a message comes twice.
- ``sign`` is called once for a message; every further try sends the very bytes that it gave.
- ``send`` returns what came back, whatever its status, or raises ``Unreachable``. Only where a line that was kept from before is closed before any byte
  of an answer does it try twice by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from lxml import etree

from gateway.core.errors import Refusal
from gateway.core.model import Header
from gateway.core.protocol import OwnPayload, Receipt, RefusalNotice
from gateway.net import Response
from gateway.node.node import Node
from gateway.store.active import ActivePartner


@dataclass(frozen=True, slots=True)
class Transport:
    """How a message reached us, and by which binding. ``identity`` is the partner whose TLS certificate was proven, or None where TLS
    proves nobody."""

    remote: str
    identity: str | None = None
    binding: str = "https"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A parsed message (``parsed`` is the binding's own) and the partner it claims to be from. Nothing is proven yet."""

    parsed: Any
    live: ActivePartner


@dataclass(frozen=True, slots=True)
class Proven:
    """A message that this partner signed, addressed to us, in time.

    ``payload`` is the partner's own document for the kinds that carry one; for our own kinds see ``Binding.own_payload``. ``digest``
    (SHA-256, hex) is of what was signed, ``fingerprint`` of the certificate that proved it. ``form`` is the binding's own: how it was
    written, so that the answer can be written alike.
    """

    live: ActivePartner
    header: Header
    payload: etree._Element
    digest: str
    fingerprint: str
    form: int = 1


@dataclass(frozen=True, slots=True)
class Signed:
    """A message of ours ready to be sent. ``good_until`` is when the certificate that signed it ends."""

    body: bytes
    digest: str
    good_until: datetime


class Binding(Protocol):
    """One way of carrying messages."""

    name: str

    def identify_sender(self, node: Node, body: bytes, transport: Transport) -> Claimed:
        """1, 2 of receive: which partner speaks, parsed under limits; a proven transport identity must agree. Raises ``Refusal``."""
        ...

    def prove(self, node: Node, claimed: Claimed, received: datetime) -> Proven:
        """3 of receive: signed by one of this partner's pinned keys, for us, for this environment, in time. Raises ``Refusal``."""
        ...

    def own_payload(self, proven: Proven) -> OwnPayload:
        """What a message of one of our own kinds says; None where its kind carries nothing. Raises ``Refusal``."""
        ...

    def receipt(self, node: Node, proven: Proven, received: datetime) -> bytes:
        """The signed receipt that will stand for a message once it is recorded."""
        ...

    def refusal(self, node: Node, refusal: Refusal, body: bytes, *, to: str, about: str | None, at: datetime) -> bytes:
        """The signed refusal of what came in ``body`` from ``to``; ``about`` is the message's id where one was proven."""
        ...

    def sign(self, node: Node, header: Header, payload: str) -> Signed:
        """A message of ours. Raises ``CannotSign``."""
        ...

    async def send(self, node: Node, live: ActivePartner, body: bytes, timeout: timedelta) -> Response:
        """One try. Raises ``Unreachable``; whether the body arrived is then not known. Raises ``Refusal`` where our own certificate cannot
        be presented."""
        ...

    def read_answer(self, node: Node, live: ActivePartner, answer: Response) -> Receipt | RefusalNotice:
        """What the partner answered, proven like any message of its own. Raises ``Unproven`` for what proves nothing, and ``Refusal`` where
        no certificate of the partner can be relied on now."""
        ...
