"""The catalogue of refusals: whole, in both languages, the same over HTTP, in the document and on the page."""

from __future__ import annotations

from gateway.core.access import Scope
from gateway.core.errors import Code, RefusalStage
from tests.problem_page import PAGE, page
from tests.rig.web import WebFixture


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python -m tests.problem_page"


def test_every_code_is_told_in_both_languages_and_is_in_the_document(web: WebFixture) -> None:
    said = web.client.get("/v1/problems", headers=web.token(Scope.CLEARANCE_READ)).json()["problems"]
    assert [one["code"] for one in said] == [str(code) for code in Code]
    for one in said:
        for member in ("meaning", "cause", "remedy"):
            assert one[member]["en"] != one[member]["zh"], one
            assert not one[member]["en"].startswith("stage-"), one
    assert len({one["cause"]["zh"] for one in said}) == len(RefusalStage)
    (busy,) = (one for one in said if one["code"] == "busy")
    assert (busy["status"], busy["retry"]) == (503, True)
    document = web.client.get("/openapi.json").json()
    assert document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == [str(code) for code in Code]


def test_every_operation_schema_and_parameter_says_what_it_is(web: WebFixture) -> None:
    document = web.client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["description"].endswith("."), (method, path)
            for one in operation.get("parameters", ()):
                assert one.get("description"), (method, path, one["name"])
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), name
    at = document["components"]["schemas"]["MessageRow"]["properties"]["at"]
    assert (at["type"], at["format"]) == ("string", "date-time")
