"""Reading what people type: laws, and suggestions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from string import ascii_uppercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.arrangement import Arrangement
from gateway.core.declared import LONGEST, near, resolve, spellings
from gateway.partners import Registry
from tests.rig.shipped import arrangements

DAY = date(2026, 6, 15)
codes = st.tuples(st.sampled_from(["SG", "HK", "UY", "BY"]), st.text(ascii_uppercase + digits, min_size=1, max_size=20)).map(
    "".join
)


class Known:
    """All partners, and these codes."""

    def __init__(self, *codes: str) -> None:
        self.codes = codes
        self._registry = Registry(arrangements().values())

    def arrangement_for(self, code: str) -> Arrangement | None:
        return self._registry.arrangement_for(code)

    def known(self, code: str) -> bool:
        return code in self.codes


def wide(text: str) -> str:
    return "".join("　" if character == " " else chr(ord(character) + 0xFEE0) for character in text)


@given(codes)
def test_a_known_code_is_itself(code: str) -> None:
    declared = resolve(code, Known(code), DAY)
    assert (declared.code, declared.folded) == (code, False)


SLIPS: list[Callable[[str], str]] = [
    str.lower,
    wide,
    " {} ".format,
    "AEO<{}>".format,
    "AEO {}".format,
    lambda code: f"{code[:2]} {code[2:]}",
]


@given(codes, st.sampled_from(SLIPS))
def test_every_usual_slip_leads_back(code: str, slip: Callable[[str], str]) -> None:
    declared = resolve(slip(code), Known(code), DAY)
    assert (declared.code, declared.folded) == (code, True)
    assert declared.arrangement is not None
    assert code in spellings(slip(code))


@given(st.text(max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    """No reading, or one or two of codes as they may be; never a failure."""
    declared = resolve(text, Known(), DAY)
    for reading in declared.readings:
        assert len(reading) <= LONGEST + 3
        assert reading.isascii()
        assert reading == reading.upper().strip()
    assert not (declared.readings and declared.fault)
    spellings(text)


@given(codes, st.integers(0, 30), st.sampled_from("\u200b\u202e\u0661\u0410'%*_;\"<>\u00a0\x00"))
def test_no_other_character_passes(code: str, at: int, foreign: str) -> None:
    declared = resolve(code[:at] + foreign + code[at:], Known(code), DAY)
    assert declared.fault is not None
    assert declared.fault["position"] == str(min(at, len(code)) + 1)
    assert declared.fault["character"].startswith(f"U+{ord(foreign):04X}")


@pytest.mark.parametrize(
    ("typed", "slip"),
    [
        ("SG123456789013", "another character"),
        ("SG123456789102", "two exchanged"),
        ("SG12345678901", "one missing"),
        ("SG1234567890122", "one doubled"),
        ("S123456789012", "one missing of the prefix"),
    ],
)
def test_what_a_slip_of_a_key_makes_is_suggested(typed: str, slip: str) -> None:
    assert near(typed, Known("SG123456789012", "SG999999999999")) == ["SG123456789012"]


def test_no_more_is_suggested_than_asked() -> None:
    registry = Known("SG1", "SG2", "SG3", "SG4", "SG5")
    assert len(near("SG6", registry)) == 3
    assert near("SG6", registry, limit=1) == ["SG1"]
    assert near("UY123456", registry) == []


def test_the_manifest_may_say_nobody() -> None:
    assert spellings(" no ") == spellings("") == {""}


def test_without_partners_a_text_is_read_as_it_stands() -> None:
    class Nobody:
        def arrangement_for(self, code: str) -> None:
            return None

        def known(self, code: str) -> bool:
            return False

    assert resolve("AEOSG123456789012", Nobody(), DAY).code == "AEOSG123456789012"
