"""Who may be the second of two people, and which decisions take two."""

from __future__ import annotations

import ast
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import four_eyes
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import RULES, Decision
from tests.rig.machine import REPO

_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e\u2066\x00\x1b\x7f\ufe0f\U000e0041\u034f\u115f\u3164"
_BLANKS = " \t\n\u00a0\u2003\u3000\u2028"
_FORMS: tuple[Callable[[str], str], ...] = (
    *(lambda name, form=form: unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")),
    str.upper,
    str.lower,
    str.title,
    str.swapcase,
    str.casefold,
    lambda name: name.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
)

names = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zs", "Zl", "Zp")), min_size=1, max_size=20)


@st.composite
def variants(draw: st.DrawFn) -> tuple[str, str]:
    """A name, and the same under another form, with characters in it that are not to be seen, and blanks around and within it."""
    name = draw(names)
    other = name
    for change in draw(st.lists(st.sampled_from(_FORMS) | st.sampled_from(_UNSEEN + _BLANKS), max_size=8)):
        at = draw(st.integers(0, len(other)))
        other = other[:at] + change + other[at:] if isinstance(change, str) else change(other)
    return name, other


@given(variants())
def test_a_variant_of_a_name_is_the_same_person(pair: tuple[str, str]) -> None:
    name, other = pair
    assert four_eyes.same(name, other)
    assert four_eyes.same(other, name)


#: Names as people have them, none of whose letters has a look-alike among the others.
_own = st.text("abcdefghijklmnopqrstuvwxyz0123456789éüß李四王五张飞жшыфλδ-'.", min_size=1, max_size=12)


def _plain(name: str) -> str:
    return name.replace("ß", "ss")


@given(_own, _own)
def test_two_names_that_really_differ_are_two_people(name: str, other: str) -> None:
    assert four_eyes.same(name, other) is (_plain(name) == _plain(other))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Alice", "alice"),
        ("alice", "ａｌｉｃｅ"),
        ("alice", "ali\u200bce"),
        ("alice", "аliсe"),  # two Cyrillic letters
        ("Ρeter", "peter"),  # a Greek one
        ("𝓪𝓵𝓲𝓬𝓮", "alice"),
        ("Li Si", "LiSi"),
        ("李 四", "李四"),
        ("Jean‑Luc", "jean-luc"),
        ("O’Neil", "O'Neil"),
        ("José", "JOSE\u0301"),
        ("STRASSE", "straße"),
        ("DİLARA", "dilara"),
        ("ılgaz", "ILGAZ"),
        ("e\u200b\u0301", "é"),
    ],
)
def test_the_same_person(name: str, other: str) -> None:
    with pytest.raises(Refusal, match="second person") as refused:
        four_eyes.second(name, other)
    assert refused.value.code is Code.DATA_INVALID


@pytest.mark.parametrize(
    ("name", "other"), [("alice", "bob"), ("José", "Jose"), ("李四", "李三"), ("Anna", "Ana"), ("user1", "user2")]
)
def test_two_people(name: str, other: str) -> None:
    four_eyes.second(name, other)  # or it raises
    assert not four_eyes.same(name, other)


@pytest.mark.parametrize("nobody", ["", " ", "\u200b", "\u3164\t\ufe0f", "\u2800"])
def test_nobody_is_no_second_person(nobody: str) -> None:
    with pytest.raises(Refusal, match="must have a name"):
        four_eyes.second(nobody, "alice")


def test_which_decisions_take_two() -> None:
    assert set(RULES) == set(Decision)
    assert all(rule.because.endswith(".") and rule.act for rule in RULES.values())
    always = {Decision.ANNULMENT, Decision.TRANSCRIPTION}
    assert {one for one in Decision if four_eyes.takes_two(one, two_people=False)} == always
    assert {one for one in Decision if not four_eyes.takes_two(one, two_people=True)} == {Decision.LIST_DROP}


#: What holds the name of whoever did something.
_PEOPLE = {"who", "person", "proposed_by", "confirmed_by", "decided_by", "lifted_by", "first_person", "second_person"}


def test_no_flow_compares_names_itself() -> None:
    """One that does takes "Alice" and "alice" for two people, or forgets the next way to write a name."""
    compared = [
        f"{file.relative_to(REPO)}:{node.lineno}"
        for file in sorted((REPO / "gateway").rglob("*.py"))
        if file != REPO / "gateway" / "core" / "four_eyes.py"
        for node in _comparisons(file)
    ]
    assert compared == []


@pytest.mark.parametrize("line", ["if who != one.proposed_by: pass", 'any(one["who"] == name for one in those)', "who in names"])
def test_the_search_finds_one(line: str, tmp_path: Path) -> None:
    (file := tmp_path / "flow.py").write_text(line)
    assert len(list(_comparisons(file))) == 1


def _comparisons(file: Path) -> Iterator[ast.Compare]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Compare) and any(map(_names_a_person, (node.left, *node.comparators))):
            others = [one for one in (node.left, *node.comparators) if not _names_a_person(one)]
            if not all(isinstance(one, ast.Constant) and one.value is None for one in others) or not others:
                yield node


def _names_a_person(node: ast.expr) -> bool:
    called = (
        node.id
        if isinstance(node, ast.Name)
        else node.attr
        if isinstance(node, ast.Attribute)
        else node.slice.value
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
        else None
    )
    return called in _PEOPLE
