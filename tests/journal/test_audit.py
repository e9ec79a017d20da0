"""The journal verified: what was changed, cut or added is named, with the entry where its hash survives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, insert, text, update

from gateway.core.merkle import leaf_hash
from gateway.core.model import Kind
from gateway.core.protocol import Checkpoint
from gateway.journal import audit
from gateway.journal.audit import Audited
from gateway.journal.sealer import checkpoint_of
from gateway.store import journal
from gateway.store.tables import checkpoint, entry, message
from gateway.wire import payloads
from tests.rig.gateway import GatewayFixture


def audited(gateway: GatewayFixture, *witnesses: Checkpoint) -> Audited:
    with gateway.database.reading() as connection:
        return audit.verify(connection, {gateway.ours.fingerprint: gateway.ours.certificate}, "CN", witnesses)


@pytest.fixture
def sealed(gateway: GatewayFixture) -> GatewayFixture:
    """Five batches of four entries."""
    for batch in range(5):
        for number in range(4):
            gateway.do(partial(journal.append, kind="test", subject=f"({batch}, {number})", body={"n": number}, at=gateway.now))
        gateway.seal()
    return gateway


def change(gateway: GatewayFixture, statement: Any) -> None:
    gateway.do(lambda connection: connection.execute(statement).rowcount)


def sizes(gateway: GatewayFixture) -> list[int]:
    return [row.size for row in gateway.rows(checkpoint)]


def test_a_journal_as_sealed_verifies(sealed: GatewayFixture) -> None:
    found = audited(sealed)
    assert found.fault is None
    assert (found.entries, found.checkpoints, found.unsealed) == (sizes(sealed)[-1], 5, 0)


def test_what_is_not_sealed_yet_is_counted(sealed: GatewayFixture) -> None:
    sealed.do(lambda connection: journal.append(connection, "test", "x", {}, at=sealed.now))
    assert (audited(sealed).fault, audited(sealed).unsealed) == (None, 1)


def batch_of(gateway: GatewayFixture, position: int) -> tuple[int, int]:
    before = [0, *sizes(gateway)]
    return next((low, high - 1) for low, high in pairwise(before) if low <= position < high)


def test_a_changed_entry_is_named(sealed: GatewayFixture) -> None:
    change(sealed, update(entry).where(entry.c.position == 9).values(body=b"{}"))
    fault = audited(sealed).fault
    assert fault is not None
    assert (fault.what, fault.first, fault.last, fault.entry) == ("changed", *batch_of(sealed, 9), 9)


def test_where_the_hash_was_changed_with_it_the_batch_is_named(sealed: GatewayFixture) -> None:
    change(sealed, update(entry).where(entry.c.position == 9).values(body=b"{}", leaf=leaf_hash(b"{}")))
    fault = audited(sealed).fault
    assert fault is not None
    assert (fault.what, fault.first, fault.last, fault.entry) == ("changed", *batch_of(sealed, 9), None)


@pytest.mark.parametrize("position", [0, 9, 19])
def test_an_entry_changed_by_hand_is_named_whatever_type_the_hand_left(sealed: GatewayFixture, position: int) -> None:
    """SQLite's text functions make text of bytes, and it keeps any type in any column."""
    if not sealed.database.sqlite:
        pytest.skip("PostgreSQL keeps the types of its columns")
    for value in ("replace(body, 'test', 'tess')", "body || ' '", "7", "x'ff'", "cast(x'ff' as text)"):
        assert _changed(sealed, f"body = {value}", position) == ("changed", position), value
    for value in ("'x'", "7", "NULL", "cast(x'ff' as text)"):
        assert _changed(sealed, f"leaf = {value}", position) == ("changed", position), value
    assert audited(sealed).fault is None


@pytest.mark.parametrize("column", ["kind = 'decision'", "partner = 'SG'", "subject = 'another'", "at = 0", "at = at + 1"])
def test_what_an_entry_is_found_by_is_what_was_sealed(sealed: GatewayFixture, column: str) -> None:
    assert _changed(sealed, column, 9) == ("changed", 9)


def _changed(gateway: GatewayFixture, assignment: str, position: int) -> tuple[str, int | None]:
    """What is found where one row was changed so; then it is as before."""
    (before,) = [row for row in gateway.rows(entry) if row.position == position]
    change(gateway, text(f"UPDATE entry SET {assignment} WHERE position = {position}"))
    fault = audited(gateway).fault
    assert fault is not None
    assert (fault.first, fault.last) == batch_of(gateway, position)
    change(gateway, update(entry).where(entry.c.id == before.id).values(before._asdict()))
    return fault.what, fault.entry


def test_an_entry_before_the_first_shows(sealed: GatewayFixture) -> None:
    change(sealed, insert(entry).values(position=-1, leaf=b"", at=sealed.now, kind="test", subject="x", body=b"{}"))
    fault = audited(sealed).fault
    assert fault is not None
    assert (fault.what, fault.entry) == ("added", -1)


@pytest.mark.parametrize("column", ["signed", "frontier"])
def test_a_checkpoint_of_rubbish_shows(sealed: GatewayFixture, column: str) -> None:
    first = sizes(sealed)[0]
    change(sealed, update(checkpoint).where(checkpoint.c.size == first).values({column: b"\0\0"}))
    fault = audited(sealed).fault
    assert fault is not None
    assert (fault.what, fault.first, fault.last) == ("checkpoint", 0, first - 1)


def test_a_checkpoint_taken_out_shows_against_the_receipts_that_carry_it(sealed: GatewayFixture) -> None:
    with sealed.database.reading() as connection:
        sealed.node.checkpoint = checkpoint_of(journal.latest(connection))
    sealed.send(sealed.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING)))
    sealed.seal()
    carried, last = sizes(sealed)[-2:]
    change(sealed, delete(checkpoint).where(checkpoint.c.size == carried))
    fault = audited(sealed).fault
    assert fault is not None
    assert (fault.what, fault.last) == ("checkpoint", last - 1)
    assert f"{carried} entries" in fault.detail


def test_a_receipt_of_rubbish_bears_no_witness(sealed: GatewayFixture) -> None:
    sealed.send(sealed.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING)))
    for rubbish in (b"\0", b"<a", b'<x:Checkpoint xmlns:x="%s" size="many"/>' % payloads.NAMESPACE.encode()):
        change(sealed, update(message).values(answer=rubbish))
        assert audited(sealed).witnesses == 0


def test_a_missing_entry_is_named(sealed: GatewayFixture) -> None:
    change(sealed, delete(entry).where(entry.c.position == 9))
    fault = audited(sealed).fault
    assert fault is not None
    assert (fault.what, fault.first, fault.last, fault.entry) == ("cut", *batch_of(sealed, 9), 9)


def test_two_entries_that_changed_places_show(sealed: GatewayFixture) -> None:
    for source, target in ((9, 1000), (10, 9), (1000, 10)):
        change(sealed, update(entry).where(entry.c.position == source).values(position=target))
    fault = audited(sealed).fault
    assert fault is not None
    assert (fault.what, fault.first, fault.last) == ("changed", *batch_of(sealed, 9))


def test_an_added_entry_is_named(sealed: GatewayFixture) -> None:
    size = sizes(sealed)[-1]
    put = insert(entry).values(position=size, leaf=leaf_hash(b"{}"), at=sealed.now, kind="test", subject="x", body=b"{}")
    change(sealed, put)
    fault = audited(sealed).fault
    assert fault is not None
    assert (fault.what, fault.first, fault.entry) == ("added", size, size)


def test_a_tail_that_was_cut_with_its_entries_shows(sealed: GatewayFixture) -> None:
    change(sealed, delete(entry).where(entry.c.position >= sizes(sealed)[-2]))
    fault = audited(sealed).fault
    assert fault is not None
    assert fault.what == "cut"


def _cut_tail(gateway: GatewayFixture) -> Checkpoint:
    with gateway.database.reading() as connection:
        last = checkpoint_of(journal.latest(connection))
    assert last is not None
    size = sizes(gateway)[-2]
    change(gateway, delete(entry).where(entry.c.position >= size))
    change(gateway, delete(checkpoint).where(checkpoint.c.size > size))
    return last


def test_a_tail_cut_with_its_checkpoints_shows_against_a_witness(sealed: GatewayFixture) -> None:
    last = _cut_tail(sealed)
    assert audited(sealed).fault is None, "by itself it cannot show"
    fault = audited(sealed, last).fault
    assert fault is not None
    assert (fault.what, fault.last) == ("cut", last.size - 1)


def test_our_own_receipts_are_witnesses(sealed: GatewayFixture) -> None:
    with sealed.database.reading() as connection:
        sealed.node.checkpoint = checkpoint_of(journal.latest(connection))
    sealed.send(sealed.boxes["SG"].protocol_message(Kind.PING, payloads.write_empty(Kind.PING)))
    assert (audited(sealed).fault, audited(sealed).witnesses) == (None, 1)
    assert len(sealed.rows(message)) == 1
    _cut_tail(sealed)
    fault = audited(sealed).fault
    assert fault is not None
    assert fault.what == "cut"


def test_a_journal_written_anew_shows_against_a_witness(sealed: GatewayFixture) -> None:
    with sealed.database.reading() as connection:
        witness = checkpoint_of(journal.latest(connection))
    assert witness is not None
    change(sealed, delete(checkpoint))
    change(sealed, update(entry).values(position=None, leaf=None))
    (row,) = [row for row in sealed.rows(entry) if row.subject == "(2, 2)"]
    change(sealed, update(entry).where(entry.c.id == row.id).values(body=row.body.replace(b'"n":2', b'"n":7')))
    sealed.seal()
    assert audited(sealed).fault is None
    fault = audited(sealed, witness).fault
    assert fault is not None
    assert fault.what == "changed"
    assert witness.root in fault.detail


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (
            lambda one: one.__class__(one.size, one.root, one.sealed, one.note, b"\1" * 64, one.fingerprint, one.algorithm),
            "signature",
        ),
        (
            lambda one: one.__class__(one.size, "00" * 32, one.sealed, one.note, one.signature, one.fingerprint, one.algorithm),
            "signature",
        ),
        (
            lambda one: one.__class__(one.size, one.root, one.sealed, one.note, one.signature, "ab" * 32, one.algorithm),
            "no key of ours",
        ),
    ],
)
def test_a_checkpoint_that_we_did_not_sign_so_shows(sealed: GatewayFixture, edit: Callable[[Any], Any], says: str) -> None:
    row = sealed.rows(checkpoint)[2]
    forged = msgspec.msgpack.encode(edit(msgspec.msgpack.decode(row.signed, type=journal.Sealed)))
    change(sealed, update(checkpoint).where(checkpoint.c.size == row.size).values(signed=forged))
    fault = audited(sealed).fault
    assert fault is not None
    assert (fault.what, fault.last) == ("checkpoint", row.size - 1)
    assert says in fault.detail


def test_only_the_first_batch_at_fault_is_named(sealed: GatewayFixture) -> None:
    for position in (17, 6):
        change(sealed, update(entry).where(entry.c.position == position).values(body=b"{}"))
    fault = audited(sealed).fault
    assert fault is not None
    assert fault.entry == 6
