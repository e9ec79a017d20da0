"""A partner is brought live over HTTP, and taken back: from the data on disk to what every node runs."""

from __future__ import annotations

import asyncio
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gateway import app
from gateway.core.access import Scope
from gateway.running.jobs import Jobs
from gateway.store import partners
from tests.rig.web import WebFixture

pytestmark = pytest.mark.process

REASON = {"reason": "agreed in the working group"}
SITE = """
[terms]
threshold = [{ from = 2021-11-01, value = 7, setting = "chosen for a test" }]
"""


@pytest.fixture
def headers(web: WebFixture) -> dict[str, str]:
    return web.token(Scope.PARTNER_ADMIN, Scope.EXCHANGE_READ, name="A. One")


def site(web: WebFixture, text: str) -> None:
    """Settings of this installation, laid over Singapore's data on disk."""
    folder = web.settings.site / "sg"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.toml").write_text(text, "utf-8")


def post(web: WebFixture, headers: dict[str, str], path: str, status: int = 200, body: Any = REASON) -> Any:
    answer = web.client.post(path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def get(web: WebFixture, headers: dict[str, str], path: str, status: int = 200) -> Any:
    answer = web.client.get(path, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


def in_force(web: WebFixture, iso: str) -> Any:
    with web.database.reading() as connection:
        return partners.in_force_at(connection, iso, web.now)


def test_what_is_on_disk_is_checked_compared_and_put_in_force_once_under_a_key(web: WebFixture, headers: dict[str, str]) -> None:
    before = in_force(web, "SG")[1]
    same = get(web, headers, "/v1/partners/sg/diff")
    assert (same["before"], same["after"], same["changes"]) == (before, before, [])
    site(web, SITE)
    checked = get(web, headers, "/v1/partners/SG/check")
    assert checked["passed"], checked
    differs = get(web, headers, "/v1/partners/SG/diff")
    assert (differs["before"], differs["after"]) == (before, checked["digest"])
    assert differs["changes"]
    keyed = headers | {"Idempotency-Key": "activate"}
    done = post(web, keyed, "/v1/partners/SG/activate")
    assert (done["state"], done["digest"]) == ("active", checked["digest"])
    assert in_force(web, "SG") == ("active", checked["digest"])
    assert post(web, keyed, "/v1/partners/SG/activate") == done
    assert post(web, headers, "/v1/partners/SG/activate")["detail"].startswith("Nothing changed")


def test_where_it_takes_two_the_first_proposes_the_very_data(tmp_path: Path) -> None:
    with WebFixture(tmp_path, two_people=True) as web:
        site(web, SITE)
        one, two = web.person("A. One"), web.person("B. Two")
        proposed = post(web, one, "/v1/partners/SG/activate", 202)
        assert (proposed["state"], in_force(web, "SG")[1] == proposed["digest"]) == ("proposed", False)
        assert post(web, one, "/v1/partners/SG/activate", 202)["state"] == "proposed"
        assert post(web, two, "/v1/partners/SG/activate")["state"] == "active"


def test_every_fault_of_the_data_is_named_at_once(web: WebFixture, headers: dict[str, str]) -> None:
    site(web, "[binding]\nendpoint = 5\nretry = 7\n")
    checked = get(web, headers, "/v1/partners/SG/check")
    assert (checked["passed"], checked["digest"]) == (False, "")
    for method, path in (("get", "diff"), ("post", "activate"), ("post", "rehearse"), ("get", "kit")):
        body = {"json": REASON if path == "activate" else {}} if method == "post" else {}
        refused = web.client.request(method, f"/v1/partners/SG/{path}", headers=headers, **body)
        assert (refused.status_code, refused.json()["code"]) == (422, "data-invalid"), path
        assert "endpoint" in refused.json()["detail"]
        assert "retry" in refused.json()["detail"]
    assert get(web, headers, "/v1/partners/S1/check", 422)["field"] == "path.iso"
    assert web.client.get("/v1/partners/..%2F/check", headers=headers).status_code in (404, 422)


def test_exchange_is_suspended_resumed_and_ended(web: WebFixture, headers: dict[str, str]) -> None:
    for step, state in (("suspend", "suspended"), ("resume", "active"), ("retire", "retired")):
        assert post(web, headers, f"/v1/partners/hk/{step}") == {"iso": "HK", "state": state}
        web.later(seconds=1)
        assert in_force(web, "HK")[0] == state
    assert post(web, headers, "/v1/partners/HK/resume", 422)["code"] == "data-invalid"
    assert post(web, headers, "/v1/partners/QQ/suspend", 404)["code"] == "not-found"
    assert post(web, headers, "/v1/partners/SG/suspend", 422, {"reason": " "})["field"] == "reason"


def test_the_kit_is_one_file(web: WebFixture, headers: dict[str, str]) -> None:
    answer = web.client.get("/v1/partners/SG/kit?endpoint=https://gateway.example/exchange", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert "aeo-kit-sg/profile.md" in names
    assert get(web, headers, "/v1/partners/SG/kit?endpoint=ftp://x", 422)["field"] == "endpoint"


def test_certificates_are_shown_with_whether_they_may_be_relied_on(web: WebFixture, headers: dict[str, str]) -> None:
    (pin,) = web.trust.trust_of("SG").pins
    (one,) = get(web, headers, "/v1/partners/sg/certificates")["certificates"]
    assert (one["fingerprint"], one["role"], one["relied_on"], one["proven"]) == (pin.fingerprint, "signing", True, True)
    web.now = pin.not_after
    web.later(days=1)
    (one,) = get(web, web.token(Scope.EXCHANGE_READ), "/v1/partners/SG/certificates")["certificates"]
    assert one["relied_on"] is False
    assert one["detail"]
    assert get(web, web.token(Scope.EXCHANGE_READ), "/v1/partners/QQ/certificates", 404)["field"] == "iso"


@pytest.mark.process
@pytest.mark.long
def test_a_rehearsal_is_a_job_and_its_report_the_result(web: WebFixture, headers: dict[str, str]) -> None:
    begun = web.client.post("/v1/partners/SG/rehearse", json={}, headers=headers)
    assert (begun.status_code, begun.json()["partner"]) == (202, "SG"), begun.text
    assert asyncio.run(Jobs(web.node, app.long_work()).step())
    address = begun.headers["Location"]
    ended = get(web, headers, address)
    assert (ended["state"], ended["sentence"]) == ("done", f"{ended['of']} steps passed.")
    report = get(web, headers, f"{address}/result")
    assert (report["iso"], report["passed"]) == ("SG", True)
    assert web.journal("rehearsal") == [report["digest"]]
