"""The documentation of the routes: whole, of what there is, and from this machine alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gateway.core.access import Scope
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


#: Done, or waiting for a second person.
TWO_PEOPLE = {
    "/v1/domestic/held/{number}/confirm",
    "/v1/lists/{number}/release",
    "/v1/lists/{number}/drop",
    "/v1/partners/{iso}/activate",
    "/v1/keys/{name}/rotate",
    "/v1/keys/{name}/hasten",
    "/v1/keys/{name}/drop",
    "/v1/retention/{shelf}/set",
    "/v1/principals",
    "/v1/principals/{principal}/roles",
}
#: Done, or done in part.
IN_PART = {("put", "/v1/domestic/enterprises")}


def test_the_document_names_for_each_route_the_answers_there_are_and_no_others(web: WebFixture) -> None:
    document = web.client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            done = [status for status in operation["responses"] if status.startswith("2")]
            two = (method == "post" and path in TWO_PEOPLE) or (method, path) in IN_PART
            assert len(done) == (2 if two else 1), (method, path, done)
            said = [one for status, one in operation["responses"].items() if status != "304"]
            assert all(one["content"] for one in said), (method, path)
    assert {*document["paths"]["/v1/stops"]["post"]["responses"]} == {"201", "default"}
    assert [*document["paths"]["/v1/eligibility/stream"]["post"]["responses"]["200"]["content"]] == ["application/x-ndjson"]


def schema_of(document: dict[str, Any], where: str) -> dict[str, Any]:
    """What the document says of a value: ``path:method:name`` of a parameter, or ``Schema.member``."""
    if ":" not in where:
        name, _, member = where.partition(".")
        said: dict[str, Any] = document["components"]["schemas"][name]["properties"][member]
    else:
        path, method, parameter = where.split(":")
        said = next(one["schema"] for one in document["paths"][path][method]["parameters"] if one["name"] == parameter)
    return next((one for one in said.get("anyOf", ()) if one["type"] != "null"), said)


def fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value keeps the bounds of a schema."""
    if isinstance(value, int):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    least, most = ("minItems", "maxItems") if isinstance(value, list) else ("minLength", "maxLength")
    pattern = schema.get("pattern", "") if isinstance(value, str) else ""
    return bool(
        schema.get(least, 0) <= len(value) <= schema.get(most, len(value)) and (not pattern or bool(re.search(pattern, value)))
    )


STOPPING = {"what": "arrangement", "subject": "SG", "reason": "r"}
HELD = "/v1/domestic/held/{number}/confirm"
BOUNDS: list[tuple[str, Any, Any, str, str, Any]] = [
    # what it is of, a value within, one without, and the request with {} where it stands in the address, None where in the body
    ("/v1/messages:get:most", 1_000, 1_001, "get", "/v1/messages?most={}", None),
    ("/v1/messages:get:most", 1, 0, "get", "/v1/messages?most={}", None),
    ("/v1/domestic/deadlines:get:within", 3_660, 3_661, "get", "/v1/domestic/deadlines?within={}", None),
    ("/v1/domestic/deadlines:get:within", 0, -1, "get", "/v1/domestic/deadlines?within={}", None),
    ("Batch.codes", ["x"] * 3_000, ["x"] * 3_001, "post", "/v1/eligibility", {"codes": None}),
    ("Batch.codes", ["x"], [], "post", "/v1/eligibility", {"codes": None}),
    ("Stopping.subject", "SG", "S" * 36, "post", "/v1/stops", STOPPING | {"subject": None}),
    ("Stopping.subject", "SG", "", "post", "/v1/stops", STOPPING | {"subject": None}),
    ("Stopping.reason", "a\nb\tc", "\r", "post", "/v1/stops", STOPPING | {"reason": None}),
    ("Stopping.reason", "r", "r\x1b[2J", "post", "/v1/stops", STOPPING | {"reason": None}),
    ("Disrupting.where", "*", "**", "post", "/v1/disruptions", {"where": None, "what": "a typhoon"}),
    ("Disrupting.where", "SG", "sg", "post", "/v1/disruptions", {"where": None, "what": "a typhoon"}),
    ("Disrupting.what", "a typhoon", " \n", "post", "/v1/disruptions", {"where": "*", "what": None}),
    ("Annulling.reason", "r", " ", "post", "/v1/voids", {"message": "m", "reason": None}),
    (
        "Annulling.certificate",
        "a" * 64,
        "a" * 63,
        "post",
        "/v1/voids",
        {"certificate": None, "since": "2026-01-01T00:00:00Z", "reason": "r"},
    ),
    ("/v1/stops:post:Idempotency-Key", "k" * 128, "k" * 129, "post", "/v1/stops", STOPPING),
    *(
        (
            f"{path}:post:number",
            2**63 - 1,
            number,
            "post",
            path.replace("{number}", "{}"),
            {"reason": "r"} if "held" not in path else None,
        )
        for path in ("/v1/stops/{number}/lift", "/v1/disruptions/{number}/end", "/v1/voids/{number}/confirm", HELD)
        for number in (0, 2**63)
    ),
]


@pytest.mark.parametrize(("of", "within", "without", "method", "path", "asked"), BOUNDS)
def test_the_document_says_the_bounds_that_routes_keep(
    of: str, within: Any, without: Any, method: str, path: str, asked: Any, web: WebFixture
) -> None:
    schema = schema_of(web.client.get("/openapi.json").json(), of)
    assert (fits(schema, within), fits(schema, without)) == (True, False), schema
    headers, field = web.token(*Scope), of.rpartition(".")[2].rpartition(":")[2]

    def ask(value: Any) -> Any:
        body = {name: value if given is None else given for name, given in asked.items()} if asked else None
        keyed = {"Idempotency-Key": value} if field == "Idempotency-Key" else {}
        return web.client.request(method, path.format(value), json=body, headers=headers | keyed)

    refused = ask(without)
    assert refused.status_code in (404, 422), refused.text
    taken = ask(within)
    if taken.status_code >= 300:  # there is no such thing, which is no fault of the value's form
        assert taken.json()["code"] == "not-found", taken.text


def test_the_document_says_how_large_bodies_may_be_and_one_byte_more_is_refused(web: WebFixture) -> None:
    headers, asked = web.token(*Scope), set[str]()
    for path, operations in web.client.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            if not (body := operation.get("requestBody")):
                continue
            most, (media, *_) = body["x-max-bytes"], body["content"]
            assert body["description"] == f"At most {most:,} bytes."
            content = {"Content-Type": media}
            address = re.sub(r"{\w+}", "1", path.replace("{iso}", "SG"))
            refused = web.client.request(method, address, content=b" " * (most + 1), headers=headers | content)
            assert (refused.status_code, refused.json()["code"]) == (413, "body-too-large"), path
            whole = web.client.request(method, address, content=b" " * most, headers=headers | content)
            assert whole.status_code != 413, path
            asked.add(path)
    assert len(asked) == 37
