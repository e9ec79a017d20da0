"""What needs a person: each kind shows up as soon as it is so, says what settles it, and goes when it is settled."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import typer
from fastapi.routing import APIRoute
from sqlalchemy import update
from typer.main import get_command

from gateway.cli.main import app as terminal
from gateway.core.access import Scope, StaffRole
from gateway.core.four_eyes import Decision
from gateway.store import circuits, journal, principals, proposals, tables
from gateway.store.proposals import Matter
from gateway.views.inbox_row import InboxKind
from gateway.web.site import ROUTERS
from tests.rig.enterprises import DOWNGRADED, made_uscc
from tests.rig.people import person
from tests.rig.shipped import chosen
from tests.rig.web import WebFixture
from tests.web.api.test_outbox import queue

SEES = (Scope.EXCHANGE_READ, Scope.DOMESTIC_READ, Scope.LIST_DECIDE, Scope.PARTNER_ADMIN)
ROUTES = [
    (method, route)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
]


@pytest.fixture
def headers(web: WebFixture) -> dict[str, str]:
    return web.token(*SEES)


def inbox(web: WebFixture, headers: dict[str, str], **query: Any) -> Any:
    answer = web.client.get("/v1/inbox", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    if not query:
        counted = [one["kind"] for one in found["rows"]]
        assert found["counts"] == {kind: counted.count(kind) for kind in sorted(set(counted))}
    return found


def fill(web: WebFixture) -> None:
    """One of every kind."""
    web.threshold("SG", 2)
    web.listed("SG", 3)
    web.later(minutes=1)
    web.boxes["SG"].make_up(5, seed=2)
    web.send(web.boxes["SG"].full_list())  # held
    web.feed(1, recertify_by="2026-06-20")  # a deadline
    web.feed(2, **DOWNGRADED)
    web.feed(2, tier_since="2026-06-14", measure_since="2026-06-14", certified_on="2026-06-14")  # its gains are held
    queue(web, "HK", "dead")
    queue(web, "HK", "dead")
    queue(web, "HK", "expired")
    web.do(lambda connection: circuits.acquire(connection, "HK", web.now))
    web.do(lambda connection: circuits.trip(connection, "HK", now=web.now, problem="no answer"))
    web.change("SG", warn_after=chosen(timedelta(seconds=1)), in_force=chosen(True))
    said: dict[str, object] = {
        "passed": False,
        "against": "the partner in a box",
        "steps": {"a list": True, "a ping": False},
        "who": "me",
    }
    web.do(lambda connection: journal.append(connection, "rehearsal", "d" * 64, said, at=web.now, partner="HK"))
    web.do(lambda connection: principals.add_person(connection, "Li", [StaffRole.APPROVER], by=(), at=web.now, exempt=True))
    web.do(lambda connection: journal.append(connection, "emergency", "emergency:0", {"reason": "locked out"}, at=web.now))
    web.partners.problems.failed("HK", "calendar", ValueError("its list cannot be written"))
    web.later(minutes=1)


def test_every_kind_is_shown_with_what_settles_it(web: WebFixture, headers: dict[str, str]) -> None:
    assert inbox(web, headers)["rows"] == []
    fill(web)
    web.client.post("/v1/voids", json={"message": web.journal("message")[0], "reason": "a mistake"}, headers=headers)
    found = inbox(web, headers)
    shown = {one["kind"]: one for one in found["rows"]}
    assert {*InboxKind} - {*shown} == {InboxKind.ENDING}
    assert shown["held-list"]["count"] == 5
    assert found["counts"]["dead-letters"] == 2
    assert sorted(one["count"] for one in found["rows"] if one["kind"] == "dead-letters") == [1, 2]
    assert shown["failed-rehearsal"]["says"] == "The last rehearsal of HK did not pass: a ping."
    assert (shown["proposal"]["subject"], shown["proposal"]["partner"]) == ("void-1", "SG")
    assert "calendar" in shown["partner-fault"]["says"]
    assert shown["old-data"]["partner"] == "SG"
    moments = [one["since"] or "" for one in found["rows"]]
    assert moments == sorted(moments, reverse=True)
    for one in found["rows"]:
        assert one["if_nobody_acts"]
        for action in one["actions"]:
            settles(action)


def settles(action: dict[str, Any]) -> None:
    """The route and the command that an action names are there."""
    method, _, path = (action["route"] or "").partition(" ")
    if action["route"]:
        path = path.partition("?")[0]
        assert any(named == method and route.path_regex.match(path) for named, route in ROUTES), action
    command: Any = get_command(terminal)
    for word in action["command"].split()[1:]:
        if not isinstance(command, typer.core.TyperGroup):
            break
        assert word in command.commands, action
        command = command.commands[word]


def test_pages_and_filters_give_every_row_once(web: WebFixture, headers: dict[str, str]) -> None:
    fill(web)
    whole = inbox(web, headers)
    seen, after = list[Any](), dict[str, Any]()
    while True:
        part = inbox(web, headers, most=2, **after)
        assert part["counts"] == whole["counts"]
        seen += part["rows"]
        if part["next"] is None:
            break
        after = {"after": part["next"]}
    assert seen == whole["rows"]
    assert {one["partner"] for one in inbox(web, headers, partner="hk")["rows"]} == {"HK"}
    letters = inbox(web, headers, kind="dead-letters")
    assert letters["counts"] == {"dead-letters": len(letters["rows"])}


def test_of_our_own_enterprises_only_who_may_read_them_hears(web: WebFixture, headers: dict[str, str]) -> None:
    fill(web)
    less = inbox(web, web.token(Scope.EXCHANGE_READ))
    assert not {"deadline", "held-gain"} & {*less["counts"]}
    assert made_uscc(1) not in str(less)
    assert made_uscc(2) not in str(less)
    assert {"deadline", "held-gain"} <= {*inbox(web, headers)["counts"]}


def test_what_is_settled_is_gone(web: WebFixture, headers: dict[str, str]) -> None:
    fill(web)
    (held,) = inbox(web, headers, kind="held-list")["rows"]
    route = next(one["route"] for one in held["actions"] if one["does"] == "set it aside")
    assert web.client.post(route.removeprefix("POST "), json={"reason": "asked the partner"}, headers=headers).status_code == 200
    web.do(lambda connection: circuits.close(connection, "HK"))
    web.partners.problems.worked("HK", "calendar")
    said: dict[str, object] = {"passed": True, "against": "the partner in a box", "steps": {"a ping": True}, "who": "me"}
    web.do(lambda connection: journal.append(connection, "rehearsal", "e" * 64, said, at=web.now, partner="HK"))
    web.do(lambda connection: connection.execute(update(tables.outbox).values(state="delivered")))
    assert set(inbox(web, headers)["counts"]) == {"deadline", "held-gain", "old-data", "second-person", "emergency"}


def test_what_ends_is_shown_unless_another_lasts_longer(web: WebFixture) -> None:
    web.now = web.ours.ends - timedelta(days=10)
    rows = inbox(web, web.token(Scope.EXCHANGE_READ, days=1), kind="ending")["rows"]
    ours = next(one for one in rows if one["subject"].startswith("our-key"))
    assert ours["actions"] == [
        {"does": "make the next key", "route": "POST /v1/keys/gateway/rotate", "command": "aeo-gateway key rotate gateway"}
    ]
    for one in rows:
        for action in one["actions"]:
            settles(action)


def test_whatever_takes_two_is_shown_with_what_settles_it(web: WebFixture, headers: dict[str, str]) -> None:
    """A decision without a row would wait for somebody who never hears of it."""
    for number, decision in enumerate(Decision, 1):
        known = number if decision in proposals.CALLED else None
        matter = Matter(decision, f"{number:064}", "SG", known)
        web.do(partial(proposals.propose, matter=matter, who=person("alice"), reason="key drop gateway", at=web.now))
    shown = [one for one in inbox(web, headers)["rows"] if one["kind"] == "proposal"]
    assert len(shown) == len(Decision)
    for one in shown:
        for action in one["actions"]:
            settles(action)
