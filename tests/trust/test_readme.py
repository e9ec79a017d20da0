"""The commands that keys/README.md quotes exist, with the options it uses."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from tests.rig.machine import REPO

COMMANDS = re.findall(r"^ +aeo-gateway (.+)$", (REPO / "keys" / "README.md").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command: str) -> None:
    words = shlex.split(command)
    shown = CliRunner().invoke(app, [*words[:2], "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert shown.exit_code == 0, shown.output
    for option in (word for word in words if word.startswith("--")):
        assert option in re.sub(r"\x1b\[[0-9;]*m", "", shown.output)


def test_something_is_quoted() -> None:
    assert len(COMMANDS) >= 5
