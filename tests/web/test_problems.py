"""Whatever goes wrong comes back as a problem: a code, the cause and the remedy, in either language."""

from __future__ import annotations

import json
import logging

import pytest
from sqlalchemy import literal, select
from sqlalchemy.exc import DataError

from gateway.core.access import Scope
from gateway.store.database import Database
from gateway.web import problems
from tests.rig.web import WebFixture


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_text_that_the_database_refuses_is_a_fault_of_the_question(database_url: str, web: WebFixture) -> None:
    """PostgreSQL takes no NUL, and neither takes half a surrogate pair: no fault of ours, and nothing to log as one."""
    database = Database(database_url)
    for text in ("\x00", "\ud800"):
        with database.reading() as connection, pytest.raises((DataError, UnicodeEncodeError)) as refused:
            connection.execute(select(literal(text)))
        answer = problems.answer(refused.value, b"", web.service)
        assert (answer.status_code, json.loads(bytes(answer.body))["code"]) == (422, "question-invalid")
    database.close()


def test_what_can_be_done_to_an_address_is_named_whole(web: WebFixture) -> None:
    for method, path, allowed in (
        ("DELETE", "/v1/eligibility", "GET, POST"),
        ("PUT", "/v1/stops", "GET, POST"),
        ("GET", "/exchange", "POST"),
    ):
        answer = web.client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "not-found"),
        ("PUT", "/exchange", 405, "method-not-allowed"),
        ("DELETE", "/v1/eligibility", 405, "method-not-allowed"),
        ("GET", "/v1/eligibility/", 404, "not-found"),
    ],
)
def test_what_is_not_there_is_a_problem_too(method: str, path: str, status: int, code: str, web: WebFixture) -> None:
    answer = web.client.request(method, path, follow_redirects=False)
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (status, "application/problem+json", code)
    assert ("allow" in answer.headers) == (status == 405)


def test_a_problem_says_what_where_and_what_to_do_in_either_language(web: WebFixture) -> None:
    headers = web.token(Scope.CLEARANCE_READ)
    english, chinese = (
        web.client.get(f"/v1/eligibility?mode=x&lang={lang}&code=A", headers=headers).json() for lang in ("en", "zh")
    )
    assert set(english) == {"type", "title", "status", "detail", "code", "remedy", "field"}
    assert english["type"] == "urn:aeo-gateway:problem:question-invalid"
    assert english["title"] != chinese["title"]
    assert english["remedy"] != chinese["remedy"]


def test_a_fault_is_logged_once_and_tells_the_caller_nothing(
    web: WebFixture, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    headers = web.token(Scope.CLEARANCE_READ)

    def fails(*_: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(web.answers, "answer", fails)
    monkeypatch.setattr(web.index, "get", fails)
    with caplog.at_level(logging.ERROR, "gateway"):
        for path in ("/v1/eligibility?code=SG1", "/v1/operators/SG123456789012"):
            answer = web.client.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (500, "internal")
            assert "secret" not in answer.text
    assert [record.message for record in caplog.records] == ["a request failed"] * 2


@pytest.mark.parametrize("number", [10**20, -(10**20)])
@pytest.mark.parametrize(
    "path", ["/v1/stops/{}/lift", "/v1/disruptions/{}/end", "/v1/voids/{}/confirm", "/v1/domestic/held/{}/confirm"]
)
def test_a_number_that_no_row_can_have_is_no_failure_of_ours(path: str, number: int, web: WebFixture) -> None:
    answer = web.client.post(path.format(number), json={"reason": "r"}, headers=web.token(*Scope))
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("number", ["9" * 25, "\N{SUPERSCRIPT TWO}"])
def test_a_refused_message_of_no_possible_number_is_not_found(number: str, web: WebFixture) -> None:
    answer = web.client.get(f"/v1/messages/intake-{number}", headers=web.token(Scope.AUDIT_READ))
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
