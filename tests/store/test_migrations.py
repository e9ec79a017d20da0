"""The migrations make the tables that the code speaks to, on both databases, and lose nothing of what was there."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from msgspec import UNSET
from sqlalchemy import Connection, select
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.core.errors import Refusal
from gateway.core.four_eyes import Decision
from gateway.exchange import void
from gateway.exchange.offline import inbound
from gateway.store import database as store
from gateway.store import journal, proposals
from gateway.store.database import Database
from gateway.store.proposals import Matter, Proposal
from gateway.store.tables import announced, entry, fact, message, metadata, microseconds
from tests.rig.people import person
from tests.rig.telling import TellingFixture

MIGRATIONS = Path(store.__file__).parent / "migrations"


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    return empty_database_url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as opened:
        opened.migrate()
        yield opened


def test_migrated_schema_is_what_the_tables_say(database: Database) -> None:
    with database.write.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    with database.write.begin() as connection:
        for table in metadata.sorted_tables:
            _insert(connection, table.name)
    before = _everything(database)
    assert {name: len(rows) for name, (_, rows) in before.items()} == dict.fromkeys([*metadata.tables, "alembic_version"], 1)
    written = _written(database)
    database.migrate()
    assert written == []
    assert _everything(database) == before


def test_nodes_that_start_together_migrate_once(database_url: str) -> None:
    nodes = [Database(database_url) for _ in range(3)]
    written = [_written(node) for node in nodes]
    together = threading.Barrier(len(nodes))

    def start(node: Database) -> None:
        together.wait(30)
        node.migrate()

    with ThreadPoolExecutor(len(nodes)) as pool:
        for one in [pool.submit(start, node) for node in nodes]:
            one.result(60)
    revised = [[one for one in mine if re.match("(INSERT INTO|UPDATE) alembic_version", one)] for mine in written]
    assert sorted(map(len, revised)) == [0, 0, len(list((MIGRATIONS / "versions").glob("*.py")))]
    assert [bool(mine) for mine in written] == [bool(mine) for mine in revised]  # who came later wrote nothing at all
    with nodes[0].write.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    for node in nodes:
        node.close()


def test_an_installation_of_the_first_schema_keeps_what_it_has(database_url: str) -> None:
    first = Database(database_url)
    first.migrate("0001")
    body = b"<x:Exchange><x:Header><x:Sequence>7</x:Sequence></x:Header><x:Payload><Sequence>9</Sequence></x:Payload></x:Exchange>"
    with first.write.begin() as connection:
        for number, held in enumerate((body, None, b"<x:Exchange/>")):
            _insert(connection, "message", partner="SG", message_id=f"m{number}", kind="notice", body=held)
        _insert(connection, "fact", digest="9f" * 32, kind="crl", der=b"crl")
    first.close()

    now = Database(database_url)
    now.migrate()
    with now.write.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        kept = connection.execute(select(message).order_by(message.c.id)).all()
        stored = connection.execute(select(fact.c.stored)).scalar_one()
    now.close()
    assert [(row.message_id, row.sequence, row.body, row.pruned) for row in kept] == [
        ("m0", 7, body, None),
        ("m1", 0, None, None),
        ("m2", 0, b"<x:Exchange/>", None),
    ]
    assert abs(datetime.now(UTC) - stored) < timedelta(minutes=5)


def test_what_was_announced_before_is_kept_as_unproven_and_its_owner_may_announce_it_too(database_url: str) -> None:
    before = Database(database_url)
    before.migrate("0007")
    row = {"fingerprint": "ab" * 32, "role": "tls", "certificate": b"der", "since": 7, "message_id": "m"}
    names = ", ".join(("partner", *row))
    put = sa.text(f"INSERT INTO announced ({names}) VALUES ({', '.join(f':{name}' for name in ('partner', *row))})")
    with before.write.begin() as connection:
        connection.execute(put, {"partner": "SG", **row})
    before.close()
    now = Database(database_url)
    now.migrate()
    with now.write.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        connection.execute(put, {"partner": "HK", **row})
        kept = connection.execute(select(announced).order_by(announced.c.partner)).all()
    now.close()
    assert [(one.partner, one.certificate, one.proven) for one in kept] == [("HK", b"der", False), ("SG", b"der", False)]


def test_what_was_open_under_typed_names_ends_and_stays_to_be_seen(database_url: str) -> None:
    """An installation of release 0.1.0 (schema 0003): proposals of each kind, some open, some decided or overtaken."""
    with at_release_0_1_0(database_url) as connection:
        fill_with_proposals(connection)
        old = connection.execute(select(entry.c.id, entry.c.body)).all()
    since = datetime.now(UTC)
    now = Database(database_url)
    now.migrate()
    now.migrate()
    with now.write.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        ended = proposals.ended_at_upgrade(connection, since - timedelta(minutes=5))
        still_open = proposals.open_now(connection, *Decision)
        voids, files = void.recorded(connection), inbound.recorded(connection)
        entries = connection.execute(select(entry).order_by(entry.c.id)).all()
    now.close()

    assert [(one.subject, one.partner, one.proposed_by, one.reason, one.proposed) for one in ended] == [
        ("void-1", "SG", "alice", "wrong", AT),
        ("transcription-1", "SG", "alice", "a mail", AT),
        ("b" * 64, "**", "Alice", "a reason", AT),
        ("c" * 64, "SG", "alice", "a reason", AT),
        ("c" * 64, "SG", "Alice", "a reason", AT),
    ]
    assert [one.decision for one in ended[2:]] == [Decision.LAW, Decision.ACTIVATION, Decision.ACTIVATION]
    assert still_open == []
    assert {(one.state, one.because, one.decided_by) for one in ended} == {("ended", proposals.UPGRADED, None)}
    # Shown with what they were; what was decided is as it was.
    assert [(one.id, one.confirmed_by, one.ended_because) for one in voids] == [(2, "bob", UNSET), (1, None, proposals.UPGRADED)]
    assert [(one.id, one.state, one.decided_by, one.ended_because) for one in files] == [
        (3, "discarded", "bob", UNSET),
        (2, "confirmed", "bob", UNSET),
        (1, "discarded", None, proposals.UPGRADED),
    ]
    # No entry of before is rewritten; each ending is one of its own, fit to be sealed.
    kept = {row.id for row in old}
    assert [(row.id, row.body) for row in entries if row.id in kept] == [tuple(row) for row in old]
    fresh = [row for row in entries if row.id not in kept]
    assert [row.subject for row in fresh] == [one.subject for one in ended]
    for row, one in zip(fresh, ended, strict=True):
        said = msgspec.json.decode(row.body)
        assert (row.kind, row.partner, row.position) == ("proposal", one.partner, None)
        assert (said["kind"], said["subject"], said["partner"]) == (row.kind, row.subject, row.partner)
        assert (said["ended"], said["proposed_by"]) == (proposals.UPGRADED, one.proposed_by)
        assert datetime.fromisoformat(said["at"]) == row.at


def test_what_ended_is_confirmed_by_nobody_and_proposed_again(database_url: str, tmp_path: Path) -> None:
    with at_release_0_1_0(database_url) as connection:
        fill_with_proposals(connection)
    now = Database(database_url)
    now.migrate()
    partners = TellingFixture(tmp_path, ["SG"], now).partners
    with now.write.begin() as connection:
        with pytest.raises(Refusal, match=proposals.UPGRADED):
            void.confirm(connection, partners, 1, who=person("bob"), at=AT)
        with pytest.raises(Refusal, match=proposals.UPGRADED):
            inbound.waiting(connection, 1)
        again = partial(proposals.propose_or_agree, connection, Matter(Decision.ACTIVATION, "c" * 64, "SG"), two_people=True)
        assert isinstance(again(who=person("bob"), reason="again", at=AT), Proposal), "what alice proposed ended"
        assert again(who=person("alice"), reason="again", at=AT) == ("bob", "alice")
    now.close()


AT = datetime(2026, 6, 1, 4, tzinfo=UTC)


@contextmanager
def at_release_0_1_0(url: str) -> Iterator[Connection]:
    """A database with the schema of release 0.1.0."""
    first = Database(url)
    first.migrate("0003")
    with first.write.begin() as connection:
        yield connection
    first.close()


def fill_with_proposals(connection: Connection) -> None:
    """Of each kind one that is open, and others that were decided or overtaken, as release 0.1.0 wrote them."""
    by_alice = {"partner": "SG", "reason": "wrong", "proposed_by": "alice", "proposed": AT}
    _insert(connection, "voiding", what="message", subject="m-1", **by_alice)
    _insert(connection, "voiding", what="message", subject="m-2", confirmed_by="bob", confirmed=AT, **by_alice)
    by_alice["reason"] = "a mail"
    for state, decided in (("proposed", {}), ("confirmed", BY_BOB), ("discarded", BY_BOB)):
        message_id, digest = f"of {state}", sha256(state.encode()).hexdigest()
        _insert(connection, "transcription", message_id=message_id, digest=digest, state=state, **by_alice, **decided)

    def noted(kind: str, subject: str, partner: str, **said: object) -> None:
        journal.append(connection, kind, subject, said, at=AT, partner=partner)

    noted("proposal", "void-1", "SG", void=1, what="message", of="m-1", since=None, who="alice", reason="wrong")
    noted("proposal", "transcription-1", "SG", message_id="of proposed", message="list", who="alice", reason="a mail")
    noted("proposal", "a" * 64, "SG", who="alice", reason="a reason")
    noted("partner", "SG", "SG", state="suspended", bundle="d" * 64, who="bob", reason="overtakes what was proposed")
    noted("proposal", "b" * 64, "**", who="Alice", reason="a reason")
    for who in ("alice", "Alice", "alice"):
        noted("proposal", "c" * 64, "SG", who=who, reason="a reason")


BY_BOB = {"decided_by": "bob", "decided": AT}


def _written(database: Database) -> list[str]:
    """What ``database`` is told from now on, by its writing side, that is no question; it goes on growing."""
    found: list[str] = []

    @sa.event.listens_for(database.write, "before_cursor_execute")
    def note(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if not re.match(r"\s*(BEGIN|SELECT|PRAGMA)\b", statement):
            found.append(statement)

    return found


def _everything(database: Database) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    """Of every table how it is made and what it holds."""
    found = {}
    with database.write.connect() as connection:
        there = sa.MetaData()
        there.reflect(connection)
        for name, table in there.tables.items():
            made = [str(CreateTable(table)), *sorted(str(CreateIndex(index)) for index in table.indexes)]
            found[name] = made, [tuple(row) for row in connection.execute(select(table))]
    return found


def _insert(connection: Connection, name: str, **values: Any) -> None:
    """A row of the table as it is in the database now; what is not given and may not be missing is made up."""
    table = sa.Table(name, sa.MetaData(), autoload_with=connection)
    made_up: dict[str, Any] = {
        column.name: b"" if isinstance(column.type, sa.LargeBinary) else "x" if isinstance(column.type, sa.String) else 1
        for column in table.columns
        if not column.nullable and not (column.name == "id" and isinstance(column.type, sa.Integer))
    }
    given = {name: microseconds(value) if isinstance(value, datetime) else value for name, value in values.items()}
    connection.execute(table.insert().values(made_up | given))
