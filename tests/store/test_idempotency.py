"""A request that is sent again because its answer was lost: done once, whichever node it comes to, and answered as before."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import Connection, func, select

from gateway.core.errors import Code, Refusal
from gateway.store import idempotency, switches
from gateway.store.database import Database, Writer
from gateway.store.tables import idempotency as kept
from gateway.store.tables import switch
from tests.rig.people import person

AT = datetime(2026, 6, 15, 4, tzinfo=UTC)
NODES = 4


@pytest.fixture
def nodes(database: Database) -> Iterator[list[Writer]]:
    """Several nodes of one database."""
    others = [Database(database.url) for _ in range(NODES)]
    writers = list(map(Writer, others))
    yield writers
    for writer in writers:
        writer.close()
    for other in others:
        other.close()


class Deed:
    """Counts how often it was done."""

    def __init__(self, refused: bool = False) -> None:
        self.times, self.refused = 0, refused

    def __call__(self) -> bytes:
        self.times += 1
        if self.refused:
            raise Refusal(Code.NOT_FOUND)
        return b"answer %d" % self.times

    def asked(self, node: Writer, token: str = "t", key: str = "k", request: bytes = b"r", at: datetime = AT) -> bytes:
        return node.do(partial(idempotency.once, token=token, key=key, request=request, at=at, do=self))


def test_under_a_key_a_request_is_done_once(nodes: list[Writer]) -> None:
    deed = Deed()
    assert [deed.asked(node) for node in nodes] == [b"answer 1"] * NODES, "by every node alike"
    assert deed.asked(nodes[0], key="other") == b"answer 2"
    assert deed.asked(nodes[0], token="other") == b"answer 3", "a key is its token's own"
    with pytest.raises(Refusal, match="This key came before with another request") as refused:
        deed.asked(nodes[1], request=b"another")
    assert (refused.value.code, refused.value.field, refused.value.value) == (Code.DATA_INVALID, "Idempotency-Key", "k")
    assert deed.times == 3


def test_what_was_refused_may_be_asked_again_under_its_key(nodes: list[Writer]) -> None:
    deed = Deed(refused=True)
    with pytest.raises(Refusal):
        deed.asked(nodes[0])
    deed.refused = False
    assert deed.asked(nodes[1], request=b"corrected") == b"answer 2"


def test_a_key_stands_for_a_day_and_among_the_latest_of_its_token(nodes: list[Writer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "KEYS", 3)
    deed = Deed()
    for second in range(5):
        deed.asked(nodes[0], key=str(second), at=AT + timedelta(seconds=second))
    assert deed.asked(nodes[0], key="2") == b"answer 3"
    assert deed.asked(nodes[0], key="1") == b"answer 6", "three later ones came meanwhile"
    assert deed.asked(nodes[0], key="4", at=AT + idempotency.KEPT) == b"answer 5"
    assert deed.asked(nodes[0], key="4", at=AT + timedelta(seconds=5) + idempotency.KEPT) == b"answer 7"
    with nodes[0]._database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(kept)).scalar_one() == 1, "what is over goes"


def test_two_that_come_to_two_nodes_at_once_are_done_once(nodes: list[Writer], database: Database) -> None:
    """Under a key, and by their content alone."""
    with database.write.begin() as connection:
        connection.execute(switch.delete())
    said = partial(
        switches.turn, what="disruption", subject="*", since=AT, until=None, reason="a typhoon", who=person("desk"), at=AT
    )
    meet = threading.Barrier(NODES)

    def at_once(connection: Connection, key: str | None) -> bytes:
        if not database.sqlite:  # which lets in one writer after the other
            meet.wait(60)

        def do() -> bytes:
            return str(said(connection, once=key is None).id).encode()

        return idempotency.once(connection, "t", key, b"r", AT, do) if key else do()

    for key in ("k", None):
        answers = [node.submit(partial(at_once, key=key)) for node in nodes]
        assert len({answer.result(60) for answer in answers}) == 1, key
    with database.reading() as connection:
        assert len(switches.recorded(connection, switches.DISRUPTIONS)) == 1
