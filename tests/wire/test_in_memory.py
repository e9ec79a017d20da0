"""XSD files in memory: what they include is found among them by both libraries, and nothing else is found at all."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

from gateway.core.errors import Refusal
from gateway.settings import ROOT
from gateway.wire import in_memory
from gateway.wire.dialect import load_dialect, load_folder
from gateway.wire.schema import compile_schema
from tests.wire.test_schema import XSD

CODE = '<xs:simpleType name="Code"><xs:restriction base="xs:string"><xs:maxLength value="5"/></xs:restriction></xs:simpleType>'
FILES = {
    "main.xsd": (
        'xmlns="urn:t" targetNamespace="urn:t" xmlns:o="urn:o"',
        '<xs:include schemaLocation="parts.xsd"/><xs:import namespace="urn:o" schemaLocation="other-one.xsd"/>'
        '<xs:element name="Op"><xs:complexType><xs:sequence><xs:element name="Part" type="Part"/><xs:element ref="o:Since"/></xs:sequence>'
        "</xs:complexType></xs:element>",
    ),
    "parts.xsd": (
        'xmlns="urn:t" targetNamespace="urn:t"',
        '<xs:include schemaLocation="codes.xsd"/>'
        '<xs:complexType name="Part"><xs:sequence><xs:element name="Code" type="Code"/></xs:sequence></xs:complexType>',
    ),
    "codes.xsd": ('xmlns="urn:t" targetNamespace="urn:t"', '<xs:include schemaLocation="parts.xsd"/>' + CODE),
    "other-one.xsd": ('targetNamespace="urn:o"', '<xs:element name="Since" type="xs:date"/>'),
}
DOCUMENT = '<Op xmlns="urn:t"><Part xmlns=""><Code>{code}</Code></Part><Since xmlns="urn:o">{since}</Since></Op>'


def text(attributes: str, body: str) -> bytes:
    return XSD.format(attributes=attributes, body=body).encode()


def test_what_a_file_includes_or_imports_is_found_beside_it() -> None:
    schema = compile_schema("t", {name: text(*made) for name, made in FILES.items()})
    schema.validate(etree.fromstring(DOCUMENT.format(code="ABCDE", since="2026-04-01")))
    for code, since, wrong in (("ABCDEF", "2026-04-01", "greater than 5"), ("A", "2026-04-31", "out of range")):
        with pytest.raises(Refusal, match=wrong):
            schema.validate(etree.fromstring(DOCUMENT.format(code=code, since=since)))
    allowed = schema.allows(("{urn:t}Op", "Part", "Code"))
    assert allowed is not None
    assert allowed.longest == 5


@pytest.mark.parametrize("tag", ['<xs:include schemaLocation="{}"/>', '<xs:import namespace="urn:x" schemaLocation="{}"/>'])
@pytest.mark.parametrize("where", ["file", "path", "relative", "network", "beside"])
def test_neither_library_looks_anywhere_else(tag: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where nobody scanned the XSD before: a file that lies on the disk is not found by any of its names."""
    outside = tmp_path / "outside.xsd"
    space = 'targetNamespace="urn:x"' if "import" in tag else ""
    outside.write_bytes(text(space, '<xs:element name="Outside" type="xs:string"/>'))
    monkeypatch.chdir(tmp_path)
    location = {
        "file": outside.as_uri(),
        "path": str(outside),
        "relative": "../" * 20 + str(outside)[1:],
        "network": "http://127.0.0.1:9/outside.xsd",
        "beside": "outside.xsd",
    }[where]
    files = {"main.xsd": text("", tag.format(location) + '<xs:element name="Op" type="xs:string"/>')}
    name = "Outside" if not space else "{urn:x}Outside"
    url = in_memory.url_of("main.xsd")
    with suppress(etree.XMLSchemaParseError):  # what cannot be included is an error, what cannot be imported is not
        assert not etree.XMLSchema(in_memory.tree(files["main.xsd"], url, files)).validate(etree.Element(name))
    with warnings.catch_warnings(), suppress(xmlschema.XMLSchemaException):
        warnings.simplefilter("ignore")
        words = xmlschema.XMLSchema10(url, base_url=in_memory.ROOT, allow="remote", opener=in_memory.opener(files))
        assert name not in words.maps.elements


def test_a_dialect_is_the_same_from_memory_as_from_its_folder() -> None:
    folder = ROOT / "schemas" / "certificate" / "1"
    texts = {path.name: path.read_text("utf-8") for path in folder.iterdir() if path.suffix in (".xsd", ".xml", ".toml")}
    assert sum(name.endswith(".xsd") for name in texts) > 1
    there = load_folder(folder, {})
    for files in (texts, {name: one.encode() for name, one in texts.items()}):
        dialect = load_dialect("certificate", "1", files, {})
        assert (dialect.name, dialect.version, dialect.roots, dialect.fields) == (
            there.name,
            there.version,
            there.roots,
            there.fields,
        )
        assert dialect.schema is there.schema, "the same bytes compile once, wherever they lay"
