"""Messages found by whatever is known of them: every filter, page after page, and never by reading what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, event, insert

from gateway.core.errors import Refusal
from gateway.core.model import Kind
from gateway.store.database import Database
from gateway.store.tables import belief, outbox, query, query_message, transcription
from gateway.views.search import MessageRow, MessageSearch, MessageState, search
from tests.bench.bench_search import BEGAN, fill, filters

#: So many that each of the rare ones of ``fill`` is there.
COUNT = 400


@pytest.fixture
def filled(database: Database) -> Iterator[Connection]:
    fill(database, COUNT)
    with database.write.begin() as connection:
        first = connection.execute(outbox.select().order_by(outbox.c.id)).first()
        assert first is not None
        told = {"partner": first.partner, "tin": "CN1", "outbox": first.id, "uscc": "u", "body": b"", "since": BEGAN}
        connection.execute(insert(belief).values(told))
        asked = connection.execute(
            insert(query).values(partner="SG", tin="SG0007", asked=BEGAN, expires=BEGAN)
        ).inserted_primary_key
        connection.execute(insert(query_message).values(partner="SG", message_id="m6", query=asked[0]))  # type: ignore[index] # it has one
        connection.execute(insert(transcription).values(_file(1, "proposed")))
        connection.execute(insert(transcription).values(_file(2, "discarded")))
    with database.reading() as connection:
        yield connection


def _file(number: int, state: str) -> dict[str, Any]:
    said = {"partner": "SG", "message_id": f"t{number}", "kind": "list", "scope": "*", "as_of": BEGAN, "file": "f", "digest": "d"}
    return said | {
        "bundle": "d",
        "statements": 1,
        "refused": 0,
        "state": state,
        "reason": "r",
        "proposed_by": "p",
        "proposed": BEGAN,
        "decided": None if state == "proposed" else BEGAN,
    }


def paged(connection: Connection, wanted: MessageSearch, most: int) -> list[MessageRow]:
    found: list[MessageRow] = []
    after: str | None = None
    while True:
        page = search(connection, msgspec.structs.replace(wanted, after=after, most=most))
        assert len(page.messages) == most or page.next is None
        found += page.messages
        after = page.next
        if after is None:
            return found


def like(one: MessageRow, wanted: MessageSearch) -> bool:
    """Whether a message of the whole list is what is wanted, but for whom it speaks of, which the list does not say."""
    return all(
        (
            wanted.partner in (None, one["partner"]),
            wanted.kind in (None, one["kind"]),
            wanted.state in (None, one["state"]),
            wanted.direction in (None, one["direction"]),
            wanted.code is None or (one["id"].startswith("intake-") and one.get("problem") == wanted.code),
            wanted.id in (None, one["id"]),
            wanted.since is None or one["at"] >= wanted.since,
            wanted.until is None or one["at"] < wanted.until,
        )
    )


@pytest.mark.long
def test_every_filter_finds_what_it_says_in_one_order_however_it_is_paged(filled: Connection) -> None:
    whole = paged(filled, MessageSearch(), 1_000)
    assert len(whole) == COUNT + 2
    assert [one["at"] for one in whole] == sorted((one["at"] for one in whole), reverse=True)
    assert paged(filled, MessageSearch(), 1) == whole, "three of the first moment among them"
    found = 0
    for name, wanted in filters(COUNT).items():
        if wanted.operator is None:
            right = [one for one in whole if like(one, wanted)]
            assert paged(filled, wanted, 37) == right, name
            found += bool(right)
    assert found > 60, "many of which find something"


def test_messages_are_found_by_the_operator_they_speak_of(filled: Connection) -> None:
    def ids(**given: Any) -> list[str]:
        return [one["id"] for one in paged(filled, MessageSearch(**given), 2)]

    assert ids(operator="SG0007") == [f"m{number}" for number in (285, 284, 283, 282, 281, 280, 6)]
    assert ids(operator="SG0007", direction="out") == ["m6"], "our query"
    assert ids(operator="SG0007", kind=Kind.NOTICE) == ["m285", "m282", "m6"]
    assert ids(operator="SG0007", partner="HK") == []
    assert ids(operator="CN1", state=MessageState.DELIVERED) == ["m6"], "what told our enterprise"
    assert ids(operator="CN1", state=MessageState.DEAD) == ids(operator="nobody") == []


@pytest.mark.parametrize("place", ["", "x", "é", "MS4yLjM", "MS4xLjAuMA", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5LjEuMQ", "MS45LjE"])
def test_a_place_that_no_page_gave_is_refused(place: str, database: Database) -> None:
    with database.reading() as connection:
        if place == "MS4yLjM":  # 1.2.3, as one would be written
            assert search(connection, MessageSearch(after=place)).messages == []
            return
        with pytest.raises(Refusal, match="no place in the list") as refused:
            search(connection, MessageSearch(after=place))
    assert refused.value.field == "after"


@dataclass
class Asked:
    """The statements of one search."""

    said: list[tuple[str, Any]] = field(default_factory=list)

    def __call__(self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        self.said.append((statement, parameters))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_filter_reads_what_it_leaves_out(database: Database) -> None:
    """By SQLite's own plans: each table is entered by an index, and nothing is put in order but what an id or operator found."""
    fill(database, COUNT)
    for name, wanted in filters(COUNT).items():
        asked = Asked()
        with closing(database.write.connect()) as connection:
            event.listen(connection, "before_cursor_execute", asked)
            search(connection, msgspec.structs.replace(wanted, after="MS4yLjM"))
            event.remove(connection, "before_cursor_execute", asked)
            for said, given in asked.said:
                plan = [step[3] for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", given)]
                few = "FROM transcription" in said or "pending" in given or wanted.operator is not None or wanted.id is not None
                assert few or not any("ORDER BY" in step for step in plan), (name, said, plan)
                read = {step.split()[1] for step in plan if step.startswith("SCAN")}
                assert read <= {"partner", "transcription", "about", "hits"}, (name, said, plan)
