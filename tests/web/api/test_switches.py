"""Our own hand: stops and disruptions, declared and ended over HTTP, and known to the very next answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.running.follower import Follower
from gateway.store import journal, switches
from gateway.store.tokens import TokenScope
from tests.rig.web import WebFixture

REASON = {"reason": "found in order"}


@pytest.fixture
def headers(web: WebFixture) -> dict[str, str]:
    return web.token(TokenScope.CLEARANCE_READ, TokenScope.STOP_WRITE)


def post(web: WebFixture, headers: dict[str, str], path: str, status: int, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = web.client.post(path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def reasons(web: WebFixture, headers: dict[str, str], code: str, **query: Any) -> list[str]:
    answer = web.client.get("/v1/eligibility", params={"code": code, "direction": "import", **query}, headers=headers)
    return [one["code"] for one in answer.json()["reasons"]]


@pytest.mark.parametrize(("what", "reason"), [("operator", "stopped-by-us"), ("arrangement", "arrangement-stopped")])
def test_a_stop_holds_from_the_next_answer_until_it_is_lifted(
    what: str, reason: str, web: WebFixture, headers: dict[str, str]
) -> None:
    code, other, *_ = web.listed()
    subject = code if what == "operator" else "SG"
    stopped = post(web, headers, "/v1/stops", 201, {"what": what, "subject": subject, "reason": "found on inspection"})
    assert (stopped["who"], stopped["lifted"]) == ("a test", None)
    during = web.now
    assert reasons(web, headers, code) == [reason]
    assert reasons(web, headers, other) == ([] if what == "operator" else [reason])
    web.later(minutes=1)
    lifted = post(web, headers, f"/v1/stops/{stopped['id']}/lift", 200, REASON)
    assert (lifted["lifted_by"], lifted["lifted_because"]) == ("a test", "found in order")
    web.later(minutes=1)
    assert reasons(web, headers, code) == []
    assert reasons(web, headers, code, as_known_at=during.isoformat()) == [reason]
    assert post(web, headers, f"/v1/stops/{stopped['id']}/lift", 404, REASON)["code"] == "not-found"
    listed = web.client.get("/v1/stops", headers=headers).json()["switches"]
    assert [one["id"] for one in listed] == [stopped["id"]]


def test_a_stop_is_not_taken_back_by_who_read_before_it(
    web: WebFixture, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The follower may be looking at the journal just then, on a thread of its own."""
    code, *_ = web.listed()
    follower, since = Follower(web.node, web.index), journal.since

    def meanwhile(connection: Connection, position: int) -> Any:
        found = since(connection, position)
        if connection.engine is web.node.database.read:  # and not another node's of this process
            post(web, headers, "/v1/stops", 201, {"what": "operator", "subject": code, "reason": "found on inspection"})
        return found

    with monkeypatch.context() as patched:
        patched.setattr(journal, "since", meanwhile)
        follower._look()
    assert reasons(web, headers, code) == ["stopped-by-us"]


@pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": None}, {"reason": "\x1b[2J"}, {"reason": "r", "who": "me"}, None])
def test_nothing_is_lifted_without_a_reason(body: dict[str, Any] | None, web: WebFixture, headers: dict[str, str]) -> None:
    stopped = post(web, headers, "/v1/stops", 201, {"what": "arrangement", "subject": "SG", "reason": "r"})
    declared = post(web, headers, "/v1/disruptions", 201, {"where": "*", "what": "a typhoon"})
    for path in (f"/v1/stops/{stopped['id']}/lift", f"/v1/disruptions/{declared['id']}/end"):
        assert post(web, headers, path, 422, body)["code"] in ("question-invalid", "data-invalid")
    with web.node.database.reading() as connection:
        every = switches.recorded(connection, (*switches.STOPS, *switches.DISRUPTIONS))
    assert [one.lifted for one in every] == [None, None]


def test_a_stop_may_end_by_itself(web: WebFixture, headers: dict[str, str]) -> None:
    code, *_ = web.listed()
    until = (web.now + timedelta(hours=1)).isoformat()
    post(web, headers, "/v1/stops", 201, {"what": "operator", "subject": code, "reason": "r", "until": until})
    assert reasons(web, headers, code) == ["stopped-by-us"]
    web.later(hours=2)
    assert reasons(web, headers, code) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"what": "operator", "subject": "SG000", "reason": "r"}, 404),
        ({"what": "arrangement", "subject": "TW", "reason": "r"}, 404),
        ({"what": "arrangement", "subject": "SG", "reason": "  "}, 422),
        ({"what": "arrangement", "subject": "SG", "reason": "r", "until": "2020-01-01T00:00:00Z"}, 422),
        ({"what": "arrangement", "subject": "SG", "reason": "r", "until": "2030-01-01T00:00:00"}, 422),
        ({"what": "disruption", "subject": "SG", "reason": "r"}, 422),
        ({"subject": "SG", "reason": "r"}, 422),
    ],
)
def test_a_stop_of_nobody_for_nothing_or_in_the_past_is_refused(
    body: dict[str, Any], status: int, web: WebFixture, headers: dict[str, str]
) -> None:
    post(web, headers, "/v1/stops", status, body)
    assert web.client.get("/v1/stops", headers=headers).json() == {"switches": []}


def test_a_disruption_is_declared_and_ended_and_is_no_stop(web: WebFixture, headers: dict[str, str]) -> None:
    declared = post(web, headers, "/v1/disruptions", 201, {"where": "*", "what": "a typhoon"})
    with web.node.database.reading() as connection:
        assert [one.what for one in switches.switches(connection).disruptions["*"]] == ["a typhoon"]
    assert web.answers.switches.disruptions["*"][0].by == "a test"
    post(web, headers, f"/v1/stops/{declared['id']}/lift", 404, REASON)
    post(web, headers, f"/v1/disruptions/{declared['id']}/end", 200, REASON)
    (listed,) = web.client.get("/v1/disruptions", headers=headers).json()["switches"]
    assert listed["lifted"] is not None
    assert post(web, headers, "/v1/disruptions", 404, {"where": "TW", "what": "x"})["code"] == "not-found"
    assert post(web, headers, "/v1/disruptions/first/end", 422, REASON)["code"] == "question-invalid"
