"""A decision is logged once, by whoever did it, when it is durable and not before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, event, text

from gateway.core.access import Actor, Scope, Way, itself
from gateway.store import journal
from gateway.store.database import Database, Writer
from tests.rig.logged import logged
from tests.rig.people import person
from tests.rig.web import WebFixture

AT = datetime(2026, 12, 1, tzinfo=UTC)
CLERK = replace(person("Li Si"), way=Way.CONSOLE, address="10.1.2.3")


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    made = Writer(database)
    yield made
    made.close()


def decide(connection: Connection, by: Actor, subject: str = "list-1") -> None:
    said: dict[str, object] = {"decision": "release", "by": by.noted, "reason": "a secret"}
    journal.append(connection, "decision", subject, said, at=AT, partner="SG")


def test_it_says_who_decided_what_from_where(writer: Writer) -> None:
    with logged("gateway.store.decisions") as lines:
        writer.do(lambda connection: decide(connection, CLERK))
        writer.do(lambda connection: journal.append(connection, "message", "m", {"kind": "notice"}, at=AT, partner="SG"))
        writer.do(lambda connection: decide(connection, itself("the rehearsal")))
    (line,) = lines
    assert (line["message"], line["kind"], line["subject"], line["partner"]) == ("decided", "decision", "list-1", "SG")
    assert (line["decision"], line["entry"]) == ("release", 1)
    assert line["by"] == [{"principal": CLERK.principal, "way": "console", "address": "10.1.2.3"}]
    assert "a secret" not in str(line)


def test_two_people_are_both_named(writer: Writer) -> None:
    said: dict[str, object] = {"by": [CLERK.noted, replace(CLERK, principal="another").noted]}
    with logged("gateway.store.decisions") as lines:
        writer.do(lambda connection: journal.append(connection, "principal", "p", said, at=AT))
    assert [one["principal"] for one in lines[0]["by"]] == [CLERK.principal, "another"]


def test_what_is_taken_back_was_not_decided(writer: Writer) -> None:
    def fails(connection: Connection) -> None:
        decide(connection, CLERK, "whole")
        raise ValueError("no list of ours")

    def fails_in_part(connection: Connection) -> None:
        decide(connection, CLERK, "before")
        with connection.begin_nested():
            decide(connection, CLERK, "a good part")
        part = connection.begin_nested()
        decide(connection, CLERK, "part")
        part.rollback()
        decide(connection, CLERK, "after")

    with logged("gateway.store.decisions") as lines:
        with pytest.raises(ValueError, match="no list"):
            writer.do(fails)
        writer.do(fails_in_part)
    assert [line["subject"] for line in lines] == ["before", "a good part", "after"]


def test_what_is_never_committed_was_not_decided(database: Database, writer: Writer) -> None:
    def fail(connection: Connection) -> None:
        connection.execute(text("SELECT of nothing"))

    event.listen(database.write, "commit", fail)
    with logged("gateway.store.decisions") as lines:
        with pytest.raises(Exception, match="SELECT of nothing"):
            writer.do(lambda connection: decide(connection, CLERK))
        event.remove(database.write, "commit", fail)
        writer.do(lambda connection: decide(connection, CLERK, "later"))
    assert [line["subject"] for line in lines] == ["later"]


def test_of_a_request_it_carries_the_id_and_of_several_nodes_one_says_it(web: WebFixture) -> None:
    headers = web.token(Scope.STOP_WRITE) | {"X-Request-Id": "abc"}
    with logged("gateway.store.decisions") as lines:
        body = {"what": "arrangement", "subject": "SG", "reason": "r"}
        assert web.client.post("/v1/stops", json=body, headers=headers).status_code == 201
        web.seal()
    stops = [line for line in lines if line["kind"] == "switch"]
    assert [(line["request"], line["subject"], line["by"][0]["way"]) for line in stops] == [("abc", "SG", "token")]


def test_of_a_terminal_it_is_said_by_the_node_that_numbers_it(web: WebFixture) -> None:
    web.seal()  # what the fixture did at a terminal
    with logged("gateway.store.decisions") as lines:
        with web.database.write.begin() as connection:
            decide(connection, replace(CLERK, way=Way.TERMINAL), "list-7")
        assert lines == []
        web.seal()
        web.seal()
    assert [(line["subject"], line["by"][0]["way"], line["decision"]) for line in lines] == [("list-7", "terminal", "release")]
