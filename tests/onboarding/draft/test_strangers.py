"""More partners nobody prepared for, each of another shape: drafted, answered, checked and rehearsed with only data added."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.core.errors import Code, Refusal
from gateway.onboarding import examples, scaffold
from gateway.onboarding.check import check
from gateway.onboarding.draft import Draft, Sure
from gateway.onboarding.finding import Mark
from gateway.onboarding.rehearsal import RehearsalHost, rehearse
from gateway.onboarding.scaffold import Profile
from gateway.partners import load_one
from tests.rig.volume import one_in

pytestmark = pytest.mark.long

STRANGERS = Path(__file__).parent / "strangers"
#: The stranger, its code, its XSD, and how many questions its draft asks.
SHAPES = [
    ("nested", "QA", "tmrs.xsd", 9),
    ("parts", "QC", "main.xsd", 5),
    ("kinds", "QF", "lista.xsd", 3),
    ("choice", "QE", "oea.xsd", 2),
    ("fields", "QG", "records.xsd", 4),
    ("leaf", "QD", "envio.xsd", 10),
    ("groups", "QH", "registre.xsd", 2),
    ("levels", "QJ", "offices.xsd", 4),
    ("attributes", "QL", "agrement.xsd", 10),
]


def profile(iso: str, name: str) -> Profile:
    levels = {"nested": ("AEOC", "AEOS", "AEOF"), "attributes": ("OEA-S", "OEA-F")}.get(name, ())
    return Profile(iso, "Made-up Country", "虚构国", "Customs", "AEO", "2026-01", "UTC", levels, (name, "1"))


def drafted(place: Path, who: Profile, xsd: Path, **messages: bytes) -> Draft:
    made = scaffold.new_dialect(who, place / "schemas", [xsd], {name.replace("__", "."): one for name, one in messages.items()})
    scaffold.keep_up(who, place / "partners", made.told)
    return made


@pytest.mark.parametrize(("name", "iso", "xsd", "questions"), one_in(3, SHAPES))
def test_to_a_passed_rehearsal(
    name: str, iso: str, xsd: str, questions: int, tmp_path: Path, rehearsal_host: RehearsalHost
) -> None:
    shape, who = STRANGERS / name, profile(iso, name)
    folder = tmp_path / "schemas" / name / "1"
    messages = {file.stem.replace(".", "__"): file.read_bytes() for file in shape.glob("*.xml")}
    scaffold.new(who, tmp_path / "partners")
    assert drafted(tmp_path, who, shape / xsd, **messages).questions == questions
    shutil.copyfile(shape / "answers.toml", folder / "draft.toml")
    made = drafted(tmp_path, who, shape / xsd, **messages)
    assert made.questions == 0
    assert [one.name for one in examples.keep(folder, made.messages) if one.refused] == []
    expected = json.loads((shape / "list.json").read_text("utf-8"))
    assert json.loads((folder / "examples" / "accepted" / "list.json").read_text("utf-8")) == expected
    now = datetime.now(UTC)
    checked = check(tmp_path / "partners", tmp_path / "schemas", None, iso, now=now, production=False, online=False)
    assert checked.passed, [point for point in checked.points if point.mark is Mark.BAD]
    rehearsal = rehearse(load_one(tmp_path / "partners" / iso.lower(), tmp_path / "schemas"), rehearsal_host)
    assert rehearsal.passed, [(step.name, point) for step in rehearsal.steps for point in step.points if not point.ok]


def test_the_operator_itself_stays_when_nobody_knows_what_its_text_means(tmp_path: Path) -> None:
    who = profile("QD", "leaf")
    scaffold.new(who, tmp_path / "partners")
    made = drafted(tmp_path, who, STRANGERS / "leaf" / "envio.xsd", list=message("leaf"))
    assert b'gw:each="statements"' in made.samples["list"]


def test_groups_that_nobody_understands_are_a_question_that_an_answer_settles(tmp_path: Path) -> None:
    who, called = profile("QH", "groups"), ((b"Actifs", b"ListeA"), (b"Suspendus", b"ListeB"))
    xsd, message = (STRANGERS / "groups" / "registre.xsd").read_bytes(), (STRANGERS / "groups" / "list.xml").read_bytes()
    for name, other in called:
        xsd, message = xsd.replace(name, other), message.replace(name, other)
    (tmp_path / "registre.xsd").write_bytes(xsd)
    scaffold.new(who, tmp_path / "partners")
    asked = {
        one.at: one.why
        for one in drafted(tmp_path, who, tmp_path / "registre.xsd", list=message).proposals
        if one.sure is Sure.QUESTION
    }
    assert set(asked) == {"RegistreOEA/ListeA/Operateur", "RegistreOEA/ListeB/Operateur"}
    assert all("what it means to stand in this one" in why for why in asked.values())
    answers = "".join(
        f'''[[place]]\nat = "{at}"\nhole = 'gw:each="statements[standing={said}]"'\nsure = "answered"\n'''
        for at, said in zip(sorted(asked), ("valid", "suspended"), strict=True)
    )
    folder = tmp_path / "schemas" / "groups" / "1"
    (folder / "draft.toml").write_text(answers, "utf-8")
    made = drafted(tmp_path, who, tmp_path / "registre.xsd", list=message)
    assert [one for one in made.proposals if one.sure is Sure.QUESTION] == []
    (read,) = examples.keep(folder, made.messages)
    assert [(one.tin, one.standing) for one in read.statements] == [
        ("QH00100200", "valid"),
        ("QH00100300", "valid"),
        ("QH00100400", "suspended"),
    ]


def test_what_the_xsd_says_of_a_code_is_taken_where_it_is_one_word_and_shown_where_it_is_more(tmp_path: Path) -> None:
    shape, who = STRANGERS / "attributes", profile("QL", "attributes")
    xsd = (shape / "agrement.xsd").read_text("utf-8").replace("Autre cas", "N'est plus\n   en vigueur")
    (tmp_path / "agrement.xsd").write_text(xsd, "utf-8")
    scaffold.new(who, tmp_path / "partners")
    made = drafted(tmp_path, who, tmp_path / "agrement.xsd", list=(shape / "list.xml").read_bytes())
    assert made.codes["standing"] == {"1": "valid", "3": "revoked", "4": "reinstated"}
    assert made.open_codes["standing"] == ["2", "9"], "a denial is never taken for what it denies"
    said = (tmp_path / "schemas" / "attributes" / "1" / "draft.toml").read_text("utf-8")
    assert 'the XSD says of "9": N\'est plus en vigueur\n' in said


@pytest.mark.parametrize("broken", [False, True])
def test_check_names_the_questions_that_nobody_answered(broken: bool, tmp_path: Path) -> None:
    who = profile("QE", "choice")
    scaffold.new(who, tmp_path / "partners")
    made = drafted(tmp_path, who, STRANGERS / "choice" / "oea.xsd", list=SOUND)
    if broken:
        (tmp_path / "schemas" / "choice" / "1" / "list.xml").write_bytes(b"<a/>")
    now = datetime.now(UTC)
    checked = check(tmp_path / "partners", tmp_path / "schemas", None, "QE", now=now, production=False, online=False)
    assert checked.passed is not broken
    (asked,) = [point for point in checked.points if "questions" in point.what]
    assert asked.mark is Mark.WARN
    assert asked.what.startswith(f"choice 1: {made.questions} of the questions")


def test_a_kind_that_nobody_showed_is_a_question(tmp_path: Path) -> None:
    scaffold.new(profile("QE", "choice"), tmp_path / "partners")
    made = drafted(tmp_path, profile("QE", "choice"), STRANGERS / "choice" / "oea.xsd", list=message("choice"))
    assert {one.kind: (one.like, one.sure) for one in made.served} == {
        "list": ("sample", Sure.SURE),
        "update": ("list", Sure.LIKELY),
        "notice": ("list", Sure.LIKELY),
        "query": ("", Sure.QUESTION),
        "response": ("", Sure.QUESTION),
    }


def test_names_the_element_that_may_be_the_kind_nobody_showed(tmp_path: Path) -> None:
    scaffold.new(profile("QA", "nested"), tmp_path / "partners")
    made = drafted(tmp_path, profile("QA", "nested"), STRANGERS / "nested" / "tmrs.xsd", list=message("nested"))
    asked = {one.kind: one.why for one in made.served if one.sure is Sure.QUESTION}
    assert "TraderStatusRequest may be one" in asked["query"]
    assert "TraderStatusReply may be one" in asked["response"]


def message(name: str) -> bytes:
    return (STRANGERS / name / "list.xml").read_bytes()


SOUND = message("choice")
INSTANCE = b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"'


@pytest.mark.parametrize(
    ("broken", "code", "said"),
    [
        (SOUND.decode().encode("utf-16"), Code.XML_ENCODING, "UTF-16"),
        (b"<!DOCTYPE a>" + SOUND, Code.XML_DOCTYPE, "document type"),
        (SOUND.replace(b"<RazonSocial>", b"<Nombre/><RazonSocial>", 1), Code.SCHEMA_INVALID, "Nombre"),
        (SOUND.replace(b"<FechaVencimiento>01/02/2027", b"<FechaVencimiento" + INSTANCE + b">"), Code.XML_INSTANCE, "xsi:nil"),
        (b"rubbish", Code.XML_MALFORMED, "not well-formed"),
        (b"", Code.XML_MALFORMED, "not well-formed"),
    ],
)
def test_a_message_that_cannot_be_used_is_refused_with_cause_and_remedy(
    broken: bytes, code: Code, said: str, tmp_path: Path
) -> None:
    scaffold.new(profile("QE", "choice"), tmp_path / "partners")
    with pytest.raises(Refusal) as caught:
        drafted(tmp_path, profile("QE", "choice"), STRANGERS / "choice" / "oea.xsd", list=broken)
    assert caught.value.code is code
    assert said in caught.value.detail
    assert caught.value.remedy
    assert not (tmp_path / "schemas").exists()


SCHEMA = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{}</xs:schema>'


@pytest.mark.parametrize(
    ("xsd", "said"),
    [
        ("<grammar xmlns='http://relaxng.org/ns/structure/1.0'/>", "is no XSD"),
        (SCHEMA.format('<xs:include schemaLocation="elsewhere.xsd"/>'), "reaches for"),
        (
            SCHEMA.format(
                '<xs:element name="a"><xs:complexType><xs:sequence maxOccurs="1000000000"/></xs:complexType></xs:element>'
            ),
            "1000000000",
        ),
        (
            SCHEMA.format(
                '<xs:simpleType name="a"><xs:restriction base="xs:string"><xs:pattern value="(a+)+b"/></xs:restriction></xs:simpleType>'
            ),
            "pattern",
        ),
        (
            SCHEMA.format(
                '<xs:element name="a"><xs:complexType><xs:sequence/><xs:assert test="true()"/></xs:complexType></xs:element>'
            ),
            "XSD 1.1",
        ),
        ("no XML", "not well-formed"),
    ],
)
def test_an_xsd_that_cannot_be_used_is_refused_with_cause_and_remedy(xsd: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "a.xsd"
    file.write_text(xsd, "utf-8")
    with pytest.raises(Refusal, match=said) as caught:
        scaffold.new_dialect(profile("QE", "choice"), tmp_path / "schemas", [file], {"list": b"<a/>"})
    assert caught.value.remedy


def test_answers_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    who = profile("QE", "choice")
    scaffold.new(who, tmp_path / "partners")
    drafted(tmp_path, who, STRANGERS / "choice" / "oea.xsd", list=SOUND)
    for broken, said in (("[[place", "no TOML"), ('[[place]]\nat = "a"', "no hole")):
        (tmp_path / "schemas" / "choice" / "1" / "draft.toml").write_text(broken, "utf-8")
        with pytest.raises(Refusal, match=said):
            drafted(tmp_path, who, STRANGERS / "choice" / "oea.xsd", list=SOUND)


def test_a_dialect_that_was_not_drafted_is_never_written_over(tmp_path: Path) -> None:
    folder = tmp_path / "schemas" / "choice" / "1"
    folder.mkdir(parents=True)
    (folder / "other.xsd").write_text(SCHEMA.format(""), "utf-8")
    with pytest.raises(Refusal, match="not drafted"):
        scaffold.new_dialect(profile("QE", "choice"), tmp_path / "schemas", [STRANGERS / "choice" / "oea.xsd"], {"list": SOUND})
