"""Terminals as they are: other character sets, users whom the machine has no name for, and partners in small letters."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.main import app
from tests.rig.machine import REPO, need_tool


def printed(encoding: str, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """What the command prints, and why it gave up, on a terminal of this character set, which knows nothing of errors."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["aeo-gateway", *arguments])
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        with pytest.raises(SystemExit):
            app(arguments)
    for stream in streams:
        stream.flush()
    return "".join(stream.buffer.getvalue().decode(encoding) for stream in streams)


@pytest.mark.process
@pytest.mark.parametrize("encoding", ["gbk", "latin-1", "ascii"])
def test_any_character_set_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setenv("AEO_HOME", str(tmp_path))
    said = printed(encoding, monkeypatch, "partner", "check", "sg")
    assert "\n+ " in said, "a tick is a sign that the terminal has"
    assert "! not connected" in said
    lines = printed(encoding, monkeypatch, "partner", "show", "hk", "--json")
    assert json.loads(lines)["iso"] == "HK"
    assert printed("utf-8", monkeypatch, "partner", "check", "sg").count("✓") == said.count("\n+ ") + said.startswith("+ ")


@pytest.mark.process
def test_a_user_whom_the_machine_has_no_name_for(tmp_path: Path) -> None:
    if os.getuid():
        pytest.skip("only root can become somebody without a name")
    tmp_path.chmod(0o777)
    nobody = [need_tool("setpriv"), "--reuid=54321", "--regid=54321", "--clear-groups", "--inh-caps=+dac_override"]
    command = [
        *nobody,
        "--ambient-caps=+dac_override",
        sys.executable,
        "-m",
        "gateway.cli.main",
        "outbox",
        "list",
        "--partner",
        "sg",
    ]
    environment = {"PATH": os.environ["PATH"], "AEO_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, env=environment, cwd=REPO, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "Nothing is on its way, and nothing failed.\n"), done.stderr
