"""Story two: news at home is told abroad.

    1  judge each record of the feed against what was known; losses hold at once, unforeseen gains wait for a person
    2  record it, and what holds now
    3  for each connected partner: what it may hear today, less what it was last told
    4  say that in its own XML, queued in the same transaction; note what it will then believe

One message per partner and urgency, whatever the number of enterprises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256

import msgspec
from sqlalchemy import Connection

from gateway.core.arrangement import HOME_ZONE
from gateway.core.model import Kind, Picture, Standing, Statement
from gateway.domestic.enterprise import Enterprise
from gateway.domestic.projection import changes, customs_code_asked, in_list, kind_of, project, shared_on
from gateway.domestic.record import Record
from gateway.domestic.tiers import judge
from gateway.exchange.node import Node, new_id
from gateway.store import beliefs, enterprises, journal, outbox
from gateway.store.enterprises import Recorded
from gateway.store.live import Live
from gateway.wire.sample import Reading

_pack = msgspec.msgpack.Encoder().encode
_record = msgspec.json.Encoder(order="sorted").encode
unpack = msgspec.msgpack.Decoder(Enterprise).decode
_reread = msgspec.json.Decoder(Record).decode

Pair = tuple[str, Statement]


@dataclass(slots=True)
class Followed:
    """What a feed did: records taken, repeated word for word, flagged as unforeseen, held for a person; messages queued per partner."""

    taken: int = 0
    repeated: int = 0
    flagged: list[tuple[str, str]] = field(default_factory=list)
    held: int = 0
    queued: dict[str, int] = field(default_factory=dict)


def follow(connection: Connection, node: Node, records: Sequence[Record], at: datetime) -> Followed:
    """Takes records of the domestic feed in, in their order, and queues what they make news. The same record again does nothing."""
    done = Followed()
    usccs = {record.uscc for record in records}
    known = enterprises.states(connection, usccs)
    last = enterprises.last_digests(connection, usccs)
    states: dict[str, Enterprise] = {uscc: unpack(packed) for uscc, packed in known.items()}
    recorded: list[Recorded] = []
    touched: dict[str, Enterprise] = {}
    for record in records:
        body = _record(record)
        digest = sha256(body).hexdigest()
        if last.get(record.uscc) == digest:
            done.repeated += 1
            continue
        last[record.uscc] = digest
        judged = judge(states.get(record.uscc), record)  # 1
        states[record.uscc] = touched[record.uscc] = judged.state
        recorded.append(Recorded(record.uscc, digest, body, judged.foreseen, judged.hold, judged.note))
        done.taken += 1
        done.held += judged.hold
        if not judged.foreseen:
            done.flagged.append((record.uscc, judged.note))
    if recorded:
        enterprises.record(connection, recorded, at)  # 2
        enterprises.put(connection, {uscc: (state.customs_code, _pack(state)) for uscc, state in touched.items()}, known, at)
        summary = sha256(b"".join(one.digest.encode() for one in recorded)).hexdigest()
        journal.append(
            connection, "domestic", f"feed-{summary[:16]}", {"records": len(recorded), "digest": summary, "held": done.held}, at=at
        )
        done.queued = tell(connection, node, touched, at)
    return done


def let_through(connection: Connection, node: Node, record_id: int, *, who: str, at: datetime) -> bool:
    """A person confirms a held record: its gains hold and are told. False when it no longer waits."""
    waiting = dict(enterprises.held(connection))
    if record_id not in waiting:
        return False
    one = waiting[record_id]
    known = enterprises.states(connection, [one.uscc])
    state = judge(unpack(known[one.uscc]), _reread(one.body), confirmed=True).state
    enterprises.let_through(connection, record_id)
    enterprises.put(connection, {one.uscc: (state.customs_code, _pack(state))}, known, at)
    journal.append(connection, "decision", f"record-{record_id}", {"uscc": one.uscc, "who": who, "decision": "let through"}, at=at)
    tell(connection, node, {one.uscc: state}, at)
    return True


def tell(connection: Connection, node: Node, states: Mapping[str, Enterprise], at: datetime) -> dict[str, int]:
    """Queues for every connected partner what these enterprises make news to it; returns messages queued per partner."""
    return {
        iso: count
        for iso, live in node.partners.all().items()
        if connected(live) and (count := _tell_partner(connection, node, live, states, at))
    }


def connected(live: Live) -> bool:
    """Whether anything can be sent: before that a partner is told nothing, and a full list is the first thing it hears."""
    return live.state == "active" and (live.arrangement.binding.endpoint is not None or live.arrangement.binding.pull)


def _tell_partner(connection: Connection, node: Node, live: Live, states: Mapping[str, Enterprise], at: datetime) -> int:
    day = at.astimezone(HOME_ZONE).date()
    arrangement = live.arrangement
    last = _last_told(connection, arrangement.iso, states)
    shared = shared_on(arrangement, day)
    news: dict[Kind, list[Pair]] = {}
    for uscc, state in states.items():
        said = changes(last.get(uscc), project(state, arrangement, day), shared)  # 3
        if said:
            news.setdefault(kind_of(said), []).extend((uscc, statement) for statement in said)
    for kind in sorted(news):
        _queue(connection, node, live, kind, news[kind], at)
    return len(news)


def _last_told(connection: Connection, iso: str, usccs: Iterable[str]) -> dict[str, Statement]:
    """The newest thing each enterprise's partner was told. After a change of code the old number's end is older news than the new."""
    newest: dict[str, beliefs.Belief] = {}
    for one in beliefs.told(connection, partner=iso, usccs=usccs):
        before = newest.get(one.uscc)
        if before is None or (one.since, one.statement.standing.grants) > (before.since, before.statement.standing.grants):
            newest[one.uscc] = one
    return {uscc: one.statement for uscc, one in newest.items()}


def _queue(
    connection: Connection, node: Node, live: Live, kind: Kind, pairs: Sequence[Pair], at: datetime, picture: Picture | None = None
) -> int:
    """Queues one message (4) and returns its row. What superseded messages said of others goes out again in one of its own."""
    iso = live.arrangement.iso
    message_id = new_id()
    statements = tuple(statement for _, statement in pairs)
    about = () if kind is Kind.LIST else [statement.tin for statement in statements]
    payload = _payload(live, kind, statements, message_id, at, picture)
    queued = _enqueue(connection, node, live, kind, payload, message_id, at, picture=picture, about=about)
    beliefs.tell(connection, iso, pairs, queued.id, at)
    if queued.orphans:
        again = [(one.uscc, one.statement) for one in beliefs.told(connection, partner=iso, tins=queued.orphans)]
        _queue(connection, node, live, kind_of(tuple(statement for _, statement in again)), again, at)
    return queued.id


def _enqueue(
    connection: Connection,
    node: Node,
    live: Live,
    kind: Kind,
    payload: str,
    message_id: str,
    at: datetime,
    *,
    picture: Picture | None = None,
    refers_to: str | None = None,
    about: Iterable[str] = (),
) -> outbox.Queued:
    return outbox.enqueue(
        connection,
        partner=live.arrangement.iso,
        sender=node.settings.administration,
        environment=node.environment,
        message_id=message_id,
        kind=kind,
        payload=payload,
        at=at,
        retry_for=live.arrangement.binding.retry_for,
        bundle=live.bundle.digest,
        dialect=_choice(live, at),
        refers_to=refers_to,
        picture=picture,
        about=about,
    )


def _choice(live: Live, at: datetime) -> tuple[str, str]:
    choice = live.arrangement.dialect.on(at.astimezone(HOME_ZONE).date()).value
    assert choice is not None, "the loader lets no connected partner be without a dialect"
    return choice.name, choice.version


def _payload(
    live: Live,
    kind: Kind,
    statements: tuple[Statement, ...],
    message_id: str,
    at: datetime,
    picture: Picture | None = None,
    query: Mapping[str, str] | None = None,
) -> str:
    said: dict[str, str | int | date | datetime] = {"id": message_id, "issued": at, "as_of": picture.as_of if picture else at}
    reading = Reading(message=said, statements=statements, query=dict(query or {}))
    return live.bundle.dialects[_choice(live, at)].write(kind, reading, {})


def full_list(connection: Connection, node: Node, live: Live, at: datetime) -> int:
    """Queues the complete list of every enterprise this partner may hear of; returns how many it names.

    Whom it was told of and the list no longer names is thereby delisted; that is noted as what the partner will believe.
    """
    day = at.astimezone(HOME_ZONE).date()
    arrangement = live.arrangement
    states = {uscc: unpack(packed) for uscc, packed in enterprises.every(connection)}
    last = _last_told(connection, arrangement.iso, states)
    named: list[Pair] = []
    left_out: list[Pair] = []
    for uscc, state in states.items():
        before = last.get(uscc)
        statement = in_list(before, project(state, arrangement, day))
        if statement is not None:
            named.append((uscc, statement))
        elif before is not None and before.standing.grants:
            left_out.append((uscc, Statement(tin=before.tin, standing=Standing.DELISTED)))
    row = _queue(connection, node, live, Kind.LIST, named, at, Picture(as_of=at))
    beliefs.tell(connection, arrangement.iso, left_out, row, at)
    return len(named)


def respond(connection: Connection, node: Node, live: Live, code: str, refers_to: str, at: datetime) -> None:
    """Queues the answer to a partner's query about one Chinese code: valid, suspended, or not an AEO. Never the tier."""
    day = at.astimezone(HOME_ZONE).date()
    asked = customs_code_asked(code, live.arrangement, day)
    found = enterprises.by_customs_code(connection, asked) if asked else None
    now = project(unpack(found[1]), live.arrangement, day) if found else None
    statements = (now,) if isinstance(now, Statement) else ()
    message_id, picture = new_id(), Picture(as_of=at)
    payload = _payload(live, Kind.RESPONSE, statements, message_id, at, picture, {"tin": code})
    _enqueue(connection, node, live, Kind.RESPONSE, payload, message_id, at, picture=picture, refers_to=refers_to)


def ask(connection: Connection, node: Node, live: Live, code: str, at: datetime) -> str:
    """Queues our own query about one of a partner's codes; returns the message id."""
    message_id = new_id()
    payload = _payload(live, Kind.QUERY, (), message_id, at, query={"tin": code})
    _enqueue(connection, node, live, Kind.QUERY, payload, message_id, at)
    return message_id
