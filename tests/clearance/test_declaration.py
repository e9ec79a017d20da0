"""Declarations made up case by case, hostile ones, and the samples that a customs administration published."""

from __future__ import annotations

import os
import tarfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.clearance.declaration import LIMITS, DeclaredParty, read_declaration
from gateway.core.arrangement import Direction, Role
from gateway.core.errors import Code, Refusal
from tests.rig.bounds import within

REPO = Path(__file__).parents[2]
MADE_UP = REPO / "gateway" / "sandbox" / "declaration.xml"
CASES: list[dict[str, Any]] = tomllib.loads((REPO / "tests" / "vectors" / "declarations.toml").read_text())["case"]
REAL = Path(os.environ.get("AEO_REAL_DATA", REPO.parent / "shared" / "data")) / "wco-declarations"

needs_real = pytest.mark.skipif(not REAL.exists(), reason="the published declarations are not beside this project (AEO_REAL_DATA)")


def document(case: dict[str, Any]) -> bytes:
    return str(case.get("document", f"<MetaData><Declaration>{case.get('inside')}</Declaration></MetaData>")).encode()


def told(parties: tuple[DeclaredParty, ...]) -> list[str]:
    return [" ".join(filter(None, (party.source, party.code, party.role, party.manifest))) for party in parties]


@pytest.mark.parametrize("case", [case for case in CASES if "refused" not in case], ids=lambda case: case["id"])
def test_what_is_read(case: dict[str, Any]) -> None:
    caller = case.get("direction_of_caller")
    read = read_declaration(document(case), Direction(caller) if caller else None)
    assert read.reference == case.get("reference")
    assert read.direction == case.get("direction")
    assert read.told_by == case.get("told_by")
    assert read.mode == case.get("mode")
    assert read.accepted_on == case.get("accepted_on")
    assert read.amends == case.get("amends", False)
    assert told(read.parties) == case.get("parties", [])
    assert told(read.domestic) == case.get("domestic", [])
    assert [note.code for note in read.notes] == case.get("notes", [])


@pytest.mark.parametrize("case", [case for case in CASES if "refused" in case], ids=lambda case: case["id"])
def test_what_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match=case.get("saying")) as caught:
        read_declaration(document(case))
    assert caught.value.code.wire == case["refused"]


def test_a_party_says_where_it_stands() -> None:
    item = "<GovernmentAgencyGoodsItem><Consignor><ID>SG1</ID></Consignor></GovernmentAgencyGoodsItem>\n"
    read = read_declaration(
        f"<Declaration><TypeCode>IMA</TypeCode><GoodsShipment>\n{item * 3}</GoodsShipment></Declaration>".encode()
    )
    (party,) = read.parties
    assert [(place.path, place.line) for place in party.where] == [
        (f"GoodsShipment[1]/GovernmentAgencyGoodsItem[{number}]/Consignor", number + 1) for number in (1, 2, 3)
    ]


def test_more_than_any_declaration_holds_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        read_declaration(b"<Declaration>" + b" " * LIMITS.bytes + b"</Declaration>")
    assert caught.value.code is Code.BODY_TOO_LARGE
    with pytest.raises(Refusal) as caught:
        read_declaration(b"<Declaration>" + b"<GoodsShipment>" * 70 + b"</GoodsShipment>" * 70 + b"</Declaration>")
    assert caught.value.code is Code.XML_TOO_DEEP


@pytest.mark.long
def test_the_largest_declaration_is_read_in_little_time() -> None:
    def consignors(around: str) -> str:  # as many as WCO's sequence number can count
        return "".join(f"<{around}><Consignor><ID>SG{number:012}</ID></Consignor></{around}>" for number in range(9_999))

    goods = f"<GoodsShipment>{consignors('GovernmentAgencyGoodsItem')}</GoodsShipment>"
    contract = f"<Consignment>{consignors('ConsignmentItem')}</Consignment>"
    with within(3):
        read = read_declaration(f"<Declaration><TypeCode>IMA</TypeCode>{contract}{goods}</Declaration>".encode())
    assert len(read.parties) == 9_999
    assert all(party.manifest == party.code for party in read.parties)
    assert not read.notes


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_whatever_comes_it_is_read_or_refused(data: bytes) -> None:
    for body in (data, b"<Declaration><TypeCode>" + data + b"</TypeCode></Declaration>"):
        try:
            read_declaration(body)
        except Refusal as refusal:
            outcome = refusal.code.wire
        else:
            outcome = "declaration-read"
        assert outcome.startswith(("xml-", "declaration-"))


def test_the_made_up_declaration_names_a_consignor_and_a_manufacturer() -> None:
    read = read_declaration(MADE_UP.read_bytes())
    assert read.direction is Direction.IMPORT
    assert {(party.role, party.wco_role) for party in read.parties} == {(Role.OTHER, "MF"), (Role.CONSIGNOR, None)}
    assert [party.manifest for party in read.parties if party.role is Role.CONSIGNOR] == ["SG123456789012"]
    assert not read.notes
    assert b"Made up" in MADE_UP.read_bytes()


@pytest.fixture(scope="module")
def declarations_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(REAL / "drv_dec.xsd")))


@pytest.fixture(scope="module")
def notifications_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(REAL / "drv_res.xsd")))


@needs_real
def test_the_made_up_declaration_is_a_wco_declaration(declarations_schema: etree.XMLSchema) -> None:
    assert declarations_schema.validate(etree.parse(str(MADE_UP))), declarations_schema.error_log


@needs_real
def test_the_published_sample_with_an_aeo_party() -> None:
    (sample,) = (REAL / "pick").glob("*.xml")
    read = read_declaration(sample.read_bytes())
    assert read.direction is Direction.EXPORT
    (party,) = read.parties
    assert (party.code, party.role, party.wco_role) == ("GB717572504502802", Role.OTHER, "CS")
    assert party.where[0].path == "GoodsShipment[1]/AEOMutualRecognitionParty"
    assert [one.source for one in read.domestic] == ["Agent", "Declarant", "Exporter"]


def samples() -> Iterator[bytes]:
    with tarfile.open(REAL / "examples.tar.gz") as archive:
        for member in archive:
            if file := archive.extractfile(member):
                yield file.read()


@pytest.mark.long
@needs_real
def test_every_published_sample_is_read_or_refused(
    declarations_schema: etree.XMLSchema, notifications_schema: etree.XMLSchema
) -> None:
    """Of 313 valid samples, 308 are declarations and all are read; 5 are notifications, and refused like whatever is neither."""
    outcome = Counter[str]()
    for data in samples():
        try:
            tree = etree.fromstring(data)
        except etree.XMLSyntaxError:
            valid = "malformed"
        else:
            valid = "declaration" if declarations_schema(tree) else "notification" if notifications_schema(tree) else "dirty"
        try:
            read = read_declaration(data)
            outcome[f"{valid}: read"] += 1
            assert read.parties or any(note.code == "no-aeo-party" for note in read.notes)
            assert read.accepted_on is None or read.accepted_on > date(2000, 1, 1)
        except Refusal as refusal:
            outcome[f"{valid}: {refusal.code}"] += 1
    assert outcome == {
        "declaration: read": 308,
        "notification: declaration-invalid": 5,
        "dirty: read": 1,
        "dirty: declaration-invalid": 512,
        "dirty: xml-namespace": 1,
        "malformed: xml-malformed": 41,
        "malformed: xml-encoding": 2,
    }
