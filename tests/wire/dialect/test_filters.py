"""Filters that a partner's habits need, each with its inverse: sentinels, bare codes, moments without a zone, lists without a status."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Refusal
from gateway.core.model import Kind, Standing, Statement
from gateway.wire.dialect import Dialect, DialectFaults, Reading, load_folder
from gateway.wire.dialect import values as v
from gateway.wire.xml import parse

XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="l"><xs:complexType><xs:sequence>
<xs:element name="o" minOccurs="0" maxOccurs="unbounded"><xs:complexType>
<xs:attribute name="c" type="xs:string" use="required"/><xs:attribute name="n" type="xs:int"/>
<xs:attribute name="to" type="xs:string" use="required"/></xs:complexType></xs:element></xs:sequence>
<xs:attribute name="at" type="xs:string" use="required"/></xs:complexType></xs:element></xs:schema>"""
SAMPLE = """<l xmlns:gw="urn:aeo-gateway:sample" at="{message.issued|datetime:yyyyMMddHHmmss+08:00}">
<o gw:each="statements[standing=valid]" c="{tin|bare:QZ}" n="{@any}?" to="{expires|date|none:9999-12-31}"/></l>"""


def compiled(place: Path, sample: str = SAMPLE) -> Dialect:
    folder = place / "plain" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "l.xsd").write_text(XSD, "utf-8")
    (folder / "list.xml").write_text(sample, "utf-8")
    (folder / "dialect.toml").write_text('summary = "-"\n[specimen]\ntin = "QZ1"\n', "utf-8")
    return load_folder(folder, {})


@pytest.fixture(scope="module")
def dialect(tmp_path_factory: pytest.TempPathFactory) -> Dialect:
    return compiled(tmp_path_factory.mktemp("verbs"))


def read(dialect: Dialect, records: str) -> Reading:
    return dialect.read(Kind.LIST, parse(f'<l at="20260501080000">{records}</l>'.encode()))


@pytest.mark.long
@given(
    st.lists(
        st.builds(
            Statement,
            tin=st.from_regex("(QZ[0-9]{1,9})|(CN[0-9]{10})", fullmatch=True),
            standing=st.just(Standing.VALID),
            expires=st.none() | st.dates(date(2000, 1, 1), date(2100, 1, 1)),
        ),
        max_size=4,
    ),
    st.integers(946_684_800, 4_102_444_800),
)
def test_what_is_written_reads_the_same(dialect: Dialect, statements: list[Statement], seconds: int) -> None:
    issued = datetime.fromtimestamp(seconds, UTC)
    written = dialect.write(Kind.LIST, Reading({"issued": issued}, tuple(statements)), {})
    assert "QZ" not in written
    assert dialect.read(Kind.LIST, parse(written.encode())) == Reading({"issued": issued}, tuple(statements))


def test_reads(dialect: Dialect) -> None:
    reading = read(dialect, '<o c="7" n="1" to="9999-12-31"/><o c="CN3100000011" n="2" to="2030-01-01"/>')
    assert reading.message == {"issued": datetime(2026, 5, 1, 0, 0, tzinfo=UTC)}
    assert [(one.tin, one.standing, one.expires) for one in reading.statements] == [
        ("QZ7", Standing.VALID, None),
        ("CN3100000011", Standing.VALID, date(2030, 1, 1)),
    ]


@pytest.mark.parametrize("record", ['<o c="QZ7" to="9999-12-31"/>', '<o c="7" to="31.12.9999"/>', '<o c="7"/>'])
def test_refuses_what_would_read_in_two_ways(dialect: Dialect, record: str) -> None:
    with pytest.raises(Refusal):
        read(dialect, record)


@pytest.mark.parametrize(
    "statement",
    [
        Statement(tin="QZ7", standing=Standing.SUSPENDED),
        Statement(tin="7", standing=Standing.VALID),
        Statement(tin="QZA7", standing=Standing.VALID),
        Statement(tin="QZ7", standing=Standing.VALID, expires=date(9999, 12, 31)),
    ],
)
def test_does_not_write_what_would_read_otherwise(dialect: Dialect, statement: Statement) -> None:
    with pytest.raises(Refusal):
        dialect.write(Kind.LIST, Reading({"issued": datetime(2026, 5, 1, tzinfo=UTC)}, (statement,)), {})


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("{expires|date|none:9999-12-31}", "{expires|date|none:9999-12-31}?", "two ways"),
        ("{tin|bare:QZ}", "{tin|bare:QZ|none:-}", "cannot be nothing"),
        ("{tin|bare:QZ}", "{tin|bare:Q1}", "letters"),
        ("|datetime:yyyyMMddHHmmss+08:00}", "|datetime:yyyyMMddHHmm+08:00}", "no pattern of a moment"),
        ("|datetime:yyyyMMddHHmmss+08:00}", "|datetime:yyyyMMddHHmmss}", "no pattern of a moment"),
    ],
)
def test_faults_name_the_remedy(tmp_path: Path, good: str, bad: str, said: str) -> None:
    with pytest.raises(DialectFaults, match=said):
        compiled(tmp_path, SAMPLE.replace(good, bad))


def test_an_element_is_not_read_past_by_a_hole(tmp_path: Path) -> None:
    with pytest.raises(DialectFaults, match="gw:any"):
        compiled(tmp_path, SAMPLE.replace("/></l>", ">{@any}?</o></l>"))


def test_only_an_inner_or_outer_repetition_says_a_word(tmp_path: Path) -> None:
    with pytest.raises(DialectFaults, match="The root stands exactly once"):
        compiled(tmp_path, '<l xmlns:gw="urn:aeo-gateway:sample" gw:each="statements[standing=valid]" at="{tin}"/>')


MOMENT = v.moments("dd.MM.yyyy HH:mm:ss-05:00")


@pytest.mark.parametrize(
    "act",
    [
        lambda: MOMENT.read("1.5.2026 08:00:00"),
        lambda: MOMENT.read("01.13.2026 08:00:00"),
        lambda: MOMENT.read("31.12.9999 23:00:00"),
        lambda: MOMENT.write(date(2026, 5, 1)),
        lambda: v.none(v.listed(v.Codes({"-": "x"}, {"x": "-"})), "-"),
    ],
)
def test_values_that_cannot_be(act: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        act()


def test_a_day_where_the_document_has_room_for_no_moment(tmp_path: Path) -> None:
    daily = compiled(tmp_path, SAMPLE.replace("|datetime:yyyyMMddHHmmss+08:00}", "|date}"))
    written = daily.write(Kind.LIST, Reading({"issued": datetime(2026, 5, 1, 23, tzinfo=UTC)}), {})
    assert daily.read(Kind.LIST, parse(written.encode())).message == {"issued": date(2026, 5, 1)}


def test_fitted_leaves_out_what_a_kind_has_no_place_for(dialect: Dialect) -> None:
    said = Statement(tin="QZ7", standing=Standing.VALID, name="A", expires=date(2030, 1, 1))
    assert dialect.fitted(Kind.LIST, said) == Statement(tin="QZ7", standing=Standing.VALID, expires=date(2030, 1, 1))
    assert dialect.holds_many(Kind.LIST)
