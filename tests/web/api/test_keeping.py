"""Keys, retention and settings over HTTP: what an administrator keeps, and no secret told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from gateway.core.access import Scope
from gateway.node.workplace import Workplace
from gateway.operate import long
from gateway.settings import Settings, from_environment
from gateway.trust.keys import KeyRing
from gateway.views import chosen
from tests.rig.web import WebFixture

BECAUSE = {"days": 30, "because": "decision 7 of 2026"}


@pytest.fixture
def headers(web: WebFixture) -> dict[str, str]:
    return web.token(Scope.KEY_ADMIN, Scope.RETENTION_ADMIN, Scope.AUDIT_READ, Scope.EXCHANGE_READ, name="an administrator")


def post(web: WebFixture, headers: dict[str, str], path: str, status: int = 200, body: Any = None) -> Any:
    answer = web.client.post(path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def get(web: WebFixture, headers: dict[str, str], path: str, status: int = 200) -> Any:
    answer = web.client.get(path, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def states(web: WebFixture) -> list[str]:
    return [str(state) for state in KeyRing(web.keys).states("gateway", web.now).values()]


def test_the_next_key_is_made_once_under_a_key_announced_hastened_and_signs(web: WebFixture, headers: dict[str, str]) -> None:
    asked, keyed = {"switch": 3, "days": 400}, headers | {"Idempotency-Key": "rotate"}
    made = post(web, keyed, "/v1/keys/gateway/rotate", 201, asked)
    assert (made["id"], made["state"], made["held_by"]) == ("gateway-2", "next", "file")
    assert post(web, keyed, "/v1/keys/gateway/rotate", 201, asked) == made
    assert states(web) == ["current", "next"]
    assert "already to take over" in post(web, headers, "/v1/keys/gateway/rotate", 422, {})["detail"]
    listed = get(web, headers, "/v1/keys")["keys"]
    assert [(one["id"], one["state"]) for one in listed] == [("gateway-1", "current"), ("gateway-2", "next")]
    whole = get(web, headers, "/v1/keys/gateway-2")
    assert whole["certificate"].startswith("-----BEGIN CERTIFICATE-----")
    assert get(web, headers, "/v1/keys/gateway")["id"] == "gateway-1"
    assert get(web, headers, "/v1/keys/other", 404)["code"] == "not-found"
    web.bind("SG", endpoint="https://partner.example/exchange")
    web.later(hours=1)
    hastened = post(web, headers, "/v1/keys/gateway/hasten", 200, {})
    assert (hastened["key"]["id"], hastened["key"]["state"], hastened["deaf"]) == ("gateway-2", "current", ["SG"])
    assert states(web) == ["retired", "current"]
    assert web.journal("decision") == ["gateway-2", "gateway-2"]


def test_a_next_key_that_was_stolen_is_dropped(web: WebFixture, headers: dict[str, str]) -> None:
    post(web, headers, "/v1/keys/gateway/rotate", 201, {})
    dropped = post(web, headers, "/v1/keys/gateway/drop")
    assert (dropped["key"]["id"], dropped["key"]["state"], dropped["announced"]) == ("gateway-2", "dropped", [])
    assert states(web) == ["current", "dropped"]
    assert post(web, headers, "/v1/keys/gateway/drop", 422)["code"] == "data-invalid"
    for bad in ({"switch": 0}, {"days": 36_501}, {"name": "other"}):
        assert post(web, headers, "/v1/keys/gateway/rotate", 422, bad)["field"] == next(iter(bad))
    assert post(web, headers, "/v1/keys/gateway/hasten", 422, {"at": "2026-06-15T04:00:00"})["field"] == "at"


def test_how_long_a_class_is_kept_is_set_shown_and_unset(web: WebFixture, headers: dict[str, str]) -> None:
    keyed = headers | {"Idempotency-Key": "set"}
    done = post(web, keyed, "/v1/retention/messages/set", 200, BECAUSE)
    assert (done["rule"]["days"], done["rule"]["who"]) == (30, "an administrator")
    assert post(web, keyed, "/v1/retention/messages/set", 200, BECAUSE) == done
    lines = {one["shelf"]: one for one in get(web, headers, "/v1/retention")["lines"]}
    assert lines["messages"]["rule"] == done["rule"]
    assert lines["sent"]["rule"] is None
    assert post(web, headers, "/v1/retention/messages/unset", 200, {"because": "decision 8"}) == {"shelf": "messages", "rule": None}
    assert post(web, headers, "/v1/retention/messages/unset", 404, {"because": "again"})["code"] == "not-found"
    assert post(web, headers, "/v1/retention/nothing/set", 404, BECAUSE)["code"] == "not-found"
    assert post(web, headers, "/v1/retention/messages/set", 422, {"days": -1, "because": "x"})["field"] == "days"
    assert post(web, headers, "/v1/retention/messages/set", 422, {"days": 1, "because": " "})["field"] == "because"
    assert web.journal("decision") == ["retention-messages"] * 2


def test_putting_away_is_a_job_that_says_first_what_would_go(web: WebFixture, headers: dict[str, str]) -> None:
    web.client.post("/exchange", content=b"<nobody/>", headers={"Content-Type": "application/xml"})
    post(web, headers, "/v1/retention/quarantine/set", 200, BECAUSE)
    assert post(web, headers, "/v1/retention/run", 404, {"shelf": "nothing"})["code"] == "not-found"
    asked = {"shelf": "quarantine", "dry_run": True}
    begun = post(web, headers, "/v1/retention/run", 202, asked)
    assert (begun["kind"], begun["state"]) == ("retention-run", "waiting")
    desk, heard = Workplace(web.settings, web.database, web.partners), list[tuple[int, int, str]]()

    def put_away(*, dry_run: bool) -> tuple[str, bytes]:
        return long.run_retention(desk, asked | {"dry_run": dry_run}, "somebody", lambda *said: heard.append(said))

    with web.database.write.begin() as connection:
        connection.exec_driver_sql("UPDATE intake SET received = received - 86400000000 * 3000")
    assert put_away(dry_run=True)[0] == "1 rows would go."
    assert put_away(dry_run=False)[0] == "1 rows went."
    assert put_away(dry_run=False)[0] == "0 rows went."
    assert heard[0] == (0, 1, "quarantine")


def test_every_setting_is_shown_and_no_secret(tmp_path: Path) -> None:
    given = {
        "AEO_HOME": str(tmp_path),
        "AEO_KEY_PASSPHRASE": "hunter2",
        "AEO_DATABASE": "postgresql+psycopg://gateway:hunter3@db.example/aeo?sslpassword=hunter4",
        "AEO_POLL": "0.5",
    }
    found = {one.name: one for one in chosen.settings(from_environment(given))}
    assert set(found) == {f"AEO_{name.upper()}" for name in Settings.model_fields}
    assert "hunter" not in repr(found)
    assert (found["AEO_KEY_PASSPHRASE"].given, found["AEO_KEY_PASSPHRASE"].value) == (True, None)
    assert found["AEO_DATABASE"].value == "postgresql+psycopg://gateway:***@db.example/aeo"
    assert (found["AEO_POLL"].value, found["AEO_POLL"].source) == (0.5, "environment")
    assert (found["AEO_RATE"].value, found["AEO_RATE"].source) == (20_000, "default")


def test_settings_are_given_to_an_auditor(tmp_path: Path) -> None:
    with WebFixture(tmp_path, key_passphrase=SecretStr("hunter2")) as web:
        answer = web.client.get("/v1/settings", headers=web.token(Scope.AUDIT_READ))
        assert answer.status_code == 200
        assert "hunter2" not in answer.text
        assert answer.json()["mode"] == "demo"
