"""TOML that others wrote: data or a fault, whatever its depth and however long its numbers."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.toml import DEEPEST, LARGEST, LONGEST, TomlFault, read_toml
from tests.rig.bounds import within

DEEP = "more than 32 deep"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = " + "[" * 100_000 + "]" * 100_000, DEEP),
        ("a = " + "[" * 40 + "]" * 40, DEEP),
        ("a = " + "{b=" * 5_000 + "1" + "}" * 5_000, DEEP),
        ("a" + ".a" * 100_000 + " = 1", DEEP),
        ("[" + "a." * 100_000 + "a]", DEEP),
        ("[[" + '"a" . ' * 100_000 + "a]]", DEEP),
        ("x = {b = 1, " + "a." * 100_000 + "a = 1}", DEEP),
        ("a = " + "9" * 5_000, "out of every range"),
        ("a = 0x" + "f" * 5_000, "64 bits"),
        (f"a = {LARGEST + 1}", "64 bits"),
        ("a = 2026-13-40", "a"),
        ("a = 1" + " " * LONGEST, "characters"),
        ("a = ", "Invalid"),
    ],
)
def test_a_fault_in_time(text: str, problem: str) -> None:
    with within(1), pytest.raises(TomlFault, match=problem):
        read_toml(text)


def test_what_is_within_the_bounds() -> None:
    nested = "[" * (DEEPEST - 2) + "]" * (DEEPEST - 2)
    assert read_toml(f"a = {nested}\nb = {LARGEST}\n[c.d]\ne = 1.5")["b"] == LARGEST


@given(st.text("[]{}=.,\"'#\n a1-:TZ+e_x", max_size=60))
def test_any_text_is_data_or_a_fault(text: str) -> None:
    with suppress(TomlFault):
        assert isinstance(read_toml(text), dict)
