"""Code patterns: which are of the language, and what lengths they match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.partners.pattern import width_of
from tests.rig.bounds import within
from tests.rig.volume import times

_ATOMS = st.sampled_from(["A", "7", "/", " ", "[0-9]", "[0-9A-Z]", "[A-F 0-9]"])
_COUNTED = st.builds(lambda atom, n: f"{atom}{{{n}}}", _ATOMS, st.integers(1, 8))
_GROUPS = st.lists(_ATOMS, min_size=1, max_size=3).map(lambda atoms: f"({'|'.join(atoms)})")
PATTERNS = st.lists(_ATOMS | _COUNTED | _GROUPS, min_size=1, max_size=4).map(lambda parts: f"^{''.join(parts)}$")


@given(PATTERNS, st.data())
@settings(max_examples=times(60))
def test_every_match_has_a_length_within_the_width(pattern: str, data: st.DataObject) -> None:
    width = width_of(pattern)
    text = data.draw(st.from_regex(pattern, fullmatch=True)).removesuffix("\n")
    assert width.least <= len(text) <= width.most


@pytest.mark.parametrize(
    ("pattern", "width"),
    [
        ("^SG[0-9A-Z]{12}$", (14, 14)),
        ("^NZ[0-9A-Z]{4,10}$", (6, 12)),
        ("^(AT|CHE)[0-9]{1,15}$", (3, 18)),
        ("^RS(?P<level>AEO[FS])[0-9A-Z]{24}$", (30, 30)),
        ("^A(B(C|DE))$", (3, 4)),
    ],
)
def test_width(pattern: str, width: tuple[int, int]) -> None:
    assert width_of(pattern) == width


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("SG[0-9]{3}", "begins with"),
        ("^$", "1 to 35 are possible"),
        ("^A{36}$", "1 to 35 are possible"),
        ("^A{0,3}$", "1 to 35 are possible"),
        ("^A+$", "at character 3"),
        ("^A*B$", "at character 3"),
        ("^(A){3}$", "at character 5"),
        (r"^(A)\1$", "at character 5"),
        ("^(?=A)A$", "at character 3"),
        ("^(A$", "not closed"),
        ("^A)$", "no group is open"),
        ("^[Z-A]$", "bad character range"),
        ("^(?P<a>A)(?P<a>B)$", "redefinition"),
        ("^A{3,2}$", "1 to 35 are possible"),
        ("^(A{3,2}|B{9})$", "min repeat greater than max"),
        ("^[0-9]{1,12}[0-9]{1,12}[0-9]{1,11}$", "too many ways"),
        ("^" + "(A|A)" * 35 + "$", "too many ways"),
        ("^" + "(A|[A-Z])" * 35 + "$", "too many ways"),
        ("^[^A]$", "at character 2"),
        (r"^\d{4}$", "at character 2"),
        ("^.{4}$", "at character 2"),
    ],
)
def test_refused(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        width_of(pattern)


def test_the_worst_pattern_matches_at_once() -> None:
    worst = "^[0-9A-Z]{1,17}[0-9A-Z]{1,17}0$"
    width_of(worst)
    with within(0.01):
        assert not re.fullmatch(worst, "0" * 34 + "1")
