"""The domestic feed over HTTP: what is taken, what is refused and why; and what is known, due, held and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.access import Scope
from gateway.exchange.tell import feed
from tests.rig.enterprises import DOWNGRADED, RECTIFYING, UNFORESEEN, made, made_uscc, row
from tests.rig.web import WebFixture

URL = "/v1/domestic/enterprises"
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def feeder(web: WebFixture) -> dict[str, str]:
    return web.token(Scope.DOMESTIC_WRITE, Scope.DOMESTIC_READ)


def lines(*rows: dict[str, Any]) -> str:
    return "\n".join(json.dumps({name: value for name, value in one.items() if value}, ensure_ascii=False) for one in rows)


def test_json_and_ndjson_say_the_same_and_the_same_again_does_nothing(web: WebFixture, feeder: dict[str, str]) -> None:
    first = web.client.put(URL, headers=feeder, json=[row(1), row(2)])
    assert (first.status_code, first.headers["Cache-Control"]) == (200, "no-store")
    assert first.json() == {
        "rows": 2,
        "taken": 2,
        "repeated": 0,
        "held": 0,
        "flagged": [],
        "refused": [],
        "queued": {},
        "unsaid": [],
    }
    again = web.client.put(URL, headers=feeder | NDJSON, content=lines(row(1), row(2)))
    assert (again.json()["taken"], again.json()["repeated"]) == (0, 2)


def test_good_rows_hold_even_where_others_are_refused(web: WebFixture, feeder: dict[str, str]) -> None:
    answer = web.client.put(
        URL, headers=feeder | NDJSON, content=lines(row(1), {**row(2), "tier": "AA"}, row(3)) + '\n{"uscc": 1\n\n[]'
    )
    assert answer.status_code == 207
    report = answer.json()
    assert (report["rows"], report["taken"]) == (5, 2)
    assert [(one["line"], one["field"], one["value"], one["code"]) for one in report["refused"]] == [
        (2, "tier", "AA", "code-unknown"),
        (4, None, None, "data-invalid"),
        (6, None, None, "data-invalid"),
    ]
    assert all(one["reason"] and one["remedy"] for one in report["refused"])
    assert web.client.get(f"{URL}/{made_uscc(3)}", headers=feeder).status_code == 200
    assert web.client.get(f"{URL}/{made_uscc(2)}", headers=feeder).status_code == 404


def test_a_feed_of_many_parts_has_one_report(web: WebFixture, feeder: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "AT_ONCE", 7)
    rows, wrong = made(60, faulty=10)
    report = web.client.put(URL, headers=feeder, json=rows).json()
    assert (report["rows"], report["taken"]) == (60, 50)
    assert [(one["line"] - 1, one["field"]) for one in report["refused"]] == sorted(wrong.items())


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("text/csv", b"uscc", 415, "media-type"),
        ("application/json; charset=gb18030", b"[]", 415, "media-type"),
        ("", b"[]", 415, "media-type"),
        ("application/json", b"{}", 422, "data-invalid"),
        ("application/json", b"[", 422, "data-invalid"),
        ("application/json", b"\xff", 422, "data-invalid"),
        ("application/json", b"[" * 100_000, 422, "data-invalid"),
    ],
)
def test_what_is_no_feed_at_all(
    content_type: str, body: bytes, status: int, code: str, web: WebFixture, feeder: dict[str, str]
) -> None:
    answer = web.client.put(URL, headers=feeder | {"Content-Type": content_type}, content=body)
    assert (answer.status_code, answer.json()["code"], answer.headers["Content-Type"]) == (
        status,
        code,
        "application/problem+json",
    )


def test_an_empty_feed_is_a_feed(web: WebFixture, feeder: dict[str, str]) -> None:
    assert web.client.put(URL, headers=feeder, content="[]").status_code == 415
    assert web.client.put(URL, headers=feeder, json=[]).json()["rows"] == 0
    assert web.client.put(URL, headers=feeder | NDJSON, content=b"").json()["rows"] == 0


def test_how_an_enterprise_stands(web: WebFixture, feeder: dict[str, str]) -> None:
    web.client.put(URL, headers=feeder, json=[row(1), row(1, **RECTIFYING)])
    shown = web.client.get(f"{URL}/{made_uscc(1)}", headers=feeder).json()
    assert (shown["day"], shown["tier"], shown["measures"], shown["listed"]) == (
        "2026-06-15",
        "advanced-certified",
        "rectifying",
        False,
    )
    assert [(step["value"], step["since"]) for step in shown["enterprise"]["measures"]] == [
        ("active", "2026-04-01"),
        ("rectifying", "2026-06-10"),
    ]
    for code in ("9900000001", "AEOCN9900000001", "CN9900000001"):
        assert web.client.get(f"{URL}/{code}", headers=feeder).json() == shown
    assert web.client.get(f"{URL}/9900000001/told", headers=feeder).json() == {"uscc": made_uscc(1), "told": []}


@pytest.mark.parametrize("identity", ["91999999000000002N", "9900000002", "%00", "%ff", "１２３", "企业", "9" * 3000, "a%2Fb", "'"])
def test_whatever_a_path_holds_is_found_or_not_found(identity: str, web: WebFixture, feeder: dict[str, str]) -> None:
    for path in (identity, f"{identity}/told"):
        answer = web.client.get(f"{URL}/{path}", headers=feeder)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_what_waits_for_a_person_is_confirmed_by_one(web: WebFixture, feeder: dict[str, str]) -> None:
    web.client.put(URL, headers=feeder, json=[row(1)])
    web.client.put(URL, headers=feeder | NDJSON, content=lines(row(1, **DOWNGRADED)))
    report = web.client.put(URL, headers=feeder | NDJSON, content=lines(row(1, **UNFORESEEN))).json()
    (flagged,) = report["flagged"]
    assert (report["held"], flagged["line"], flagged["uscc"]) == (1, 1, made_uscc(1))
    (held,) = web.client.get("/v1/domestic/held", headers=feeder).json()["held"]
    assert (held["id"], held["note"], held["record"]["tier"]) == (flagged["record"], flagged["note"], "advanced-certified")
    address = f"/v1/domestic/held/{held['id']}/confirm"
    assert web.client.post(address, headers=feeder).status_code == 403
    person = web.token(Scope.DOMESTIC_CONFIRM)
    assert web.client.post(address, headers=person).json() == {"uscc": made_uscc(1), "queued": {}, "unsaid": []}
    assert web.client.get(f"{URL}/{made_uscc(1)}", headers=feeder).json()["tier"] == "advanced-certified"
    assert web.client.get("/v1/domestic/held", headers=feeder).json() == {"held": []}
    for number in (held["id"], 10**30):
        gone = web.client.post(f"/v1/domestic/held/{number}/confirm", headers=person)
        assert (gone.status_code, gone.json()["code"]) == (404, "not-found")


def test_two_people_confirm_where_the_settings_ask_for_it(tmp_path: Path) -> None:
    web = WebFixture(tmp_path, two_people=True)
    feeder = web.token(Scope.DOMESTIC_WRITE, Scope.DOMESTIC_READ)
    for said in ({}, DOWNGRADED, UNFORESEEN):
        report = web.client.put(URL, headers=feeder | NDJSON, content=lines(row(1, **said))).json()
    number = report["flagged"][0]["record"]
    address = f"/v1/domestic/held/{number}/confirm"
    one, same, two = (web.person(name) for name in ("A. One", "A. One", "B. Two"))
    for who in (one, same):
        waits = web.client.post(address, headers=who)
        assert (waits.status_code, waits.json()["record"], waits.json()["proposed_by"]) == (202, number, "A. One")
        assert "when a second person confirms the very same record" in waits.json()["detail"]
    assert web.client.get(f"{URL}/{made_uscc(1)}", headers=feeder).json()["tier"] == "general-compliance"
    assert web.client.post(address, headers=two).json() == {"uscc": made_uscc(1), "queued": {}, "unsaid": []}
    assert web.client.get(f"{URL}/{made_uscc(1)}", headers=feeder).json()["tier"] == "advanced-certified"
    described = web.client.get("/openapi.json").json()["paths"]["/v1/domestic/held/{number}/confirm"]["post"]["responses"]
    assert described["202"]["content"]["application/json"]["schema"]["$ref"].endswith("/ProposedRecord")
    web.close()


def test_what_is_due(web: WebFixture, feeder: dict[str, str]) -> None:
    soon, later = row(1, recertify_by="2026-07-01"), row(2, recertify_by="2026-12-01")
    late = row(3, measure_status="rectifying", measure_since="2025-06-01", tier_since="2025-06-01")
    web.client.put(URL, headers=feeder, json=[soon, later, late])
    due = web.client.get("/v1/domestic/deadlines", headers=feeder).json()["deadlines"]
    assert [(one["uscc"], one["due"], one["days_left"]) for one in due] == [
        (made_uscc(3), "rectification", -14),
        (made_uscc(1), "re-certification", 16),
    ]
    wide = web.client.get("/v1/domestic/deadlines?within=365", headers=feeder).json()["deadlines"]
    assert [one["uscc"] for one in wide] == [made_uscc(3), made_uscc(1), made_uscc(2)]
    for query in ("within=-1", "within=x", "until=3", "within=99999999999"):
        answer = web.client.get(f"/v1/domestic/deadlines?{query}", headers=feeder)
        assert (answer.status_code, answer.json()["code"]) == (422, "question-invalid")
