"""Step 7 of receive: one transaction that claims the id and records everything the message means.

The partner's row is locked first, so messages of one partner are recorded one after another and those of different partners do
not wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Statement, Told, priority_of
from gateway.exchange import acknowledge, keys, lists, tell
from gateway.exchange.judge import Judged
from gateway.exchange.node import Node, new_id
from gateway.store import journal, messages, outbox, partners, statements
from gateway.store.live import folding
from gateway.wire import envelope
from gateway.wire.envelope import RecordResult, Resend


@dataclass(frozen=True, slots=True)
class Recorded:
    """The signed answer that now stands for the message, and the timelines that it changed. ``fresh`` is False for a duplicate."""

    answer: bytes
    fresh: bool
    timelines: Mapping[str, bytes] = field(default_factory=dict)


def record(
    connection: Connection, node: Node, judged: Judged, *, kept: int, body: bytes, receipt: bytes, received: datetime
) -> Recorded:
    """Claims and records; raises ``Refusal`` (ID_CONFLICT and the business codes) with nothing recorded.

    The same id with the same signed digest gets the stored receipt again.
    """
    proven = judged.proven
    header, iso, digest = proven.header, proven.header.sender, proven.envelope.digest
    state = partners.lock(connection, iso)
    known = messages.claimed(connection, iso, header.id)
    if known is not None:
        if known[0] != digest:
            raise Refusal(
                Code.ID_CONFLICT,
                f"Message {header.id} was received before with other content.",
                facts={"stored": known[0], "came": digest},
            )
        messages.close(connection, kept, "duplicate", partner=iso)
        return Recorded(known[1], fresh=False)
    if state != "active":
        raise Refusal(Code.PARTNER_SUSPENDED, f"Exchange with {iso} is {state}.")
    _follow_up(connection, node, judged, received)
    entry = journal.append(
        connection,
        "message",
        header.id,
        {
            "message": header.kind.value,
            "digest": digest,
            "certificate": proven.fingerprint,
            "partner_data": proven.live.bundle.digest,
            "statements": len(judged.told),
            "statements_digest": statements.digest(judged.told),
        },
        at=received,
        partner=iso,
    )
    messages.claim(
        connection,
        header,
        digest=digest,
        fingerprint=proven.fingerprint,
        bundle=proven.live.bundle.digest,
        received=received,
        statements=len(judged.told),
        body=body,
        answer=receipt,
    )
    messages.close(connection, kept, "accepted", partner=iso)
    _notice_gap(connection, node, judged, received)
    if not judged.told and header.kind is not Kind.LIST:
        return Recorded(receipt, fresh=True)
    outcomes, timelines = _statements(connection, judged, entry, received)
    if header.kind is not Kind.RESPONSE:
        send(connection, node, judged, Kind.RESULT, envelope.write_result(outcomes), received)
    return Recorded(receipt, fresh=True, timelines=timelines)


def send(connection: Connection, node: Node, judged: Judged, kind: Kind, payload: str, at: datetime) -> None:
    """Queues a message of ours that refers to the one judged."""
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
        refers_to=proven.header.id,
    )


def _statements(
    connection: Connection, judged: Judged, entry: int, received: datetime
) -> tuple[list[RecordResult], Mapping[str, bytes]]:
    header, arrangement = judged.proven.header, judged.proven.live.arrangement
    iso = arrangement.iso
    if header.kind is Kind.LIST:
        told, state = lists.take(connection, judged, received)
        if state == "waiting":
            return [RecordResult(one.statement.tin, "waiting") for one in judged.told], {}
    else:
        told = list(judged.told)
    told += lists.omitted_since(connection, arrangement, told)
    said = statements.said_of(connection, iso, {one.statement.tin for one in told})
    outcomes = [RecordResult(one.statement.tin, _outcome(one, said.get(one.statement.tin, ()))) for one in told if not one.derived]
    statements.record(connection, iso, told)
    for one in told:
        said.setdefault(one.statement.tin, []).append(one)
    return outcomes, statements.refold(connection, iso, said, folding(arrangement), entry)


def _outcome(one: Told, before: Sequence[Told]) -> str:
    if one.held:
        return "held"
    later = any(other.issued > one.issued and other.voided is None and _same(other.statement, one.statement) for other in before)
    return "overruled" if later else "accepted"


def _same(one: Statement, other: Statement) -> bool:
    return all(a is None or b is None or a == b for a, b in ((one.level, other.level), (one.number, other.number)))


def _notice_gap(connection: Connection, node: Node, judged: Judged, received: datetime) -> None:
    header = judged.proven.header
    if not header.sequence:
        return
    missing = outbox.saw_number(connection, header.sender, priority_of(header.kind), header.sequence)
    if missing is not None:
        send(connection, node, judged, Kind.RESEND, envelope.write_resend(Resend(priority_of(header.kind), *missing)), received)


def _follow_up(connection: Connection, node: Node, judged: Judged, received: datetime) -> None:
    """What a message that is itself about messages or keys does."""
    proven = judged.proven
    header = proven.header
    match header.kind:
        case Kind.RECEIPT | Kind.REFUSAL | Kind.RESULT:
            acknowledge.take(connection, proven.envelope, received)
        case Kind.RESEND:
            wanted = envelope.read_resend(proven.envelope)
            ids = outbox.numbered(connection, header.sender, wanted.priority, wanted.first, wanted.last)
            outbox.again(connection, now=received, retry_for=proven.live.arrangement.binding.retry_for, ids=ids)
        case Kind.QUERY:
            assert judged.reading is not None, "translate reads every query"
            tell.respond(connection, node, proven.live, judged.reading.query["tin"], header.id, received)
        case Kind.KEYS:
            keys.take(connection, proven.envelope, received)
        case Kind.CASE | Kind.CASE_REPLY:
            raise Refusal(
                Code.KIND_NOT_ACCEPTED, "Cases between liaison officers are not exchanged yet.", field="Kind", value=header.kind
            )
        case _:
            pass
