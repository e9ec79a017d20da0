"""A disruption of trade and its end over HTTP: measure R applies from the resumption to its declared end (core/RULES.md, Our own hand on the switch)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.core.access import Scope
from tests.rig.web import WebFixture


@pytest.fixture
def web(tmp_path: Path) -> Iterator[WebFixture]:
    with WebFixture(tmp_path, ("NZ", "EU")) as made:
        made.change("EU", measures=made.terms("NZ").measures)
        made.refresh = lambda: None  # type: ignore[method-assign] # the changed terms stay
        yield made


@pytest.fixture
def headers(web: WebFixture) -> dict[str, str]:
    return web.token(Scope.CLEARANCE_READ, Scope.STOP_WRITE)


def post(web: WebFixture, headers: dict[str, str], path: str, status: int, **body: Any) -> dict[str, Any]:
    answer = web.client.post(path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def has_priority(web: WebFixture, headers: dict[str, str], code: str) -> bool:
    said = web.client.get("/v1/eligibility", params={"code": code, "direction": "import"}, headers=headers).json()
    assert said["grant"], said
    return "R" in [one["measure"] for one in said["measures"]]


def test_goods_have_priority_from_the_resumption_to_its_declared_end(web: WebFixture, headers: dict[str, str]) -> None:
    code, *_ = web.listed("NZ")
    declared = post(web, headers, "/v1/disruptions", 201, where="NZ", what="a typhoon")
    web.later(hours=1)
    assert not has_priority(web, headers, code), "while it lasts nothing moves"
    until = (web.now + timedelta(days=10)).isoformat()
    ended = post(web, headers, f"/v1/disruptions/{declared['id']}/end", 200, reason="the port is open", until=until)
    assert ended["resumed"] is not None
    assert has_priority(web, headers, code)
    web.later(days=9, hours=23)
    assert has_priority(web, headers, code)
    web.later(hours=2)
    assert not has_priority(web, headers, code)
    again = post(web, headers, f"/v1/disruptions/{declared['id']}/end", 404, reason="once more", until=until)
    assert again["code"] == "not-found"


def test_without_a_declared_end_there_is_no_priority(web: WebFixture, headers: dict[str, str]) -> None:
    """How long it lasts somebody has to say; for ever is no default."""
    code, *_ = web.listed("NZ")
    declared = post(web, headers, "/v1/disruptions", 201, where="*", what="a typhoon")
    web.later(hours=1)
    post(web, headers, f"/v1/disruptions/{declared['id']}/end", 200, reason="over")
    assert not has_priority(web, headers, code)


def test_the_end_that_was_declared_beforehand_counts(web: WebFixture, headers: dict[str, str]) -> None:
    code, *_ = web.listed("NZ")
    until = (web.now + timedelta(days=3)).isoformat()
    declared = post(web, headers, "/v1/disruptions", 201, where="NZ", what="a typhoon", until=until)
    web.later(hours=1)
    assert not has_priority(web, headers, code)
    post(web, headers, f"/v1/disruptions/{declared['id']}/end", 200, reason="over")
    assert has_priority(web, headers, code)
    web.later(days=3)
    assert not has_priority(web, headers, code)


def test_a_disruption_can_name_a_member(web: WebFixture, headers: dict[str, str]) -> None:
    operators = web.listed("EU", 40)
    by_member = {code[:2]: code for code in operators}
    (one, mine), (_, other), *_ = sorted(by_member.items())
    until = (web.now + timedelta(days=3)).isoformat()
    declared = post(web, headers, "/v1/disruptions", 201, where=one, what="a strike")
    post(web, headers, f"/v1/disruptions/{declared['id']}/end", 200, reason="over", until=until)
    assert has_priority(web, headers, mine)
    assert not has_priority(web, headers, other)


@pytest.mark.parametrize("where", ["XX", "nz", "", "NZX"])
def test_a_place_that_is_none_is_named(web: WebFixture, headers: dict[str, str], where: str) -> None:
    refused = post(web, headers, "/v1/disruptions", 404, where=where, what="a typhoon")
    assert refused["remedy"]
    assert (refused["field"], refused["value"]) == ("where", where)


def test_priority_ends_after_it_begins(web: WebFixture, headers: dict[str, str]) -> None:
    declared = post(web, headers, "/v1/disruptions", 201, where="NZ", what="a typhoon")
    web.later(hours=1)
    path = f"/v1/disruptions/{declared['id']}/end"
    refused = post(web, headers, path, 422, reason="over", until=(web.now - timedelta(hours=2)).isoformat())
    assert refused["field"] == "until"
    before = (web.now - timedelta(days=2)).isoformat()
    assert post(web, headers, path, 422, reason="over", resumed=before, until=web.now.isoformat())["field"] == "resumed"
