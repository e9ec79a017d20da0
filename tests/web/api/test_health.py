"""Whether a node says that it is ready."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from gateway.running.background import Heartbeat
from tests.rig.web import WebFixture


def test_ready_while_current_and_the_database_answers(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert web.client.get("/healthz").json() == {"status": "ok"}
    ready = web.client.get("/readyz")
    assert (ready.status_code, ready.json()["ready"], ready.json()["bound"]) == (200, True, 5.0)
    web.now += timedelta(seconds=6)
    old = web.client.get("/readyz")
    assert (old.status_code, old.json()["current"], old.json()["age"]) == (503, False, 6.0)
    web.index.heard(web.now)

    def fails() -> None:
        raise OperationalError("SELECT 1", None, Exception("gone"))

    monkeypatch.setattr(web.node.database, "reading", fails)
    gone = web.client.get("/readyz")
    assert (gone.status_code, gone.json()["current"], gone.json()["database"]) == (503, True, False)


def test_a_node_is_not_ready_where_what_keeps_it_current_has_stopped(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Heartbeat("follower", timedelta(minutes=1), late=True, vital=True, failures=9, problem="OSError: no")
    assert web.client.get("/readyz").status_code == 200
    monkeypatch.setattr(web.service.background, "heartbeats", lambda: [replace(beat, vital=False)])
    assert web.client.get("/readyz").status_code == 200, "a list that is late for a partner keeps nobody from an answer"
    monkeypatch.setattr(web.service.background, "heartbeats", lambda: [beat])
    assert web.client.get("/readyz").status_code == 503
