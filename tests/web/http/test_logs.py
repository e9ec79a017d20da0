"""A line of the log is one JSON object, whatever strangers write."""

from __future__ import annotations

import json
import logging

import pytest

from gateway.core.access import Scope
from gateway.web.http.logs import Lines, set_up
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
