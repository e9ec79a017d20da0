"""A moment in an address is a moment: no route reads a bare year, or ``null``, as one that nobody meant."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.core.access import Scope
from tests.rig.web import WebFixture

#: Of every operation: what it needs beside the moment, so that nothing else is refused.
BESIDE = {"code": "SG1", "partner": "SG", "file": "a.csv", "reason": "r"}


def moments(document: dict[str, object]) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """Every parameter of every operation that takes a moment or a day, and what is asked beside it."""
    for path, operations in document["paths"].items():  # type: ignore[attr-defined] # JSON
        for method, operation in operations.items():
            asked = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
            for one in asked:
                forms = {form.get("format") for form in (one["schema"], *one["schema"].get("anyOf", ()))}
                if forms & {"date-time", "date"} or one["name"] == "as_of":
                    yield (
                        method,
                        path,
                        one["name"],
                        {other["name"]: BESIDE[other["name"]] for other in asked if other["required"] and other != one},
                    )


@pytest.mark.parametrize("text", ["2026", "1782000000", "1782000000.5", "null", "2026-06", "2026-06-15T04:00:00"])
def test_a_moment_that_is_none_is_refused_by_every_route_that_takes_one(text: str, web: WebFixture) -> None:
    headers, found = web.token(*Scope) | {"Content-Type": "application/x-ndjson"}, 0
    for method, path, name, beside in moments(web.client.get("/openapi.json").json()):
        if path == "/v1/declarations/eligibility":
            headers["Content-Type"] = "application/xml"
        answer = web.client.request(
            method, path, params=beside | {name: text}, content=b"" if method != "get" else None, headers=headers
        )
        refused = answer.json()
        assert (answer.status_code, refused["field"].replace("-", "_")) == (422, name), (path, name, refused)
        assert " 2026-" in refused["detail"] + refused["remedy"], refused  # how it is written
        found += 1
    assert found == 9


@pytest.mark.parametrize("value", [2026, 1782000000.5, "2026", ""])
def test_nor_is_one_in_a_body(value: object, web: WebFixture) -> None:
    headers = web.token(*Scope)
    asked = {"what": "arrangement", "subject": "SG", "reason": "r"}
    for path, body in (("/v1/eligibility", {"codes": ["SG1"], "as_known_at": value}), ("/v1/stops", asked | {"until": value})):
        refused = web.client.post(path, json=body, headers=headers).json()
        assert refused["field"] in body, refused
        assert " 2026-" in refused["detail"], refused
