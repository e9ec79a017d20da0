"""What is on its way is seen over HTTP, what failed is sent again, and what ends is told before it does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from gateway.core.access import Scope
from gateway.core.model import Kind
from gateway.node.context import new_id
from gateway.store import circuits, outbox, tables
from gateway.wire import payloads
from tests.rig.web import WebFixture

READ, WRITE = Scope.EXCHANGE_READ, Scope.EXCHANGE_WRITE


@pytest.fixture
def headers(web: WebFixture) -> dict[str, str]:
    return web.token(READ, WRITE)


def queue(web: WebFixture, iso: str, state: str = "queued") -> str:
    """A message of ours to a partner, in this state; its id."""
    message_id = new_id()
    values: dict[str, Any] = {
        "partner": iso,
        "sender": "CN",
        "environment": web.node.environment,
        "message_id": message_id,
        "kind": Kind.PING,
        "payload": payloads.write_empty(Kind.PING),
        "at": web.now,
        "retry_for": timedelta(days=1),
        "bundle": web.live(iso).bundle.digest,
    }
    web.do(lambda connection: outbox.enqueue(connection, **values))
    here = tables.outbox.c.message_id == message_id
    web.do(lambda connection: connection.execute(update(tables.outbox).where(here).values(state=state)))
    return message_id


def listed(web: WebFixture, headers: dict[str, str], **query: Any) -> Any:
    answer = web.client.get("/v1/outbox", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_what_did_not_arrive_is_listed_page_by_page(web: WebFixture, headers: dict[str, str]) -> None:
    made = [queue(web, "SG"), queue(web, "HK", "dead"), queue(web, "SG", "delivered"), queue(web, "SG", "expired")]
    web.do(lambda connection: circuits.acquire(connection, "HK", web.now))
    web.do(lambda connection: circuits.trip(connection, "HK", now=web.now, problem="no answer"))
    whole = listed(web, headers)
    assert [one["message_id"] for one in whole["messages"]] == [made[3], made[1], made[0]]
    assert [(one["partner"], one["failures"], one["problem"]) for one in whole["lines"]] == [("HK", 1, "no answer")]
    seen: list[str] = []
    after: dict[str, Any] = {}
    while after.get("after", 1) is not None:
        part = listed(web, headers, most=1, **after)
        seen += [one["message_id"] for one in part["messages"]]
        after = {"after": part["next"]}
    assert seen == [made[3], made[1], made[0]]
    assert [one["message_id"] for one in listed(web, headers, partner="hk")["messages"]] == [made[1]]
    assert [one["message_id"] for one in listed(web, headers, state="delivered")["messages"]] == [made[2]]
    refused = web.client.get("/v1/outbox", params={"state": "lost"}, headers=headers)
    assert (refused.status_code, refused.json()["field"]) == (422, "state")


def test_what_failed_is_sent_again_with_a_reason_and_once_under_a_key(web: WebFixture, headers: dict[str, str]) -> None:
    dead, expired, open_still = queue(web, "SG", "dead"), queue(web, "HK", "expired"), queue(web, "SG")
    asked = {"failed": True, "messages": [open_still], "partner": "SG", "reason": "its firewall was mended"}
    keyed = headers | {"Idempotency-Key": "again"}
    done = web.client.post("/v1/outbox/resend", json=asked, headers=keyed)
    assert (done.status_code, done.json()) == (200, {"queued": [dead], "left": [open_still], "more": False})
    assert web.client.post("/v1/outbox/resend", json=asked, headers=keyed).json() == done.json()
    assert web.of(dead).state == "queued"
    assert web.of(expired).state == "expired"
    assert web.journal("decision") == [dead]
    for bad in ({"reason": "r"}, {"failed": True}, {"failed": True, "reason": " "}, {"messages": ["m"] * 1_001, "reason": "r"}):
        assert web.client.post("/v1/outbox/resend", json=bad, headers=headers).status_code == 422


def test_what_ends_within_sixty_days_is_told(web: WebFixture, headers: dict[str, str]) -> None:
    assert web.client.get("/v1/warnings", headers=headers).json()["warnings"] == []
    ends = web.ours.ends
    web.now = ends - timedelta(days=10)
    found = web.client.get("/v1/warnings", headers=web.token(READ, days=1)).json()["warnings"]
    ours = next(one for one in found if one["kind"] == "our-key")
    assert (ours["owner"], ours["name"], ours["succeeded"]) == ("gateway", "gateway-1", False)
    assert 9 < ours["days_left"] <= 10
