"""An account of everything, kept apart from the gateway's own: what the senders hold in hand against what the database holds.

It reads rows and compares; of the gateway's own code it uses only what unpacks, folds and verifies. Every finding is a sentence.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, select

from gateway.core.history import fold, pack
from gateway.exchange import audit
from gateway.sandbox.box import Box
from gateway.store import packing
from gateway.store.tables import entry, intake, message, operator, outbox, statement
from gateway.trust.keys import KeyRing
from gateway.wire.xml import canonical, parse
from tests.exchange.installation import Installation

#: Kinds that a result is owed for.
OWED = ("list", "update", "notice")


@dataclass(slots=True)
class Ledger:
    """``receipts``: what senders were given, by message id, with the partner and the bytes they had sent."""

    receipts: dict[str, tuple[str, bytes, bytes]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def given(self, iso: str, message_id: str, body: bytes, receipt: bytes) -> None:
        """A sender got a receipt; a second one for the same message must be the very same."""
        before = self.receipts.setdefault(message_id, (iso, body, receipt))
        if before[2] != receipt:
            self.refused.append(f"{message_id} got two receipts")

    def faults(self, installation: Installation) -> list[str]:
        """Everything that does not add up, once the gateway has come to rest."""
        with installation.opened() as database, database.reading() as connection:
            return [
                *self.refused,
                *_received(connection, self.receipts),
                *_recorded(connection),
                *_folded(connection, installation.boxes),
                *_sent(connection, installation.boxes),
                *_journal(connection, installation),
            ]


def _digest(body: bytes) -> str:
    root = parse(body)
    root.remove(root[-1])
    return sha256(canonical(root)).hexdigest()


def _received(connection: Connection, receipts: Mapping[str, tuple[str, bytes, bytes]]) -> Iterator[str]:
    rows = {row.message_id: row for row in connection.execute(select(message))}
    for message_id, (iso, body, receipt) in receipts.items():
        row = rows.get(message_id)
        if row is None:
            yield f"LOST: {iso} holds a receipt for {message_id}, of which there is no record"
        elif row.answer != receipt:
            yield f"{message_id} has another receipt on record than its sender was given"
        elif row.digest != _digest(body):
            yield f"{message_id} is on record with another digest"
    outcomes = Counter(connection.execute(select(intake.c.outcome)).scalars())
    if outcomes["pending"]:
        yield f"{outcomes['pending']} intakes were never judged"
    if outcomes["accepted"] != len(rows):
        yield f"{outcomes['accepted']} intakes were accepted, {len(rows)} messages are on record"


def _recorded(connection: Connection) -> Iterator[str]:
    """Of every message: its statements once, its journal entry once, its result once."""
    said: dict[str, list[Any]] = defaultdict(list)
    for row in connection.execute(select(statement).order_by(statement.c.id)):
        if not row.derived:
            said[row.message_id].append(packing.told(row.body).statement)
    entries: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for body in connection.execute(select(entry.c.body).where(entry.c.kind == "message")).scalars():
        found = json.loads(body)
        entries[found["subject"]].append(found)
    owed = Counter(
        connection.execute(select(message.c.kind, message.c.message_id).where(message.c.kind.in_(OWED))).scalars("message_id")
    )
    results = Counter(_refers(row.header) for row in connection.execute(select(outbox).where(outbox.c.kind == "result")))
    if set(results) != set(owed) or any(count != 1 for count in results.values()):
        yield f"results are {dict(results)}, owed are {sorted(owed)}"
    ids = set()
    for row in connection.execute(select(message)):
        ids.add(row.message_id)
        if len(said[row.message_id]) != row.statements:
            yield f"{row.message_id} said {row.statements} things, {len(said[row.message_id])} are on record"
        if len(entries[row.message_id]) != 1:
            yield f"{row.message_id} has {len(entries[row.message_id])} entries in the journal"
            continue
        (one,) = entries[row.message_id]
        digest = sha256(b"".join(packing.pack(each) for each in said[row.message_id])).hexdigest()
        expected = (row.digest, sha256(row.answer).hexdigest(), digest)
        if (one["digest"], one["receipt"], one["statements_digest"]) != expected:
            yield f"the journal's entry of {row.message_id} is about something else"
    for stray in (set(said) | set(entries)) - ids:
        if said[stray] or entries[stray]:
            yield f"there is a trace of {stray}, which is not on record"


def _refers(header: bytes) -> str:
    import msgspec

    return str(msgspec.msgpack.decode(header)["refers_to"])


def _folded(connection: Connection, boxes: Mapping[str, Box]) -> Iterator[str]:
    told = defaultdict(list)
    for row in connection.execute(select(statement).order_by(statement.c.id)):
        told[row.partner, row.tin].append(packing.told(row.body))
    kept = {(row.partner, row.tin): row.timeline for row in connection.execute(select(operator))}
    if set(told) != set(kept):
        yield f"{len(told)} operators were spoken of, {len(kept)} have a timeline"
    for (iso, tin), timeline in kept.items():
        if pack(fold(told[iso, tin], boxes[iso].bundle.arrangement.zone_of(tin))) != timeline:
            yield f"the timeline of {tin} is not what was said"


def _sent(connection: Connection, boxes: Mapping[str, Box]) -> Iterator[str]:
    entries = Counter(
        (row.kind, row.subject)
        for row in connection.execute(select(entry.c.kind, entry.c.subject).where(entry.c.kind.in_(("sent", "delivered"))))
    )
    numbers = defaultdict(list)
    for row in connection.execute(select(outbox).order_by(outbox.c.id)):
        heard = sum(one.header.id == row.message_id for one in boxes[row.partner].heard)
        if heard > 1:
            yield f"TWICE: {row.partner} took {row.message_id} {heard} times"
        if row.state == "delivered" and (not heard or not row.answer):
            yield f"{row.message_id} counts as delivered, {row.partner} has not heard it"
        if heard and row.state not in ("delivered", "sending", "queued"):
            yield f"{row.partner} heard {row.message_id}, which counts as {row.state}"
        expected = (int(row.body is not None), int(row.state == "delivered"))
        if (entries["sent", row.message_id], entries["delivered", row.message_id]) != expected:
            yield f"the journal tells of {row.message_id} otherwise than {row.state}"
        if row.sequence:
            numbers[row.partner, row.rank].append(row.sequence)
    for (iso, rank), found in numbers.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            yield f"the numbers of {iso}, class {rank}, are {sorted(found)}"


def _journal(connection: Connection, installation: Installation) -> Iterator[str]:
    ours = {key.fingerprint: key.certificate for key in KeyRing(installation.settings.keys).all()}
    found = audit.verify(connection, ours, installation.settings.administration)
    if found.fault is not None:
        yield f"JOURNAL: {found.fault}"
    if found.unsealed:
        yield f"{found.unsealed} entries are not sealed"
