"""Which patterns are accepted: none that some text makes run away, and every one that is in use."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from lxml import etree

from gateway.wire.pattern import Dialect, NotUnderstood, judge, read, widths
from gateway.wire.pattern.chars import Chars
from gateway.wire.xsd import LONGEST_PATTERN, XS, SchemaFault, judge_patterns
from tests.rig.bounds import within
from tests.rig.machine import REAL_DATA, REPO, need_data

CASES = tomllib.loads((Path(__file__).parent / "patterns.toml").read_text("utf-8"))
#: Quadratic, and libxml2 matches it before it looks at the length of the value: 2.6 s for 20,000 characters. The second says the same.
QUADRATIC, LINEAR = r".*[^\s].*", r"[ \t]*[^\s].*"


@pytest.mark.parametrize("pattern", CASES["refused"])
def test_refused(pattern: str) -> None:
    with within(0.5):
        assert judge(pattern, Dialect.XSD).problem


@pytest.mark.parametrize("pattern", CASES["accepted"])
def test_accepted(pattern: str) -> None:
    assert judge(pattern, Dialect.XSD).problem is None


def patterns_of(folder: Path) -> set[str]:
    return {node.get("value", "") for file in folder.rglob("*.xsd") for node in etree.parse(file).getroot().iter(f"{XS}pattern")}


def test_every_pattern_of_a_shipped_xsd_is_accepted() -> None:
    there = patterns_of(REPO / "schemas")
    assert there
    assert [one for one in there if judge(one, Dialect.XSD).problem] == []


def test_every_pattern_of_a_real_xsd_is_accepted_but_the_quadratic_one() -> None:
    there = {one for name in ("eu-ics2-ccn2", "eaeu-aeo-register", "wco-declarations") for one in patterns_of(need_data(name))}
    assert {one for one in there if judge(one, Dialect.XSD).problem} == {QUADRATIC}
    assert judge(LINEAR, Dialect.XSD).problem is None


@pytest.mark.parametrize("name", ["xsd-pattern-alternatives.xsd", "xsd-pattern-internal-error.xsd"])
def test_alternatives_that_read_the_same(name: str) -> None:
    if not (REAL_DATA / "found").exists():
        pytest.skip("the small inputs that failed do not lie beside this project")
    with pytest.raises(SchemaFault, match="too many ways"):
        judge_patterns({name: etree.parse(REAL_DATA / "found" / name).getroot()})


def schema_of(patterns: list[str]) -> dict[str, etree._Element]:
    root = etree.Element(f"{XS}schema")
    for one in patterns:
        etree.SubElement(root, f"{XS}pattern", value=one)
    return {"main.xsd": root}


def test_a_pattern_longer_than_any_code_needs() -> None:
    judge_patterns(schema_of(["a" * LONGEST_PATTERN]))
    with pytest.raises(SchemaFault, match="longer than"):
        judge_patterns(schema_of(["a" * (LONGEST_PATTERN + 1)]))


def test_judging_all_patterns_of_a_schema_takes_a_bounded_time() -> None:
    with within(1), pytest.raises(SchemaFault, match="too involved together"):
        judge_patterns(schema_of([f"[0-9]{{1,17}}[0-9A-Z]{{1,17}}{number}" for number in range(10_000)]))


@pytest.mark.parametrize(
    "pattern", ["(a{999}){999}", "((((a?){9}){9}){9}){9}", "(a|b?){2000}", "[a-z]{1,900}[b-y]{1,900}" * 40, "(" * 500]
)
def test_judging_one_pattern_takes_a_bounded_time(pattern: str) -> None:
    with within(0.5):
        assert judge(pattern, Dialect.XSD).problem


@pytest.mark.parametrize("pattern", ["^a$", "a(?P<x>b)c", r"\d{1,3}", "(?:a|b)c", r"[\w.]+"])
def test_python_has_more_and_other_words(pattern: str) -> None:
    inner = pattern.removeprefix("^").removesuffix("$")
    assert judge(inner, Dialect.PYTHON).problem is None
    if inner != pattern:
        with pytest.raises(NotUnderstood, match="anchor"):
            read(pattern, Dialect.PYTHON)


def test_widths() -> None:
    for pattern, found in (("a{2,5}(b|cd)?", (2, 7)), ("a*", (0, None)), ("(a|b+)c", (2, None)), ("", (0, 0))):
        assert widths(read(pattern, Dialect.XSD)) == found


#: What XML can hold, and libxml2's tables of Unicode have as Python's do.
SAMPLE = sorted({9, 10, 13, *range(32, 0x220), 0x2028, 0x3000, 0x4E00, 0xFF10, 0x1F6A2})


@pytest.mark.parametrize(
    "pattern",
    [r"\s", r"\S", r"\d", r"\D", r"\i", r"\I", r"\c", r"\C", ".", "[^a]", r"\p{Lu}", r"\P{L}", "[a-z-[aeiou]]", r"[\s\-x]", r"\."],
)
def test_a_class_is_what_libxml2_takes_it_for(pattern: str) -> None:
    """Classes that overlap where they seem not to would hide a second way to read a text."""
    node = read(pattern, Dialect.XSD)
    assert isinstance(node, Chars)
    ours = {point for point in SAMPLE if any(low <= point <= high for low, high in node.ranges)}
    schema = etree.XMLSchema(
        etree.fromstring(
            f'<xs:schema xmlns:xs="{XS[1:-1]}"><xs:element name="a"><xs:simpleType><xs:restriction base="xs:string">'
            f'<xs:pattern value="{pattern}"/></xs:restriction></xs:simpleType></xs:element></xs:schema>'
        )
    )
    theirs = set()
    for point in SAMPLE:
        element = etree.Element("a")
        element.text = chr(point)
        if schema.validate(element):
            theirs.add(point)
    assert {chr(point) for point in theirs - ours} == set()
    if pattern.lower() not in (r"\i", r"\c"):  # what names hold differs between editions of XML; the larger set is the careful one
        assert {chr(point) for point in ours - theirs} == set()


@pytest.mark.parametrize("pattern", [r"\s", r"\S", r"\d", r"\D", r"\w", r"\W", ".", "[^a]", r"[\w.]"])
def test_a_class_is_what_python_takes_it_for(pattern: str) -> None:
    node = read(pattern, Dialect.PYTHON)
    assert isinstance(node, Chars)
    for point in range(0x250):
        ours = any(low <= point <= high for low, high in node.ranges)
        assert ours == bool(re.fullmatch(pattern, chr(point), re.ASCII | re.DOTALL)), hex(point)
