"""Commands that are imported when somebody calls them: most of what one command needs no other does, and the help of all needs none of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup


class Place(NamedTuple):
    """Where a command, or a group of commands, is defined (``module`` of ``gateway.cli``), and what the list of all says of it."""

    module: str
    name: str
    help: str


class Commands(MutableMapping[str, Any]):
    """Commands by name; those of ``places`` are imported when they are first looked at."""

    def __init__(self, places: Mapping[str, Place], here: Mapping[str, Any]) -> None:
        self._places, self._had = places, dict(here)

    def __getitem__(self, name: str) -> Any:
        if name not in self._had and name in self._places:
            self._had[name] = _imported(name, self._places[name])
        return self._had[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._had[name] = command

    def __delitem__(self, name: str) -> None:
        del self._had[name]

    def __iter__(self) -> Iterator[str]:
        yield from dict.fromkeys((*self._places, *self._had))

    def __len__(self) -> int:
        return len({*self._places, *self._had})


def _imported(name: str, place: Place) -> Any:
    made = getattr(import_module(f"gateway.cli.{place.module}"), place.name)
    if isinstance(made, typer.Typer):
        command: Any = typer.main.get_group(made)
    else:
        alone = typer.Typer(add_completion=False)
        alone.command(name)(made)
        command = typer.main.get_command(alone)
    command.name = name
    return command


class LaterGroup(TyperGroup):
    """A group whose commands stand elsewhere, in ``places`` of a class made of it. Its help names them without importing any."""

    places: ClassVar[Mapping[str, Place]] = {}
    _only_named = False

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = Commands(self.places, self.commands)

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.commands]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if self._only_named and cmd_name in self.places:
            return TyperCommand(cmd_name, help=self.places[cmd_name].help)
        return self.commands.get(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self._only_named = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._only_named = False
