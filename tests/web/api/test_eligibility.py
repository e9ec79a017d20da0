"""Clearance over HTTP: one code, many, a stream, a declaration; and every way of asking that is refused (hostile ones: tests/vectors/clearance)."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from gateway.core.access import Scope
from gateway.core.home import Tier
from gateway.core.model import Standing
from gateway.domestic.record import Record
from gateway.domestic.rules import MeasureStatus
from gateway.exchange.tell import feed
from gateway.web.api.eligibility import BATCH_LIMIT
from tests.rig.machine import REPO
from tests.rig.people import person
from tests.rig.web import WebFixture

PATH = "/v1/eligibility"


@pytest.fixture
def codes(web: WebFixture) -> list[str]:
    return web.listed("SG")


@pytest.fixture
def headers(web: WebFixture) -> dict[str, str]:
    return web.token(Scope.CLEARANCE_READ)


def ask(web: WebFixture, headers: dict[str, str], **query: Any) -> dict[str, Any]:
    answer = web.client.get(PATH, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_answer_says_what_why_and_on_what_ground(web: WebFixture, codes: list[str], headers: dict[str, str]) -> None:
    answer = web.client.get(PATH, params={"code": codes[0], "direction": "import"}, headers=headers)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert len(answer.content) < 2_000
    said = answer.json()
    assert (said["verdict"], said["grant"], said["arrangement"], said["on"]) == ("eligible", True, "SG", "2026-06-15")
    assert [one["measure"] for one in said["measures"]] == ["I", "P", "E"]
    assert said["measures"][0] == {
        "measure": "I",
        "scope": "declaration",
        "words": {"en": "lower inspection rate", "zh": "适用较低的查验率"},
        "clearance_code": None,
        "directions": ["import"],
        "source": "GACC announcement of 2013 on the China-Singapore arrangement",
    }
    (evidence,) = said["evidence"]
    assert evidence["says"] == "valid"
    assert len(evidence["digest"]) == 64
    assert said["data_as_of"] == evidence["issued"]
    assert said["data_age"] >= 0
    assert said["ask_again"] > said["moment"]
    assert said["arrangement_digest"] != said["law_digest"]


def test_a_notice_changes_the_very_next_answer(web: WebFixture, codes: list[str], headers: dict[str, str]) -> None:
    assert ask(web, headers, code=codes[0], direction="import")["grant"]
    web.send(web.boxes["SG"].status_message(codes[0], Standing.SUSPENDED))
    said = ask(web, headers, code=codes[0], direction="import")
    assert not said["grant"]
    (reason,) = said["reasons"]
    assert reason["code"] == "suspended"
    assert reason["sentence"] == reason["words"]["en"] != reason["words"]["zh"]
    assert ask(web, headers, code=codes[0], lang="zh")["reasons"][0]["sentence"] == reason["words"]["zh"]


def test_what_people_type_is_read_and_a_near_miss_is_only_suggested(
    web: WebFixture, codes: list[str], headers: dict[str, str]
) -> None:
    folded = ask(web, headers, code=f"AEO<{codes[0].lower()}>")
    assert (folded["code"], folded["warnings"][0]["code"]) == (codes[0], "code-folded")
    near = ask(web, headers, code=codes[0] + "0")
    assert not near["grant"]
    assert near["suggestions"] == [codes[0]]
    assert ask(web, headers, code="9" * 20_000)["suggestions"] == []


def test_many_codes_and_declarations_get_near_misses_too(web: WebFixture, codes: list[str], headers: dict[str, str]) -> None:
    missed = codes[0] + "0"
    batch = {"codes": [codes[1], missed, *[missed] * 25]}
    said = web.client.post(PATH, json=batch, headers=headers).json()["answers"]
    assert [one["suggestions"] for one in said] == [[], *[[codes[0]]] * 20, *[[]] * 6]
    assert [one["grant"] for one in said[1:]] == [False] * 26
    xml = (REPO / "gateway/sandbox/declaration.xml").read_bytes().replace(b"SG123456789012", missed.encode())
    parties = web.client.post("/v1/declarations/eligibility", content=xml, headers=headers).json()["answers"]
    assert [codes[0]] in [party["suggestions"] for party in parties]
    lines = web.client.post(f"{PATH}/stream", content=f'"{missed}"'.encode(), headers=headers).text
    assert json.loads(lines)["suggestions"] == []


def test_suggestions_stop_where_the_rate_is_spent(web: WebFixture, codes: list[str], headers: dict[str, str]) -> None:
    web.service.limiter._rate = 1
    web.service.limiter._capacity = 60
    said = [ask(web, headers, code=codes[0] + "0")["suggestions"] for _ in range(2)]
    assert said == [[codes[0]], []]


def test_the_route_and_the_callable_before_it_answer_alike(web: WebFixture, codes: list[str], headers: dict[str, str]) -> None:
    inner = TestClient(web.app.app)
    for query in (
        f"code={codes[0]}",
        f"code={codes[0]}&lang=zh&direction=export",
        "code=",
        "",
        "code=a&code=b",
        "code=X&mode=ship",
    ):
        outer, routed = (client.get(f"{PATH}?{query}", headers=headers) for client in (web.client, inner))
        assert (outer.status_code, outer.json()) == (routed.status_code, routed.json())
        assert outer.headers.pop("x-request-id")
        assert outer.headers == routed.headers


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ("", "code", None),
        ("code=SG1&code=SG2", "code", None),
        ("code=SG1&directoin=import", "directoin", None),
        ("code=SG1&direction=sideways", "direction", None),
        ("code=SG1&on=2026-02-30", "on", None),
        ("code=SG1&mode=", "mode", None),
        ("code=SG1&as_known_at=2026-06-01T00:00:00", "as_known_at", None),
        ("code=SG1&as_known_at=2030-01-01T00:00:00Z", "as_known_at", "2030-01-01T00:00:00+00:00"),
        ("code=%FF", "code", None),
        ("code=SG1&lang=fr", "lang", None),
    ],
)
def test_a_question_that_cannot_be_understood_is_refused_by_field(
    query: str, field: str, value: str | None, web: WebFixture, headers: dict[str, str]
) -> None:
    answer = web.client.get(f"{PATH}?{query}", headers=headers)
    said = answer.json()
    assert (answer.status_code, answer.headers["content-type"], said["code"]) == (
        422,
        "application/problem+json",
        "question-invalid",
    )
    assert field in (said.get("field"), *said["detail"].split("`"))
    assert said.get("value") == value


def test_many_codes_share_what_they_do_not_say_themselves(web: WebFixture, codes: list[str], headers: dict[str, str]) -> None:
    body = {
        "codes": [codes[0], {"code": codes[1], "direction": "export"}, {"code": codes[2], "on": "2026-06-14"}, "NO"],
        "direction": "import",
        "mode": "sea",
        "lang": "zh",
    }
    answer = web.client.post(PATH, json=body, headers=headers)
    first, second, third, none = answer.json()["answers"]
    assert [one["declared"] for one in (first, second, third, none)] == [*codes[:3], "NO"]
    assert list(first["directions"]) == ["import"]
    assert second["reasons"][0]["code"] == "direction-not-covered"
    assert (third["on"], third["verdict"]) == ("2026-06-14", "not-eligible")
    assert none["reasons"][0]["code"] == "no-overseas-party"
    assert first["sentence"] != none["sentence"]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"codes": "SG1"}', b'{"codes": [1]}', b'{"codes": [], "x": 1}', b"\xff", b"{"])
def test_a_body_of_another_shape_is_refused(body: bytes, web: WebFixture, headers: dict[str, str]) -> None:
    answer = web.client.post(PATH, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "question-invalid")


@pytest.mark.parametrize(
    ("body", "field", "hint"),
    [
        ('{"codes":["a"],"codes":["b"]}', "codes", "stands twice"),
        ('{"codes":[{"code":"a","code":"b"}]}', "code", "stands twice"),
        ('{"codes":["a"],"party":["x"]}', "party", "unknown field"),
        ('{"codes":["a"],"mode":"ship"}', "mode", "land, sea, air, other"),
        ('{"codes":[{"code":"a","direction":"in"}]}', "codes[0].direction", "import, export"),
        ('{"codes":["a"],"on":"2026-02-30"}', "on", "2026-06-15"),
        ('{"codes":["a"],"as_known_at":"2026-06-01T00:00:00"}', "as_known_at", "with its zone"),
        ('{"codes":["\\ud800"]}', None, "surrogate"),
        ('{"codes":["a"]', None, "whole"),
        ("\ufeff{}", None, "byte order mark"),
        ('{"on":"2026-06-15"}', "codes", "missing"),
    ],
)
def test_a_refusal_names_the_field_and_what_to_write(
    body: str, field: str | None, hint: str, web: WebFixture, headers: dict[str, str]
) -> None:
    said = web.client.post(PATH, content=body.encode(), headers=headers).json()
    assert (said["code"], said.get("field")) == ("question-invalid", field)
    assert hint in said["detail"]


def test_in_an_address_each_domestic_party_is_a_parameter(web: WebFixture, headers: dict[str, str]) -> None:
    said = web.client.get(f"{PATH}?code=SG1&parties=91310000000000001A", headers=headers).json()
    assert (said["code"], said["field"]) == ("question-invalid", "parties")


@pytest.mark.parametrize("text", ["\x00", "\u200b", "9" * 400])
def test_a_text_that_no_database_takes_is_no_party_and_no_code_of_the_past(
    text: str, web: WebFixture, codes: list[str], headers: dict[str, str]
) -> None:
    assert ask(web, headers, code=codes[0], party=text)["grant"]
    web.later(seconds=1)
    then = ask(web, headers, code=text, as_known_at=(web.now - timedelta(seconds=1)).isoformat())
    assert (then["declared"], then["grant"]) == (text, False)


def test_a_body_is_bounded_and_uncompressed(web: WebFixture, headers: dict[str, str]) -> None:
    large = web.client.post(PATH, content=b" " * (BATCH_LIMIT + 1), headers=headers)
    assert (large.status_code, large.json()["code"]) == (413, "body-too-large")
    packed = web.client.post(PATH, content=b"{}", headers=headers | {"Content-Encoding": "gzip"})
    assert (packed.status_code, packed.json()["code"]) == (415, "body-encoded")


@pytest.mark.long
def test_a_client_that_asks_too_much_waits(web: WebFixture, headers: dict[str, str]) -> None:
    web.service.limiter._rate = 100
    web.service.limiter._capacity = 3_000
    body = {"codes": ["SG1"] * 3_000}
    assert web.client.post(PATH, json=body, headers=headers).status_code == 200
    answer = web.client.post(PATH, json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-requests")
    assert 20 <= int(answer.headers["Retry-After"]) <= 31
    assert web.client.post(PATH, json=body, headers=web.token(Scope.CLEARANCE_READ)).status_code == 200


def test_a_stream_answers_line_by_line_and_names_a_bad_line(web: WebFixture, codes: list[str], headers: dict[str, str]) -> None:
    lines = [json.dumps(codes[0]), json.dumps({"code": codes[1], "direction": "export"}), "", '{"cod": 1}', json.dumps("NO")]
    answer = web.client.post(f"{PATH}/stream?direction=import", content="\n".join(lines), headers=headers)
    assert answer.headers["content-type"] == "application/x-ndjson"
    first, second, bad, last = map(json.loads, answer.text.splitlines())
    assert (first["grant"], second["grant"], last["code"]) == (True, False, None)
    assert (bad["code"], bad["line"], bad["status"]) == ("question-invalid", 4, 422)


def test_a_stream_is_slowed_and_not_refused(web: WebFixture, headers: dict[str, str]) -> None:
    web.service.limiter._rate = 2_000
    web.service.limiter._capacity = 150
    answer = web.client.post(f"{PATH}/stream", content=b'"SG1"\n' * 350, headers=headers)
    assert len(answer.text.splitlines()) == 350


def test_a_declaration_is_answered_party_by_party(web: WebFixture, codes: list[str], headers: dict[str, str]) -> None:
    xml = (REPO / "gateway/sandbox/declaration.xml").read_bytes().replace(b"SG123456789012", codes[0].encode())
    answer = web.client.post("/v1/declarations/eligibility", content=xml, headers=headers)
    said = answer.json()
    assert (said["reference"], said["direction"], said["told_by"]) == ("MADE-UP-0001", "import", "TypeCode IMA")
    by_role = {one["role"]: one for one in said["answers"]}
    assert by_role["overseas-consignor"]["grant"]
    assert by_role["overseas-consignor"]["where"][0]["line"] > 0
    assert by_role["other"]["reasons"][0]["code"] == "role-not-covered"


def test_a_large_declaration_is_read_too_and_what_it_does_not_tell_is_taken_from_the_query(
    web: WebFixture, codes: list[str], headers: dict[str, str]
) -> None:
    goods = "<GovernmentAgencyGoodsItem><SequenceNumeric>1</SequenceNumeric></GovernmentAgencyGoodsItem>" * 1_000
    xml = f"<Declaration><GoodsShipment><Consignor><ID>{codes[0]}</ID></Consignor>{goods}</GoodsShipment></Declaration>"
    answer = web.client.post("/v1/declarations/eligibility?direction=import&lang=zh", content=xml, headers=headers)
    said = answer.json()
    assert (said["told_by"], said["answers"][0]["grant"]) == ("caller", True)
    without = web.client.post("/v1/declarations/eligibility?lang=zh", content=xml, headers=headers).json()
    assert without["notes"][0]["code"] == "direction-not-told"
    assert without["notes"][0]["sentence"] == without["notes"][0]["words"]["zh"]


def test_what_is_no_declaration_is_refused_with_its_line(web: WebFixture, headers: dict[str, str]) -> None:
    answer = web.client.post("/v1/declarations/eligibility", content=b"<Other/>", headers=headers)
    assert (answer.status_code, answer.json()["code"], answer.json()["line"]) == (422, "declaration-invalid", 1)
    parties = "".join(f"<Consignor><ID>SG{number}</ID></Consignor>" for number in range(3_001))
    xml = f"<Declaration><GoodsShipment>{parties}</GoodsShipment></Declaration>"
    assert web.client.post("/v1/declarations/eligibility", content=xml, headers=headers).json()["code"] == "codes-count"


def test_as_known_at_answers_as_it_was_known_then(web: WebFixture, codes: list[str], headers: dict[str, str]) -> None:
    before = web.now
    web.later(hours=1)
    web.send(web.boxes["SG"].status_message(codes[0], Standing.REVOKED))
    web.later(hours=1)
    assert ask(web, headers, code=codes[0], direction="import")["reasons"][0]["code"] == "revoked"
    then = ask(web, headers, code=codes[0], direction="import", as_known_at=before.isoformat())
    assert then["grant"]
    assert then["as_known_at"] == before.isoformat().replace("+00:00", "Z")
    many = {"codes": codes[:2], "direction": "import", "as_known_at": before.isoformat()}
    assert [one["grant"] for one in web.client.post(PATH, json=many, headers=headers).json()["answers"]] == [True, True]


def test_a_node_that_cannot_know_says_so(web: WebFixture, codes: list[str], headers: dict[str, str]) -> None:
    web.now += web.index.bound + timedelta(seconds=1)
    said = ask(web, headers, code=codes[0], direction="import")
    assert (said["verdict"], said["grant"], said["reasons"][0]["code"]) == ("undetermined", False, "not-current")


def test_domestic_parties_are_looked_up_and_one_that_is_discredited_prevails(
    web: WebFixture, codes: list[str], headers: dict[str, str]
) -> None:
    discredited = Record(
        uscc="91310000MA1FL0000X",
        customs_code="3101960001",
        name_zh="虚构贸易有限公司",
        tier=Tier.DISCREDITED,
        tier_since=date(2026, 4, 1),
        measure_status=MeasureStatus.ACTIVE,
        measure_since=date(2026, 4, 1),
    )
    web.node.writer.do(lambda connection: feed.follow(connection, web.node, [discredited], web.now, who=person("a feed")))
    alone = ask(web, headers, code=codes[0], direction="import", party=["a stranger"])
    assert alone["grant"]
    for party in ("91310000MA1FL0000X", "3101960001"):
        said = ask(web, headers, code=codes[0], direction="import", party=["a stranger", party])
        assert [one["code"] for one in said["reasons"]] == ["domestic-party-prevails"]
    many = {"codes": [codes[0], {"code": codes[1], "parties": ["nobody"]}], "direction": "import", "parties": ["3101960001"]}
    answers = web.client.post(PATH, json=many, headers=headers).json()["answers"]
    assert [one["grant"] for one in answers] == [False, True]


AMENDED = """<Declaration xmlns="urn:wco:datamodel:WCO:DEC-DMS:2"><FunctionCode>4</FunctionCode><TypeCode>IMA</TypeCode>{accepted}
<GoodsShipment><Consignor><ID>{code}</ID></Consignor></GoodsShipment></Declaration>"""


def test_an_amended_declaration_is_judged_for_its_day_and_names_the_answer_before(
    web: WebFixture, codes: list[str], headers: dict[str, str]
) -> None:
    accepted, given = web.now.date(), web.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    web.later(days=3)
    web.send(web.boxes["SG"].status_message(codes[0], Standing.ANNULLED))
    web.later(days=1)
    day = f'<AcceptanceDateTime formatCode="102">{accepted:%Y%m%d}</AcceptanceDateTime>'
    route = "/v1/declarations/eligibility"
    content = AMENDED.format(accepted=day, code=codes[0])
    answered = web.client.post(f"{route}?amends={given}", content=content, headers=headers).json()
    (party,) = answered["answers"]
    assert (answered["accepted_on"], party["on"], party["grant"]) == (accepted.isoformat(), accepted.isoformat(), False)
    assert (party["earlier"]["on"], party["earlier"]["grant"]) == (accepted.isoformat(), True), "as it was known then"
    assert [one["code"] for one in answered["notes"]] == []
    (alone,) = web.client.post(route, content=content, headers=headers).json()["answers"]
    assert (alone["grant"], alone["earlier"]) == (False, None)
    undated = web.client.post(route, content=AMENDED.format(accepted="", code=codes[0]), headers=headers).json()
    assert [one["code"] for one in undated["notes"]] == ["acceptance-needed"]


@pytest.mark.parametrize("written", ["2026-13-01", "", "tomorrow"])
def test_a_day_of_acceptance_that_is_not_understood_is_said_to_be_so(
    web: WebFixture, codes: list[str], headers: dict[str, str], written: str
) -> None:
    content = AMENDED.format(accepted=f"<AcceptanceDateTime>{written}</AcceptanceDateTime>", code=codes[0]).replace("4<", "9<")
    answered = web.client.post("/v1/declarations/eligibility", content=content, headers=headers).json()
    (note,) = answered["notes"]
    assert (note["code"], answered["accepted_on"]) == ("acceptance-unreadable", None)
    assert (written or "-") in note["sentence"]
