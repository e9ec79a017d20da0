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

from gateway.core.fold import fold
from gateway.core.history import pack
from gateway.journal import audit
from gateway.sandbox.box import Box
from gateway.store import packing
from gateway.store.tables import entry, intake, message, operator, outbox, statement
from gateway.trust.keys import KeyRing
from gateway.wire.xml import canonical, parse
from tests.rig.installation import Installation

#: Kinds that a result is owed for.
OWED = ("list", "update", "notice")


#: Of so many messages the digest is made anew from their bytes.
LOOKED_AT = 5_000


@dataclass(slots=True)
class Ledger:
    """``receipts``: what senders were given, by message id: the partner, the SHA-256 of what they had sent, and that of the receipt."""

    receipts: dict[str, tuple[str, bytes, bytes]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def given(self, iso: str, message_id: str, body: bytes, receipt: bytes) -> None:
        """A sender got a receipt; a second one for the same message must be the very same."""
        now = (iso, sha256(body).digest(), sha256(receipt).digest())
        if self.receipts.setdefault(message_id, now) != now:
            self.refused.append(f"TWICE: {message_id} got two receipts, or was two messages")

    def faults(self, installation: Installation, hostile: str = "") -> list[str]:
        """Everything that does not add up, once the gateway has come to rest; of what was sent to a ``hostile`` partner, only its numbers."""
        with installation.opened() as database, database.reading() as connection:
            return [
                *self.refused,
                *_received(connection, self.receipts),
                *_recorded(connection),
                *_folded(connection, installation.boxes),
                *_sent(connection, installation.boxes, hostile),
                *_journal(connection, installation),
            ]


def _digest(body: bytes) -> str:
    root = parse(body)
    root.remove(root[-1])
    return sha256(canonical(root)).hexdigest()


def _received(connection: Connection, receipts: Mapping[str, tuple[str, bytes, bytes]]) -> Iterator[str]:
    rows: dict[str, tuple[str, bytes, bytes]] = {}
    columns = (message.c.partner, message.c.message_id, message.c.digest, message.c.body, message.c.answer)
    for row in connection.execute(select(*columns)):
        rows[row.message_id] = (row.partner, sha256(row.body).digest(), sha256(row.answer).digest())
        if len(rows) <= LOOKED_AT and row.digest != _digest(row.body):
            yield f"{row.message_id} is on record with another digest"
    for message_id, held in receipts.items():
        kept = rows.get(message_id)
        if kept is None:
            yield f"LOST: {held[0]} holds a receipt for {message_id}, of which there is no record"
        elif kept != held:
            yield f"{message_id} is on record with other bytes than were sent, or another receipt than its sender was given"
    outcomes = Counter(connection.execute(select(intake.c.outcome)).scalars())
    if outcomes["pending"]:
        yield f"{outcomes['pending']} intakes were never judged"
    if outcomes["accepted"] != len(rows):
        yield f"{outcomes['accepted']} intakes were accepted, {len(rows)} messages are on record"


def _recorded(connection: Connection) -> Iterator[str]:
    """Of every message: its statements once, its journal entry once, its result once."""
    said: dict[str, _Said] = defaultdict(_Said)
    own = select(statement.c.message_id, statement.c.body).where(statement.c.derived.is_(False)).order_by(statement.c.id)
    for row in connection.execute(own):
        said[row.message_id].add(packing.pack(packing.placed(row.body).statement))
    entries: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for body in connection.execute(select(entry.c.body).where(entry.c.kind == "message")).scalars():
        found = json.loads(body)
        entries[found["subject"]].append((found["digest"], found["receipt"], found["statements_digest"]))
    owed = Counter(
        connection.execute(select(message.c.kind, message.c.message_id).where(message.c.kind.in_(OWED))).scalars("message_id")
    )
    results = Counter(map(_refers, connection.execute(select(outbox.c.header).where(outbox.c.kind == "result")).scalars()))
    for about in (set(owed) | set(results)) if results != owed else ():
        if results[about] != owed[about]:
            yield f"{results[about]} results are about {about}, {owed[about]} are owed"
    columns = (message.c.message_id, message.c.statements, message.c.digest, message.c.answer)
    for message_id, count, digest, answer in connection.execute(select(*columns)):
        told, told_of = said.pop(message_id, _Said()), entries.pop(message_id, [])
        if told.count != count:
            yield f"{message_id} said {count} things, {told.count} are on record"
        if len(told_of) != 1:
            yield f"{message_id} has {len(told_of)} entries in the journal"
        elif told_of[0] != (digest, sha256(answer).hexdigest(), told.digest.hexdigest()):
            yield f"the journal's entry of {message_id} is about something else"
    for stray in said.keys() | entries.keys():
        yield f"there is a trace of {stray}, which is not on record"


@dataclass(slots=True)
class _Said:
    """How many things a message said, and the SHA-256 over them in their order."""

    count: int = 0
    digest: Any = field(default_factory=sha256)

    def add(self, packed: bytes) -> None:
        self.count += 1
        self.digest.update(packed)


def _refers(header: bytes) -> str:
    import msgspec

    return str(msgspec.msgpack.decode(header)["refers_to"])


def _folded(connection: Connection, boxes: Mapping[str, Box]) -> Iterator[str]:
    told = defaultdict(list)
    for row in connection.execute(select(statement).order_by(statement.c.id)):
        told[row.partner, row.tin].append(packing.placed(row.body))
    kept = {(row.partner, row.tin): row.timeline for row in connection.execute(select(operator))}
    if set(told) != set(kept):
        yield f"{len(told)} operators were spoken of, {len(kept)} have a timeline"
    for (iso, tin), timeline in kept.items():
        if pack(fold(told[iso, tin], boxes[iso].bundle.arrangement.zone_of(tin))) != timeline:
            yield f"the timeline of {tin} is not what was said"


def _sent(connection: Connection, boxes: Mapping[str, Box], hostile: str) -> Iterator[str]:
    entries = Counter(
        (row.kind, row.subject)
        for row in connection.execute(select(entry.c.kind, entry.c.subject).where(entry.c.kind.in_(("sent", "delivered"))))
    )
    numbers = defaultdict(list)
    heard_by = {iso: Counter(one.header.id for one in box.received) for iso, box in boxes.items()}
    columns = (outbox.c.partner, outbox.c.message_id, outbox.c.state, outbox.c.rank, outbox.c.sequence)
    held = (outbox.c.answer.is_not(None).label("answered"), outbox.c.body.is_not(None).label("signed"))
    for row in connection.execute(select(*columns, *held).order_by(outbox.c.id)):
        if row.sequence:
            numbers[row.partner, row.rank].append(row.sequence)
        if row.partner == hostile:  # what it says it heard proves nothing, and it may have had anything sent again
            continue
        heard = heard_by[row.partner][row.message_id]
        if heard > 1:
            yield f"TWICE: {row.partner} took {row.message_id} {heard} times"
        if row.state == "delivered" and (not heard or not row.answered):
            yield f"{row.message_id} counts as delivered, {row.partner} has not heard it"
        if heard and row.state not in ("delivered", "sending", "queued"):
            yield f"{row.partner} heard {row.message_id}, which counts as {row.state}"
        expected = (int(row.signed), int(row.state == "delivered"))
        if (entries["sent", row.message_id], entries["delivered", row.message_id]) != expected:
            yield f"the journal tells of {row.message_id} otherwise than {row.state}"
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
