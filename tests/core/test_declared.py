"""Reading what people type: laws, and suggestions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from string import ascii_uppercase, digits

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.arrangement import Arrangement
from gateway.core.declared import LONGEST, Slip, near, read_party, resolve, spellings
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


#: What is pasted for a blank.
PASTED = "\t\u00a0\u2009\u202f\ufeff"
SLIPS: list[Callable[[str], str]] = [
    str.lower,
    wide,
    " {} ".format,
    "AEO<{}>".format,
    "AEO {}".format,
    lambda code: f"{code[:2]} {code[2:]}",
    *(f"{blank}{{}}{blank}".format for blank in PASTED),
]


@given(codes, st.sampled_from(SLIPS))
def test_every_usual_slip_leads_back(code: str, slip: Callable[[str], str]) -> None:
    declared = resolve(slip(code), Known(code), DAY)
    assert (declared.code, declared.folded) == (code, True)
    assert declared.arrangement is not None
    assert code in spellings(slip(code))


@given(codes, st.integers(1, 30), st.sampled_from(PASTED))
def test_what_is_pasted_for_a_blank_is_folded_and_reported_as_one(code: str, at: int, blank: str) -> None:
    inside = f"{code[:at]}{blank}{code[at:]}"
    as_typed = resolve(inside.replace(blank, " "), Known(code), DAY)
    declared = resolve(inside, Known(code), DAY)
    assert (declared.readings, declared.slips) == (as_typed.readings, as_typed.slips)
    assert Slip.BLANKS in declared.slips


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


@given(codes, st.integers(0, 30), st.sampled_from("\u200b\u202e\u0661\u0410'%*_;\"<>\u2060\x00"))
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


def test_without_partners_aeo_begins_nobody_s_own_code() -> None:
    class Nobody:
        def arrangement_for(self, code: str) -> None:
            return None

        def known(self, code: str) -> bool:
            return False

    declared = resolve("AEOSG123456789012", Nobody(), DAY)
    assert (declared.code, declared.slips, declared.arrangement) == ("SG123456789012", (Slip.PREFIX,), None)


PREFIXES = tuple(prefix for arrangement in arrangements().values() for prefix in arrangement.prefixes)
#: Codes that begin as no partner's do; those that were found to be taken for the Emirates' among them.
foreign = st.sampled_from(["TW123456789", "CN9900000001", "XI123456789000", "MY12345H100001", "US12345"]) | st.tuples(
    st.text(ascii_uppercase, min_size=2, max_size=2), st.text(ascii_uppercase + digits, min_size=1, max_size=20)
).map("".join).filter(lambda code: not code.startswith(PREFIXES))


@given(foreign)
def test_aeo_before_a_code_of_nobody_is_never_a_partner_s(code: str) -> None:
    """UAE codes may begin AEO, but only those are theirs that their list has."""
    declared = resolve(f"AEO{code}", Known(), DAY)
    assert (declared.code, declared.arrangement, declared.folded) == (code, None, True)
    listed = resolve(f"AEO{code}", Known(f"AEO{code}"), DAY)
    assert (listed.code, listed.arrangement) == (f"AEO{code}", arrangements()["AE"])


numbers = (st.text(digits, min_size=10, max_size=10) | st.text(ascii_uppercase + digits, min_size=18, max_size=18)).filter(
    lambda number: not number.startswith(("CN", "AEO"))
)
#: How people write a domestic party's number: each slip alone leads back to the number, and is named.
PARTY_SLIPS: list[tuple[Callable[[str], str], tuple[Slip, ...]]] = [
    (wide, (Slip.WIDTH,)),
    (" {} ".format, (Slip.BLANKS,)),
    (lambda number: f"{number[:4]} {number[4:]}", (Slip.BLANKS,)),
    (lambda number: f"{number[:4]}-{number[4:]}", (Slip.HYPHENS,)),
    ("CN{}".format, (Slip.COUNTRY,)),
    ("AEOCN{}".format, (Slip.COUNTRY,)),
    ("AEO<CN{}>".format, (Slip.BRACKETS, Slip.COUNTRY)),
    (lambda number: wide(f"cn {number}"), (Slip.WIDTH, Slip.CASE, Slip.BLANKS, Slip.COUNTRY)),
]


@given(numbers)
def test_a_party_s_number_is_itself(number: str) -> None:
    assert read_party(number) == (number, ())


@given(numbers, st.sampled_from(PARTY_SLIPS))
def test_every_usual_slip_leads_back_to_the_party(number: str, slip: tuple[Callable[[str], str], tuple[Slip, ...]]) -> None:
    """Read with the same folding as an overseas code, and reported as folded."""
    written, slips = slip
    assert read_party(written(number)) == (number, slips)
