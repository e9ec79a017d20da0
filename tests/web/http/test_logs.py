"""A line of the log is one JSON object, whatever strangers write."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from gateway.core.access import Scope
from gateway.web.http import logs
from gateway.web.http.logs import Folding, Lines, set_up
from tests.rig.logged import logged
from tests.rig.web import WebFixture


def test_a_log_line_is_one_json_object_whatever_strangers_write(web: WebFixture, caplog: pytest.LogCaptureFixture) -> None:
    written = "A\nINFO all is well \x1b[31m \u202e"
    with caplog.at_level(logging.DEBUG, "gateway"):
        headers = web.token(Scope.CLEARANCE_READ)
        web.client.get("/v1/eligibility", params={"code": written, "mode": written}, headers=headers)
        web.client.get("/v1/eligibility", params={"code": written}, headers={"Authorization": "Bearer x"})
        web.client.get("/v1/stops", headers=headers)
        web.client.post("/v1/stops", headers=headers)
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


class Folded:
    """A log that folds, by a clock that the test sets; what it writes."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.now, self._capsys = 0.0, capsys
        capsys.readouterr()
        self.handler = Folding(lambda: self.now)
        self.handler.setFormatter(Lines())
        self.log = logging.Logger("gateway.test")
        self.log.addHandler(self.handler)

    def fail(self, number: int, problem: str = "gone") -> None:
        try:
            raise OSError(problem)
        except OSError:
            self.log.exception("request %d failed", number)

    def written(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._capsys.readouterr().err.splitlines()]


def test_a_fault_that_repeats_is_written_once_a_minute_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    told = Folded(capsys)
    for second in range(3600):
        told.now = float(second)
        for number in range(5):
            told.fail(number)
    told.handler.close()
    lines = told.written()
    assert len(lines) == 120
    assert sum(line.get("folded", 1) for line in lines) == 5 * 3600
    assert all(("trace" in line) != ("folded" in line) for line in lines)


def test_another_fault_is_not_folded_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    told = Folded(capsys)
    told.fail(1)
    told.fail(2, "another")
    told.log.warning("a warning")
    assert len(told.written()) == 3


def test_of_refusals_that_are_the_same_some_are_written_and_all_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    told = Folded(capsys)
    for number in range(1000):
        told.log.info("refused", extra={"same": ("1.2.3.4",), "request": str(number)})
    told.log.info("refused", extra={"same": ("5.6.7.8",)})
    assert len(told.written()) == logs.REFUSALS + 1
    told.handler.close()
    (last,) = told.written()
    assert (last["folded"], last["request"]) == (1000 - logs.REFUSALS, "999")


def test_what_must_be_found_by_an_inquiry_is_never_folded(capsys: pytest.CaptureFixture[str]) -> None:
    told = Folded(capsys)
    for _ in range(50):
        told.log.info("received", extra={"partner": "SG", "outcome": "duplicate"})
    assert len(told.written()) == 50


def test_who_makes_up_many_sorts_of_refusals_does_not_fill_memory_or_log(capsys: pytest.CaptureFixture[str]) -> None:
    told = Folded(capsys)
    for number in range(5 * logs.SORTS):
        told.log.info("refused", extra={"same": (number,)})
    assert len(told.written()) == logs.SORTS + logs.REFUSALS
    told.fail(1)
    assert ["trace" in line for line in told.written()] == [True]  # nor hide a fault
    told.handler.close()
    assert [line["folded"] for line in told.written()] == [4 * logs.SORTS - logs.REFUSALS]


def test_what_is_not_named_to_be_logged_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    told = Folded(capsys)
    told.log.info("said", extra={"payload": "<xml>", "secret": "1234", "kind": "notice"})
    (line,) = told.written()
    assert set(line) == {"at", "level", "logger", "message", "kind"}


def test_each_message_that_came_is_a_line_whatever_became_of_it(web: WebFixture) -> None:
    box = web.boxes["SG"]
    box.make_up(3)
    message, wrong = box.full_list(), b"<a/>"
    with logged("gateway.exchange.receive.receive") as lines:
        for body in (message, message, wrong):
            web.client.post("/exchange", content=body, headers={"Content-Type": "application/xml", "X-Request-Id": "abc"})
    assert [line["outcome"] for line in lines] == ["accepted", "duplicate", "quarantined"]
    for line in lines[:2]:
        assert (line["partner"], line["kind"], line["request"]) == ("SG", "list", "abc")
        assert line["id"]
    assert all(line["intake"] and line["ms"] > 0 and line["address"] == "testclient" for line in lines)
    assert lines[2]["code"]
    assert lines[2]["message"] == "received"


def test_what_cannot_be_written_harms_nobody_who_logs_it(capsys: pytest.CaptureFixture[str]) -> None:
    told = Folded(capsys)
    told.log.warning("%d", "no number")
    told.log.warning("the next")
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["message"] == "the next"
