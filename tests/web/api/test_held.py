"""Held lists are seen, released and dropped over HTTP, and partners are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.access import Scope
from gateway.core.model import Standing
from tests.rig.web import WebFixture

REASON = {"reason": "looked at with the partner"}
SCOPES = (Scope.EXCHANGE_READ, Scope.EXCHANGE_WRITE, Scope.LIST_DECIDE)


@pytest.fixture
def headers(web: WebFixture) -> dict[str, str]:
    return web.token(*SCOPES)


def hold(web: WebFixture, iso: str = "SG") -> set[str]:
    """Has a partner send a list that would grant more than its threshold; whom it would grant."""
    web.threshold(iso, 2)
    known = set(web.listed(iso, 3))
    web.later(minutes=1)
    web.boxes[iso].make_up(5, seed=2)
    web.send(web.boxes[iso].full_list())
    return set(web.boxes[iso].operators) - known


def held(web: WebFixture, headers: dict[str, str], **query: Any) -> Any:
    answer = web.client.get("/v1/lists/held", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_held_list_is_shown_and_released_and_the_next_answer_knows(web: WebFixture, headers: dict[str, str]) -> None:
    code, *_ = hold(web)
    (one,) = held(web, headers)["held"]
    assert (one["partner"], one["granting"], one["omitting"]) == ("SG", 5, 0)
    assert web.standing(code) is None
    address = f"/v1/lists/{one['id']}/release"
    keyed = headers | {"Idempotency-Key": "release-1"}
    done = web.client.post(address, json=REASON, headers=keyed)
    assert (done.status_code, done.json()["state"], done.json()["operators"]) == (200, "released", 5)
    assert web.client.post(address, json=REASON, headers=keyed).json() == done.json(), "the answer was lost: it is given again"
    assert web.standing(code) is Standing.VALID
    assert web.client.get(f"/v1/operators/{code}", headers=web.token(Scope.CLEARANCE_READ)).status_code == 200
    assert web.client.post(address, json=REASON, headers=headers).json()["code"] == "not-found"
    assert held(web, headers)["held"] == []


def test_a_dropped_list_never_counts(web: WebFixture, headers: dict[str, str]) -> None:
    code, *_ = hold(web)
    (one,) = held(web, headers)["held"]
    done = web.client.post(f"/v1/lists/{one['id']}/drop", json=REASON, headers=headers)
    assert (done.status_code, done.json()["state"]) == (200, "dropped")
    assert web.standing(code) is None
    assert held(web, headers)["held"] == []


def test_where_it_takes_two_the_first_proposes_and_another_does_it(tmp_path: Path) -> None:
    with WebFixture(tmp_path, two_people=True) as web:
        hold(web)
        one, two = web.person("A. One"), web.person("B. Two")
        (row,) = held(web, one)["held"]
        address = f"/v1/lists/{row['id']}/release"
        proposed = web.client.post(address, json=REASON, headers=one | {"Idempotency-Key": "k"})
        assert (proposed.status_code, proposed.json()["proposed_by"]) == (202, "A. One")
        again = web.client.post(address, json=REASON, headers=one | {"Idempotency-Key": "k"})
        assert (again.status_code, again.json()) == (202, proposed.json())
        assert [one["reason"] for one in held(web, one)["proposed"]] == [REASON["reason"]]
        assert web.client.post(address, json=REASON, headers=one).status_code == 202, "still one person"
        assert web.client.post(address, json=REASON, headers=two).json()["state"] == "released"


def test_pages_are_in_order_and_end(web: WebFixture, headers: dict[str, str]) -> None:
    hold(web, "SG")
    hold(web, "HK")
    first = held(web, headers, most=1)
    second = held(web, headers, most=1, after=first["next"])
    assert [one["partner"] for one in (*first["held"], *second["held"])] == ["HK", "SG"]
    assert second["next"] is None
    assert [one["partner"] for one in held(web, headers, partner="sg")["held"]] == ["SG"]
    for bad in ({"most": 0}, {"most": 1_001}, {"after": -1}, {"partner": "Singapore"}, {"of": "SG"}):
        refused = web.client.get("/v1/lists/held", params=bad, headers=headers)
        assert (refused.status_code, refused.json()["field"]) == (422, next(iter(bad)))


@pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "r", "who": "me"}, None])
def test_nothing_is_decided_without_a_reason(body: dict[str, Any] | None, web: WebFixture, headers: dict[str, str]) -> None:
    hold(web)
    (one,) = held(web, headers)["held"]
    for decision in ("release", "drop"):
        refused = web.client.post(f"/v1/lists/{one['id']}/{decision}", json=body, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "question-invalid")
    assert len(held(web, headers)["held"]) == 1


def test_a_partner_is_asked_about_its_code_once_under_a_key(web: WebFixture, headers: dict[str, str]) -> None:
    code, *_ = web.listed()
    web.bind("SG", endpoint="https://partner.example/exchange")
    keyed = headers | {"Idempotency-Key": "ask-1"}
    asked = web.client.post("/v1/queries", json={"code": code}, headers=keyed)
    assert (asked.status_code, asked.json()["partner"]) == (201, "SG")
    assert web.client.post("/v1/queries", json={"code": code}, headers=keyed).json() == asked.json()
    assert [kind for kind, _ in web.queue("SG")].count("query") == 1
    nobody = web.client.post("/v1/queries", json={"code": "???"}, headers=headers)
    assert (nobody.status_code, nobody.json()["field"]) == (404, "code")
    web.bind("SG", endpoint=None, pull=False)
    refused = web.client.post("/v1/queries", json={"code": code}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "data-invalid")
