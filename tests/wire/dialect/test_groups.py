"""Lists grouped by standing, and groups of groups: what is written reads the same, and whatever could be read in two ways is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Standing, Statement
from gateway.wire.dialect import Dialect, Reading, load_folder
from gateway.wire.xml import parse

OPERATOR = """<xs:element name="Op" minOccurs="{least}" maxOccurs="unbounded"><xs:complexType>
<xs:attribute name="c" type="xs:string" use="required"/><xs:attribute name="n" type="xs:string"/></xs:complexType></xs:element>"""
GROUP = """<xs:element name="{name}" minOccurs="{may}"><xs:complexType><xs:sequence>{operator}</xs:sequence>
<xs:attribute name="n" type="xs:int" use="required"/></xs:complexType></xs:element>"""
GROUPED_XSD = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="L"><xs:complexType><xs:sequence>'
    '<xs:element name="Total" type="xs:int"/>'
    + GROUP.format(name="Active", may=1, operator=OPERATOR.format(least=0))
    + GROUP.format(name="Suspended", may=0, operator=OPERATOR.format(least=1))
    + "</xs:sequence></xs:complexType></xs:element></xs:schema>"
)
#: The first group is always there; the second only with somebody in it. The document counts all, each group its own.
GROUPED = """<L xmlns:gw="urn:aeo-gateway:sample"><Total>{@count}</Total>
<Active n="{@count}"><Op gw:each="statements[standing=valid]" c="{tin}" n="{name}?"/></Active>
<Suspended gw:if="statements" n="{@count}"><Op gw:each="statements[standing=suspended]" c="{tin}" n="{name}?"/></Suspended></L>"""

DEEP_XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="L"><xs:complexType><xs:sequence>
<xs:element name="Office" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
<xs:element name="Company" maxOccurs="unbounded"><xs:complexType><xs:sequence>
<xs:element name="Licences"><xs:complexType><xs:sequence>
<xs:element name="Licence" maxOccurs="unbounded"><xs:complexType><xs:attribute name="kind" type="xs:string"/>
<xs:attribute name="state" type="xs:string" use="required"/><xs:attribute name="from" type="xs:date"/></xs:complexType></xs:element>
</xs:sequence><xs:attribute name="n" type="xs:int" use="required"/></xs:complexType></xs:element></xs:sequence>
<xs:attribute name="c" type="xs:string" use="required"/><xs:attribute name="name" type="xs:string"/></xs:complexType></xs:element>
</xs:sequence><xs:attribute name="at" type="xs:string" use="required"/></xs:complexType></xs:element></xs:sequence>
<xs:attribute name="n" type="xs:int" use="required"/></xs:complexType></xs:element></xs:schema>"""
#: Offices of companies of licences. The document counts companies, each company its licences.
DEEP = """<L xmlns:gw="urn:aeo-gateway:sample" n="{@count}">
<Office gw:each="statements by office" at="{office|none:-}">
<Company gw:each=". by tin" c="{tin}" name="{name}?"><Licences n="{@count}">
<Licence gw:each="." kind="{level}?" state="{standing|standing}" from="{granted|date}?"/></Licences></Company></Office></L>"""
CODES = {"standing": {"V": "valid", "S": "suspended"}}


def compiled(place: Path, xsd: str, sample: str) -> Dialect:
    folder = place / "groups" / "1"
    folder.mkdir(parents=True)
    (folder / "l.xsd").write_text(xsd, "utf-8")
    (folder / "list.xml").write_text(sample, "utf-8")
    (folder / "dialect.toml").write_text('summary = "-"\n', "utf-8")
    return load_folder(folder, CODES if "|standing" in sample else {})


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Dialect:
    return compiled(tmp_path_factory.mktemp("grouped"), GROUPED_XSD, GROUPED)


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Dialect:
    return compiled(tmp_path_factory.mktemp("deep"), DEEP_XSD, DEEP)


TEXT = st.none() | st.text("ab<&\"'é", min_size=1, max_size=3)
STATEMENTS = st.builds(
    Statement,
    tin=st.sampled_from(["QZ1", "QZ2", "QZ3"]),
    standing=st.sampled_from([Standing.VALID, Standing.SUSPENDED]),
    name=TEXT,
)
LICENCES = st.builds(
    Statement,
    tin=st.sampled_from(["QZ1", "QZ2", "QZ3"]),
    standing=st.sampled_from([Standing.VALID, Standing.SUSPENDED]),
    name=TEXT,
    office=st.none() | st.sampled_from(["North", "South"]),
    level=TEXT,
    granted=st.none() | st.dates(date(2000, 1, 1), date(2100, 1, 1)),
)


def there_and_back(dialect: Dialect, said: Reading) -> Reading:
    root = parse(dialect.write(Kind.LIST, said, {}).encode())
    dialect.validate(root)
    return dialect.read(Kind.LIST, root)


@given(st.lists(STATEMENTS, max_size=8))
def test_groups_read_as_they_were_written(grouped: Dialect, statements: list[Statement]) -> None:
    """In the order of the groups, which is the one thing a grouped document cannot keep."""
    by_group = sorted(statements, key=lambda one: one.standing is Standing.SUSPENDED)
    assert there_and_back(grouped, Reading({}, tuple(statements))) == Reading({}, tuple(by_group))


@given(st.lists(LICENCES, max_size=8))
def test_groups_of_groups_read_as_they_were_written(deep: Dialect, statements: list[Statement]) -> None:
    assert there_and_back(deep, Reading({}, tuple(statements))) == Reading({}, tuple(statements))


VALID, SUSPENDED = (Statement(tin="QZ1", standing=one) for one in (Standing.VALID, Standing.SUSPENDED))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ('<L><Total>1</Total><Active n="1"><Op c="QZ1"/></Active></L>', (VALID,)),
        ('<L><Total>1</Total><Active n="0"/><Suspended n="1"><Op c="QZ1"/></Suspended></L>', (SUSPENDED,)),
        ('<L><Total>0</Total><Active n="0"/><Suspended n="0"/></L>', ()),
        ('<L><Total>1</Total><Active n="2"><Op c="QZ1"/></Active></L>', Code.COUNT_MISMATCH),
        ('<L><Total>2</Total><Active n="1"><Op c="QZ1"/></Active></L>', Code.COUNT_MISMATCH),
        ('<L><Total>1</Total><Suspended n="1"><Op c="QZ1"/></Suspended></L>', Code.FIELD_MISSING),
        ('<L><Total>0</Total><Active n="0"/><Active n="0"/></L>', Code.FIELD_REPEATED),
        ('<L><Total>0</Total><Active n="0"/><Revoked n="0"/></L>', Code.FIELD_UNEXPECTED),
        ('<L><Total>1</Total><Active n="0"/><Op c="QZ1"/></L>', Code.FIELD_UNEXPECTED),
    ],
)
def test_a_group_says_the_standing(grouped: Dialect, document: str, expected: tuple[Statement, ...] | Code) -> None:
    if isinstance(expected, tuple):
        assert grouped.read(Kind.LIST, parse(document.encode())).statements == expected
        return
    with pytest.raises(Refusal) as caught:
        grouped.read(Kind.LIST, parse(document.encode()))
    assert caught.value.code is expected
    assert caught.value.line


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ('<L n="1"><Office at="North"><Company c="QZ1"><Licences n="0"/></Company></Office></L>', Code.FIELD_MISSING),
        ('<L n="0"><Office at="North"/></L>', Code.FIELD_MISSING),
        ('<L n="1"><Office at="N"><Company c="QZ1"><Licences n="2"><Licence state="V"/></Licences></Company></Office></L>', Code.COUNT_MISMATCH),
        ('<L n="2"><Office at="N"><Company c="QZ1"><Licences n="1"><Licence state="V"/></Licences></Company></Office></L>', Code.COUNT_MISMATCH),
    ],
)  # fmt: skip
def test_a_group_that_says_nothing_is_refused(deep: Dialect, document: str, code: Code) -> None:
    with pytest.raises(Refusal) as caught:
        deep.read(Kind.LIST, parse(document.encode()))
    assert caught.value.code is code


def test_a_standing_without_a_group_cannot_be_written(grouped: Dialect) -> None:
    with pytest.raises(Refusal, match="standing revoked cannot be said here") as caught:
        grouped.write(Kind.LIST, Reading({}, (VALID, Statement(tin="QZ2", standing=Standing.REVOKED))), {})
    assert caught.value.code is Code.CODE_UNKNOWN


def test_a_group_of_nobody_is_left_out_where_it_may_be(grouped: Dialect) -> None:
    root = etree.fromstring(grouped.write(Kind.LIST, Reading({}, (VALID,)), {}))
    assert [child.tag for child in root] == ["Total", "Active"]


def test_what_a_standing_is_told_with(grouped: Dialect) -> None:
    said = Statement(tin="QZ1", standing=Standing.REINSTATED, name="A", level="AEO")
    assert grouped.fitted(Kind.LIST, said) == Statement(tin="QZ1", standing=Standing.REINSTATED, name="A")
    assert there_and_back(grouped, Reading({}, (grouped.fitted(Kind.LIST, said),))).statements[0].standing is Standing.VALID
