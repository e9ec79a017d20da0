"""The command as a person types it, in this process or as a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import common
from gateway.cli.main import app
from gateway.store.database import Database
from tests.rig.machine import REPO
from tests.rig.people import terminal_of

WIDTH = 160


@dataclass
class Terminal:
    """A home, and the command in it. ``environment`` is what it is told beside that."""

    home: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, expect: int = 0, who: str = "") -> str:
        """What it prints, both ways. Everything it would do as a program happens but the start of one, which takes most of the time.
        ``who`` sits at it, where that is not whoever usually does."""
        environment = dict(self.environment)
        if who:
            with closing(Database(f"sqlite:///{self.home / 'gateway.db'}")) as database:
                environment["AEO_TOKEN_FILE"] = str(terminal_of(who, self.home, database))
        with self.monkeypatch.context() as patch:
            for name, value in {"AEO_HOME": str(self.home), **environment}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["aeo-gateway", *arguments])
            for console in (common.console, common.errors):
                patch.setattr(console, "width", WIDTH)
            with pytest.raises(SystemExit) as ended:
                app(arguments)
        said = "".join(self.capsys.readouterr())
        assert (ended.value.code or 0) == expect, said
        return said

    def json(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))


def program(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program that is installed, with no setting but these."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AEO_")}
    own |= {"AEO_HOME": str(home), "COLUMNS": str(WIDTH), "NO_COLOR": "1", **environment}
    command = [str(Path(sys.executable).parent / "aeo-gateway"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=own, cwd=REPO, timeout=300)
