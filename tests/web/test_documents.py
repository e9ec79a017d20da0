"""The documentation of the routes: whole, of what there is, and from this machine alone."""

from __future__ import annotations

import json
import re

from tests.rig.web import WebFixture


def test_the_documentation_asks_nobody_outside(web: WebFixture) -> None:
    page = web.client.get("/docs").text
    assert "http:" not in page
    assert "https:" not in page
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert address.startswith("/")
        assert web.client.get(address).status_code == 200
    assert '"validatorUrl": null' in page
    document = web.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    assert {"RenderedAnswer", "Batch", "Problem"} <= references
    query = {one["name"]: one for one in document["paths"]["/v1/eligibility"]["get"]["parameters"]}
    assert query["code"]["required"]
    assert {"party", "as_known_at", "lang", "on"} <= set(query)


def test_the_document_names_for_each_route_the_answers_there_are_and_no_others(web: WebFixture) -> None:
    document = web.client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            done = [status for status in operation["responses"] if status.startswith("2")]
            expected = 2 if path == "/v1/domestic/held/{number}/confirm" else 1  # done, or waiting for a second person
            assert len(done) == expected, (method, path, done)
            assert all(one["content"] for one in operation["responses"].values()), (method, path)
    assert {*document["paths"]["/v1/stops"]["post"]["responses"]} == {"201", "default"}
    assert [*document["paths"]["/v1/eligibility/stream"]["post"]["responses"]["200"]["content"]] == ["application/x-ndjson"]
