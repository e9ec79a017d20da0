"""People, tokens and deputies over HTTP: the same functions as the terminal's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.core.access import Scope, StaffRole
from tests.rig.web import WebFixture


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebFixture]:
    made = WebFixture(tmp_path, two_people=True)
    yield made
    made.close()


def add(web: WebFixture, who: dict[str, str], name: str = "Wang") -> Any:
    return web.client.post("/v1/principals", headers=who, json={"name": name, "roles": ["approver"], "reason": "a colleague"})


def test_a_person_is_made_known_by_two_and_the_link_is_shown_once(web: WebFixture) -> None:
    one, two = web.person("Zhang"), web.person("Li")
    key = {"Idempotency-Key": "k"}
    waits = add(web, one | key)
    assert (waits.status_code, waits.json()["proposed_by"]) == (202, "Zhang")
    made = add(web, two | key)
    assert made.status_code == 201
    assert "/sign-in/" in made.json()["link"]
    assert "link" not in add(web, two | key).json(), "nothing of a link is kept"
    rows = {row["name"]: row for row in web.client.get("/v1/principals", headers=one).json()["principals"]}
    assert (rows["Wang"]["roles"], rows["Wang"]["set_up"]) == (["approver"], False)
    link = web.client.post("/v1/principals/Wang/link", headers=one, json={"reason": "lost it"})
    assert link.status_code == 201
    assert link.json()["link"] != made.json()["link"]


def test_roles_change_by_two_and_a_person_is_disabled_by_one(web: WebFixture) -> None:
    one, two, gone = web.person("Zhang"), web.person("Li"), web.person("Wang")
    asked = {"roles": ["auditor"], "reason": "moved"}
    assert web.client.post("/v1/principals/Wang/roles", headers=one, json=asked).status_code == 202
    assert web.client.post("/v1/principals/Wang/roles", headers=two, json=asked).json()["roles"] == ["auditor"]
    own = web.client.post("/v1/principals/Zhang/roles", headers=one, json=asked)
    assert (own.status_code, "himself" in own.json()["detail"]) == (422, True)
    assert web.client.get("/v1/me", headers=gone).status_code == 200
    assert web.client.post("/v1/principals/Wang/disable", headers=one, json={"reason": "left"}).status_code == 200
    web.later(seconds=2)
    assert web.client.get("/v1/me", headers=gone).status_code == 401


def test_only_an_administrator_lets_people_in(web: WebFixture) -> None:
    viewer = web.person("Chen", StaffRole.VIEWER)
    assert add(web, viewer).status_code == 403
    said = web.client.get("/v1/me", headers=viewer).json()
    assert (said["name"], said["kind"], "clearance:read" in said["scopes"]) == ("Chen", "person", True)
    assert web.client.get("/v1/principals", headers=viewer).status_code == 403


def test_somebody_stands_in_for_a_while(web: WebFixture) -> None:
    away, instead = web.person("Zhao", StaffRole.APPROVER), web.person("Qian", StaffRole.AUDITOR)
    asked = {"deputy": "Qian", "until": (web.now + timedelta(days=2)).isoformat(), "reason": "leave"}
    assert web.client.post("/v1/principals/Zhao/stand-in", headers=away, json=asked).status_code == 201
    web.later(seconds=2)
    assert "list:decide" in web.client.get("/v1/me", headers=instead).json()["scopes"]
    web.later(days=2)
    assert "list:decide" not in web.client.get("/v1/me", headers=instead).json()["scopes"]


def test_a_systems_token_is_made_and_taken_back(web: WebFixture) -> None:
    one = web.person("Zhang")
    made = web.client.post("/v1/tokens", headers=one, json={"name": "a feed", "scopes": ["domestic:write", "clearance:read"]})
    assert made.status_code == 201
    system = {"Authorization": f"Bearer {made.json()['token']}"}
    web.later(seconds=2)
    assert web.client.get("/v1/me", headers=system).json()["kind"] == "system"
    (row,) = [row for row in web.client.get("/v1/tokens", headers=one).json()["tokens"] if row["name"] == "a feed"]
    assert (row["holder"], "token" in row, made.json()["token"] in str(row)) == ("a feed", False, False)
    other = web.token(Scope.CLEARANCE_READ)
    assert web.client.post(f"/v1/tokens/{row['id']}/revoke", headers=other).status_code == 403
    assert web.client.post(f"/v1/tokens/{row['id']}/revoke", headers=system).status_code == 200, "one's own"
    web.later(seconds=2)
    assert web.client.get("/v1/me", headers=system).status_code == 401
