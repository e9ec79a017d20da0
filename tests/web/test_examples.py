"""Every example of the document, sent to a node on which the demonstration's story was told, is answered as the document says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rig.demonstrated import PARTNERS, Demonstrated, told_here
from tests.rig.web import WebFixture

#: What every request here carries, and every answer gives back.
TRACED = {"X-Request-Id": "7f3a5c1e", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}

#: What some answers carry beside that.
HEADERS = ("RateLimit", "RateLimit-Policy", "Retry-After", "ETag")


@pytest.fixture
def demonstrated(tmp_path: Path) -> Iterator[Demonstrated]:
    with WebFixture(tmp_path, PARTNERS) as web:
        yield told_here(web)


def test_every_operation_answers_its_example(demonstrated: Demonstrated) -> None:
    carried, said = set[str](), dict[str, Any]()
    for one in demonstrated.askings():
        answer = one.send(demonstrated.client, demonstrated.headers | TRACED)
        assert answer.is_success, (one, answer.text)
        stated = one.answers[str(answer.status_code)]
        assert answer.headers["Content-Type"].partition(";")[0] in stated["content"], one
        assert {name: answer.headers[name] for name in TRACED} == TRACED, one
        named = {name for name in (*HEADERS, *TRACED) if name in answer.headers}
        assert named == set(stated["headers"]), one
        carried |= named
        said[f"{one.method} {one.path}"] = answer
    assert carried == {*TRACED, *HEADERS} - {"Retry-After"}
    assert said["GET /v1/eligibility"].json()["grant"], said["GET /v1/eligibility"].text
    assert [one["grant"] for one in said["POST /v1/declarations/eligibility"].json()["answers"]] == [True]
    refused = demonstrated.client.get("/v1/me", headers=TRACED)
    assert {name: refused.headers[name] for name in TRACED} == TRACED
    assert {*TRACED, "Retry-After", "RateLimit", "RateLimit-Policy"} == set(one.answers["default"]["headers"])
