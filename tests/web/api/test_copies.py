"""A local copy: complete, in order, at least once, and how old; over a real node on either database."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gateway.core.access import Scope
from gateway.core.model import Standing
from gateway.running.follower import Follower
from gateway.store.database import Database
from gateway.views import copies
from gateway.web.api.copied import Cursor
from gateway.web.http import waiting
from tests.rig.copies import said, shown
from tests.rig.waiting import until
from tests.rig.web import WebFixture

SNAPSHOT = "/v1/operators/snapshot"


class Lines(NamedTuple):
    """One answer."""

    operators: list[Any]
    arrangements: list[Any]
    cursors: list[Any]

    @property
    def end(self) -> Any:
        return self.cursors[-1]

    @property
    def codes(self) -> list[str]:
        return [one["code"] for one in self.operators]


class CopiedNode(WebFixture):
    """A node that follows its journal when it is told to, and a token for copies."""

    def __init__(self, home: Path, database: Database) -> None:
        super().__init__(home, database=database)
        self.follower = Follower(self.node, self.index, self.service.waiting.wake)
        self.index.load((), self.seal())  # what was activated is known, and its certificates are pinned by the fixture
        self.headers = self.token(Scope.CLEARANCE_READ, Scope.STOP_WRITE)

    def follow(self) -> int:
        """Seals and follows; the position."""
        self.seal()
        assert self.client.portal is not None
        while self.client.portal.call(self.follower.step):
            pass
        return self.index.position

    def get(self, address: str, status: int = 200) -> Any:
        answer = self.client.get(address, headers=self.headers)
        assert answer.status_code == status, answer.text
        return read(answer.text) if answer.headers["content-type"] == "application/x-ndjson" else answer.json()

    def after(self, end: Any, wait: int = 0) -> Lines:
        found: Lines = self.get(changes(end, wait))
        return found

    def copy(self) -> dict[str, Any]:
        """A whole one, by code."""
        begun: Lines = self.get(SNAPSHOT)
        return {one["code"]: one for lines in (begun, self.after(begun.end)) for one in lines.operators}

    def agrees(self, copy: dict[str, Any], count: int) -> None:
        """What a copy holds is what the gateway says."""
        assert len(copy) == count
        for code, record in copy.items():
            assert said(record) == shown(self.get(f"/v1/operators/{code}"))

    def becomes(self, code: str, standing: Standing) -> None:
        self.later(minutes=1)
        self.send(self.boxes["SG"].status_message(code, standing))

    def stop(self, what: str, subject: str) -> int:
        asked = {"what": what, "subject": subject, "reason": "a rehearsal"}
        answer = self.client.post("/v1/stops", json=asked, headers=self.headers)
        assert answer.status_code == 201, answer.text
        number: int = answer.json()["id"]
        return number


def read(text: str) -> Lines:
    found = Lines([], [], [])
    for line in text.splitlines():
        ((kind, one),) = json.loads(line).items()
        getattr(found, f"{kind}s").append(one)
    return found


def changes(end: Any, wait: int = 0) -> str:
    return f"/v1/operators/changes?after={end['cursor']}&wait={wait}"


@pytest.fixture
def node(database: Database, tmp_path: Path) -> Iterator[CopiedNode]:
    with CopiedNode(tmp_path / "home", database) as made:
        yield made


def test_a_copy_begins_with_everybody_and_is_complete_once_it_is_in_step(node: CopiedNode) -> None:
    codes = node.listed(count=5)
    position = node.follow()
    begun = node.get(SNAPSHOT)
    assert begun.codes == sorted(codes)
    assert [one["iso"] for one in begun.arrangements] == ["HK", "SG"]
    assert [(one["position"], one["complete"], one["as_of"]) for one in begun.cursors] == [(position, False, None)]
    now = node.after(begun.end)
    assert (now.operators, now.arrangements) == ([], [])
    assert (now.end["position"], now.end["complete"]) == (position, True)
    assert datetime.fromisoformat(now.end["as_of"]) + timedelta(seconds=now.end["age"]) == node.now
    node.agrees({one["code"]: one for one in begun.operators}, 5)


def test_what_changes_is_told_in_order_and_as_it_is_now(node: CopiedNode) -> None:
    one, two, three, *_ = node.listed(count=5)
    node.follow()
    end = node.after(node.get(SNAPSHOT).end).end
    for code, standing in ((one, Standing.SUSPENDED), (two, Standing.REVOKED), (one, Standing.REINSTATED)):
        node.becomes(code, standing)
    position = node.follow()
    told = node.after(end)
    assert told.codes == [two, one], "each once, at its latest change"
    assert [one["position"] for one in told.operators] == [position] * 2
    assert [one["authorisations"][0]["standings"][-1]["standing"] for one in told.operators] == ["revoked", "valid"]
    assert (told.arrangements, told.end["complete"]) == ([], True)
    assert node.after(told.end).operators == []
    # What has no number yet is told at once, and once more when it has one.
    node.becomes(three, Standing.SUSPENDED)
    ahead = node.after(told.end)
    assert (ahead.codes, ahead.end["position"], ahead.end["complete"]) == ([three], position, True)
    node.follow()
    assert node.after(ahead.end).codes == [three]
    node.agrees(node.copy(), 5)


def test_stops_lists_and_their_limits_are_told(node: CopiedNode) -> None:
    code, *_ = node.listed(count=5)
    node.follow()
    end = node.after(node.get(SNAPSHOT).end).end
    number = node.stop("operator", code)
    node.follow()
    told = node.after(end)
    assert (told.codes, told.arrangements) == ([code], [])
    assert [(one["until"], one["reason"]) for one in told.operators[0]["stops"]] == [(None, "a rehearsal")]
    node.later(minutes=1)
    lifted = node.client.post(f"/v1/stops/{number}/lift", json={"reason": "over"}, headers=node.headers)
    assert lifted.status_code == 200
    node.stop("arrangement", "SG")
    node.listed("HK", count=1)
    node.follow()
    later = node.after(told.end)
    assert later.codes[0] == code
    assert later.operators[0]["stops"][0]["until"] is not None
    hk, sg = later.arrangements
    assert [one["reason"] for one in sg["stops"]] == ["a rehearsal"]
    assert (set(hk["lists"]), set(sg["lists"]), sg["state"]) == ({"*"}, {"*"}, "active")
    limit = node.terms("SG").stop_after.on(node.now.date()).value
    assert limit is not None
    assert sg["stop_after"] == limit.total_seconds()
    assert node.after(later.end).arrangements == []


def test_whatever_comes_while_pages_are_read_is_not_missed(node: CopiedNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one entry that names everybody too, and from wherever a line broke."""
    for name, most in (("PAGE", 2), ("ENTRIES", 3), ("MOST", 4)):
        monkeypatch.setattr(copies, name, most)
    start = node.after(node.get(SNAPSHOT).end).end
    codes = node.listed(count=9)
    pages, page = [0], copies.operators

    def meanwhile(*asked: Any) -> Any:
        """Behind what was read, and before it."""
        found = page(*asked)
        pages[0] += 1
        if pages[0] % 3 == 1:
            node.becomes(codes[pages[0] % 9], Standing.SUSPENDED)
            node.becomes(codes[-pages[0] % 9], Standing.SUSPENDED)
            node.follow()
        return found

    node.follow()
    monkeypatch.setattr(copies, "operators", meanwhile)
    begun = node.get(SNAPSHOT)
    whole = node.after(start)
    assert begun.codes == sorted(codes)
    assert pages[0] > 5, "of an entry that names so many too"
    assert len(whole.cursors) > 2, "a copy whose line broke need not begin anew"
    assert [one["complete"] for one in whole.cursors].index(True) == len(whole.cursors) - 1
    assert [one["position"] for one in whole.cursors] == sorted(one["position"] for one in whole.cursors)
    monkeypatch.setattr(copies, "operators", page)
    node.agrees({one["code"]: one for one in begun.operators + node.after(begun.end).operators}, 9)
    node.agrees({one["code"]: one for one in whole.operators + node.after(whole.end).operators}, 9)
    lines = node.client.get(changes(start), headers=node.headers).text.splitlines()
    broken = read("\n".join(lines[: next(at for at, line in enumerate(lines) if "cursor" in json.loads(line)) + 1]))
    assert len(broken.operators) < 9
    node.agrees({one["code"]: one for one in broken.operators + node.after(broken.end).operators}, 9)


def test_a_cursor_from_which_one_cannot_go_on_is_refused(node: CopiedNode) -> None:
    node.listed()
    node.follow()
    cursor = Cursor.read(node.get(SNAPSHOT).end["cursor"])
    others = (
        "",
        "7",
        f"{cursor}0",
        str(cursor._replace(position=cursor.position + 1)),
        str(cursor._replace(leaf="0" * 16)),
        str(cursor._replace(members="0" * 8)),
    )
    for text in others:
        refused = node.get(changes({"cursor": text}), 410)
        assert (refused["code"], refused["field"], refused["value"]) == ("cursor-lost", "after", text)
        assert SNAPSHOT in refused["remedy"]
    assert node.get("/v1/operators/changes", 422)["code"] == "question-invalid"
    for wait in (-1, 31):
        assert node.get(changes({"cursor": str(cursor)}, wait), 422)["field"] == "wait"


def test_news_is_waited_for_until_there_is_some_or_the_node_ends(node: CopiedNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "AT_ONCE", 2)
    code, *_ = node.listed()
    node.follow()
    end = node.after(node.get(SNAPSHOT).end).end
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        waiters = [pool.submit(node.after, end, 30) for _ in range(2)]
        until(lambda: sum(node.service.waiting.open.values()) == 2)
        refused = node.client.get(changes(end), headers=node.headers)
        assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "too-many-requests", "1")
        node.becomes(code, Standing.SUSPENDED)
        position = node.follow()
        assert [waiter.result().codes for waiter in waiters] == [[code]] * 2
        last = pool.submit(node.after, end | {"cursor": waiters[0].result().end["cursor"]}, 30)
        until(lambda: sum(node.service.waiting.open.values()) == 1)
        assert node.client.portal is not None
        node.client.portal.call(node.service.end)
        assert last.result().end["position"] == position
    assert time.monotonic() - began < 30
    assert not node.service.waiting.open
    assert node.get(SNAPSHOT).cursors == [], "what is not whole has no cursor"


def test_a_copy_takes_nothing_from_the_rate_of_questions(tmp_path: Path, database: Database) -> None:
    with CopiedNode(tmp_path / "home", database) as node:
        node.listed()
        node.follow()
        taken: list[tuple[str, int]] = []
        wait = node.service.limiter.wait
        node.service.limiter.wait = lambda client, codes: taken.append((client, codes)) or wait(client, codes)  # type: ignore[method-assign, func-returns-value]
        node.get(SNAPSHOT)
        assert [(client.endswith(" copies"), codes) for client, codes in taken] == [(True, 5)]
