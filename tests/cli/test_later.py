"""Commands are imported when they are called; what the list of all says of them is what they say of themselves."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from gateway.cli.main import app


@pytest.mark.parametrize("name", [*get_command(app).places])  # type: ignore[attr-defined] # a group of ours
def test_the_list_says_what_the_command_says(name: str) -> None:
    group: Any = get_command(app)
    assert group.commands[name].name == name
    assert group.commands[name].help.split("\n\n")[0].replace("\n", " ") == group.places[name].help


@pytest.mark.process
def test_help_imports_no_command() -> None:
    script = "import sys; from gateway.cli.main import app; sys.argv = ['aeo-gateway', '--help']\ntry: app()\nfinally: print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "What came and what was sent." in said
    dear = {"sqlalchemy", "lxml", "fastapi", "alembic", "openpyxl", "xmlschema", "cryptography"}
    assert not dear & set(said.splitlines()[-1].split())
