"""Every vector of tests/vectors/clearance: what is asked, by whom, and what a person then reads, within the bounds of a hostile input.

The heads of the files explain the fields. ``{known}`` stands for the code of an operator that is eligible, ``{token}`` for a token that may do
everything. Whatever is asked, no standing changes, and nobody is granted anything but by the controls.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from lxml import html
from lxml.builder import E

from gateway.cli.main import app
from gateway.core.access import Scope
from gateway.core.errors import Code, Refusal
from gateway.core.model import Standing
from gateway.core.text import visible
from gateway.domestic.readfile import write_report
from gateway.onboarding.page import page
from gateway.store.database import Database
from gateway.web.http.logs import Lines
from tests.rig.bounds import answer
from tests.rig.vectors import load
from tests.rig.web import WebFixture
from tests.web.http.test_transport import said, standings

pytestmark = pytest.mark.long

PATH = "/v1/eligibility"
VECTORS = load("clearance")
QUESTIONS = [one for one in VECTORS if {"declared", "count", "body", "query"} & one.keys() and "path" not in one]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFixture]:
    with WebFixture(tmp_path_factory.mktemp("clearance")) as made:
        made.listed()
        yield made


@pytest.fixture(scope="module")
def asking(web: WebFixture) -> dict[str, str]:
    return web.token(Scope.CLEARANCE_READ)


def known(web: WebFixture) -> str:
    return next(iter(web.boxes["SG"].operators))


@pytest.mark.parametrize("vector", QUESTIONS, ids=lambda vector: vector["id"])
def test_question(vector: dict[str, Any], web: WebFixture, asking: dict[str, str]) -> None:
    if "declared" in vector:
        declared = vector["declared"].replace("{known}", known(web)).replace(vector.get("old", "\0"), vector.get("new", "\0"))
        body = json.dumps({"codes": [declared * vector.get("times", 1), "SG1"]}).encode()
    elif "count" in vector:
        body = json.dumps({"codes": ["SG123456789012"] * vector["count"]}).encode()
    else:
        body = (vector.get("body", "") * vector.get("times", 1)).encode()
    before = standings(web)

    def ask() -> Any:
        if "query" in vector:
            return web.client.get(f"{PATH}?{vector['query']}", headers=asking)
        return web.client.post(PATH, content=body, headers=asking)

    # A question of 3,000 codes is no attack; answering it may cost what 3,000 answers cost.
    response: Any = ask() if not vector.get("attack", True) else answer(ask, len(body))
    assert said(response) == vector["code"], response.text[:500]
    assert not any(one["grant"] for one in response.json().get("answers", []))
    assert standings(web) == before


@pytest.mark.parametrize("vector", [one for one in VECTORS if "path" in one], ids=lambda vector: vector["id"])
def test_access(vector: dict[str, Any], web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = web.token(*Scope)["Authorization"].removeprefix("Bearer ")
    headers = {name: text.replace("{token}", secret) for name, text in vector.get("headers", {}).items()}
    if "scopes" in vector:
        headers |= web.token(*map(Scope, vector["scopes"]))
    body = vector.get("body", "").encode()
    if "codes" in vector:
        body = json.dumps({"codes": ["SG1"] * vector["codes"]}).encode()
    path, before = vector["path"].replace("{token}", secret).replace("{known}", known(web)), standings(web)
    if "rate" in vector:
        monkeypatch.setattr(web.service.limiter, "_rate", vector["rate"])
        monkeypatch.setattr(web.service.limiter, "_capacity", float(max(1, vector.get("codes", 1))))

    def ask() -> Any:
        return web.client.request(vector.get("method", "GET"), path, content=body, headers=headers)

    if vector.get("spent"):
        assert ask().status_code == 200
    response = answer(ask, len(body))
    assert isinstance(response, httpx.Response)
    assert said(response) == vector["code"], response.text
    assert "set-cookie" not in response.headers
    assert not [name for name in response.headers if name.startswith("access-control-")]
    assert standings(web) == before
    assert ("retry-after" in response.headers) == (vector["code"] == "too-many-requests")


@pytest.mark.parametrize("vector", [one for one in VECTORS if "name" in one], ids=lambda vector: vector["id"])
def test_a_name(vector: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    opened.migrate()  # the command looks at it too
    opened.close()
    web = WebFixture(tmp_path)
    code, *_ = web.listed()
    box = web.boxes["SG"]
    box.operators[code] = msgspec.structs.replace(box.operators[code], name=vector["name"])
    web.later(hours=1)
    web.send(box.full_list())
    headers = web.token(Scope.CLEARANCE_READ, Scope.AUDIT_READ)
    shown = answer(lambda: web.client.get(f"/v1/operators/{code}", headers=headers), 0)
    assert isinstance(shown, httpx.Response)
    assert shown.headers["content-type"] == "application/json", "no browser takes it for a page"
    assert shown.json()["statements"][-1]["statement"]["name"] == vector["name"], "and it is there as it was signed"
    web.close()
    # In a terminal, and on a page for people.
    monkeypatch.setenv("AEO_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "400")
    terminal = io.StringIO()
    with redirect_stdout(terminal), pytest.raises(SystemExit):
        app(["operator", "show", code])
    assert vector["name"].replace("\u202e", "\\u202e") in terminal.getvalue().replace("\n", "")
    assert vector.get("never", "\0") not in terminal.getvalue()
    name = visible(vector["name"])
    made = html.fromstring(page(vector["name"], E.p(name, title=name)))
    (paragraph,) = made.iter("p")
    assert (made.findtext(".//title"), paragraph.text, dict(paragraph.attrib)) == (name, name, {"title": name})
    assert {element.tag for element in made.iter()} == {"html", "head", "meta", "title", "style", "body", "p"}


@pytest.mark.parametrize("vector", [one for one in VECTORS if "cell" in one], ids=lambda vector: vector["id"])
def test_a_cell(vector: dict[str, Any], tmp_path: Path) -> None:
    report = tmp_path / "refused.csv"
    fault = Refusal(Code.FIELD_INVALID, vector["cell"], field=vector["cell"], value=vector["cell"], remedy=vector["cell"])
    answer(lambda: write_report([(1, [fault])], report), 0)
    assert vector["never"] not in report.read_text("utf-8-sig")
    assert vector["cell"].strip() in report.read_text("utf-8-sig"), "and a person still reads what it was"


@pytest.mark.parametrize("vector", [one for one in VECTORS if "logged" in one], ids=lambda vector: vector["id"])
def test_a_line_of_the_log(
    vector: dict[str, Any], web: WebFixture, asking: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    text = vector["logged"]
    with caplog.at_level(logging.DEBUG, "gateway"):
        web.client.get(PATH, params={"code": text, "mode": text}, headers=asking | {"Client-Cert": "x"})
        web.client.get(PATH, params={text: text}, headers=asking)
        logging.getLogger("gateway.test").warning("%s", text, extra={"facts": {"said": text}})
    lines = [Lines().format(record) for record in caplog.records if record.name.startswith("gateway")]
    assert len(lines) == 3
    for line in lines:
        assert vector["never"] not in line
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line)["logger"].startswith("gateway")
    assert json.loads(lines[-1])["message"] == text


@pytest.mark.parametrize("vector", load("clearance", "late"), ids=lambda vector: vector["id"])
def test_late(vector: dict[str, Any], tmp_path: Path) -> None:
    web = WebFixture(tmp_path)
    code, *_ = web.listed()
    headers = web.token(Scope.CLEARANCE_READ)

    def ask() -> Any:
        return web.client.get(PATH, params={"code": code, "direction": "import"}, headers=headers)

    first = ask()
    assert first.json()["grant"]
    assert first.headers["cache-control"] == "no-store", "nobody on the way keeps it"
    if "standing" in vector:
        web.send(web.boxes["SG"].status_message(code, Standing(vector["standing"])))
    web.now += (web.index.bound / 5) * vector.get("seconds", 0)
    answered = answer(ask, 0)
    assert isinstance(answered, httpx.Response)
    response = answered.json()
    web.close()
    assert response["grant"] == vector.get("grant", False)
    assert [one["code"] for one in response["reasons"]] == ([] if vector.get("grant") else [vector["code"]])
