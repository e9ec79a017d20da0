"""Long work is done once: by whichever node comes first, again where a node died and that is safe, and not for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.errors import Refusal
from gateway.store import jobs
from gateway.store.database import Database
from gateway.store.jobs import Job, Taken
from tests.rig.people import person

NOW, LEASE = datetime(2026, 6, 15, 4, tzinfo=UTC), timedelta(seconds=30)


def ask(database: Database, *, again: bool = True, kind: str = "k") -> Job:
    with database.write.begin() as connection:
        return jobs.ask(connection, kind, {"n": 1}, who=person("a person"), at=NOW, again=again)


def take(database: Database, at: datetime, holder: str = "here") -> Taken | None:
    with database.reading() as connection:
        due = jobs.due(connection, ("k",), at)
    with database.write.begin() as connection:
        taken = jobs.take(connection, ("k",), holder, now=at, until=at + LEASE)
    assert due or taken is None
    return taken


def find(database: Database, number: int) -> Job:
    with database.reading() as connection:
        return jobs.find(connection, number)


def test_one_node_takes_the_oldest_and_its_end_is_recorded(database: Database) -> None:
    first, second, other = ask(database), ask(database), ask(database, kind="of nobody here")
    one = take(database, NOW)
    two = take(database, NOW)
    assert one is not None
    assert two is not None
    assert [one.id, two.id] == [first.id, second.id]
    assert take(database, NOW) is None
    with database.write.begin() as connection:
        assert jobs.progress(connection, one, until=NOW + LEASE, done=1, of=2, sentence="half of it")
        assert jobs.fail(connection, two, at=NOW, sentence="It cannot be\x1b[2J.")
    half = find(database, first.id)
    assert (half.state, half.done, half.of, half.sentence) == ("running", 1, 2, "half of it")
    with database.write.begin() as connection:
        assert jobs.finish(connection, one, at=NOW, sentence="It is done.", body=b"{}")
    with database.reading() as connection:
        assert jobs.result(connection, one.id) == ("application/json", b"{}")
        assert [one.state for one in jobs.recorded(connection, ("k",))[0]] == ["failed", "done"]
        with pytest.raises(Refusal, match="no result"):
            jobs.result(connection, two.id)
    assert find(database, second.id).sentence == "It cannot be\\u001b[2J."
    assert find(database, other.id).state == "waiting"


def test_what_a_dead_node_left_is_begun_again_and_the_dead_one_changes_nothing_more(database: Database) -> None:
    made = ask(database)
    first = take(database, NOW)
    assert first is not None
    assert take(database, NOW + LEASE) is None
    late = NOW + LEASE + timedelta(seconds=1)
    second = take(database, late, "there")
    assert second is not None
    assert (second.id, second.tries) == (made.id, 2)
    with database.write.begin() as connection:
        assert not jobs.progress(connection, first, until=late, done=1, of=1, sentence="the dead speak")
        assert not jobs.finish(connection, first, at=late, sentence="the dead speak", body=b"1")
        assert jobs.give_back(connection, second, now=late)
    third = take(database, late + timedelta(seconds=1))
    assert third is not None
    assert take(database, late + 3 * LEASE) is None
    ended = find(database, made.id)
    assert (ended.state, ended.sentence) == ("interrupted", "The node that worked on it stopped; it was begun 3 times.")


def test_what_may_not_be_begun_twice_is_interrupted(database: Database) -> None:
    made, following = ask(database, again=False), ask(database)
    assert take(database, NOW) is not None
    after = take(database, NOW + LEASE + timedelta(seconds=1))
    assert after is not None
    assert after.id == following.id
    ended = find(database, made.id)
    assert (ended.state, ended.ended) == ("interrupted", NOW + LEASE + timedelta(seconds=1))
    assert "twice" in ended.sentence


def test_pages_are_in_order(database: Database) -> None:
    made = [ask(database).id for _ in range(5)]
    seen, after = list[int](), None
    while True:
        with database.reading() as connection:
            rows, after = jobs.recorded(connection, ("k",), after=after, most=2)
        seen += [one.id for one in rows]
        if after is None:
            break
    assert seen == made[::-1]
