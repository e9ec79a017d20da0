"""A partner nobody prepared for: from an XSD and one message to a passed rehearsal, with only data added."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from gateway.core.errors import Code, Refusal
from gateway.core.model import Standing
from gateway.onboarding import draft, scaffold
from gateway.onboarding.draft import Sure
from gateway.onboarding.rehearsal import RehearsalHost, rehearse
from gateway.onboarding.scaffold import Profile
from gateway.partners import PartnerFaults, load_one
from gateway.settings import ROOT
from gateway.wire.schema import compile_schema, read_xsds

pytestmark = pytest.mark.long

STRANGER = Path(__file__).parent / "stranger"
PROFILE = Profile(
    iso="QZ",
    name="Made-up Country",
    name_zh="虚构国",
    administration="Customs of Made-up Country",
    programme="Made-up AEO",
    signed="2026-01",
    zone="Europe/Paris",
    levels=("OR", "ARGENT"),
    dialect=("registre", "1"),
)


def begin(place: Path) -> draft.Draft:
    scaffold.new(PROFILE, place / "partners")
    return again(place)


def again(place: Path) -> draft.Draft:
    messages = {"list": (STRANGER / "message.xml").read_bytes()}
    return scaffold.new_dialect(PROFILE, place / "schemas", [STRANGER / "registre.xsd"], messages)


def test_from_xsd_and_message_to_a_passed_rehearsal(
    tmp_path: Path, rehearsal_host: RehearsalHost, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.perf_counter()
    first = begin(tmp_path)
    with pytest.raises(PartnerFaults, match="K4"):  # what is not answered stops the start, and is never filled in
        load_one(tmp_path / "partners" / "qz", tmp_path / "schemas")
    shutil.copyfile(STRANGER / "answers.toml", tmp_path / "schemas" / "registre" / "1" / "draft.toml")
    second = again(tmp_path)
    bundle = load_one(tmp_path / "partners" / "qz", tmp_path / "schemas")
    rehearsal = rehearse(bundle, rehearsal_host)
    seconds = time.perf_counter() - began
    assert rehearsal.passed, [point for step in rehearsal.steps for point in step.points if not point.ok]
    assert (first.questions, second.questions) == (4, 0)
    with capsys.disabled():
        print(f"\n  a stranger's partner: {first.questions} questions, {second.questions} left, rehearsed after {seconds:.1f} s")


def test_reads_the_message_it_was_drafted_from(tmp_path: Path) -> None:
    begin(tmp_path)
    shutil.copyfile(STRANGER / "answers.toml", tmp_path / "schemas" / "registre" / "1" / "draft.toml")
    again(tmp_path)
    dialect = load_one(tmp_path / "partners" / "qz", tmp_path / "schemas").dialects["registre", "1"]
    from gateway.core.model import Kind
    from gateway.wire.xml import parse

    reading = dialect.read(Kind.LIST, parse((STRANGER / "message.xml").read_bytes(), signed=False))
    assert [(one.tin, one.standing, one.level) for one in reading.statements] == [
        ("QZ000177", Standing.VALID, "OR"),
        ("QZ000178", Standing.SUSPENDED, "ARGENT"),
    ]
    assert str(reading.statements[0].granted) == "2024-05-23"


def test_says_how_sure_it_is(tmp_path: Path) -> None:
    made = begin(tmp_path)
    sure = {one.at.rpartition("/")[2]: one.sure for one in made.proposals}
    assert sure["Echeance"] is Sure.SURE
    assert sure["RaisonSociale"] is Sure.LIKELY
    assert sure["Emetteur"] is Sure.QUESTION
    assert sure["@v"] is Sure.SURE
    assert made.open_codes == {"standing": ["K4"]}
    text = (tmp_path / "schemas" / "registre" / "1" / "draft.toml").read_text("utf-8")
    assert "'Douane de QZ' is no administration's code" in text


def test_does_not_write_over_a_partner(tmp_path: Path) -> None:
    scaffold.new(PROFILE, tmp_path / "partners")
    with pytest.raises(Refusal) as caught:
        scaffold.new(PROFILE, tmp_path / "partners")
    assert caught.value.code is Code.DATA_INVALID


def test_a_new_profile_is_complete_and_states_what_is_unknown(tmp_path: Path) -> None:
    plain = Profile("QZ", "Made-up Country", "虚构国", "Customs", "AEO", "2026", "UTC")
    scaffold.new(plain, tmp_path / "partners")
    arrangement = load_one(tmp_path / "partners" / "qz", ROOT / "schemas").arrangement
    for term in scaffold.UNKNOWN:
        (step,) = getattr(arrangement, term).steps
        assert (step.value, step.provenance.kind) == (None, "unknown")


def test_refuses_an_xsd_that_reaches_outside(tmp_path: Path) -> None:
    xsd = tmp_path / "outside.xsd"
    xsd.write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:import namespace="urn:x" schemaLocation="http://example.org/x.xsd"/>'
        '<xs:element name="a"/></xs:schema>',
        "utf-8",
    )
    with pytest.raises(Refusal, match="reaches for"):
        scaffold.new_dialect(PROFILE, tmp_path / "schemas", [xsd], {"list": b"<a/>"})


def test_refuses_a_message_that_repeats_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a" type="xs:string"/></xs:schema>', "utf-8"
    )
    with pytest.raises(Refusal, match="repeated"):
        draft.propose(compile_schema("a", read_xsds(tmp_path)), {"list": b"<a>x</a>"}, prefixes=("QZ",), levels=())


def test_refuses_an_xsd_that_cannot_be_explained(tmp_path: Path) -> None:
    """Two elements of one name and two types in one content model: one library compiles that, the other does not."""
    (tmp_path / "a.xsd").write_text(
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a"><xs:complexType><xs:sequence>'
        '<xs:element name="b" type="xs:string"/><xs:element name="c" type="xs:string"/><xs:element name="b" type="xs:date"/>'
        "</xs:sequence></xs:complexType></xs:element></xs:schema>",
        "utf-8",
    )
    with pytest.raises(Refusal, match=r"(?s)registre/1: The XSD is not understood: .* Correct the XSD\."):
        scaffold.new_dialect(PROFILE, tmp_path / "schemas", [tmp_path / "a.xsd"], {"list": b"<a/>"})
    assert not (tmp_path / "schemas").exists()
