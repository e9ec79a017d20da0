"""The language of samples, case by case: samples/language.toml and samples/writing.toml are the cases."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gateway.core.errors import Refusal
from gateway.core.model import Standing, Statement
from gateway.wire.dialect import Fault, Reading
from gateway.wire.dialect.codec import SampleCodec
from gateway.wire.dialect.load import code_lists
from gateway.wire.dialect.parse import Reader
from gateway.wire.dialect.vocabulary import Vocabulary

HERE = Path(__file__).parent / "samples"
LANGUAGE = tomllib.loads((HERE / "language.toml").read_text(encoding="utf-8"))
WRITING = tomllib.loads((HERE / "writing.toml").read_text(encoding="utf-8"))


def face(name: str) -> SampleCodec:
    data = LANGUAGE["sample"][name]
    faults: list[Fault] = []
    lists = {key: {str(code): word for code, word in words.items()} for key, words in data.get("codes", {}).items()}
    vocabulary = Vocabulary(code_lists(lists, faults), data.get("parts", {}))
    reader = Reader(f"{name}.xml", vocabulary)
    sample = reader.read(data["xml"].strip().encode())
    assert sample is not None, reader.faults
    assert not faults
    return SampleCodec(sample, vocabulary, {})


def said(records: list[dict[str, Any]]) -> tuple[Statement, ...]:
    return tuple(Statement(**record | {"standing": Standing(record["standing"])}) for record in records)


def reading(case: dict[str, Any]) -> Reading:
    return Reading(case.get("message", {"id": "m"}), said(case.get("statements", [])), case.get("query", {}))


def document(case: dict[str, Any]) -> bytes:
    if "record" in case:
        head = '<List xmlns="urn:t" version="1.0"><Head><Id>m</Id><Count>1</Count></Head>'
        return f"{head}\n<Op>{case['record']}</Op></List>".encode()
    text: str = case["document"]
    return text.encode()


def titled(cases: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=f"{case['sample']}: {case.get('name', n)}") for n, case in enumerate(cases)]
    )


@titled([case for case in LANGUAGE["case"] if "code" not in case])
def test_says(case: dict[str, Any]) -> None:
    compiled = face(case["sample"])
    expected = Reading(case.get("message", {}), said(case["statements"]), case.get("query", {}))
    found = compiled.read(etree.fromstring(document(case)))
    assert found == expected
    assert compiled.read(etree.fromstring(compiled.write(found, {}))) == expected


@titled([case for case in LANGUAGE["case"] if "code" in case])
def test_refuses(case: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as caught:
        face(case["sample"]).read(etree.fromstring(document(case)))
    refusal = caught.value
    assert {"code": str(refusal.code), "field": refusal.field} == {"code": case["code"], "field": case["field"]}
    assert refusal.line is not None
    for key in ("value", "line"):
        if key in case:
            assert getattr(refusal, key) == case[key]


@titled(WRITING["refused"])
def test_cannot_be_written(case: dict[str, Any]) -> None:
    compiled = face(case["sample"])
    if "shown" in case:
        compiled.shown = True
        what = Reading({}, (), {}, tuple(case["shown"]))
    else:
        what = reading(case)
    with pytest.raises(Refusal) as caught:
        compiled.write(what, {})
    assert (str(caught.value.code), caught.value.field) == (case["code"], case["field"])


@titled(WRITING["spliced"])
def test_values_are_escaped(case: dict[str, Any]) -> None:
    compiled = face(case["sample"])
    what = Reading(
        {"id": case["value"]}, (Statement(tin="SG1", standing=Standing.VALID, name=case["value"], address=case["value"]),)
    )
    assert compiled.read(etree.fromstring(compiled.write(what, {}))) == what


def test_reinstated_is_told_as_valid_where_there_is_no_word_for_it() -> None:
    compiled = face("plain")
    text = compiled.write(reading({"statements": [{"tin": "SG1", "standing": "reinstated"}]}), {})
    assert compiled.read(etree.fromstring(text)).statements[0].standing is Standing.VALID


def test_an_empty_text_is_no_text() -> None:
    compiled = face("plain")
    text = compiled.write(Reading({"id": "m"}, (Statement(tin="SG1", standing=Standing.VALID, name=""),)), {})
    assert compiled.read(etree.fromstring(text)).statements[0].name is None
