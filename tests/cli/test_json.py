"""``--json``: what other programs read, and what a person sees of it in a terminal."""

from __future__ import annotations

import json

import pytest

from gateway.cli.common import print_json


def test_json_for_other_programs_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    said = {"na\u202eme": "a\x1b[2J\x7f\x9b31m\u2028\ufeff\U000e0041 中文 \U0001f6a2"}
    print_json(said)
    shown = capsys.readouterr().out
    assert json.loads(shown) == said
    assert all(character.isprintable() or character == "\n" for character in shown)
    assert "中文 \U0001f6a2" in shown
