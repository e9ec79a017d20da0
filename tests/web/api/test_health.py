"""Whether a node says that it is ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from gateway.running.background import Heartbeat
from tests.rig.web import WebFixture


def test_ready_while_current_and_the_database_answers(world: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.client.get("/healthz").json() == {"status": "ok"}
    ready = world.client.get("/readyz")
    assert (ready.status_code, ready.json()["ready"], ready.json()["bound"]) == (200, True, 5.0)
    world.now += timedelta(seconds=6)
    old = world.client.get("/readyz")
    assert (old.status_code, old.json()["current"], old.json()["age"]) == (503, False, 6.0)
    world.index.heard(world.now)

    def fails() -> None:
        raise OperationalError("SELECT 1", None, Exception("gone"))

    monkeypatch.setattr(world.node.database, "reading", fails)
    gone = world.client.get("/readyz")
    assert (gone.status_code, gone.json()["current"], gone.json()["database"]) == (503, True, False)


def test_a_node_is_not_ready_where_what_keeps_it_current_has_stopped(world: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Heartbeat("follower", timedelta(minutes=1), late=True, vital=True, failures=9, problem="OSError: no")
    assert world.client.get("/readyz").status_code == 200
    monkeypatch.setattr(world.service.background, "heartbeats", lambda: [replace(beat, vital=False)])
    assert world.client.get("/readyz").status_code == 200, "a list that is late for a partner keeps nobody from an answer"
    monkeypatch.setattr(world.service.background, "heartbeats", lambda: [beat])
    assert world.client.get("/readyz").status_code == 503
