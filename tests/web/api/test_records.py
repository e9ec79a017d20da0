"""Operators with their history, partners with their terms, messages with what became of them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.access import Scope
from gateway.core.model import Standing
from tests.rig.web import WebFixture


@pytest.fixture
def headers(web: WebFixture) -> dict[str, str]:
    return web.token(Scope.CLEARANCE_READ, Scope.AUDIT_READ, Scope.STOP_WRITE)


def get(web: WebFixture, headers: dict[str, str], path: str, status: int = 200) -> dict[str, Any]:
    answer = web.client.get(path, headers=headers)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_operator_is_shown_with_every_statement_behind_it(web: WebFixture, headers: dict[str, str]) -> None:
    code, *_ = web.listed()
    web.later(hours=1)
    web.send(web.boxes["SG"].status_message(code, Standing.SUSPENDED))
    web.later(hours=1)
    web.send(web.boxes["SG"].status_message(code, Standing.ANNULLED))
    stop = {"what": "arrangement", "subject": "SG", "reason": "a rehearsal"}
    assert web.client.post("/v1/stops", json=stop, headers=headers).status_code == 201
    shown = get(web, headers, f"/v1/operators/{code.lower()}")
    assert (shown["code"], shown["arrangement"], shown["member"]) == (code, "SG", "SG")
    assert [one["statement"]["standing"] for one in shown["statements"]] == ["valid", "suspended", "annulled"]
    assert all(len(one["digest"]) == 64 for one in shown["statements"])
    ((track,),) = [[one["standings"] for one in shown["authorisations"]]]
    assert [(one["since"], one["standing"]) for one in track] == [(None, "annulled")]
    assert track[0]["message_id"] == shown["statements"][-1]["message_id"]
    assert shown["stops"][0]["reason"] == "a rehearsal"


@pytest.mark.parametrize("code", ["SG000000000000", "%2F..%2F", "NO", "a/b", "%"])
def test_an_operator_nobody_stated_is_not_found(code: str, web: WebFixture, headers: dict[str, str]) -> None:
    web.listed()
    assert get(web, headers, f"/v1/operators/{code}", 404)["code"] == "not-found"


def test_partners_are_shown_with_their_terms_and_how_we_know_them(web: WebFixture, headers: dict[str, str]) -> None:
    web.listed()
    partners = get(web, headers, "/v1/partners")["partners"]
    assert {one["iso"]: list(one["lists"]) for one in partners} == {"SG": ["*"], "HK": []}
    shown = get(web, headers, "/v1/partners/hk")
    assert (shown["economy"]["en"], shown["in_force"]) == ("Hong Kong, China", True)
    assert [step["value"] for step in shown["terms"]["modes"]] == [["land"], ["air", "land", "sea"]]
    assert {step["kind"] for steps in shown["terms"].values() for step in steps} <= {"fact", "unknown", "setting"}
    assert get(web, headers, "/v1/partners/TW", 404)["code"] == "not-found"


def test_messages_are_shown_both_ways_and_refused_ones_too(web: WebFixture, headers: dict[str, str]) -> None:
    web.listed()
    web.client.post("/exchange", content=b"<a/>", headers={"Content-Type": "application/xml"})
    found = get(web, headers, "/v1/messages")["messages"]
    assert {(one["direction"], one["kind"]) for one in found} == {("in", "list"), ("in", None), ("out", "result")}
    for one in found:
        assert get(web, headers, f"/v1/messages/{one['id']}")["direction"] == one["direction"]
    assert len(get(web, headers, "/v1/messages?most=1")["messages"]) == 1
    assert get(web, headers, "/v1/messages?partner=HK")["messages"] == []
    assert get(web, headers, "/v1/messages?most=1001", 422)["field"] == "most"
    assert get(web, headers, "/v1/messages?lots=1", 422)["code"] == "question-invalid"
    assert get(web, headers, "/v1/messages/nobody", 404)["code"] == "not-found"


def test_messages_are_found_by_filters_and_in_pages(web: WebFixture, headers: dict[str, str]) -> None:
    code, *_ = web.listed()
    web.client.post("/exchange", content=b"<a/>", headers={"Content-Type": "application/xml"})
    first = get(web, headers, "/v1/messages?most=2")
    rest = get(web, headers, f"/v1/messages?most=2&after={first['next']}")
    whole = get(web, headers, "/v1/messages")
    assert [*first["messages"], *rest["messages"]] == whole["messages"]
    assert rest["next"] is whole["next"] is None
    for query in (f"operator={code}", "kind=list&direction=in&state=accepted", "partner=SG&since=2026-06-15T04:00:00Z&kind=list"):
        assert [one["kind"] for one in get(web, headers, f"/v1/messages?{query}")["messages"]] == ["list"], query
    (refused,) = get(web, headers, "/v1/messages?state=quarantined")["messages"]
    assert get(web, headers, f"/v1/messages?code={refused['problem']}&id={refused['id']}")["messages"] == [refused]


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ("direction=sideways", "direction", "Write one of: in, out."),
        ("kind=letter", "kind", "list, update, notice"),
        ("state=lost", "state", "accepted, voided"),
        ("since=2026", "since", "Invalid RFC3339"),
        ("until=2026-06-15T04:00:00", "until", "Write a moment with its zone"),
        ("most=x", "most", "int"),
        ("after=x", "after", "no place in the list"),
    ],
)
def test_a_filter_that_is_none_is_refused(query: str, field: str, said: str, web: WebFixture, headers: dict[str, str]) -> None:
    refused = get(web, headers, f"/v1/messages?{query}", 422)
    assert (refused["code"], refused["field"]) == ("question-invalid", field)
    assert said in refused["detail"]
