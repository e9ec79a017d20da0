"""Who may be the second of two people, and which decisions take two."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core import four_eyes
from gateway.core.access import PrincipalKind
from gateway.core.errors import Code, Refusal
from gateway.core.four_eyes import RULES, Decision
from tests.rig.machine import REPO
from tests.rig.people import person

ALICE, BOB = person("alice"), person("bob")


def test_who_may_be_the_second() -> None:
    four_eyes.second(BOB, ALICE.principal, ALICE.name, None)  # or it raises
    for who, tie, said in (
        (ALICE, None, "alice proposed it; it takes a second person"),
        (replace(ALICE, name="Alice at another terminal"), None, "takes a second person"),
        (person("a feed", kind=PrincipalKind.SYSTEM), None, "a feed is a system"),
        (person("emergency:0", kind=PrincipalKind.EMERGENCY), None, "takes two people"),
        (BOB, "one of them made the other known.", "bob and alice cannot be the two: one of them made"),
    ):
        with pytest.raises(Refusal, match=said) as refused:
            four_eyes.second(who, ALICE.principal, ALICE.name, tie)
        assert refused.value.code is Code.DATA_INVALID
        assert refused.value.remedy


def test_which_decisions_take_two() -> None:
    assert set(RULES) == set(Decision)
    assert all(rule.because.endswith(".") and rule.act for rule in RULES.values())
    always = {Decision.ANNULMENT, Decision.TRANSCRIPTION}
    assert {one for one in Decision if four_eyes.takes_two(one, two_people=False)} == always
    assert {one for one in Decision if not four_eyes.takes_two(one, two_people=True)} == {Decision.LIST_DROP}


#: What holds the name of whoever did something.
_PEOPLE = {
    "who",
    "proposed_by",
    "confirmed_by",
    "decided_by",
    "lifted_by",
    "first_person",
    "second_person",
}


def test_no_flow_compares_names_itself() -> None:
    """One that does takes "Alice" and "alice" for two people, or forgets the next way to write a name."""
    compared = [
        f"{file.relative_to(REPO)}:{node.lineno}"
        for file in sorted((REPO / "gateway").rglob("*.py"))
        if file != REPO / "gateway" / "core" / "names.py"
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
