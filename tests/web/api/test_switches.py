"""Our own hand: stops and disruptions, declared and ended over HTTP, and known to the very next answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.core.access import Scope
from gateway.running.follower import Follower
from gateway.store import journal, switches
from tests.rig.web import WebFixture

REASON = {"reason": "found in order"}


@pytest.fixture
def headers(web: WebFixture) -> dict[str, str]:
    return web.token(Scope.CLEARANCE_READ, Scope.STOP_WRITE)


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


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/stops", {"what": "arrangement", "subject": "SG", "reason": "r", "since": "0001-01-01T00:00:00+14:00"}, "since"),
        ("/v1/stops", {"what": "arrangement", "subject": "SG", "reason": "r", "until": "9999-12-31T23:59:59-14:00"}, "until"),
        ("/v1/disruptions", {"where": "*", "what": "r", "until": "9999-12-31T23:59:59-14:00"}, "until"),
        ("/v1/disruptions", {"where": "*", "what": "r", "since": "0001-01-01T00:00:00+14:00"}, "since"),
    ],
)
def test_a_moment_that_nobody_can_mean_is_refused_with_its_field(
    path: str, body: dict[str, Any], field: str, web: WebFixture, headers: dict[str, str]
) -> None:
    """It left the calendar where it was made UTC: 500."""
    refused = post(web, headers, path, 422, body)
    assert (refused["code"], refused["field"]) == ("question-invalid", field)
    assert web.client.get(path, headers=headers).json()["switches"] == []


STOP = {"what": "arrangement", "subject": "SG", "reason": "found on inspection"}
DISRUPTION = {"where": "*", "what": "a typhoon"}


@pytest.mark.parametrize(("path", "body", "end"), [("/v1/stops", STOP, "lift"), ("/v1/disruptions", DISRUPTION, "end")])
def test_what_is_said_again_in_the_same_words_is_one(
    path: str, body: dict[str, Any], end: str, web: WebFixture, headers: dict[str, str]
) -> None:
    """Without a key too: whoever lost the answer says the same again."""
    first = post(web, headers, path, 201, body)
    web.later(minutes=3)
    assert post(web, headers, path, 201, body) == first
    assert post(web, headers, path, 201, body | {"since": first["since"]}) == first
    assert len(web.journal("switch")) == 1
    soon = {"since": (web.now + timedelta(hours=1)).isoformat(), "until": (web.now + timedelta(hours=9)).isoformat()}
    later = post(web, headers, path, 201, body | soon)
    assert post(web, headers, path, 201, body | soon) == later
    assert later["id"] != first["id"]
    others = [
        post(web, headers, path, 201, body | {"reason" if "reason" in body else "what": "another reason"}),
        post(web, web.token(Scope.STOP_WRITE, name="somebody else"), path, 201, body),
    ]
    assert len({one["id"] for one in (first, later, *others)}) == 4
    post(web, headers, f"{path}/{first['id']}/{end}", 200, REASON)
    again = post(web, headers, path, 201, body)
    assert again["id"] not in {one["id"] for one in (first, later, *others)}, "what was ended is said anew"


def test_under_a_key_a_request_is_answered_as_before_whatever_became_of_it(web: WebFixture, headers: dict[str, str]) -> None:
    def keyed(key: str) -> dict[str, str]:
        return headers | {"Idempotency-Key": key}

    first = post(web, keyed("stop-1"), "/v1/stops", 201, STOP)
    assert post(web, keyed('"stop-1"'), "/v1/stops", 201, STOP) == first, "with quotation marks, as the draft has it, or without"
    second = post(web, keyed("stop-2"), "/v1/stops", 201, STOP)
    assert second["id"] != first["id"], "another key is another request"
    lifted = post(web, keyed("lift-1"), f"/v1/stops/{first['id']}/lift", 200, REASON)
    assert post(web, keyed("lift-1"), f"/v1/stops/{first['id']}/lift", 200, REASON) == lifted
    assert post(web, keyed("stop-1"), "/v1/stops", 201, STOP) == first
    assert post(web, keyed("stop-1"), "/v1/stops", 422, STOP | {"reason": "r"})["field"] == "Idempotency-Key"
    assert post(web, keyed("lift-1"), f"/v1/stops/{second['id']}/lift", 422, REASON)["field"] == "Idempotency-Key"
    assert [one["lifted"] for one in web.client.get("/v1/stops", headers=headers).json()["switches"]].count(None) == 1
    declared = post(web, keyed("typhoon"), "/v1/disruptions", 201, DISRUPTION)
    ended = post(web, keyed("over"), f"/v1/disruptions/{declared['id']}/end", 200, REASON)
    assert post(web, keyed("over"), f"/v1/disruptions/{declared['id']}/end", 200, REASON) == ended


@pytest.mark.parametrize("key", ["", '""', "a b", "k" * 129, "schl\xfcssel", "\t"])
def test_a_key_that_is_none_is_refused(key: str, web: WebFixture, headers: dict[str, str]) -> None:
    given = [*headers.items(), ("Idempotency-Key", key.encode("latin-1"))]
    refused = web.client.post("/v1/stops", json=STOP, headers=given)
    assert (refused.status_code, refused.json()["field"]) == (422, "Idempotency-Key")
    twice = [*headers.items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "a")]
    assert web.client.post("/v1/stops", json=STOP, headers=twice).json()["code"] == "question-invalid"
    assert web.client.get("/v1/stops", headers=headers).json() == {"switches": []}
