"""The tests themselves: none without an assertion, none that sleeps for a while where it could wait for the thing."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests.rig.machine import REPO

pytestmark = pytest.mark.long

#: Calls that fail where something is not as it should be begin so: ``check_alike``, ``assert_verifies_here``, ``pytest.raises``, ``within``.
CHECKING = ("check", "assert", "raises", "within")
#: Where sleeping is the thing itself: a part of the gateway that is late.
SLEEPERS = {"tests/onboarding/rehearsal/test_rehearsal.py: late"}
FILES = [path for path in sorted((REPO / "tests").rglob("*.py")) if "bench" not in path.parts]
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def functions() -> list[tuple[str, Function]]:
    """Every function of every file, with its name for people."""
    nodes = ((file, node) for file in FILES for node in ast.walk(ast.parse(file.read_text("utf-8"))))
    return [(f"{file.relative_to(REPO)}: {node.name}", node) for file, node in nodes if isinstance(node, Function)]


def called(node: ast.AST) -> str:
    """The last name of what is called."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
            return name
    return ""


def asserts(function: Function) -> bool:
    return any(isinstance(node, ast.Assert) or called(node).startswith(CHECKING) for node in ast.walk(function))


def sleeps(node: ast.AST) -> bool:
    """Whether it sleeps for a fixed while, once; in a loop it looks again and again. A function within is looked at by itself."""
    fixed = called(node) == "sleep" and isinstance(node, ast.Call) and all(_some_while(one) for one in node.args)
    within = (child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.While | ast.For | Function))
    return fixed or any(map(sleeps, within))


def _some_while(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value != 0


@pytest.mark.parametrize(
    ("body", "does", "waits"),
    [
        ("assert x", True, False),
        ("with pytest.raises(ValueError): f()", True, False),
        ("check_alike(x)", True, False),
        ("f(x)", False, False),
        ("time.sleep(0.3)", False, True),
        ("while f():\n  time.sleep(0.3)", False, False),
        ("time.sleep(f())", False, False),
        ("await asyncio.sleep(0)", False, False),
    ],
)
def test_what_is_looked_for(body: str, does: bool, waits: bool) -> None:
    (function,) = ast.parse("async def test():\n " + body.replace("\n", "\n ")).body
    assert isinstance(function, Function)
    assert (asserts(function), sleeps(function)) == (does, waits)


def test_every_test_asserts_something() -> None:
    tests = [(name, one) for name, one in functions() if one.name.startswith("test_")]
    assert [name for name, one in tests if not asserts(one)] == []


def test_nothing_sleeps_for_a_fixed_while() -> None:
    found = {name for name, one in functions() if sleeps(one)}
    assert found <= SLEEPERS
