"""Whose measures prevailed is told by scope only (domestic/RULES.md, Domestic parties of a declaration): on every way of asking, in both languages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.access import Scope
from tests.rig.enterprises import made_uscc, row
from tests.rig.web import WebFixture

PARTY = "9900000001"
DISCREDITED = {"tier": "discredited", "tier_since": "2026-05-01", "ground": "downgrade"}
DECLARED = """<Declaration xmlns="urn:wco:datamodel:WCO:DEC-DMS:2"><TypeCode>IMA</TypeCode><GoodsShipment><Consignor><ID>{code}</ID></Consignor>
<Importer><ID>{party}</ID></Importer></GoodsShipment></Declaration>"""
NEVER = (PARTY, made_uscc(1), "discredited", "Discredited", "失信")


@pytest.fixture
def code(web: WebFixture) -> str:
    assert web.feed({**row(1), **DISCREDITED}).taken == 1
    web.refresh()
    listed, *_ = web.listed("SG", 1)
    return listed


def asked_every_way(web: WebFixture, headers: dict[str, str], code: str) -> dict[str, dict[str, Any]]:
    """The same question by each route, now and as known now: the answers."""
    question = {"code": code, "direction": "import", "parties": [PARTY]}
    single = {"code": code, "direction": "import", "party": PARTY}
    known = web.now.isoformat()
    get, post = web.client.get, web.client.post
    answers = {
        "single": get("/v1/eligibility", params=single, headers=headers),
        "single as known": get("/v1/eligibility", params={**single, "as_known_at": known}, headers=headers),
        "many": post("/v1/eligibility", json={"codes": [question]}, headers=headers),
        "many as known": post("/v1/eligibility", json={"codes": [question], "as_known_at": known}, headers=headers),
        "stream": post("/v1/eligibility/stream", content=json.dumps(question), headers=headers),
        "declaration": post("/v1/declarations/eligibility", content=DECLARED.format(code=code, party=PARTY), headers=headers),
        "declaration amended": post(
            f"/v1/declarations/eligibility?amends={web.now:%Y-%m-%dT%H:%M:%SZ}",
            content=DECLARED.format(code=code, party=PARTY),
            headers=headers,
        ),
    }
    found = {}
    for way, answer in answers.items():
        assert answer.status_code == 200, (way, answer.text)
        said = answer.json()
        found[way] = said["answers"][0] if "answers" in said else said
    return found


def test_who_may_not_see_domestic_data_reads_that_it_lies_with_us(web: WebFixture, code: str) -> None:
    for way, said in asked_every_way(web, web.token(Scope.CLEARANCE_READ), code).items():
        assert not said["grant"], way
        (reason,) = said["reasons"]
        assert (reason["code"], reason["facts"]) == ("domestic-party-prevails", {}), way
        assert reason["words"] == {
            "en": "Not applied, for reasons on our side.",
            "zh": reason["words"]["zh"],
        }, way
        text = json.dumps({name: value for name, value in said.items() if name != "parties"}, ensure_ascii=False)
        assert not [word for word in NEVER if word in text], (way, text)


def test_who_may_is_told_the_party_and_its_tier(web: WebFixture, code: str) -> None:
    headers = web.token(Scope.CLEARANCE_READ, Scope.DOMESTIC_READ)
    for way, said in asked_every_way(web, headers, code).items():
        (reason,) = said["reasons"]
        assert (reason["facts"]["party"], reason["facts"]["tier"]) == (PARTY, "discredited"), way
        assert "Discredited" in reason["words"]["en"], way
