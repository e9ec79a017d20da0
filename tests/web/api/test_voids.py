"""Two persons annul over HTTP what the terminal would."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.core.model import Standing
from tests.rig.web import WebFixture


@pytest.fixture
def wrong(web: WebFixture) -> tuple[str, str]:
    """An operator and the id of the message that revoked it wrongly."""
    code, *_ = web.listed()
    web.later(minutes=1)
    body = web.boxes["SG"].status_message(code, Standing.REVOKED)
    web.send(body)
    return code, body.partition(b"<x:Id>")[2].partition(b"</x:Id>")[0].decode()


def standing(web: WebFixture, code: str, who: dict[str, str]) -> str:
    shown = web.client.get(f"/v1/operators/{code}", headers=who).json()
    said: str = shown["authorisations"][0]["standings"][-1]["standing"]
    return said


def test_one_proposes_another_confirms_and_the_next_answer_knows(web: WebFixture, wrong: tuple[str, str]) -> None:
    code, message = wrong
    one, two = web.person("A. One"), web.person("B. Two")
    proposed = web.client.post("/v1/voids", json={"message": message, "reason": "a mistake"}, headers=one)
    assert proposed.status_code == 201
    said = proposed.json()
    assert (said["void"]["proposed_by"], said["reach"]["messages"]) == ("A. One", [message])
    address = f"/v1/voids/{said['void']['id']}/confirm"
    alone = web.client.post(address, headers=one)
    assert (alone.status_code, alone.json()["code"]) == (422, "data-invalid")
    assert standing(web, code, one) == "revoked"
    done = web.client.post(address, headers=two)
    assert (done.status_code, done.json()["void"]["operators"]) == (200, 1)
    assert standing(web, code, one) == "valid"
    (listed,) = web.client.get("/v1/voids", headers=one).json()["voids"]
    assert listed == done.json()["void"]


def test_a_certificate_is_named_with_its_moment(web: WebFixture, wrong: tuple[str, str]) -> None:
    code, message = wrong
    one, two = web.person("A. One"), web.person("B. Two")
    (pin,) = web.node.trust.trust_of("SG").pins
    asked = {"certificate": pin.fingerprint, "since": (web.now - timedelta(seconds=30)).isoformat(), "reason": "stolen"}
    proposed = web.client.post("/v1/voids", json=asked, headers=one).json()
    assert proposed["reach"] == {"messages": [message], "certificates": [pin.fingerprint]}
    assert web.client.post(f"/v1/voids/{proposed['void']['id']}/confirm", headers=two).status_code == 200
    assert standing(web, code, one) == "valid"


@pytest.mark.parametrize(
    "asked",
    [
        {"reason": "nothing named"},
        {"reason": "both", "message": "m", "certificate": "c", "since": "2026-06-15T04:00:00Z"},
        {"reason": "no moment", "certificate": "c"},
        {"message": "no reason"},
        {"reason": "no zone", "certificate": "c", "since": "2026-06-15T04:00:00"},
    ],
)
def test_what_is_not_clear_is_refused(web: WebFixture, asked: dict[str, Any]) -> None:
    answer = web.client.post("/v1/voids", json=asked, headers=web.person("A. One"))
    assert (answer.status_code, answer.json()["code"]) == (422, "question-invalid")
