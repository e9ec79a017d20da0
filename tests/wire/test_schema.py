"""XSD: what is compiled, and how a failing document is explained. What is refused before is in tests/vectors/onboarding."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.wire import schema
from gateway.wire.schema import compile_schema, read_xsds, survives
from gateway.wire.xsd import SchemaFault
from tests.rig.bounds import within

XSD = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" {attributes}>\n{body}</xs:schema>'
LIST = """
<xs:element name="List"><xs:complexType><xs:sequence>
  <xs:element name="Op" maxOccurs="unbounded"><xs:complexType><xs:sequence>
    <xs:element name="Code"><xs:simpleType><xs:restriction base="xs:string"><xs:maxLength value="5"/></xs:restriction></xs:simpleType></xs:element>
    <xs:element name="Since" type="xs:date" minOccurs="0"/>
    <xs:element name="Note" minOccurs="0"><xs:complexType><xs:simpleContent>
      <xs:extension base="xs:string"><xs:attribute name="by" type="xs:string"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>
  </xs:sequence><xs:attribute name="level"><xs:simpleType><xs:restriction base="xs:string">
    <xs:enumeration value="A"/><xs:enumeration value="B"/></xs:restriction></xs:simpleType></xs:attribute></xs:complexType></xs:element>
</xs:sequence></xs:complexType></xs:element>"""


def compiled(folder: Path) -> schema.Schema:
    return compile_schema(folder.name, read_xsds(folder))


def write(folder: Path, body: str, attributes: str = "", name: str = "main.xsd") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(XSD.format(attributes=attributes, body=body), encoding="utf-8")
    return folder


@pytest.fixture
def operators(tmp_path: Path) -> schema.Schema:
    return compiled(write(tmp_path / "list", LIST, 'xmlns="urn:t" targetNamespace="urn:t" elementFormDefault="qualified"'))


def test_files_that_include_each_other(tmp_path: Path) -> None:
    folder = write(tmp_path / "x", '<xs:include schemaLocation="b.xsd"/>' + LIST)
    write(folder, '<xs:include schemaLocation="main.xsd"/>', name="b.xsd")
    operators = compiled(folder)
    operators.validate(etree.fromstring("<List><Op><Code>A</Code></Op></List>"))
    with pytest.raises(Refusal, match="Code"):
        operators.validate(etree.fromstring("<List><Op><Code>longer</Code></Op></List>"))


def test_two_roots_in_two_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "x", '<xs:element name="a" type="xs:date"/>', 'targetNamespace="urn:a"', "a.xsd")
    write(folder, '<xs:element name="b" type="xs:date"/>', 'targetNamespace="urn:b"', "b.xsd")
    write(folder, '<xs:element name="c" type="xs:date"/>', "", "c.xsd")
    both = compiled(folder)
    for name in ('a xmlns="urn:a"', 'b xmlns="urn:b"', "c"):
        both.validate(etree.fromstring(f"<{name}>2026-04-01</{name[0]}>"))
        with pytest.raises(Refusal, match="out of range"):
            both.validate(etree.fromstring(f"<{name}>2026-04-31</{name[0]}>"))


def test_the_same_bytes_compile_once(operators: schema.Schema) -> None:
    assert compile_schema("list", dict(operators.files)) is operators
    assert compile_schema("list", {"main.xsd": operators.files["main.xsd"] + b" "}) is not operators


# -- explaining ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "field", "value", "reason"),
    [
        ("<Op><Code>ABCDEF</Code></Op>", "List/Op/Code", "ABCDEF", "length cannot be greater than 5"),
        ("<Op><Code>A</Code><Since>soon</Since></Op>", "List/Op/Since", "soon", "soon"),
        ('<Op level="C"><Code>A</Code></Op>', "List/Op", None, "'A', 'B'"),
        ("<Op><Colour>red</Colour></Op>", "List/Op/Colour", "red", "Expected is ( Code )"),
        ("<Op/>", "List/Op", None, "is not complete"),
        ('<Op><Code>A</Code><Note to="x">y</Note></Op>', "List/Op/Note", "y", "'to' attribute not allowed"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "l:"])
def test_explains(operators: schema.Schema, prefix: str, record: str, field: str, value: str | None, reason: str) -> None:
    good = "<Op><Code>A</Code></Op>\n" * 3
    document = f'<List xmlns{":l" if prefix else ""}="urn:t">\n{good}{record}\n</List>'
    if prefix:
        document = document.replace("</", "\0").replace("<", "<l:").replace("\0", "</l:")
    with pytest.raises(Refusal) as caught:
        operators.validate(etree.fromstring(document))
    refusal = caught.value
    assert (refusal.code, refusal.field, refusal.value, refusal.line) == (Code.SCHEMA_INVALID, field, value, 5)
    assert reason in refusal.detail
    assert "urn:t" not in refusal.detail


@pytest.mark.parametrize(
    ("base", "pattern", "value", "said"),
    [
        ("date", "[^Z]*", "2026-06-15T00:00:00", "write it like 2026-06-15"),
        ("dateTime", r"[^.]*(\.\d{1,3})?Z", "2026-06-15T04:00:00.1234567Z", "write it like 2026-06-15T04:00:00.123Z"),
        ("dateTime", "[^.]*Z", "2026-06-15T12:00:00+08:00", "write it like 2026-06-15T04:00:00Z"),
        (
            "string",
            "[0-9T:-]+Z",
            "2026-06-15T04:00:00",
            "write it like 2026-06-15T04:00:00Z, if UTC is meant: it names no time zone",
        ),
    ],
)
def test_a_moment_that_does_not_fit_is_told_by_example(tmp_path: Path, base: str, pattern: str, value: str, said: str) -> None:
    facet = f'<xs:restriction base="xs:{base}"><xs:pattern value="{pattern}"/></xs:restriction>'
    body = f"""<xs:simpleType name="t">{facet}</xs:simpleType><xs:element name="a"><xs:complexType><xs:simpleContent>
        <xs:extension base="t"><xs:attribute name="c" type="t"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>"""
    moments = compiled(write(tmp_path / "x", body))
    element = etree.fromstring(f"<a>{value}</a>")
    with pytest.raises(Refusal) as caught:
        moments.validate(element)
    assert caught.value.detail == f"a: {value} does not fit; {said}."
    element = etree.fromstring(f'<a c="{value}">{said[14:].partition(",")[0]}</a>')
    with pytest.raises(Refusal) as caught:
        moments.validate(element)
    assert caught.value.detail == f"a: {value} does not fit; {said}."


def test_a_payload_is_validated_where_it_stands(operators: schema.Schema) -> None:
    envelope = etree.fromstring(
        '<E xmlns="urn:e"><Payload>\n<l:List xmlns:l="urn:t">\n<l:Op><l:Code>TOO LONG</l:Code></l:Op></l:List></Payload></E>'
    )
    with pytest.raises(Refusal) as caught:
        operators.validate(envelope[0][0])
    assert (caught.value.field, caught.value.line) == ("List/Op/Code", 3)


def test_another_root(operators: schema.Schema) -> None:
    with pytest.raises(Refusal, match="No matching global declaration"):
        operators.validate(etree.fromstring("<Other/>"))


def test_a_bad_last_record_among_many_is_explained_at_once(operators: schema.Schema) -> None:
    document = '<List xmlns="urn:t">' + "<Op><Code>A</Code></Op>" * 25_000 + "<Op><Code>ABCDEF</Code></Op></List>"
    root = etree.fromstring(document)
    _ = operators.words
    with within(1), pytest.raises(Refusal, match="greater than 5"):
        operators.validate(root)


VALUE = (
    '<xs:element name="a"><xs:simpleType><xs:restriction base="xs:{base}">{facets}</xs:restriction></xs:simpleType></xs:element>'
)


def pattern(text: str, base: str = "string") -> str:
    return VALUE.format(base=base, facets=f'<xs:pattern value="{text}"/>')


@pytest.mark.parametrize(
    ("xsd", "value"),
    [
        (pattern(r"\S+( \S+)*"), "word " * 200_000),
        (pattern("[0-9]{1,17}[0-9]{1,17}"), "9" * 1_000_000),
        (pattern(r"(\d{1,3}\.){3}\d{1,3}"), "1." * 400),
        (VALUE.format(base="decimal", facets='<xs:totalDigits value="5"/>'), "9" * 5_000),
        (VALUE.format(base="integer", facets=""), "9" * 900 + "x"),
        (VALUE.format(base="dateTime", facets=""), "-" + "9" * 500 + "-01-01T00:00:00Z"),
        (VALUE.format(base="gYear", facets=""), "9" * 400),
        (VALUE.format(base="duration", facets=""), "P" + "9" * 900 + "Yx"),
        (VALUE.format(base="base64Binary", facets='<xs:length value="3"/>'), "QUFB" * 200),
        (VALUE.format(base="QName", facets=""), "no:" * 300),
        (VALUE.format(base="anyURI", facets='<xs:maxLength value="3"/>'), "http://[" + ":" * 900),
    ],
)
def test_whatever_the_value_it_is_refused_in_time(tmp_path: Path, xsd: str, value: str) -> None:
    """The explanation is Python's, and may neither take long nor trip over what libxml2 refused."""
    schema_of_one = compiled(write(tmp_path / "x", xsd))
    _ = schema_of_one.words
    element = etree.Element("a")
    element.text = value
    with within(0.5), pytest.raises(Refusal) as caught:
        schema_of_one.validate(element)
    assert caught.value.code is Code.SCHEMA_INVALID


@pytest.mark.parametrize(("unit", "times"), [("(A|A)", 31), ("(A|[A])", 26), ("(A+)+", 1)])
def test_a_pattern_activated_before_patterns_were_judged(unit: str, times: int) -> None:
    """It is run by libxml2 alone, which gives up after ten million steps; that is a refusal as well."""
    content = XSD.format(attributes="", body=pattern(unit * times)).encode()
    with pytest.raises(SchemaFault, match="too many ways"):
        compile_schema("of today", {"main.xsd": content})
    old = compile_schema("of before", {"main.xsd": content}, stored=True)
    old.validate(etree.fromstring(f"<a>{'A' * times}</a>"))
    with within(5), pytest.raises(Refusal) as caught:
        old.validate(etree.fromstring(f"<a>{'A' * max(times - 1, 30)}B</a>"))
    assert caught.value.code is Code.SCHEMA_INVALID


def test_threads_share_a_schema(operators: schema.Schema) -> None:
    def judge(n: int) -> str:
        try:
            operators.validate(etree.fromstring(f'<List xmlns="urn:t"><Op><Code>{"A" * (n % 2 * 9 + 1)}</Code></Op></List>'))
        except Refusal as refusal:
            return str(refusal.value)
        return "valid"

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(judge, range(200))) == ["valid", "A" * 10] * 100


# -- what a place may hold -------------------------------------------------------------------------------------------------------


def test_what_a_place_may_hold(operators: schema.Schema) -> None:
    top, op = "{urn:t}List", "{urn:t}Op"
    code = operators.allows((top, op, "{urn:t}Code"))
    level = operators.allows((top, op), "level")
    note = operators.allows((top, op, "{urn:t}Note"))
    assert code is not None
    assert (code.longest, code.enumeration, code.fits("ABCDEF")) == (5, None, False)
    assert level is not None
    assert level.enumeration == frozenset("AB")
    assert note is not None
    assert note.fits("anything")
    for nowhere in [
        (("{urn:t}Other",), None),
        ((top, op, "{urn:t}Code", "x"), None),
        ((top, "x"), None),
        ((top,), None),
        ((top, op), "x"),
    ]:
        assert operators.allows(*nowhere) is None


# -- child processes -------------------------------------------------------------------------------------------------------------


@pytest.mark.process
def test_survives(operators: schema.Schema) -> None:
    assert survives(operators.files)
    assert not survives({})
    assert not survives(operators.files, seconds=0.001)
