"""Every dialect under schemas/, discovered from its folder: its examples, and the two laws.

read(write(m)) = m, and what is written passes the XSD; write(read(x)) passes the XSD and reads the same.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.model import OPTIONAL_FIELDS, Kind, Standing, Statement
from gateway.settings import ROOT
from gateway.wire.dialect import Dialect, Reading, load_folder
from gateway.wire.dialect.codec import HeaderValue, SampleCodec
from gateway.wire.dialect.conformance import place_of, record_of
from gateway.wire.dialect.template import Hole
from gateway.wire.dialect.tree import values_of
from gateway.wire.schema import Allowed
from gateway.wire.xml import parse
from tests.rig.volume import times

FOLDERS = sorted(path.parent for path in (ROOT / "schemas").glob("*/*/dialect.toml"))
SIGNATORY = {"signatory.surname": "Li", "signatory.name": "Wei"}


@cache
def load(folder: Path) -> Dialect:
    return load_folder(folder, {})


def title(path: Path) -> str:
    return "/".join(path.relative_to(ROOT / "schemas").with_suffix("").parts)


def examples(sort: str) -> list[Any]:
    found = [path for folder in FOLDERS for path in sorted((folder / "examples" / sort).glob("*.xml"))]
    return [pytest.param(path, id=title(path)) for path in found]


def of(path: Path) -> tuple[Dialect, Kind]:
    return load(path.parents[2]), Kind(path.name.partition(".")[0])


def judge(dialect: Dialect, kind: Kind, root: etree._Element) -> Reading:
    dialect.validate(root)
    return dialect.read(kind, root)


def plain(reading: Reading) -> dict[str, Any]:
    data = msgspec.json.decode(msgspec.json.encode(reading))
    data["statements"] = [{key: value for key, value in record.items() if value is not None} for record in data["statements"]]
    return {key: value for key, value in data.items() if value}


@pytest.mark.parametrize("path", examples("accepted"))
def test_accepted(path: Path) -> None:
    dialect, kind = of(path)
    root = parse(path.read_bytes())
    reading = judge(dialect, kind, root)
    assert plain(reading) == json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    again = parse(dialect.write(kind, reading, SIGNATORY).encode())
    assert judge(dialect, kind, again) == reading


@pytest.mark.parametrize("path", examples("rejected"))
def test_rejected(path: Path) -> None:
    dialect, kind = of(path)
    expected = tomllib.loads(path.with_suffix(".toml").read_text(encoding="utf-8"))
    root = parse(path.read_bytes())
    with pytest.raises(Refusal) as caught:
        judge(dialect, kind, root)
    assert str(caught.value.code) == expected["code"]
    assert caught.value.line
    assert expected["why"]
    if "field" in expected:
        assert caught.value.field == expected["field"]


@pytest.mark.parametrize("folder", FOLDERS, ids=title)
def test_has_its_examples(folder: Path) -> None:
    assert len(list((folder / "examples" / "accepted").glob("*.xml"))) >= 2
    assert len(list((folder / "examples" / "rejected").glob("*.xml"))) >= 3


@pytest.mark.parametrize("folder", FOLDERS, ids=title)
def test_what_we_tell_needs_no_more_than_code_and_standing(folder: Path) -> None:
    dialect = load(folder)
    message: dict[str, HeaderValue] = {
        "id": "m",
        "issued": datetime(2026, 4, 1, tzinfo=UTC),
        "as_of": datetime(2026, 4, 1, tzinfo=UTC),
    }
    for kind in dialect.kinds & {Kind.LIST, Kind.UPDATE, Kind.NOTICE}:
        for standing in (
            Standing.VALID,
            Standing.REINSTATED,
            Standing.SUSPENDED,
            Standing.REVOKED,
            Standing.WITHDRAWN,
            Standing.ANNULLED,
        ):
            for name in (None, "Suzhou Example Optics Co., Ltd."):
                reading = Reading(message, (Statement(tin="AEOCN1234567890", standing=standing, name=name),))
                root = parse(dialect.write(kind, reading, {}).encode())
                (said,) = judge(dialect, kind, root).statements
                assert (said.tin, said.name, said.standing.grants) == ("AEOCN1234567890", name, standing.grants)


def test_shapes_hold_the_codes_of_their_partners() -> None:
    longest = {f"{folder.parent.name}/{folder.name}": load(folder).max_code for folder in FOLDERS}
    assert longest["party/1"] == 17  # R143 is an..17
    assert longest["flat/1"] == 19  # Japan
    assert longest["canonical/1"] == 35  # as long as any code may be


def test_two_versions_are_told_apart() -> None:
    one, two = load(ROOT / "schemas/canonical/1"), load(ROOT / "schemas/canonical/2")
    assert two.fields - one.fields == {"role"}
    document = parse((ROOT / "schemas/canonical/2/examples/accepted/list.xml").read_bytes())
    with pytest.raises(Refusal, match="StatementList is no list of canonical 1") as caught:
        one.read(Kind.LIST, document)
    assert caught.value.code is Code.FIELD_UNEXPECTED


def test_what_only_shows_makes_no_statement() -> None:
    dialect = load(ROOT / "schemas/lookup/1")
    assert not {"tin", "standing", "number"} & dialect.fields
    with pytest.raises(Refusal) as caught:
        dialect.faces(Kind.LIST)
    assert caught.value.code is Code.KIND_NOT_ACCEPTED


def test_an_answer_that_no_face_can_give() -> None:
    dialect = load(ROOT / "schemas/lookup/1")
    with pytest.raises(Refusal) as caught:
        dialect.write(Kind.RESPONSE, Reading({"id": "m"}), {})
    assert caught.value.code is Code.FIELD_MISSING


# -- the laws ------------------------------------------------------------------------------------------------------------------

#: Whatever XML can carry and normalisation leaves alone, with the characters that break careless writers well represented.
TEXT = st.text(
    st.one_of(
        st.sampled_from("&<>\"'\t\n\r]{}|?%$ 海é"),
        st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\ufffe\uffff"),
    ),
    min_size=1,
    max_size=40,
)
CODE = st.from_regex(r"[A-Z]{2}[0-9A-Z]([0-9A-Z/ ]{0,9}[0-9A-Z])?", fullmatch=True)
ASSORTED = {
    "tin": st.from_regex(r"[A-Z]{2}[0-9A-Z]{1,13}", fullmatch=True),
    "number": CODE,
    "number#serial": st.from_regex(r"[0-9A-Z]{4}", fullmatch=True),
    "member": st.from_regex(r"[A-Z]{2}", fullmatch=True),
    "query.tin": st.from_regex(r"[A-Z]{2}[0-9A-Z]{1,13}", fullmatch=True),
}
DAYS = st.dates(date(1900, 1, 1), date(2999, 12, 31))
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive by contract


def drawn_for(hole: Hole, allowed: Allowed) -> st.SearchStrategy[Any]:
    if hole.value.words:
        return st.sampled_from(hole.value.words)
    if hole.value.gives != "text":
        return {"date": DAYS, "datetime": MOMENTS, "moment": st.one_of(DAYS, MOMENTS), "int": st.integers(1, 9)}[hole.value.gives]
    strategy = ASSORTED.get(hole.key, TEXT)
    return strategy.filter(lambda text: text.strip() != "" and allowed.fits(hole.value.write(text)))


@st.composite
def readings(draw: st.DrawFn, dialect: Dialect, face: SampleCodec) -> Reading:
    sample = face.sample
    strategies = {hole.key: drawn_for(hole, allowed) for hole, allowed in place_of(face, dialect.schema)}

    def draws(keys: Iterator[str], must: set[str]) -> dict[str, Any]:
        return {key: draw(strategies[key]) for key in sorted(keys) if key in strategies and (key in must or draw(st.booleans()))}

    top = draws(iter(key for key in sample.top.all if "." in key), sample.top.must)
    message = {key.removeprefix("message."): value for key, value in top.items() if key.startswith("message.")}
    query = {key.removeprefix("query."): value for key, value in top.items() if key.startswith("query.")}
    records = []
    for _ in range(draw(st.integers(1, 4)) if sample.outer else 0):
        track = draw(st.sampled_from(sample.tracks))
        said = values_of(track).get("standing")
        standing = said or (draw(st.sampled_from(sorted(sample.standings))) if sample.standings else None)
        keys = {key for key in strategies if "." not in key}
        found = draws(
            iter(keys),
            keys if draw(st.booleans()) else {key for _, holes in track for key in holes.must},
        )
        if any("#" in key for key in found):
            found |= {key: draw(strategies[key]) for key in keys if "#" in key}
        records.append(record_of(face, track, Standing(standing) if standing else None, found | top))
    if face.shown:
        return Reading(message, (), query, tuple(records))
    return Reading(message, tuple(Statement(**record) for record in records), query)


FACES = [
    (folder, kind, n) for folder in FOLDERS for kind in sorted(load(folder).kinds) for n in range(len(load(folder).faces(kind)))
]


@pytest.mark.long
@pytest.mark.parametrize(("folder", "kind", "n"), FACES, ids=[f"{title(folder)} {kind} {n}" for folder, kind, n in FACES])
@settings(max_examples=times(15), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_laws(folder: Path, kind: Kind, n: int, data: st.DataObject) -> None:
    dialect = load(folder)
    reading = data.draw(readings(dialect, dialect.faces(kind)[n]))
    try:
        text = dialect.write(kind, reading, SIGNATORY)
    except Refusal as refusal:  # one value without the other that it stands beside
        assume(refusal.code not in (Code.FIELD_UNEXPECTED, Code.FIELD_MISSING))
        raise
    root = parse(text.encode())
    assert msgspec.structs.replace(judge(dialect, kind, root), outcome=None) == reading
    assert dialect.write(kind, reading, SIGNATORY) == text


def test_optional_fields_are_carried_somewhere() -> None:
    assert set(OPTIONAL_FIELDS) <= {field for folder in FOLDERS for field in load(folder).fields}


# -- nothing is dropped --------------------------------------------------------------------------------------------------------

#: Shapes in which every document has one way to be written: no second code for a word, nothing read past, no number written 4 and
#: 04, no neighbours of one operator that are written as one.
EXACT = [param for param in examples("accepted") if param.values[0].parts[-5] in ("certificate", "flat", "bilingual", "canonical")]


def content(root: etree._Element) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """Whatever a document says, in any order."""
    return sorted(
        (str(node.tag), (node.text or "").strip() if not len(node) else "", tuple(sorted(node.items()))) for node in root.iter("*")
    )


@st.composite
def spoilt(draw: st.DrawFn, path: Path) -> etree._Element:
    """The example with one to three changes anywhere."""
    root = etree.parse(path).getroot()
    for _ in range(draw(st.integers(1, 3))):
        nodes = list(root.iter("*"))
        node = draw(st.sampled_from(nodes))
        parent = node.getparent()
        match draw(st.sampled_from(["remove", "repeat", "add", "text", "stray", "attribute", "unattribute", "swap"])):
            case "remove" if parent is not None:
                parent.remove(node)
            case "repeat" if parent is not None:
                parent.append(etree.fromstring(etree.tostring(node, with_tail=False)))
            case "add":
                etree.SubElement(node, draw(st.sampled_from(nodes)).tag).text = "x"
            case "text":
                node.text = draw(st.sampled_from(nodes)).text
            case "stray":
                node.tail = "x"
            case "attribute":
                node.set(draw(st.sampled_from(["x", *(name for other in nodes for name in other.keys())])), "x")  # noqa: SIM118 - lxml
            case "unattribute" if node.keys():
                del node.attrib[draw(st.sampled_from(node.keys()))]
            case "swap" if parent is not None:
                parent.insert(0, node)
    return etree.fromstring(etree.tostring(root, with_tail=False))


@pytest.mark.parametrize("path", EXACT)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_read_is_all_that_was_said(path: Path, data: st.DataObject) -> None:
    dialect, kind = of(path)
    root = data.draw(spoilt(path))
    try:
        reading = dialect.read(kind, root)
    except Refusal as refusal:
        said = refusal
    else:
        assert content(parse(dialect.write(kind, reading, SIGNATORY).encode())) == content(root)
        return
    assert said.line is not None
