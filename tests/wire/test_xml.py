"""The parser against every hostile document of tests/vectors/xml, and the laws of the helpers beside it."""

from __future__ import annotations

import gc
import subprocess
import sys
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.wire import xml
from gateway.wire.xml import Limits, _check_strange, canonical, escape, parse, plain_code
from tests.rig.bounds import answer, code, judged
from tests.rig.machine import REPO, need_data
from tests.rig.vectors import document, load
from tests.rig.volume import times

XML_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff") | st.sampled_from("\t\n\r")
)


@pytest.mark.parametrize("vector", load("xml"), ids=lambda vector: vector["id"])
def test_vector(vector: dict[str, Any]) -> None:
    data = document(vector)
    outcome = answer(lambda: parse(data), len(data))
    assert code(outcome) == vector["code"], outcome
    if "line" in vector:
        assert isinstance(outcome, Refusal)
        assert outcome.line == vector["line"]


@pytest.mark.parametrize("vector", load("xml", "character"), ids=lambda vector: vector["id"])
def test_character(vector: dict[str, Any]) -> None:
    outcome = judged(lambda: plain_code(vector["value"], "ID", 7))
    assert code(outcome) == vector["code"]
    if isinstance(outcome, Refusal):
        assert (outcome.field, outcome.line) == ("ID", 7)
        assert "U+" in outcome.detail
    else:
        assert outcome == vector["value"]


def test_real_hostile_files() -> None:
    files = sorted((need_data("hostile-xml") / "xmltestdata").iterdir())
    # simple.xml and simple-ns.xml carry a comment and nothing worse; the style sheets begin with one.
    codes = {file.name: code(answer(partial(parse, file.read_bytes()), file.stat().st_size)) for file in files}
    assert "accepted" not in codes.values()
    assert {name for name, refused in codes.items() if refused == "xml-comment"} <= {
        "simple.xml",
        "simple-ns.xml",
        "xalan_exec.xsl",
        "xalan_write.xsl",
    }


@pytest.mark.parametrize(
    ("before", "named"),
    [
        (b"\n", "a newline"),
        (b"\r\n\t", "a newline"),
        (b"  ", "a blank"),
        (b"\xef\xbb\xbf\n", "a newline"),
        (b"\xef\xbb\xbf\xef\xbb\xbf", "a second byte order mark"),
    ],
)
def test_what_stands_before_the_declaration_is_named(before: bytes, named: str) -> None:
    with pytest.raises(Refusal) as caught:
        parse(before + b'<?xml version="1.0" encoding="UTF-8"?><a/>')
    assert caught.value.code is Code.XML_INSTRUCTION
    assert caught.value.detail == f"Before the XML declaration there is {named}; <?xml must be the first thing in a document."


def test_limits_are_the_callers() -> None:
    narrow = Limits(bytes=100, depth=2, attributes=1, namespaces=1, markup=20)
    assert parse(b"<a><b c='d'/></a>", narrow).tag == "a"
    for data, expected in (
        (b"<a>" + b"x" * 100 + b"</a>", Code.BODY_TOO_LARGE),
        (b"<a>" + b"<b/>" * 20 + b"</a>", Code.BODY_TOO_LARGE),
        (b"<a><b><c/></b></a>", Code.XML_TOO_DEEP),
        (b"<a b='1' c='2'/>", Code.XML_TOO_MANY_ATTRIBUTES),
        (b"<a xmlns='urn:x' xmlns:b='urn:y'/>", Code.XML_TOO_MANY_NAMESPACES),
    ):
        with pytest.raises(Refusal) as caught:
            parse(data, narrow)
        assert caught.value.code is expected


def test_second_lock_on_comments() -> None:
    """What the scan refuses is refused in the tree as well, should the scan ever miss it."""
    for text, expected in (("<a><!--x--></a>", Code.XML_COMMENT), ("<a><?x y?></a>", Code.XML_INSTRUCTION)):
        with pytest.raises(Refusal) as caught:
            _check_strange(etree.fromstring(text), True)
        assert caught.value.code is expected


def test_documents_that_nobody_signs() -> None:
    """Comments, instructions and xsi attributes stay; everything that could reach beyond the document is refused all the same."""
    data = b"<?x y?><a xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:nil='true'><!--z--></a>"
    assert parse(data, signed=False).tag == "a"
    for hostile in (
        b"<!DOCTYPE a><a/>",
        b"<!-- <!DOCTYPE --><a/>",
        b"<a><xi:include xmlns:xi='http://www.w3.org/2001/XInclude'/></a>",
    ):
        with pytest.raises(Refusal):
            parse(hostile, signed=False)


def test_canonical_form_is_exclusive_and_without_comments() -> None:
    root = etree.fromstring("<a xmlns:u='urn:unused' xmlns:b='urn:b' z='1' a='2'><!--x--><b:c/>é&#13;</a>")
    assert canonical(root) == '<a a="2" z="1"><b:c xmlns:b="urn:b"></b:c>é&#xD;</a>'.encode()
    with pytest.raises(Refusal) as caught:
        canonical(etree.fromstring("<a xmlns='rel/x'/>"))
    assert caught.value.code is Code.XML_MALFORMED


@given(XML_TEXT)
@settings(max_examples=times(200))
def test_escape_inverts_reading(text: str) -> None:
    root = parse(f'<a b="{escape(text)}">{escape(text)}</a>'.encode())
    assert (root.get("b"), root.text or "") == (text, text)


@given(XML_TEXT)
@settings(max_examples=times(200))
def test_canonical_form_is_read_again_as_the_same(text: str) -> None:
    first = canonical(parse(f"<a b='{escape(text)}'>{escape(text)}</a>".encode()))
    assert canonical(parse(first)) == first


@pytest.mark.parametrize("text", ["\0", "a\x0b", "\ud800", "\uffff", "\x1b[31m"])
def test_escape_refuses_what_xml_cannot_carry(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        escape(text)
    assert caught.value.code is Code.CHARACTERS


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: f"<a {text}>{text}</a>".encode("utf-8", "surrogatepass")))
@settings(max_examples=times(500))
def test_nothing_but_a_refusal_leaves_the_parser(data: bytes) -> None:
    outcome = judged(lambda: canonical(parse(data)))
    assert not isinstance(outcome, Refusal) or outcome.code.row.stage.value in ("xml", "transport")


STRANGERS = """
from gateway.wire.xml import parse
from tests.rig.bounds import resident
for number in range(24):
    parse(b"<a>%s</a>" % b"".join(b"<n%06d%06d%s/>" % (number, n, b"x" * 60) for n in range(30_000)))
    if number == 2:
        before = resident("VmRSS")
print(resident("VmRSS") - before)
"""


@pytest.mark.process
def test_names_of_strangers_are_forgotten() -> None:
    """libxml2 remembers every name it saw: 21 documents of ever new ones left some 60 MiB behind, for good."""
    done = subprocess.run([sys.executable, "-c", STRANGERS], cwd=REPO, capture_output=True, text=True, timeout=120, check=True)
    assert float(done.stdout) < 30


def test_trees_outlive_the_names_of_their_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was parsed before a thread forgot its names is moved into later trees and written as ever."""
    monkeypatch.setattr(xml, "_REMEMBERED", 0)
    last = parse(b"<root/>")
    for number in range(100):
        root = parse(b"<root><n%d a%d='1'>t</n%d></root>" % (number, number, number))
        root.extend(last)
        last = root
    gc.collect()
    assert [child.tag for child in last] == [f"n{number}" for number in reversed(range(100))]
    assert canonical(last).endswith(b'<n1 a1="1">t</n1><n0 a0="1">t</n0></root>')
