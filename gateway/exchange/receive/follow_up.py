"""What a message that is itself about messages, keys or our operators makes us do: a handler for each kind."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, priority_of
from gateway.exchange.certificates import partner
from gateway.exchange.deliver import acknowledge
from gateway.exchange.deliver.resend import resend
from gateway.exchange.receive.translate import Translated
from gateway.exchange.tell import feed
from gateway.node.context import new_id
from gateway.node.node import Node
from gateway.store import outbox, sent, sequences
from gateway.wire import envelope
from gateway.wire.envelope import Resend


def send(
    connection: Connection, node: Node, judged: Translated, kind: Kind, payload: str, at: datetime, *, refers_to: str | None = None
) -> None:
    """Queues a message of ours that refers to the one judged, or to another of its sender's."""
    proven = judged.proven
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


def notice_gap(connection: Connection, node: Node, judged: Translated, received: datetime) -> None:
    header = judged.proven.header
    if not header.sequence:
        return
    missing = sequences.saw(connection, header.sender, priority_of(header.kind), header.sequence)
    if missing is not None:
        send(connection, node, judged, Kind.RESEND, envelope.write_resend(Resend(priority_of(header.kind), *missing)), received)


def follow_up(connection: Connection, node: Node, judged: Translated, body: bytes, received: datetime) -> None:
    """What a message that is itself about messages or keys does."""
    proven = judged.proven
    header, live = proven.header, proven.live
    match header.kind:
        case Kind.RECEIPT | Kind.REFUSAL | Kind.RESULT:
            acknowledge.apply(connection, proven.envelope, body, received)
        case Kind.RESEND:
            wanted = envelope.read_resend(proven.envelope)
            asked = sent.numbered(wanted.priority, wanted.first, wanted.last)
            resend(connection, node, live, sent.ended(connection, header.sender, asked), received)
        case Kind.QUERY:
            assert judged.reading is not None, "translate reads every query"
            feed.respond(connection, node, live, judged.reading.query["tin"], header.id, received)
        case Kind.KEYS:
            partner.accept_certificates(connection, node, proven.envelope, received)
        case Kind.PULL if not live.arrangement.binding.pull:
            raise Refusal(Code.KIND_NOT_ACCEPTED, "It is agreed that this gateway delivers.", field="Kind", value=header.kind)
        case Kind.CASE | Kind.CASE_REPLY:
            raise Refusal(
                Code.KIND_NOT_ACCEPTED, "Cases between liaison officers are not exchanged yet.", field="Kind", value=header.kind
            )
        case _:
            pass
