"""How long what is kept is kept: shelves by class and state, the rule of each, and putting away what is closed and past its rule.

No rule is shipped, because no source states one: a shelf is kept until a person says how long and because of what. What is open is never
on a shelf, whatever the rule: what waits to be judged or sent or decided, what failed and a person may still send again.

Ids, digests, receipts that may be asked for again, statements and the journal are on no shelf: they outlive the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    func,
    insert,
    null,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy import true as always

from gateway.core.errors import Code, Refusal
from gateway.store import journal
from gateway.store.tables import (
    announced,
    belief,
    checkpoint,
    enterprise_record,
    entry,
    fact,
    intake,
    listing,
    listing_part,
    message,
    operator,
    outbox,
    retention,
    statement,
    transcription,
    voiding,
)

_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """Rows of one class. ``filled`` are those that hold bytes to put away, ``closed`` those of them that nothing open needs.

    ``at`` is the moment from which the days count; ``called`` and ``digest`` name a row in the journal (no digest: that of ``body``).
    ``emptied`` is what its columns are set to; None: the row goes. ``marks``: when is noted in the row. ``asked``: it is kept at least as long as a partner's message may be
    sent, or ours asked for, again.
    """

    name: str
    holds: str
    purpose: str
    stays: str
    table: Table
    at: Column[Any]
    size: ColumnElement[Any]
    filled: ColumnElement[bool]
    closed: ColumnElement[bool]
    called: Column[Any]
    digest: Column[Any] | None
    emptied: Mapping[str, Any] | None
    marks: bool = True
    asked: bool = False

    @property
    def key(self) -> Column[Any]:
        """What tells its rows apart."""
        (column,) = self.table.primary_key
        return column


def _length(*columns: Column[Any]) -> ColumnElement[Any]:
    return sum((func.coalesce(func.length(column), 0) for column in columns[1:]), func.coalesce(func.length(columns[0]), 0))


#: Messages (partner, id) that something other than their statements still needs.
_NEEDED = (
    select(listing.c.partner, listing_part.c.message_id)
    .join(listing, listing.c.id == listing_part.c.listing)
    .where(listing.c.state.in_(("waiting", "held"))),
    select(announced.c.partner, announced.c.message_id),
    select(belief.c.partner, belief.c.outcome_message).where(belief.c.outcome_message.is_not(None)),
    select(voiding.c.partner, voiding.c.subject).where(voiding.c.confirmed.is_(None), voiding.c.what == "message"),
)
_identity = tuple_(message.c.partner, message.c.message_id)
_unneeded = and_(*(_identity.not_in(needed) for needed in _NEEDED))
_no_belief = outbox.c.id.not_in(select(belief.c.outbox))

#: What can be put away, in the order in which it is: a receipt goes after the message it is for.
SHELVES = (
    Shelf(
        "messages",
        "partners' messages as they were signed",
        "proof of what an answer rested on",
        "id, digest, certificate, receipt, every statement",
        message,
        message.c.received,
        _length(message.c.body),
        message.c.body.is_not(None),
        _unneeded,
        message.c.message_id,
        message.c.digest,
        {"body": None},
    ),
    Shelf(
        "sent",
        "our messages that arrived or were superseded",
        "proof of what a partner was told",
        "id, digest, the partner's receipt",
        outbox,
        outbox.c.finished,
        _length(outbox.c.body, outbox.c.payload),
        outbox.c.payload != "",
        # What expired or was given up is a person's to look at and to send again.
        outbox.c.state.in_(("delivered", "mailed", "superseded", "reissued")) & _no_belief,
        outbox.c.message_id,
        outbox.c.digest,
        {"body": None, "payload": ""},
        asked=True,
    ),
    Shelf(
        "receipts-given",
        "our signed receipts for partners' messages",
        "the answer to the same message again; proof with it",
        "id, digest of the message; the receipt's in the journal",
        message,
        message.c.received,
        _length(message.c.answer),
        func.length(message.c.answer) > 0,
        message.c.pruned.is_not(None),
        message.c.message_id,
        message.c.digest,
        {"answer": b""},
        marks=False,
        asked=True,
    ),
    Shelf(
        "receipts-got",
        "partners' signed receipts for our messages",
        "proof that a message arrived",
        "id, digest; the receipt's in the journal",
        outbox,
        outbox.c.finished,
        _length(outbox.c.answer),
        func.length(outbox.c.answer) > 0,
        outbox.c.pruned.is_not(None),
        outbox.c.message_id,
        outbox.c.digest,
        {"answer": b""},
        marks=False,
    ),
    Shelf(
        "refused",
        "messages of partners that were refused, and our refusals",
        "finding out with the partner what was wrong",
        "code, sentence; digests in the journal",
        intake,
        intake.c.received,
        _length(intake.c.body, intake.c.answer),
        intake.c.pruned.is_(None),
        intake.c.outcome.in_(("refused", "conflict")),
        intake.c.id,
        None,
        {"body": b"", "answer": None},
    ),
    Shelf(
        "quarantine",
        "what nobody proved to be a partner's",
        "finding out who it was",
        "digests in the journal",
        intake,
        intake.c.received,
        _length(intake.c.body, intake.c.answer),
        intake.c.outcome == "quarantined",
        always(),
        intake.c.id,
        None,
        None,
    ),
    Shelf(
        "arrivals",
        "when and from which address each accepted message came",
        "following up on a stolen key",
        "the message",
        intake,
        intake.c.received,
        _length(intake.c.remote),
        intake.c.outcome.in_(("accepted", "duplicate")),
        always(),
        intake.c.id,
        None,
        None,
    ),
    Shelf(
        "transcribed",
        "spreadsheets that a partner mailed and a person discarded",
        "finding out why",
        "id, digest, who discarded it and why",
        transcription,
        transcription.c.decided,
        _length(transcription.c.body),
        transcription.c.body.is_not(None),
        transcription.c.state == "discarded",
        transcription.c.message_id,
        transcription.c.digest,
        {"body": None},
        marks=False,
    ),
    Shelf(
        "revocation",
        "revocation lists and responses that messages were judged with",
        "proof that a certificate could be relied on",
        "digests in the journal's entries of the messages",
        fact,
        fact.c.stored,
        _length(fact.c.der),
        always(),
        always(),
        fact.c.digest,
        fact.c.digest,
        None,
    ),
)
BY_NAME = {shelf.name: shelf for shelf in SHELVES}

#: What no rule puts away, with its moments and sizes, and why.
KEPT: Mapping[str, tuple[str, Table, Any, ColumnElement[Any]]] = {
    "journal": ("it shows tampering only whole", entry, entry.c.at, _length(entry.c.body, entry.c.leaf)),
    "checkpoints": ("they seal the journal", checkpoint, checkpoint.c.sealed, _length(checkpoint.c.frontier, checkpoint.c.signed)),
    "statements": ("answers as they were known then", statement, statement.c.received, _length(statement.c.body)),
    "feed": ("answers as they were known then", enterprise_record, enterprise_record.c.recorded, _length(enterprise_record.c.body)),
    "certificates": ("without them nothing is proven", announced, announced.c.since, _length(announced.c.certificate)),
    "list-parts": ("their lists are not whole yet", listing_part, None, _length(listing_part.c.statements)),
    "timelines": ("today's answers", operator, None, _length(operator.c.timeline)),
}


class Rule(msgspec.Struct, frozen=True):
    """How many days a shelf is kept once it is closed, because of what, who said so and when; and what went by it so far."""

    shelf: str
    days: int
    because: str
    who: str
    since: datetime
    rows: int
    bytes: int


class Due(msgspec.Struct, frozen=True):
    """A row that may go: its key, whose it is, what it is called, and its size in bytes."""

    key: int | str
    partner: str | None
    called: str
    bytes: int


def shelf_of(name: str) -> Shelf:
    """Raises ``Refusal`` NOT_FOUND with the names there are."""
    if name not in BY_NAME:
        raise Refusal(Code.NOT_FOUND, f"There is no shelf {name!r}.", remedy=f"One of: {', '.join(BY_NAME)}.")
    return BY_NAME[name]


def rules(connection: Connection) -> dict[str, Rule]:
    """The rules that were set, by shelf."""
    return {row.shelf: Rule(**row._mapping) for row in connection.execute(select(retention).order_by(retention.c.since))}


def set_rule(connection: Connection, name: str, days: int, *, because: str, who: str, at: datetime) -> None:
    """A person says how long. Raises ``Refusal``: NOT_FOUND, DATA_INVALID."""
    shelf_of(name)
    if days < 0:
        raise Refusal(Code.DATA_INVALID, "Days cannot be fewer than none.", field="days", value=str(days))
    if not because.strip():
        raise Refusal(Code.DATA_INVALID, "Say under which rule or decision.", field="because")
    values = {"days": days, "because": because, "who": who, "since": at}
    changed = connection.execute(update(retention).where(retention.c.shelf == name).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(retention).values(shelf=name, rows=0, bytes=0, **values))
    said: dict[str, object] = {"decision": "retention", "days": days, "because": because, "who": who}
    journal.append(connection, "decision", f"retention-{name}", said, at=at)


def unset_rule(connection: Connection, name: str, *, because: str, who: str, at: datetime) -> None:
    """A person has a shelf kept from now on. Raises ``Refusal`` NOT_FOUND where it has no rule."""
    shelf_of(name)
    if connection.execute(delete(retention).where(retention.c.shelf == name)).rowcount == 0:
        raise Refusal(Code.NOT_FOUND, f"The shelf {name!r} has no rule: it is kept.")
    said: dict[str, object] = {"decision": "retention", "days": None, "because": because, "who": who}
    journal.append(connection, "decision", f"retention-{name}", said, at=at)


def due(connection: Connection, shelf: Shelf, before: datetime) -> Iterator[Due]:
    """What is closed and came before a moment, the oldest first."""
    key, whose = shelf.key, shelf.table.c.get("partner", null())
    query = select(key.label("key"), whose.label("partner"), shelf.called.label("called"), shelf.size.label("size"))
    query = query.where(shelf.filled, shelf.closed, shelf.at < before)
    for row in connection.execute(query.order_by(key).execution_options(yield_per=1_000)):
        yield Due(row.key, row.partner, _name(shelf, row.called), int(row.size))


def _name(shelf: Shelf, called: Any) -> str:
    return f"intake-{called}" if shelf.table is intake else str(called)


def prune(connection: Connection, rule: Rule, keys: Sequence[int | str], at: datetime) -> int:
    """Puts these rows away where they are still closed, and journals each with its digest and the rule; returns how many went."""
    shelf = BY_NAME[rule.shelf]
    table, key = shelf.table, shelf.key
    digest = table.c.body if shelf.digest is None else shelf.digest
    still = select(key.label("key"), shelf.called.label("called"), digest.label("digest"), shelf.size.label("size"))
    rows = connection.execute(still.where(key.in_(keys), shelf.filled, shelf.closed).order_by(key).with_for_update()).all()
    if not rows:
        return 0
    gone = [row.key for row in rows]
    if shelf.emptied is None:
        connection.execute(delete(table).where(key.in_(gone)))
    else:
        connection.execute(update(table).where(key.in_(gone)).values({**shelf.emptied, **({"pruned": at} if shelf.marks else {})}))
    size = sum(int(row.size) for row in rows)
    mine = retention.c.shelf == rule.shelf
    connection.execute(update(retention).where(mine).values(rows=retention.c.rows + len(rows), bytes=retention.c.bytes + size))
    pruned = [[_name(shelf, row.called), sha256(row.digest).hexdigest() if shelf.digest is None else row.digest] for row in rows]
    said: dict[str, object] = {"days": rule.days, "because": rule.because, "who": rule.who, "set": rule.since}
    journal.append(connection, "retention", rule.shelf, said | {"bytes": size, "pruned": pruned}, at=at)
    return len(rows)


def why_gone(connection: Connection, name: str, pruned: datetime) -> str:
    """By which rule something of a shelf went, and where the journal says so."""
    here = (entry.c.kind == "retention") & (entry.c.subject == name) & (entry.c.at == pruned)
    row = connection.execute(select(entry.c.position, entry.c.body).where(here).order_by(entry.c.id).limit(1)).first()
    if row is None:
        return f"it was put away at {pruned.isoformat()}"
    rule = msgspec.json.decode(row.body)
    place = "not sealed yet" if row.position is None else f"position {row.position}"
    return (
        f"it was put away at {pruned.isoformat()} by the rule {rule['days']} days, {rule['because']!r}, set by {rule['who']} "
        f"(journal, {place})"
    )


# ---------------------------------------------------------------- sizes


def by_day(
    connection: Connection, table: Table, at: Any, size: ColumnElement[Any], where: ColumnElement[bool]
) -> dict[int, tuple[int, int]]:
    """Day (since 1970 UTC) -> (rows, bytes) of what is there. Without moments everything is of day 0."""
    day = type_coerce(at, BigInteger) // _DAY if at is not None else type_coerce(0, BigInteger)
    query = select(day.label("day"), func.count().label("rows"), func.coalesce(func.sum(size), 0).label("bytes"))
    found = connection.execute(query.select_from(table).where(where).group_by(day))
    return {int(row.day or 0): (row.rows, int(row.bytes)) for row in found}
