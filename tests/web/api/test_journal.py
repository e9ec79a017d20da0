"""The journal over HTTP: what it says, page by page, the checkpoints that seal it, and the proof of one message."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any

import pytest
from sqlalchemy import insert

from gateway.core.access import Scope
from gateway.journal import audit, proof
from gateway.store import jobs
from gateway.store.tables import announced
from gateway.views import entries
from tests.rig.web import WebFixture


@pytest.fixture
def headers(web: WebFixture) -> dict[str, str]:
    return web.token(Scope.AUDIT_READ, Scope.EXCHANGE_READ, name="an auditor")


def get(web: WebFixture, headers: dict[str, str], path: str, **query: Any) -> Any:
    answer = web.client.get(path, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def every(web: WebFixture, headers: dict[str, str], **query: Any) -> list[Any]:
    """Page by page to the end."""
    found, after = list[Any](), dict[str, Any]()
    while True:
        part = get(web, headers, "/v1/journal", **query, **after)
        found += part["entries"]
        if part["next"] is None:
            return found
        after = {"after": part["next"]}


def test_every_entry_is_found_once_and_by_what_it_is(
    web: WebFixture, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    web.listed("SG", 2)
    stopper = web.token(Scope.STOP_WRITE, name="Zhang San")
    web.client.post("/v1/stops", json={"what": "arrangement", "subject": "HK", "reason": "r"}, headers=stopper)
    whole = every(web, headers)
    assert [one["id"] for one in whole] == sorted((one["id"] for one in whole), reverse=True)
    assert whole[0]["kind"] == "switch"
    assert "at" not in whole[0]["says"]
    assert every(web, headers, most=1) == whole
    assert {one["partner"] for one in every(web, headers, partner="sg")} == {"SG"}
    assert [one["subject"] for one in every(web, headers, kind="message")] == web.journal("message")[::-1]
    assert [one["kind"] for one in every(web, headers, who="Zhang San")] == ["switch"]
    subject = whole[-1]["subject"]
    assert whole[-1] in every(web, headers, subject=subject)
    monkeypatch.setattr(entries, "LOOK", 3)
    first = get(web, headers, "/v1/journal", who="nobody")
    assert (first["entries"], first["next"]) == ([], whole[0]["id"] - 2), "it looked no further, and others follow"
    assert [one["kind"] for one in every(web, headers, who="Zhang San")] == ["switch"]
    assert every(web, headers) == whole


def test_checkpoints_are_given_with_their_signatures(web: WebFixture, headers: dict[str, str]) -> None:
    sizes = []
    for _ in range(3):
        web.listed("SG", 1)
        web.later(minutes=1)
        web.seal()
        with web.node.database.reading() as connection:
            sizes.append(entries.checkpoints(connection)[0][0].size)
    first = get(web, headers, "/v1/journal/checkpoints", most=2)
    rest = get(web, headers, "/v1/journal/checkpoints", after=first["next"])
    shown = [*first["checkpoints"], *rest["checkpoints"]]
    assert [one["size"] for one in shown] == sizes[::-1]
    for one in shown:
        assert one["certificate"] == web.ours.fingerprint
        signature = base64.b64decode(one["signature"])
        assert audit.signed_by(web.ours.certificate, one["algorithm"], signature, one["note"].encode())


def test_the_journal_is_to_be_read_again_as_a_job(web: WebFixture, headers: dict[str, str]) -> None:
    keyed = headers | {"Idempotency-Key": "again"}
    begun = web.client.post("/v1/journal/verify", json={}, headers=keyed)
    assert begun.status_code == 202, begun.text
    assert web.client.post("/v1/journal/verify", json={}, headers=keyed).headers["Location"] == begun.headers["Location"]
    one = get(web, headers, begun.headers["Location"])
    assert one == begun.json()
    assert (one["kind"], one["who"], one["state"]) == ("journal-verify", "an auditor", "waiting")
    refused = web.client.post("/v1/journal/verify", json={"witnesses": ["<a/>"]}, headers=headers)
    assert (refused.status_code, refused.json()["field"]) == (422, "witnesses[0]")
    refused = web.client.post("/v1/journal/verify", json={"witnesses": ["no"]}, headers=headers)
    assert (refused.status_code, refused.json()["field"]) == (400, "witnesses[0]")


def test_a_job_is_shown_to_who_might_have_asked_for_it(web: WebFixture, headers: dict[str, str]) -> None:
    address = web.client.post("/v1/journal/verify", json={}, headers=headers).headers["Location"]
    other = web.token(Scope.EXCHANGE_READ, Scope.PARTNER_ADMIN)
    assert get(web, other, "/v1/jobs") == {"jobs": [], "next": None}
    for path in (address, f"{address}/result"):
        assert web.client.get(path, headers=other).json()["code"] == "forbidden"
    assert web.client.get(f"{address}/result", headers=headers).json()["code"] == "not-found"
    number = int(address.rpartition("/")[2])

    def finish(connection: Any) -> None:
        one = jobs.take(connection, ("journal-verify",), "here", now=web.now, until=web.now)
        assert one is not None
        jobs.finish(connection, one, at=web.now, sentence="It is done.", body=b'{"fault":null}')

    web.do(finish)
    assert get(web, headers, f"{address}/result") == {"fault": None}
    listed = get(web, headers, "/v1/jobs", kind="journal-verify", state="done")["jobs"]
    assert [(one["id"], one["sentence"]) for one in listed] == [(number, "It is done.")]
    assert get(web, headers, "/v1/jobs", state="waiting")["jobs"] == []


def test_the_evidence_of_a_message_is_one_file_that_anybody_can_check(web: WebFixture, headers: dict[str, str]) -> None:
    web.listed("SG", 1)
    (message_id,) = web.journal("message")
    (pin,) = web.node.trust.trust_of("SG").pins
    values = {"fingerprint": pin.fingerprint, "certificate": pin.der, "since": web.now, "message_id": "m", "proven": True}
    web.do(lambda connection: connection.execute(insert(announced).values(role="signing", partner="SG", **values)))
    web.seal()
    answer = web.client.get(f"/v1/messages/{message_id}/evidence", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip"), answer.text
    assert f'filename="evidence-{message_id}.zip"' in answer.headers["Content-Disposition"]
    assert "README.txt" in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    checks = proof.verify(answer.content)
    assert [one for one in checks if one.holds is False] == []
    for path in ("/v1/messages/nothing/evidence", f"/v1/messages/{message_id}/evidence?partner=HK"):
        assert web.client.get(path, headers=headers).json()["code"] == "not-found"
