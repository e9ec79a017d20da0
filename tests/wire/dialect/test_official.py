"""Real documents and the official register XSD, read and written from data alone. They are no part of the project."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from lxml import etree

from gateway.core.errors import Refusal
from gateway.core.model import Kind, Standing, Statement
from gateway.settings import ROOT
from gateway.wire.dialect import Dialect, Reading, load_folder
from gateway.wire.schema import compile_schema, read_xsds
from gateway.wire.xml import parse
from tests.rig.machine import need_data

pytestmark = pytest.mark.long

OFFICIAL = Path(__file__).parent / "official"
SIGNATORY = {"signatory.surname": "Иванова", "signatory.name": "Анна", "signatory.signed": "2026-04-01T10:00:00"}
CODES = {Standing.VALID: "valid", Standing.SUSPENDED: "suspended", Standing.REINSTATED: "reinstated", Standing.REVOKED: "revoked"}


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Dialect:
    """The sample of tests/wire/dialect/official beside the official XSD, loaded like any partner's dialect."""
    folder = tmp_path_factory.mktemp("official") / "1"
    shutil.copytree(OFFICIAL, folder)
    for file in need_data("eaeu-aeo-register").glob("*.xsd"):
        shutil.copy(file, folder)
    return load_folder(folder, {})


# -- the public answers of the EU: found, not found, fault -----------------------------------------------------------------------


def test_public_answers_are_shown_and_never_become_statements() -> None:
    folder = need_data("eu-eos-aeo-soap")
    lookup = load_folder(ROOT / "schemas" / "lookup" / "1", {})
    said = {}
    for file in sorted(folder.glob("response-*.xml")):
        root = parse(file.read_bytes())
        lookup.validate(root)
        said[file.stem] = reading = lookup.read(Kind.RESPONSE, root)
        again = parse(lookup.write(Kind.RESPONSE, reading, {}).encode())
        lookup.validate(again)
        assert lookup.read(Kind.RESPONSE, again) == reading
        assert reading.statements == ()
    assert said["response-found"].shown == (
        {
            "name": "BMW M GmbH Gesellschaft für individuelle Automobile",
            "member": "DE",
            "office": "DE007600",
            "level": "AEOF",
            "granted": date(2015, 2, 17),
        },
    )
    assert said["response-not-found"] == Reading({"as_of": date(2026, 6, 30)})
    assert said["response-fault"].message["fault_code"] == "ns0:Client"


def test_the_documented_request() -> None:
    folder = need_data("eu-eos-aeo-soap")
    lookup = load_folder(ROOT / "schemas" / "lookup" / "1", {})
    root = parse((folder / "request-shape.xml").read_bytes())
    lookup.validate(root)
    assert lookup.read(Kind.QUERY, root).query == {"name": "BMW", "member": "DE", "level": "AEOF"}


# -- the register of the Eurasian Economic Union ---------------------------------------------------------------------------------


def test_a_register_message_is_an_official_certificate(official: Dialect) -> None:
    """One operator of a message in our register dialect, as the certificate that the official XSD accepts, and back."""
    register = load_folder(ROOT / "schemas" / "register" / "1", {})
    message = register.read(Kind.LIST, parse((ROOT / "schemas/register/1/examples/accepted/list.xml").read_bytes()))
    mine = tuple(said for said in message.statements if said.tin == "BY1002003004")
    assert [said.standing for said in mine] == list(CODES)
    reading = Reading({"id": str(message.message["id"]), "status": CODES[mine[-1].standing]}, mine)

    text = official.write(Kind.UPDATE, reading, SIGNATORY)
    etree.XMLSchema(etree.parse(need_data("eaeu-aeo-register") / "AEORegistryCertificate.xsd")).assertValid(parse(text.encode()))
    assert official.read(Kind.UPDATE, parse(text.encode())) == reading

    back = Reading(
        {"id": "m", "issued": datetime(2026, 4, 1, tzinfo=UTC)}, official.read(Kind.UPDATE, parse(text.encode())).statements
    )
    root = parse(register.write(Kind.LIST, back, {}).encode())
    register.validate(root)
    assert register.read(Kind.LIST, root).statements == mine


def test_to_the_official_xsd_4_and_04_are_one_status(official: Dialect) -> None:
    said = Statement(
        tin="BY1", standing=Standing.VALID, granted=date(2019, 8, 1), number="BY/0042/3", level="type 3", name="Пример"
    )
    text = official.write(
        Kind.UPDATE, Reading({"id": "0b8f3a52-7c1d-4e6f-9a2b-3c4d5e6f7a8b", "status": "reinstated"}, (said,)), SIGNATORY
    )
    assert "<a:Status>04</a:Status>" in text
    root = parse(text.replace("<a:Status>04<", "<a:Status>4<").encode())
    official.validate(root)
    assert official.read(Kind.UPDATE, root).message["status"] == "reinstated"


def test_who_signs_is_a_setting(official: Dialect) -> None:
    said = Statement(
        tin="BY1", standing=Standing.VALID, granted=date(2019, 8, 1), number="BY/0042/3", level="type 3", name="Пример"
    )
    with pytest.raises(Refusal, match=r"signatory\.surname"):
        official.write(Kind.UPDATE, Reading({"id": "0b8f3a52-7c1d-4e6f-9a2b-3c4d5e6f7a8b"}, (said,)), {})


def test_the_official_xsd_passes_the_scan_for_hostile_ones() -> None:
    assert compile_schema("register", read_xsds(need_data("eaeu-aeo-register"))).tops
