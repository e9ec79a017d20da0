"""Step 7 of receive: one transaction that claims the id and records everything the message means.

The partner's row is locked first, so messages of one partner are recorded one after another and those of different partners do
not wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection

from gateway.core.arrangement import HOME_ZONE
from gateway.core.errors import Code, Refusal
from gateway.core.model import Header, Kind, Statement, Told, priority_of
from gateway.exchange import acknowledge, facts, keys, lists, tell
from gateway.exchange.judge import Judged, Said
from gateway.exchange.node import Node, new_id
from gateway.exchange.resend import resend
from gateway.store import journal, messages, outbox, partners, sequences, statements
from gateway.store.live import folding
from gateway.wire import envelope
from gateway.wire.envelope import RecordResult, Resend


@dataclass(frozen=True, slots=True)
class Recorded:
    """The signed answer that now stands for the message, and the timelines that it changed with their journal entry.

    ``fresh`` is False for a duplicate. ``pull`` is the header of a message that asks for one of ours.
    """

    answer: bytes
    fresh: bool
    timelines: Mapping[str, bytes] = field(default_factory=dict)
    entry: int = 0
    pull: Header | None = None


def record(
    connection: Connection, node: Node, judged: Judged, *, kept: int, body: bytes, receipt: bytes, received: datetime
) -> Recorded:
    """Claims and records; raises ``Refusal`` (ID_CONFLICT and the business codes) with nothing recorded.

    The same id with the same signed digest gets the stored receipt again.
    """
    proven = judged.proven
    header, iso, digest = proven.header, proven.header.sender, proven.envelope.digest
    pull = header if header.kind is Kind.PULL else None
    state = partners.lock(connection, iso)
    known = messages.claimed(connection, iso, header.id)
    if known is not None:
        if known[0] != digest:
            raise Refusal(
                Code.ID_CONFLICT,
                f"Message {header.id} was received before with other content.",
                facts={"stored": known[0], "came": digest},
            )
        if not known[1]:
            raise Refusal(Code.TOO_OLD, f"Message {header.id} was received long ago; its receipt is no longer kept.", field="Id")
        messages.close(connection, kept, "duplicate", partner=iso)
        return Recorded(known[1], fresh=False, pull=pull)
    if state != "active":
        raise Refusal(Code.PARTNER_SUSPENDED, f"Exchange with {iso} is {state}.")
    if keys.withdrawn_now(connection, iso, proven.fingerprint):
        # Proven while this node had not heard yet, or while the voiding held the partner's row.
        raise Refusal(Code.CERTIFICATE_REVOKED, "The certificate was withdrawn.", facts={"certificate": proven.fingerprint})
    _follow_up(connection, node, judged, body, received)
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
            "receipt": sha256(receipt).hexdigest(),
            "revocation": facts.keep(connection, node.trust, iso, received),
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
        return Recorded(receipt, fresh=True, pull=pull)
    outcomes, timelines = take_in(connection, judged.said, entry, received)
    if header.kind is not Kind.RESPONSE:
        for about, results in outcomes.items():
            send(connection, node, judged, Kind.RESULT, envelope.write_result(results), received, refers_to=about)
    return Recorded(receipt, fresh=True, timelines=timelines, entry=entry)


def send(
    connection: Connection, node: Node, judged: Judged, kind: Kind, payload: str, at: datetime, *, refers_to: str | None = None
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


def take_in(
    connection: Connection, message: Said, entry: int, received: datetime
) -> tuple[dict[str, list[RecordResult]], Mapping[str, bytes]]:
    """Records what a message says. Returns what became of each record, by the message it came in (a list's parts get theirs together),
    and the timelines."""
    header, arrangement = message.header, message.arrangement
    iso = arrangement.iso
    results: dict[str, list[RecordResult]] = {header.id: []}
    told = list(message.told)
    if header.kind is Kind.LIST:
        complete = lists.take(connection, message, received)
        if complete is None:
            results[header.id] = [RecordResult(one.statement.tin, "waiting") for one in told]
            return results, {}
        told = complete
    told += lists.omitted_since(connection, arrangement, told)
    said = statements.said_of(connection, iso, {one.statement.tin for one in told})
    form = arrangement.code.on(received.astimezone(HOME_ZONE).date()).value
    for one in told:
        if not one.derived:
            tin = one.statement.tin
            warning = "checksum" if form is not None and form.doubtful(tin) else None
            results.setdefault(one.message_id, []).append(RecordResult(tin, _outcome(one, said.get(tin, ())), warning))
    statements.record(connection, iso, told)
    _add(said, told)
    return results, statements.refold(connection, iso, said, folding(arrangement), entry)


def _add(said: dict[str, list[Told]], told: Iterable[Told]) -> None:
    for one in told:
        said.setdefault(one.statement.tin, []).append(one)


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
    missing = sequences.saw(connection, header.sender, priority_of(header.kind), header.sequence)
    if missing is not None:
        send(connection, node, judged, Kind.RESEND, envelope.write_resend(Resend(priority_of(header.kind), *missing)), received)


def _follow_up(connection: Connection, node: Node, judged: Judged, body: bytes, received: datetime) -> None:
    """What a message that is itself about messages or keys does."""
    proven = judged.proven
    header, live = proven.header, proven.live
    match header.kind:
        case Kind.RECEIPT | Kind.REFUSAL | Kind.RESULT:
            acknowledge.take(connection, proven.envelope, body, received)
        case Kind.RESEND:
            wanted = envelope.read_resend(proven.envelope)
            asked = outbox.numbered(wanted.priority, wanted.first, wanted.last)
            resend(connection, node, live, outbox.ended(connection, header.sender, asked), received)
        case Kind.QUERY:
            assert judged.reading is not None, "translate reads every query"
            tell.respond(connection, node, live, judged.reading.query["tin"], header.id, received)
        case Kind.KEYS:
            keys.take(connection, node, proven.envelope, received)
        case Kind.PULL if not live.arrangement.binding.pull:
            raise Refusal(Code.KIND_NOT_ACCEPTED, "It is agreed that this gateway delivers.", field="Kind", value=header.kind)
        case Kind.CASE | Kind.CASE_REPLY:
            raise Refusal(
                Code.KIND_NOT_ACCEPTED, "Cases between liaison officers are not exchanged yet.", field="Kind", value=header.kind
            )
        case _:
            pass
