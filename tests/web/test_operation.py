"""Health, metrics, documentation and problems."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import literal, select
from sqlalchemy.exc import DataError, OperationalError

from gateway.core.errors import Code, Refusal
from gateway.running.background import Heartbeat
from gateway.store.database import Database
from gateway.store.tokens import TokenScope
from gateway.web import problems
from gateway.web.http import metrics
from gateway.web.http.limiter import Limiter
from gateway.web.http.logs import Lines, set_up
from tests.web.world import World


def test_ready_while_current_and_the_database_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.client.get("/healthz").json() == {"status": "ok"}
    headers = world.token(TokenScope.METRICS_READ)
    ready = world.client.get("/readyz", headers=headers)
    assert (ready.status_code, ready.json()["ready"], ready.json()["bound"]) == (200, True, 5.0)
    world.now += timedelta(seconds=6)
    old = world.client.get("/readyz", headers=headers)
    assert (old.status_code, old.json()["current"], old.json()["age"]) == (503, False, 6.0)
    world.index.heard(world.now)

    def fails() -> None:
        raise OperationalError("SELECT 1", None, Exception("gone"))

    monkeypatch.setattr(world.node.database, "reading", fails)
    gone = world.client.get("/readyz", headers=headers)
    assert (gone.status_code, gone.json()["current"], gone.json()["database"]) == (503, True, False)


def test_every_metric_is_documented_and_every_documented_one_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    beats = [Heartbeat("sealer", timedelta(seconds=3), late=False, vital=True, failures=2, problem="OSError: no")]
    monkeypatch.setattr(world.service.background, "heartbeats", lambda: beats)
    code, *_ = world.listed()
    headers = world.token(TokenScope.METRICS_READ, TokenScope.CLEARANCE_READ)
    world.client.get(f"/v1/eligibility?code={code}", headers=headers)
    world.client.get("/v1/eligibility?code=a&code=b", headers=headers)
    world.client.get("/nobody/<script>", headers=headers)
    answer = world.client.get("/metrics", headers=headers)
    assert answer.headers["content-type"] == metrics.CONTENT_TYPE
    given = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"^(aeo_\w+)", answer.text, re.M)}
    documented = set(re.findall(r"^(aeo_\w+)", metrics.__doc__ or "", re.M))
    assert given == documented
    assert 'aeo_answers_total{verdict="eligible"} 1.0' in answer.text
    assert 'aeo_http_requests_total{route="/v1/eligibility",status="422"} 1.0' in answer.text
    assert 'aeo_http_requests_total{route="other",status="404"} 1.0' in answer.text
    assert 'aeo_data_age_seconds{partner="SG",scope="*"}' in answer.text
    assert 'aeo_background_failures{task="sealer"} 2.0' in answer.text
    assert "script" not in answer.text


def test_a_node_is_not_ready_where_what_keeps_it_current_has_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    beat = Heartbeat("follower", timedelta(minutes=1), late=True, vital=True, failures=9, problem="OSError: no")
    assert world.client.get("/readyz").status_code == 200
    monkeypatch.setattr(world.service.background, "heartbeats", lambda: [replace(beat, vital=False)])
    assert world.client.get("/readyz").status_code == 200, "a list that is late for a partner keeps nobody from an answer"
    monkeypatch.setattr(world.service.background, "heartbeats", lambda: [beat])
    assert world.client.get("/readyz").status_code == 503


def test_the_documentation_asks_nobody_outside(world: World) -> None:
    page = world.client.get("/docs").text
    assert "http:" not in page
    assert "https:" not in page
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert address.startswith("/")
        assert world.client.get(address).status_code == 200
    assert '"validatorUrl": null' in page
    document = world.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    assert {"RenderedAnswer", "Batch", "Problem"} <= references
    query = {one["name"]: one for one in document["paths"]["/v1/eligibility"]["get"]["parameters"]}
    assert query["code"]["required"]
    assert {"party", "as_known_at", "lang", "on"} <= set(query)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_text_that_the_database_refuses_is_a_fault_of_the_question(database_url: str, world: World) -> None:
    """PostgreSQL takes no NUL, and neither takes half a surrogate pair: no fault of ours, and nothing to log as one."""
    database = Database(database_url)
    for text in ("\x00", "\ud800"):
        with database.reading() as connection, pytest.raises((DataError, UnicodeEncodeError)) as refused:
            connection.execute(select(literal(text)))
        answer = problems.answer(refused.value, b"", world.service)
        assert (answer.status_code, json.loads(bytes(answer.body))["code"]) == (422, "question-invalid")
    database.close()


def test_what_can_be_done_to_an_address_is_named_whole(world: World) -> None:
    for method, path, allowed in (
        ("DELETE", "/v1/eligibility", "GET, POST"),
        ("PUT", "/v1/stops", "GET, POST"),
        ("GET", "/exchange", "POST"),
    ):
        answer = world.client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_the_document_names_for_each_route_the_answers_there_are_and_no_others(world: World) -> None:
    document = world.client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            done = [status for status in operation["responses"] if status.startswith("2")]
            expected = 2 if path == "/v1/domestic/held/{number}/confirm" else 1  # done, or waiting for a second person
            assert len(done) == expected, (method, path, done)
            assert all(one["content"] for one in operation["responses"].values()), (method, path)
    assert {*document["paths"]["/v1/stops"]["post"]["responses"]} == {"201", "default"}
    assert [*document["paths"]["/v1/eligibility/stream"]["post"]["responses"]["200"]["content"]] == ["application/x-ndjson"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "not-found"),
        ("PUT", "/exchange", 405, "method-not-allowed"),
        ("DELETE", "/v1/eligibility", 405, "method-not-allowed"),
        ("GET", "/v1/eligibility/", 404, "not-found"),
    ],
)
def test_what_is_not_there_is_a_problem_too(method: str, path: str, status: int, code: str, world: World) -> None:
    answer = world.client.request(method, path, follow_redirects=False)
    assert (answer.status_code, answer.headers["content-type"], answer.json()["code"]) == (status, "application/problem+json", code)
    assert ("allow" in answer.headers) == (status == 405)


def test_a_problem_says_what_where_and_what_to_do_in_either_language(world: World) -> None:
    headers = world.token(TokenScope.CLEARANCE_READ)
    english, chinese = (
        world.client.get(f"/v1/eligibility?mode=x&lang={lang}&code=A", headers=headers).json() for lang in ("en", "zh")
    )
    assert set(english) == {"type", "title", "status", "detail", "code", "remedy", "field"}
    assert english["type"] == "urn:aeo-gateway:problem:question-invalid"
    assert english["title"] != chinese["title"]
    assert english["remedy"] != chinese["remedy"]


def test_a_fault_is_logged_once_and_tells_the_caller_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    headers = world.token(TokenScope.CLEARANCE_READ)

    def fails(*_: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(world.answers, "answer", fails)
    monkeypatch.setattr(world.index, "get", fails)
    with caplog.at_level(logging.ERROR, "gateway"):
        for path in ("/v1/eligibility?code=SG1", "/v1/operators/SG123456789012"):
            answer = world.client.get(path, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (500, "internal")
            assert "secret" not in answer.text
    assert [record.message for record in caplog.records] == ["a request failed"] * 2


def test_a_log_line_is_one_json_object_whatever_strangers_write(world: World, caplog: pytest.LogCaptureFixture) -> None:
    written = "A\nINFO all is well \x1b[31m \u202e"
    with caplog.at_level(logging.DEBUG, "gateway"):
        headers = world.token(TokenScope.CLEARANCE_READ)
        world.client.get("/v1/eligibility", params={"code": written, "mode": written}, headers=headers)
        world.client.get("/v1/eligibility", params={"code": written}, headers={"Authorization": "Bearer x"})
        world.client.get("/v1/stops", headers=headers)
        world.client.post("/v1/stops", headers=headers)
        try:
            raise ValueError(written)
        except ValueError:
            logging.getLogger("gateway.test").exception("%s", written, extra={"facts": {"said": written}})
    lines = [Lines().format(record) for record in caplog.records if record.name.startswith("gateway")]
    assert all(line.isprintable() and line.isascii() for line in lines)
    said = [json.loads(line) for line in lines]
    assert [one["message"] for one in said[:-1]] == ["refused: question-invalid", "refused: unauthenticated", "refused: forbidden"]
    assert set(said[2]["facts"]) == {"token"}
    assert (said[-1]["message"], said[-1]["facts"]["said"]) == (written, written)
    assert "ValueError" in said[-1]["trace"]


def test_logging_is_set_up_as_such_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    set_up()
    logging.getLogger("gateway.test").warning("a\nb")
    assert json.loads(capsys.readouterr().err)["message"] == "a\nb"


def test_a_bucket_refills_and_holds_no_more_than_it_may() -> None:
    now = 0.0
    limiter = Limiter(3_000, lambda: now)
    limiter.take("a", 3_000)
    with pytest.raises(Refusal) as refused:
        limiter.take("a", 1)
    assert (refused.value.code, refused.value.facts) == (Code.TOO_MANY_REQUESTS, {"retry_after": "1"})
    limiter.take("b", 3_000)
    now = 0.5
    assert limiter.wait("a", 1_500) == 0
    assert limiter.wait("a", 300) == pytest.approx(0.1)
    now = 1_000.0
    assert limiter.wait("a", 3_001) > 0
    assert limiter.wait("a", 3_000) == 0


@pytest.mark.parametrize("number", [10**20, -(10**20)])
@pytest.mark.parametrize(
    "path", ["/v1/stops/{}/lift", "/v1/disruptions/{}/end", "/v1/voids/{}/confirm", "/v1/domestic/held/{}/confirm"]
)
def test_a_number_that_no_row_can_have_is_no_failure_of_ours(path: str, number: int, world: World) -> None:
    answer = world.client.post(path.format(number), json={"reason": "r"}, headers=world.token(*TokenScope))
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


@pytest.mark.parametrize("number", ["9" * 25, "\N{SUPERSCRIPT TWO}"])
def test_a_refused_message_of_no_possible_number_is_not_found(number: str, world: World) -> None:
    answer = world.client.get(f"/v1/messages/intake-{number}", headers=world.token(TokenScope.AUDIT_READ))
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
