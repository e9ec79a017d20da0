"""The vectors' README tells what there is."""

from __future__ import annotations

from tests.summary import README, renewed


def test_table_is_current() -> None:
    text = README.read_text("utf-8")
    assert text == renewed(text), "run: python -m tests.summary"
