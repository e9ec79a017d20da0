"""Whether a node says that it is ready."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from gateway.core.access import Scope
from gateway.running.background import Heartbeat
from gateway.web.api import health
from tests.rig.waiting import until
from tests.rig.web import WebFixture


def test_ready_while_current_and_the_database_answers(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert web.client.get("/healthz").json() == {"status": "ok"}
    headers = web.token(Scope.METRICS_READ)
    ready = web.client.get("/readyz", headers=headers)
    assert (ready.status_code, ready.json()["ready"], ready.json()["bound"]) == (200, True, 5.0)
    web.now += timedelta(seconds=6)
    old = web.client.get("/readyz", headers=headers)
    assert (old.status_code, old.json()["current"], old.json()["age"]) == (503, False, 6.0)
    web.index.heard(web.now)

    def fails() -> None:
        raise OperationalError("SELECT 1", None, Exception("gone"))

    monkeypatch.setattr(web.node.database, "reading", fails)
    gone = web.client.get("/readyz", headers=headers)
    assert (gone.status_code, gone.json()["current"], gone.json()["database"]) == (503, True, False)


def test_strangers_are_told_nothing_but_whether_it_is_ready(web: WebFixture) -> None:
    for headers in ({}, {"Authorization": "Bearer nobody's"}, web.token(Scope.CLEARANCE_READ)):
        assert web.client.get("/readyz", headers=headers).json() == {"ready": True}
        web.now += timedelta(seconds=6)
        late = web.client.get("/readyz", headers=headers)
        assert (late.status_code, late.json()) == (503, {"ready": False})
        web.index.heard(web.now)


def test_strangers_wait_for_one_look_at_a_database_that_hangs(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, answers = [], threading.Event()
    reading = web.node.database.reading

    def hangs() -> object:
        looks.append(threading.current_thread())
        answers.wait(60)
        return reading()

    monkeypatch.setattr(web.node.database, "reading", hangs)
    monkeypatch.setattr(health, "PATIENCE", 0.05)
    try:
        assert {web.client.get("/readyz").status_code for _ in range(20)} == {503}
        assert len(looks) == 1
        named = web.client.get("/readyz", headers={"Authorization": "Bearer nobody's"})
        assert (named.status_code, named.json()) == (503, {"ready": False}), "who names himself does not wait for ever either"
    finally:
        answers.set()
    until(lambda: web.client.get("/readyz").status_code == 200)


def test_a_node_is_not_ready_where_what_keeps_it_current_has_stopped(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Heartbeat("follower", timedelta(minutes=1), late=True, vital=True, failures=9, problem="OSError: no")
    assert web.client.get("/readyz").status_code == 200
    monkeypatch.setattr(web.service.background, "heartbeats", lambda: [replace(beat, vital=False)])
    assert web.client.get("/readyz").status_code == 200, "a list that is late for a partner keeps nobody from an answer"
    monkeypatch.setattr(web.service.background, "heartbeats", lambda: [beat])
    assert web.client.get("/readyz").status_code == 503
