"""What changes something is done once under a key, by whatever route, and answered as the first time, status included."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from gateway.core.model import Standing
from gateway.store.tables import idempotency
from tests.rig.web import WebFixture

#: POSTs that ask, and change nothing: their answer is another one each time. A partner's message carries an id of its own.
ASKING = {"/v1/eligibility", "/v1/eligibility/stream", "/v1/declarations/eligibility", "/exchange"}
#: What these answer is shown once, and nothing is kept of it.
SECRET = {"/v1/principals", "/v1/principals/{principal}/link", "/v1/tokens"}


def test_every_post_that_changes_something_takes_a_key(web: WebFixture) -> None:
    paths: dict[str, Any] = web.client.get("/openapi.json").json()["paths"]
    keyed, bare = set[str](), set[str]()
    for path, operations in paths.items():
        if "post" in operations:
            named = {one["name"] for one in operations["post"].get("parameters", ())}
            (keyed if "Idempotency-Key" in named else bare).add(path)
    assert bare == ASKING | SECRET
    assert {"/v1/stops", "/v1/voids", "/v1/voids/{number}/confirm", "/v1/domestic/held/{number}/confirm"} <= keyed


@pytest.fixture
def wrong(web: WebFixture) -> str:
    """The id of a message that revoked an operator wrongly."""
    code, *_ = web.listed()
    web.later(minutes=1)
    body = web.boxes["SG"].status_message(code, Standing.REVOKED)
    web.send(body)
    return body.partition(b"<x:Id>")[2].partition(b"</x:Id>")[0].decode()


def test_an_annulment_is_proposed_and_confirmed_once(web: WebFixture, wrong: str) -> None:
    one, two = (web.person(name) | {"Idempotency-Key": "k"} for name in ("A. One", "B. Two"))
    asked = {"message": wrong, "reason": "a mistake"}
    first, again = (web.client.post("/v1/voids", json=asked, headers=one) for _ in range(2))
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    address = f"/v1/voids/{first.json()['void']['id']}/confirm"
    done, same = (web.client.post(address, headers=two) for _ in range(2))
    assert (done.status_code, same.status_code, same.content) == (200, 200, done.content)
    unkeyed = {name: value for name, value in two.items() if name != "Idempotency-Key"}
    assert web.client.post(address, headers=unkeyed).status_code == 422, "which is confirmed already"
    assert len(web.client.get("/v1/voids", headers=one).json()["voids"]) == 1
    assert web.client.post("/v1/voids", json=asked | {"reason": "r"}, headers=one).json()["field"] == "Idempotency-Key"


def test_what_a_release_kept_that_knew_no_status_is_answered_with_its_routes(web: WebFixture) -> None:
    who = web.person("A. One") | {"Idempotency-Key": "k"}
    asked = {"what": "arrangement", "subject": "SG", "reason": "r"}
    first = web.client.post("/v1/stops", json=asked, headers=who)
    with web.node.database.write.begin() as connection:
        connection.execute(update(idempotency).values(answer=first.content))
    again = web.client.post("/v1/stops", json=asked, headers=who)
    assert (again.status_code, again.content) == (201, first.content)
