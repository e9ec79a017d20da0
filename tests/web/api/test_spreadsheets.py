"""A partner that mails spreadsheets, over HTTP: its file read by one person and confirmed by another, and ours written for it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core.access import Scope
from gateway.core.model import Standing
from gateway.wire.sheet import Columns, Sheet
from tests.rig.shipped import open_to_us
from tests.rig.web import WebFixture

MAPPED = (("UEN", "{tin}"), ("Company", "{name}?"), ("Status", "{standing|standing}"))
WORDS = {"standing": {"Active": "valid", "On hold": "suspended"}}
CODES = [f"SG12345678901{number}" for number in range(3)]
SCOPES = (Scope.EXCHANGE_READ, Scope.EXCHANGE_WRITE, Scope.LIST_DECIDE)
ADDRESS = "/v1/spreadsheets?partner=sg&file=list.csv&as_of=2026-06-01&reason=monthly"


@pytest.fixture
def web(tmp_path: Path) -> Any:
    with WebFixture(tmp_path) as made:
        made.bind("SG", endpoint=None, pull=False)
        live = made.live("SG")
        made.partners.put("SG", replace(live, bundle=replace(live.bundle, sheet=Sheet(Columns(MAPPED, WORDS, {}, {})))))
        yield made


def sheet(*rows: tuple[str, str]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([("UEN", "Company", "Status"), *((code, "Made-up Trading", status) for code, status in rows)])
    return out.getvalue().encode()


GOOD = sheet(*((code, "Active") for code in CODES))


def send(web: WebFixture, who: dict[str, str], body: bytes = GOOD, address: str = ADDRESS) -> Any:
    answer = web.client.post(address, content=body, headers=who | {"Content-Type": "application/octet-stream"})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_one_sends_it_another_confirms_and_the_next_answer_knows(web: WebFixture) -> None:
    one, two = web.person("A. One"), web.person("B. Two")
    keyed = one | {"Idempotency-Key": "june"}
    sent = send(web, keyed)
    assert send(web, keyed) == sent, "the answer was lost: it is given again"
    number = sent["transcription"]["id"]
    assert (sent["rows"], sent["refused"], sent["would"]["baseline"]) == (3, [], True)
    (listed,) = web.client.get("/v1/spreadsheets", headers=one).json()["transcriptions"]
    assert listed == sent["transcription"]
    shown = web.client.get(f"/v1/spreadsheets/{number}", headers=two).json()
    assert sorted(shown["would"]["granting"]) == CODES
    assert web.client.get(f"/v1/spreadsheets/{number}/file", headers=two).content == GOOD
    alone = web.client.post(f"/v1/spreadsheets/{number}/confirm", headers=one)
    assert (alone.status_code, alone.json()["code"]) == (422, "data-invalid")
    assert web.standing(CODES[0]) is None
    decided = two | {"Idempotency-Key": "confirm"}
    done = web.client.post(f"/v1/spreadsheets/{number}/confirm", headers=decided)
    assert (done.status_code, done.json()["outcomes"], done.json()["operators"]) == (200, {"accepted": 3}, 3), done.text
    assert web.client.post(f"/v1/spreadsheets/{number}/confirm", headers=decided).json() == done.json()
    assert web.standing(CODES[0]) is Standing.VALID
    again = web.client.post(f"/v1/spreadsheets/{number}/confirm", headers=two)
    assert (again.status_code, again.json()["code"]) == (422, "data-invalid")


def test_a_row_that_cannot_be_taken_is_named_and_a_complete_list_with_one_waits_for_nobody(web: WebFixture) -> None:
    who = web.token(*SCOPES)
    body = sheet((CODES[0], "Active"), (CODES[1], "Unheard of"))
    whole = send(web, who, body)
    assert whole["transcription"] is None
    (refused,) = whole["refused"]
    assert (refused["row"], refused["column"], refused["value"], refused["code"]) == (3, "Status", "Unheard of", "code-unknown")
    assert refused["remedy"]
    some = send(web, who, body, f"{ADDRESS}&update=true")
    assert (some["rows"], some["transcription"]["refused"]) == (1, 1)
    number = some["transcription"]["id"]
    asked = {"reason": "to be asked for again"}
    dropped = web.client.post(f"/v1/spreadsheets/{number}/discard", json=asked, headers=who)
    assert (dropped.status_code, dropped.json()["state"]) == (200, "discarded")
    assert web.client.post(f"/v1/spreadsheets/{number}/discard", json=asked, headers=who).json()["code"] == "data-invalid"


@pytest.mark.parametrize(
    ("changed", "status", "field"),
    [
        ("file=..%2Flist.csv", 422, "file"),
        ("file=list.pdf", 422, "file"),
        ("as_of=soon", 422, "as-of"),
        ("as_of=2030-01-01", 422, "as-of"),
        ("partner=QQ", 404, "partner"),
        ("reason=%20", 422, "reason"),
        ("scope=sg", 422, "scope"),
    ],
)
def test_what_is_not_clear_is_refused_with_its_field(web: WebFixture, changed: str, status: int, field: str) -> None:
    name = changed.partition("=")[0]
    parts = [part for part in ADDRESS.partition("?")[2].split("&") if not part.startswith(f"{name}=")]
    answer = web.client.post(f"/v1/spreadsheets?{'&'.join([*parts, changed])}", content=GOOD, headers=web.token(*SCOPES))
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text


def test_ours_is_written_once_under_a_key_and_noted_as_told(web: WebFixture) -> None:
    who = web.token(*SCOPES) | {"Idempotency-Key": "mail-1"}
    web.change("SG", **open_to_us(web.terms("SG")))
    refused = web.client.post("/v1/transcripts", json={"partner": "SG", "file": "ours.csv"}, headers=who)
    assert (refused.status_code, refused.json()["code"]) == (422, "data-invalid"), "nobody is known yet"
    web.feed(1)
    done = web.client.post("/v1/transcripts", json={"partner": "SG", "file": "ours.csv"}, headers=who)
    assert (done.status_code, done.json()["named"]) == (201, 1), done.text
    assert web.client.post("/v1/transcripts", json={"partner": "SG", "file": "ours.csv"}, headers=who).json() == done.json()
    assert web.queue("SG") == [("list", "mailed")]
    written = web.client.get(done.headers["Location"], headers=who)
    assert 'filename="ours.csv"' in written.headers["Content-Disposition"]
    rows = list(csv.reader(written.content.decode("utf-8-sig").splitlines()))
    assert rows[0] == ["UEN", "Company", "Status"]
    assert rows[1][0].startswith("AEOCN")
    assert web.client.get("/v1/transcripts/nothing", headers=who).json()["code"] == "not-found"
