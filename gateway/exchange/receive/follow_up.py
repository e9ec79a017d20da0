"""What a message makes us do beside recording what it states: a handler for each kind, and a kind without one is refused.

A handler returns what the message implies beside what it states: that of whom it says nothing, and what that means. Handlers run inside the transaction of ``record``, under the partner's lock; whatever they raise leaves nothing recorded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, PlacedStatement, priority_of
from gateway.core.protocol import Announced, Resend
from gateway.exchange.certificates import partner
from gateway.exchange.deliver import acknowledge
from gateway.exchange.deliver.resend import resend
from gateway.exchange.receive.answered import take_answer
from gateway.exchange.receive.translate import Translated
from gateway.exchange.tell.respond import respond
from gateway.node.context import new_id
from gateway.node.node import Node
from gateway.store import journal, outbox, sent, sequences
from gateway.store.sequences import Seen
from gateway.wire import payloads

log = logging.getLogger(__name__)

#: What a message says of whom it does not name.
Implied = tuple[PlacedStatement, ...]
#: (connection, node, the message, its bytes as they came, when)
Handler = Callable[[Connection, Node, Translated, bytes, datetime], Implied]


def follow_up(connection: Connection, node: Node, message: Translated, body: bytes, received: datetime) -> Implied:
    """Does what its kind asks for. Raises ``Refusal``: KIND_NOT_ACCEPTED, and what the handler says."""
    kind = message.proven.header.kind
    handler = HANDLERS.get(kind)
    if handler is None:
        raise Refusal(Code.KIND_NOT_ACCEPTED, f"Messages of kind {kind} are not exchanged yet.", field="Kind", value=kind)
    return handler(connection, node, message, body, received)


def _only_stated(connection: Connection, node: Node, message: Translated, body: bytes, received: datetime) -> Implied:
    """Its statements are all there is to it: ``apply`` takes them in. So it is with a ping, which states nothing."""
    return ()


def _acknowledged(connection: Connection, node: Node, message: Translated, body: bytes, received: datetime) -> Implied:
    acknowledge.apply(connection, message.proven.header, message.own, body, received)
    return ()


def _asked_again(connection: Connection, node: Node, message: Translated, body: bytes, received: datetime) -> Implied:
    header, live, wanted = message.proven.header, message.proven.live, message.own
    assert isinstance(wanted, Resend), "the binding reads what a kind carries"
    asked = sent.numbered(wanted.priority, wanted.first, wanted.last)
    resend(connection, node, live, sent.ended(connection, header.sender, asked), received)
    return ()


def _queried(connection: Connection, node: Node, message: Translated, body: bytes, received: datetime) -> Implied:
    assert message.reading is not None, "translate reads every query"
    respond(connection, node, message.proven.live, message.reading.query["tin"], message.proven.header.id, received)
    return ()


def _answered(connection: Connection, node: Node, message: Translated, body: bytes, received: datetime) -> Implied:
    return take_answer(connection, message, received)


def _keys_announced(connection: Connection, node: Node, message: Translated, body: bytes, received: datetime) -> Implied:
    assert isinstance(message.own, tuple), "the binding reads what a kind carries"
    announced = [one for one in message.own if isinstance(one, Announced)]
    partner.accept_certificates(connection, node, message.proven.header, announced, received)
    return ()


def _pulled(connection: Connection, node: Node, message: Translated, body: bytes, received: datetime) -> Implied:
    if not message.proven.live.arrangement.binding.pull:
        raise Refusal(Code.KIND_NOT_ACCEPTED, "It is agreed that this gateway delivers.", field="Kind", value=Kind.PULL)
    return ()


HANDLERS: Mapping[Kind, Handler] = {
    Kind.LIST: _only_stated,
    Kind.UPDATE: _only_stated,
    Kind.NOTICE: _only_stated,
    Kind.QUERY: _queried,
    Kind.RESPONSE: _answered,
    Kind.RECEIPT: _acknowledged,
    Kind.REFUSAL: _acknowledged,
    Kind.RESULT: _acknowledged,
    Kind.RESEND: _asked_again,
    Kind.PING: _only_stated,
    Kind.PULL: _pulled,
    Kind.KEYS: _keys_announced,
}


def send(
    connection: Connection, node: Node, message: Translated, kind: Kind, payload: str, at: datetime, *, refers_to: str | None = None
) -> None:
    """Queues a message of ours that refers to the one received, or to another of its sender's."""
    proven = message.proven
    outbox.enqueue(
        connection,
        partner=proven.header.sender,
        sender=node.settings.administration,
        environment=node.environment,
        message_id=new_id(),
        kind=kind,
        payload=payload,
        at=at,
        retry_for=proven.live.arrangement.binding.retry_for,
        bundle=proven.live.bundle.digest,
        refers_to=refers_to or proven.header.id,
    )


def numbered(connection: Connection, node: Node, message: Translated, received: datetime) -> Seen:
    """Notes the message's number in its class; asks for what is missing before it. A sender that began anew, or whose clock went back, is
    told to a person."""
    header = message.proven.header
    if not header.sequence:
        return Seen(0)
    priority = priority_of(header.kind)
    seen = sequences.saw(connection, header.sender, priority, header.sequence, header.id, header.created)
    if seen.anew:
        body: dict[str, object] = {
            "numbering": "began anew",
            "class": priority.value,
            "epoch": seen.epoch,
            "number": header.sequence,
        }
        journal.append(connection, "numbering", header.id, body, at=received, partner=header.sender)
        log.warning(
            "%s began to number its %s messages anew with message %s: it was perhaps restored; ask its liaison officer",
            header.sender,
            priority.value,
            header.id,
        )
    if seen.before is not None:
        clock: dict[str, object] = {"clock": "went back", "class": priority.value, "epoch": seen.epoch, "number": header.sequence}
        clock |= {"created": header.created, "other": seen.before}
        journal.append(connection, "numbering", header.id, clock, at=received, partner=header.sender)
        log.warning(
            "the clock of %s went back: message %s, %s number %d, was made at %s and another at %s; their numbers say the opposite. "
            "Within their class the numbers count; ask its liaison officer",
            header.sender,
            header.id,
            priority.value,
            header.sequence,
            *(one.isoformat(timespec="seconds") for one in (header.created, seen.before)),
        )
    if seen.missing is not None:
        send(connection, node, message, Kind.RESEND, payloads.write_resend(Resend(priority, *seen.missing)), received)
    return seen
