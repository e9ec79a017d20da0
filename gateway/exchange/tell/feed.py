"""Story two: the domestic feed is taken in, and what it makes news is told abroad.

1  a row that cannot be read, or takes another's customs code, is refused with its reason; all others go on
2  what an enterprise's latest record said already is passed over
3  each record is judged against what was known: losses hold at once, unforeseen gains wait for a person
4  recorded with what holds now, and told (``changes.py``), in one transaction
5  what the feed claims of itself counts once all its rows are in, those that were refused apart
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection

from gateway.core.access import Actor
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import Decision
from gateway.domestic.claim import NOTHING, Claim
from gateway.domestic.enterprise import Enterprise
from gateway.domestic.readfile import Row
from gateway.domestic.record import Faults, Record
from gateway.domestic.tiers import apply
from gateway.exchange.tell.changes import tell
from gateway.exchange.tell.complete import full_list
from gateway.exchange.tell.compose import ask
from gateway.exchange.tell.recipient import LeftOut
from gateway.exchange.tell.respond import respond
from gateway.node.context import Context
from gateway.store import enterprises, feed_claims, journal, proposals
from gateway.store.bulk import chunks
from gateway.store.enterprises import CodePassed, RecordedRow, unpack
from gateway.store.proposals import Matter, Proposal

__all__ = ["AT_ONCE", "Report", "ask", "follow", "full_list", "let_through", "respond", "tell", "waiting"]

#: Rows of one transaction: an import of any size then holds nobody up for long, and what was taken stays taken.
AT_ONCE = 500

_pack = msgspec.msgpack.Encoder().encode
_record = msgspec.json.Encoder(order="sorted").encode
_reread = msgspec.json.Decoder(Record).decode


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of one row; a row may have several."""

    line: int
    field: str | None
    value: str | None
    code: str
    detail: str = msgspec.field(name="reason")
    remedy: str


class Flagged(msgspec.Struct, frozen=True):
    """A record that no rule foresaw. Where its gains wait for a person, ``record`` is what that person confirms."""

    line: int
    uscc: str
    note: str
    record: int | None


class Report(msgspec.Struct):
    """What a feed did. ``queued`` counts messages for each partner; ``claim`` is what it stated of itself, where it did."""

    rows: int = 0
    taken: int = 0
    repeated: int = 0
    held: int = 0
    flagged: list[Flagged] = []
    refused: list[Refused] = []
    queued: dict[str, int] = {}
    unsaid: list[LeftOut] = []
    claim: Claim | UnsetType = UNSET

    def add(self, other: Report) -> None:
        """What a later part of the same feed did, too."""
        self.rows += other.rows
        self.taken += other.taken
        self.repeated += other.repeated
        self.held += other.held
        self.flagged += other.flagged
        self.refused += other.refused
        self.unsaid += other.unsaid
        for iso, count in other.queued.items():
            self.queued[iso] = self.queued.get(iso, 0) + count
        if other.claim is not UNSET:
            self.claim = other.claim


class Waiting(msgspec.Struct, frozen=True):
    """A record whose gains wait for a person: what it says, and why nobody foresaw it."""

    id: int
    recorded: datetime
    note: str
    record: Record


class ConfirmedRecord(msgspec.Struct, frozen=True):
    """Whose gains now hold, and what was queued for each partner."""

    uscc: str
    queued: dict[str, int]
    unsaid: list[LeftOut]


def in_parts(rows: Sequence[Row], claim: Claim = NOTHING) -> Iterator[tuple[Sequence[Row], Claim]]:
    """A feed as it is taken in, so many rows a transaction; the last of them states what it claims."""
    parts = [*chunks(rows, AT_ONCE)] or [[]]
    yield from ((part, NOTHING) for part in parts[:-1])
    yield parts[-1], claim


def import_rows(
    connection: Connection, node: Context, rows: Sequence[Row], *, who: Actor, at: datetime, claim: Claim = NOTHING
) -> Report:
    """Takes rows of the feed in, in their order, and what it claims of itself. The same feed again does nothing. A claim that is still to
    come (``claim.not_ahead``) has been refused before."""
    enterprises.alone(connection, at)
    report = Report(rows=len(rows))
    book = _Book(connection, [record for _, record in rows if isinstance(record, Record)])
    for line, found in rows:
        faults = book.faults(found, line) if isinstance(found, Record) else found  # 1
        report.refused += map(_refused, faults)
        if isinstance(found, Record) and not faults and not book.enter(found, line):  # 2, 3
            report.repeated += 1
    report.taken = len(book.entered)
    if book.entered:
        enterprises.record(connection, book.to_record(), at)  # 4
        enterprises.put(connection, {uscc: (one.customs_code, _pack(one)) for uscc, one in book.touched.items()}, at)
        enterprises.pass_on(connection, book.passed, at)
        _flag(connection, book, report)
        digest = sha256(b"".join(one.digest.encode() for _, one in book.entered)).hexdigest()
        journal.append(
            connection,
            "domestic",
            f"feed-{digest[:16]}",
            {"records": report.taken, "digest": digest, "held": report.held, "who": who.name, "by": who.noted},
            at=at,
        )
        told = tell(connection, node, book.touched, at)
        report.queued, report.unsaid = told.queued, told.unsaid
    if claim.states:  # 5
        feed_claims.record(connection, claim, who=who, at=at)
        report.claim = claim
    return report


def follow(connection: Connection, node: Context, records: Sequence[Record], at: datetime, *, who: Actor) -> Report:
    """``take`` for records that no feed has to be read for."""
    return import_rows(connection, node, list(enumerate(records, 1)), who=who, at=at)


def waiting(connection: Connection) -> list[Waiting]:
    """Every record whose gains wait for a person, the oldest first."""
    return [
        Waiting(one.id, one.recorded, one.record.note, _reread(one.record.body)) for one in enterprises.held_records(connection)
    ]


def let_through(connection: Connection, node: Context, record_id: int, *, who: Actor, at: datetime) -> ConfirmedRecord | Proposal:
    """A person confirms: the record's gains hold, and are told; or wait for a second person, where the settings ask for it. Raises
    ``Refusal`` NOT_FOUND when the record does not wait (any longer)."""
    enterprises.alone(connection, at)
    one = next((one.record for one in enterprises.held_records(connection) if one.id == record_id), None)
    if one is None:
        raise Refusal(
            Code.NOT_FOUND,
            f"No record {record_id} waits for a person.",
            remedy="A newer record of the enterprise may have taken its place: aeo-gateway domestic held.",
        )
    matter = Matter(Decision.GAINS, one.digest, number=record_id)
    people = proposals.propose_or_agree(connection, matter, two_people=node.settings.two_people, who=who, reason="", at=at)
    if isinstance(people, Proposal):
        return people
    known = unpack(enterprises.states(connection, [one.uscc])[one.uscc])
    state = apply(known, _reread(one.body), confirmed=True).state
    enterprises.let_through(connection, record_id)
    enterprises.put(connection, {one.uscc: (state.customs_code, _pack(state))}, at)
    said: dict[str, object] = {"uscc": one.uscc, "who": people if len(people) > 1 else who.name, "by": who.noted}
    said |= {"decision": "let through"}
    journal.append(connection, "decision", f"record-{record_id}", said, at=at)
    told = tell(connection, node, {one.uscc: state}, at)
    return ConfirmedRecord(one.uscc, told.queued, told.unsaid)


class _Book:
    """What is known of the enterprises that some records speak of, growing record by record."""

    def __init__(self, connection: Connection, records: Sequence[Record]) -> None:
        usccs = {record.uscc for record in records}
        self._states = {uscc: unpack(packed) for uscc, packed in enterprises.states(connection, usccs).items()}
        self._last = enterprises.last_digests(connection, usccs)
        self._holders = enterprises.holders(connection, {record.customs_code for record in records if record.customs_code})
        self.touched: dict[str, Enterprise] = {}
        self.passed: list[CodePassed] = []
        self.entered: list[tuple[int, RecordedRow]] = []

    def faults(self, record: Record, line: int) -> Faults:
        """What a record alone cannot show: a customs code names one enterprise, and this one is another's now."""
        holder = self._holders.get(record.customs_code or "", record.uscc)
        if holder == record.uscc:
            return ()
        return (
            Refusal(
                Code.DATA_INVALID,
                f"The customs code is that of {holder}; one code names one enterprise.",
                field="customs_code",
                value=record.customs_code,
                line=line,
                remedy=f"Correct it. Where the code has passed on, first send the record of {holder} without it.",
            ),
        )

    def enter(self, record: Record, line: int) -> bool:
        """Judges the record and lets it hold; False when it is the enterprise's latest, word for word."""
        uscc, body = record.uscc, _record(record)
        digest = sha256(body).hexdigest()
        if self._last.get(uscc) == digest:
            return False
        before = self._states.get(uscc)
        judged = apply(before, record)
        had, has = before.customs_code if before else None, judged.state.customs_code
        if had:
            self._holders.pop(had, None)
        if has:
            self._holders[has] = uscc
        if had != has:
            self.passed.append(CodePassed(uscc, had, has))
        self._last[uscc] = digest
        self._states[uscc] = self.touched[uscc] = judged.state
        self.entered.append((line, RecordedRow(uscc, digest, body, judged.foreseen, judged.hold, judged.note)))
        return True

    def to_record(self) -> list[RecordedRow]:
        """The records entered; of several of one enterprise only the last can wait for a person, for it speaks instead of the others."""
        latest = {one.uscc: index for index, (_, one) in enumerate(self.entered)}
        return [
            one if latest[one.uscc] == index else msgspec.structs.replace(one, held=False)
            for index, (_, one) in enumerate(self.entered)
        ]


def _flag(connection: Connection, book: _Book, report: Report) -> None:
    unforeseen = [(line, one) for line, one in book.entered if not one.foreseen]
    held = {
        (one.record.uscc, one.record.digest): one.id
        for one in enterprises.held_records(connection, {one.uscc for _, one in unforeseen})
    }
    report.held = len(held)
    report.flagged = [Flagged(line, one.uscc, one.note, held.get((one.uscc, one.digest))) for line, one in unforeseen]


def _refused(fault: Refusal) -> Refused:
    return Refused(
        line=fault.line or 0,
        field=fault.field,
        value=fault.value,
        code=str(fault.code),
        detail=fault.detail,
        remedy=fault.remedy,
    )
