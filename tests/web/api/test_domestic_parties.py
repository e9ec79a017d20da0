"""Domestic parties over HTTP: who may read which of them prevailed, how they are read, and what the feed claims of itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from gateway.clearance.answer import Answers
from gateway.clearance.index import Index
from gateway.core.access import Scope
from gateway.core.terms import Dated, Provenance, Term
from gateway.node.node import Node
from gateway.running.follower import Follower
from gateway.store.active import ActivePartners
from gateway.store.database import Database, Writer
from tests.rig.enterprises import made_uscc, row
from tests.rig.web import WebFixture

PATH, FEED = "/v1/eligibility", "/v1/domestic/enterprises"
NDJSON = {"Content-Type": "application/x-ndjson"}
CODE, USCC = "9900000003", made_uscc(3)
DISCREDITED = {"tier": "discredited", "certified_on": None}
RECTIFYING = {"measure_status": "rectifying", "measure_since": "2026-06-10", "ground": "rectification-start"}
#: A declaration as clearance sends it: its importer is one of the Discredited, written with the country before its number.
DECLARATION = (
    '<Declaration xmlns="urn:wco:datamodel:WCO:DEC-DMS:2"><TypeCode>IMA</TypeCode><GoodsShipment>'
    "<Consignor><ID>{code}</ID></Consignor><Importer><ID>{party}</ID></Importer></GoodsShipment></Declaration>"
)

#: Tiers and states of measures in both languages, and who the party is.
TOLD = ("discredited", "Discredited", "失信", "certified", "suspended", "暂停", "rectif", "整改", "Order 251", CODE, USCC)

Headers = dict[str, str]


@pytest.fixture
def codes(web: WebFixture) -> list[str]:
    return web.listed("SG")


@pytest.fixture
def clearance(web: WebFixture) -> Headers:
    """Whoever may ask, and no more."""
    return web.token(Scope.CLEARANCE_READ)


@pytest.fixture
def both(web: WebFixture) -> Headers:
    return web.token(Scope.CLEARANCE_READ, Scope.DOMESTIC_READ)


@pytest.fixture
def feeder(web: WebFixture) -> Headers:
    return web.token(Scope.DOMESTIC_WRITE, Scope.DOMESTIC_READ)


def state(web: WebFixture, feeder: Headers, *rows: dict[str, Any], query: str = "", status: int = 200) -> dict[str, Any]:
    """The feed says this over HTTP."""
    given = [{name: value for name, value in one.items() if value is not None} for one in rows]
    answer = web.client.put(f"{FEED}{query}", headers=feeder, json=given)
    assert answer.status_code == status, answer.text
    said: dict[str, Any] = answer.json()
    return said


def ask(web: WebFixture, headers: Headers, code: str, *parties: str, **query: str) -> dict[str, Any]:
    answer = web.client.get(PATH, params={"code": code, "direction": "import", "party": parties, **query}, headers=headers)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


# ---------------------------------------------------------------- who may read which party prevailed


def every_way(web: WebFixture, headers: Headers, code: str, party: str, then: str) -> Iterator[tuple[str, Response]]:
    """The same question by every route, now and as known then, in both languages."""
    common = {"direction": "import", "parties": [party]}
    document = DECLARATION.format(code=code, party=party)
    for lang in ("en", "zh"):
        query = {"code": code, "direction": "import", "party": party, "lang": lang}
        batch = common | {"codes": [code, {"code": code, "parties": [party]}], "lang": lang}
        yield f"GET {lang}", web.client.get(PATH, params=query, headers=headers)
        yield f"GET then {lang}", web.client.get(PATH, params=query | {"as_known_at": then}, headers=headers)
        yield f"POST {lang}", web.client.post(PATH, json=batch, headers=headers)
        yield f"POST then {lang}", web.client.post(PATH, json=batch | {"as_known_at": then}, headers=headers)
        lines = "\n".join((json.dumps(code), json.dumps({"code": code, "parties": [party]})))
        address = f"{PATH}/stream?direction=import&party={party}&lang={lang}"
        yield f"stream {lang}", web.client.post(address, content=lines, headers=headers)
        address = f"/v1/declarations/eligibility?lang={lang}"
        yield f"declaration {lang}", web.client.post(address, content=document, headers=headers)
        amended = web.client.post(address, params={"lang": lang, "amends": then}, content=document, headers=headers)
        yield f"declaration amended {lang}", amended
        said = document.replace(f"<Importer><ID>{party}</ID></Importer>", "")
        yield f"declaration query {lang}", web.client.post(f"{address}&party={party}", content=said, headers=headers)


@pytest.mark.parametrize("party", [CODE, USCC])
def test_which_party_prevailed_is_told_by_scope_only(
    party: str, web: WebFixture, codes: list[str], clearance: Headers, both: Headers, feeder: Headers
) -> None:
    state(web, feeder, row(3, **DISCREDITED))
    then = web.now.isoformat()
    web.later(seconds=1)
    for name, answer in every_way(web, clearance, codes[0], party, then):
        assert answer.status_code == 200, answer.text
        assert answer.text.count('"domestic-party-prevails"') >= 1, name
        assert [word for word in TOLD if word in answer.text] == [], name
        assert ("因我方原因不适用" if name.endswith("zh") else "for reasons on our side") in answer.text, name
        assert '"grant":false' in answer.text, name
        assert '"grant":true' not in answer.text, name
    for name, answer in every_way(web, both, codes[0], party, then):
        assert party in answer.text, name
        assert "discredited" in answer.text, name
        assert ("失信企业" if name.endswith("zh") else "is a Discredited enterprise") in answer.text, name


def test_what_is_not_said_leaves_the_reason_bare(web: WebFixture, codes: list[str], clearance: Headers, feeder: Headers) -> None:
    state(web, feeder, row(3, **DISCREDITED))
    (reason,) = ask(web, clearance, codes[0], CODE)["reasons"]
    assert reason == {
        "code": "domestic-party-prevails",
        "sentence": "Not applied, for reasons on our side.",
        "words": {"en": "Not applied, for reasons on our side.", "zh": "因我方原因不适用。"},
        "facts": {},
        "source": None,
        "direction": None,
    }


def test_a_suspended_party_takes_nothing_and_is_told_to_nobody(
    web: WebFixture, codes: list[str], clearance: Headers, both: Headers, feeder: Headers
) -> None:
    state(web, feeder, row(3), row(3, **RECTIFYING), row(4, measure_status="partially-suspended"))
    then = web.now.isoformat()
    web.later(seconds=1)
    for headers in (clearance, both):
        for party in (CODE, made_uscc(4)):
            for name, answer in every_way(web, headers, codes[0], party, then):
                assert '"grant":true' in answer.text, name
                assert [word for word in TOLD if word in answer.text] == [], name


@pytest.mark.parametrize("term", ["prevailing", "suspended_prevails"])
def test_that_a_rule_on_parties_is_unknown_does_not_say_that_there_is_one(
    term: str, web: WebFixture, codes: list[str], clearance: Headers, both: Headers, feeder: Headers
) -> None:
    """The rule is looked at only where a party is Discredited, or its measures are suspended: to name it would tell which."""
    unknown: Term[Any] = Term((Dated(date(2021, 11, 1), None, Provenance("unknown", note="not known")),))
    partners = web.node.partners
    changed: dict[str, Any] = {term: unknown, "digest": f"law {len(term)}"}  # terms of a day are kept by digest
    partners._law = replace(partners.law, **changed)
    rows = (row(3, **DISCREDITED),) if term == "prevailing" else (row(3), row(3, **RECTIFYING))
    state(web, feeder, *rows)
    said = ask(web, clearance, codes[0], CODE)
    assert (said["verdict"], [(one["code"], one["facts"]) for one in said["reasons"]]) == ("undetermined", [("terms-unknown", {})])
    assert term not in json.dumps(said)
    assert ask(web, both, codes[0], CODE)["reasons"][0]["facts"] == {"term": term, "note": "not known"}


# ---------------------------------------------------------------- how a party is read


@pytest.mark.parametrize(
    "typed",
    [
        "CN9900000003",
        "AEOCN9900000003",
        "AEO9900000003",
        "ＣＮ9900000003",
        "9900 000003",
        "cn-9900000003",
        "9900\u2013000003",
        f"CN{USCC}",
    ],
)
def test_a_discredited_importer_prevails_however_it_is_written(
    typed: str, web: WebFixture, codes: list[str], clearance: Headers, both: Headers, feeder: Headers
) -> None:
    state(web, feeder, row(3, **DISCREDITED))
    number = USCC if USCC in typed else CODE
    document = DECLARATION.format(code=codes[0], party=typed).encode()
    for headers in (clearance, both):
        posted = web.client.post("/v1/declarations/eligibility", content=document, headers=headers)
        (of_declaration,) = posted.json()["answers"]
        for said in (of_declaration, ask(web, headers, codes[0], typed)):
            assert [one["code"] for one in said["reasons"]] == ["domestic-party-prevails"]
            assert not said["grant"]
            (warning,) = said["warnings"]
            assert (warning["code"], warning["facts"]["declared"], warning["facts"]["read"]) == ("code-folded", typed, number)
            assert f"{typed} was read as {number}" in warning["words"]["en"]
        # What was typed is told as folded to anybody; how the party stands is not.
        words = [word for word in TOLD if word in posted.text and word != number]
        assert words == [] if headers is clearance else "discredited" in words


def test_as_known_then_a_code_is_who_it_was_then(web: WebFixture, codes: list[str], both: Headers, feeder: Headers) -> None:
    """The Discredited enterprise gives its code up, and another takes it."""
    state(web, feeder, row(3, **DISCREDITED), row(4, customs_code=None))
    then = web.now
    web.later(days=3)
    state(web, feeder, row(3, customs_code=None, **DISCREDITED), row(4, customs_code=CODE))
    web.send(web.boxes["SG"].full_list())
    now = ask(web, both, codes[0], CODE)
    assert (now["grant"], [(one["code"], one["facts"]) for one in now["warnings"]]) == (
        True,
        [("party-code-passed-on", {"party": CODE, "since": "2026-06-18"})],
    )
    assert "The customs code 9900000003 passed on on 2026-06-18" in now["warnings"][0]["sentence"]
    for query, warned in (({"as_known_at": then.isoformat()}, []), ({"on": "2026-06-17"}, ["party-code-passed-on"])):
        said = ask(web, both, codes[0], CODE, **query)
        assert [(one["code"], one["facts"].get("party")) for one in said["reasons"]] == [("domestic-party-prevails", CODE)]
        assert [one["code"] for one in said["warnings"]] == warned


# ---------------------------------------------------------------- what the feed claims


def test_a_claim_beside_the_rows_or_before_them(web: WebFixture, codes: list[str], clearance: Headers, feeder: Headers) -> None:
    """Of the very next answer an unknown party is warned."""
    assert ask(web, clearance, codes[0], "9900000009")["warnings"] == []
    state(web, feeder, row(1))
    assert ask(web, clearance, codes[0], "9900000009")["warnings"] == []
    report = state(web, feeder, row(1), query="?complete=all&as_of=2026-06-15")
    assert (report["repeated"], report["claim"]) == (1, {"complete": ["all"], "as_of": "2026-06-14T16:00:00Z"})
    (warning,) = ask(web, clearance, codes[0], "9900000009")["warnings"]
    assert (warning["code"], warning["facts"]) == ("party-unknown", {"party": "9900000009"})
    document = DECLARATION.format(code=codes[0], party="9900000009").encode()
    posted = web.client.post("/v1/declarations/eligibility", content=document, headers=clearance).json()
    assert [one["code"] for one in posted["answers"][0]["warnings"]] == ["party-unknown"]

    header = {"complete": ["discredited"], "as_of": "2026-06-15T08:00:00+08:00"}
    assert state(web, feeder, header, row(2))["claim"] == {"complete": ["discredited"], "as_of": "2026-06-15T00:00:00Z"}
    lines = "\n".join(json.dumps(one) for one in ({"complete": "none"}, row(2)))
    done = web.client.put(FEED, headers=feeder | NDJSON, content=lines)
    assert (done.status_code, done.json()["repeated"], done.json()["claim"]) == (200, 1, {"complete": []})
    assert ask(web, clearance, codes[0], "9900000009")["warnings"] == []


def test_what_the_feed_claims_is_shown(web: WebFixture, feeder: Headers) -> None:
    def shown() -> dict[str, Any]:
        said: dict[str, Any] = web.client.get("/v1/domestic/feed", headers=feeder).json()
        return said

    nothing: dict[str, Any] = {
        "complete": [],
        "claimed": None,
        "complete_today": False,
        "as_of": None,
        "stated": False,
        "limit": None,
        "too_old": False,
    }
    assert shown() == nothing
    came = web.now.isoformat().replace("+00:00", "Z")
    state(web, feeder, row(1))
    assert shown() == nothing | {"as_of": came}
    state(web, feeder, query="?complete=seriously-discredited,discredited")
    assert shown() == nothing | {"complete": ["discredited", "seriously-discredited"], "claimed": came, "as_of": came}
    state(web, feeder, query="?complete=all&as_of=2026-06-15T00:00:00%2B08:00")
    assert shown() == nothing | {
        "complete": ["all"],
        "claimed": came,
        "complete_today": True,
        "as_of": "2026-06-14T16:00:00Z",
        "stated": True,
    }


@pytest.mark.parametrize(
    ("query", "code", "field", "value", "says"),
    [
        ("?complete=everyone", "code-unknown", "complete", "everyone", "all, none, or tiers"),
        ("?complete=", "code-unknown", "complete", "", "all, none, or tiers"),
        ("?as_of=yesterday", "field-invalid", "as_of", "yesterday", "2026-11-30"),
        ("?as_of=2026-06-15T00:00:00+08:00", "field-invalid", "as_of", "2026-06-15T00:00:00 08:00", "+ is %2B"),
        ("?as_of=2026-06-16", "field-invalid", "as_of", "2026-06-16T00:00:00+08:00", "compare the clocks"),
        ("?complete=all&complete=none", "question-invalid", "complete", None, "stands twice"),
        ("?as-of=2026-06-15", "question-invalid", "as-of", None, "unknown field"),
        ("?complete=none", "field-repeated", "complete", "none", "Say it in one place"),
    ],
)
def test_a_claim_that_cannot_be_read_takes_nothing_in(
    query: str, code: str, field: str, value: str | None, says: str, web: WebFixture, feeder: Headers
) -> None:
    said = state(web, feeder, {"complete": "all"}, row(1), query=query, status=422)
    assert (said["code"], said.get("field"), said.get("value")) == (code, field, value)
    assert says in f"{said['detail']} {said['remedy']}"
    assert web.client.get(f"{FEED}/{made_uscc(1)}", headers=feeder).status_code == 404


@pytest.mark.parametrize("header", [{"complete": "everyone"}, {"as_of": "2026-06-16"}, {"complete": "all", "until": "2026-06-16"}])
def test_nor_does_a_header(header: dict[str, str], web: WebFixture, feeder: Headers) -> None:
    said = state(web, feeder, header, row(1), status=422)
    assert said["field"] in header
    assert said["remedy"]
    assert web.client.get(f"{FEED}/{made_uscc(1)}", headers=feeder).status_code == 404


def test_the_fields_of_the_route_are_described(web: WebFixture) -> None:
    operation = web.client.get("/openapi.json").json()["paths"][FEED]["put"]
    described = {one["name"]: one for one in operation["parameters"] if one["in"] == "query"}
    assert described.keys() == {"complete", "as_of"}
    assert all(one["in"] == "query" and not one["required"] and one["schema"]["description"] for one in described.values())


# ---------------------------------------------------------------- past its age, and on other nodes


def test_past_the_limit_the_answer_is_open_where_parties_are_named(tmp_path: Path) -> None:
    web = WebFixture(tmp_path, ["SG"], domestic_stop_after=timedelta(days=1))
    (code,) = web.listed("SG", 1)
    feeder, clearance = (web.token(scope) for scope in (Scope.DOMESTIC_WRITE, Scope.CLEARANCE_READ))
    state(web, feeder, row(3))
    assert ask(web, clearance, code, CODE)["grant"]
    web.later(days=1, seconds=2)
    said = ask(web, clearance, code, CODE)
    assert (said["verdict"], said["grant"]) == ("undetermined", False)
    assert said["reasons"][0]["code"] == "data-too-old"
    assert said["reasons"][0]["facts"]["of"] == "domestic"
    assert (
        "What credit management last stated of the domestic parties is of 2026-06-15 12:0"
        in said["sentence"] + said["reasons"][0]["sentence"]
    )
    assert ask(web, clearance, code)["grant"]
    state(web, feeder, row(3), query=f"?as_of={web.now:%Y-%m-%dT%H:%M:%SZ}")  # the same again, as of now
    assert ask(web, clearance, code, CODE)["grant"]
    web.close()


def test_another_node_follows_by_the_journal(web: WebFixture, codes: list[str], feeder: Headers) -> None:
    """It reads what was committed within a poll, whoever took the feed in."""
    database = Database(web.settings.database_url)
    partners, index = ActivePartners(), Index(web.settings.current_within)
    node = Node(web.settings, database, Writer(database), partners, web.node.trust, web.node.signing, web.clock)
    answers = Answers(partners, index, web.clock)
    node.committed.on_lists_and_switches = answers.refresh
    follower = Follower(node, index)
    follower.load()
    today = date(2026, 6, 15)
    assert answers.feed(today).as_of is None
    state(web, feeder, row(1))
    asyncio.run(follower.step())
    assert (answers.feed(today).as_of, answers.feed(today).complete) == (web.now, False)
    state(web, feeder, row(1), query="?complete=all")
    asyncio.run(follower.step())
    assert answers.feed(today).complete
    node.writer.close()
    database.close()
