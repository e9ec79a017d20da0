"""Who may do what, as ``rights.toml`` says it: every route and command for its scope, every scope for its roles, and what takes two people.

The table is closed: what is new fails here until it has a line, and so does a line of what is gone.
"""

from __future__ import annotations

import ast
import inspect
import sqlite3
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from typer.main import get_command

from gateway.cli.main import app
from gateway.core.access import SCOPES, Scope, StaffRole
from gateway.core.four_eyes import Decision
from gateway.web.guard import Need
from gateway.web.pages.visit import signed_in
from gateway.web.site import PAGES, ROUTERS
from tests.rig.terminal import Terminal
from tests.rig.web import WebFixture

RIGHTS: dict[str, Any] = tomllib.loads((Path(__file__).parent / "rights.toml").read_text("utf-8"))


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(_commands(get_command(app)))


def _asks_for(function: Callable[..., Any], seen: set[Callable[..., Any]]) -> set[Scope]:
    """The scopes with which a command, or a function of its module that it calls, asks who sits there."""
    function = inspect.unwrap(function)
    if function in seen:
        return set()
    seen.add(function)
    found: set[Scope] = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in ("acting", "reading"):
            found |= {Scope[one.attr] for one in node.args if isinstance(one, ast.Attribute) and ast.unparse(one.value) == "Scope"}
        elif inspect.isfunction(helper := function.__globals__.get(node.func.id)) and helper.__module__ == function.__module__:
            found |= _asks_for(helper, seen)
    return found


def _needs(dependant: Dependant) -> Iterator[Any]:
    for one in dependant.dependencies:
        yield one.call
        yield from _needs(one)


def _routes(*, pages: bool) -> Iterator[tuple[str, list[Any]]]:
    for router in ROUTERS:
        for route in router.routes:
            if (router in PAGES) is pages:
                assert isinstance(route, APIRoute), f"{route} names nobody who may use it"
                for method in route.methods or ():
                    yield f"{method} {route.path}", list(_needs(route.dependant))


def test_every_scope_has_its_roles() -> None:
    assert RIGHTS["roles"] == {scope: [role.value for role in StaffRole if scope in SCOPES[role]] for scope in Scope}


def test_every_route_takes_its_scope() -> None:
    routes = {name: " ".join(one.scope for one in needs if isinstance(one, Need)) for name, needs in _routes(pages=False)}
    assert routes == RIGHTS["routes"]


def test_every_page_is_for_a_person_or_for_anybody() -> None:
    pages = {name: "person" if signed_in in needs else "anybody" for name, needs in _routes(pages=True)}
    assert pages == RIGHTS["pages"]


def test_every_command_takes_its_scope() -> None:
    asked = {name: _asks_for(command.callback, set()) for name, command in COMMANDS.items() if command.callback}
    assert asked.keys() == COMMANDS.keys()
    assert {name: " ".join(scopes) for name, scopes in asked.items() if scopes} == RIGHTS["commands"]
    assert {name for name, scopes in asked.items() if not scopes} == RIGHTS["machine"].keys()


def test_what_takes_two_takes_one_scope_over_http_and_at_a_terminal() -> None:
    assert RIGHTS["two"].keys() == {one.value for one in Decision}
    for decision, where in RIGHTS["two"].items():
        scopes = {RIGHTS["routes"][one] for one in where["routes"]} | {RIGHTS["commands"][one] for one in where["commands"]}
        assert len(scopes) == 1, decision


def test_a_person_may_what_its_roles_say(tmp_path: Path) -> None:
    with WebFixture(tmp_path, ()) as web:
        for role in StaffRole:
            said = web.client.get("/v1/me", headers=web.person(f"a person, {role}", role)).json()["scopes"]
            assert said == sorted(scope for scope, roles in RIGHTS["roles"].items() if role in roles), role


def test_what_one_person_proposes_only_another_person_does(tmp_path: Path) -> None:
    """Of what can be proposed with nothing else at hand; a held list, gains, spreadsheets and the rest have tests of their own."""
    asked: tuple[tuple[str, str, dict[str, object]], ...] = (
        ("keys", "/v1/keys/gateway/rotate", {}),
        ("retention", "/v1/retention/messages/set", {"days": 30, "because": "decision 7"}),
        ("roles", "/v1/principals/Wang/roles", {"roles": ["auditor"], "reason": "moved"}),
    )
    with WebFixture(tmp_path, (), two_people=True) as web:
        first, second, system = web.person("Zhang"), web.person("Li"), web.token(*Scope, name="a program")
        web.person("Wang")
        for decision, path, given in asked:
            for who in (first, first, system):
                answer = web.client.post(path, headers=who, json=given)
                assert (answer.status_code, answer.json()["decision"]) == (202, decision), answer.text
            assert web.client.post(path, headers=second, json=given).status_code in (200, 201), path


def _typed(command: Any, file: Path) -> Iterator[str]:
    """Arguments that a command takes, whatever they mean."""
    for one in command.params:
        if one.required and one.param_type_name == "option":
            yield one.opts[0]
        if one.required:
            yield _value(one, file)


def _value(one: Any, file: Path) -> str:
    kind = one.type.name
    if kind == "choice":
        return str(getattr(one.type.choices[0], "value", one.type.choices[0]))
    if kind.startswith("integer"):
        return "1"
    if kind in ("file", "path"):
        return str(file)
    return "2030-01-01T00:00:00Z" if one.metavar == "MOMENT" else "SG"


def check_nothing_done(terminal: Terminal, names: list[str]) -> None:
    """A person who may nothing changes nothing, whatever it types."""
    terminal.run("whoami")
    file = terminal.home / "a file.csv"
    file.write_text("uscc\n")
    with sqlite3.connect(terminal.home / "gateway.db") as database:
        database.execute("UPDATE principal SET roles = ''")
        database.commit()

        def kept() -> int:
            return int(database.execute("SELECT count(*) FROM entry").fetchone()[0])

        before, refused = kept(), 0
        for name in names:
            said = terminal.run(*name.split(), *_typed(COMMANDS[name], file), expect=2)
            refused += "may not do this: it needs" in said
            assert kept() == before, name
    assert refused > len(names) / 2


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path / "home", capsys, monkeypatch)


def test_who_may_nothing_changes_nothing(terminal: Terminal) -> None:
    check_nothing_done(terminal, ["retention run", "token create", "principal link"])


@pytest.mark.judge
def test_who_may_nothing_changes_nothing_by_any_command(terminal: Terminal) -> None:
    check_nothing_done(terminal, sorted(RIGHTS["commands"]))
