"""Which two names are one person's."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import names

_UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e\u2066\x00\x1b\x7f\ufe0f\U000e0041\u034f\u115f\u3164"
_BLANKS = " \t\n\u00a0\u2003\u3000\u2028"
_FORMS: tuple[Callable[[str], str], ...] = (
    *(lambda name, form=form: unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")),
    str.upper,
    str.lower,
    str.title,
    str.swapcase,
    str.casefold,
    lambda name: name.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
)

own = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zs", "Zl", "Zp")), min_size=1, max_size=20)


@st.composite
def variants(draw: st.DrawFn) -> tuple[str, str]:
    """A name, and the same under another form, with characters in it that are not to be seen, and blanks around and within it."""
    name = draw(own)
    other = name
    for change in draw(st.lists(st.sampled_from(_FORMS) | st.sampled_from(_UNSEEN + _BLANKS), max_size=8)):
        at = draw(st.integers(0, len(other)))
        other = other[:at] + change + other[at:] if isinstance(change, str) else change(other)
    return name, other


@given(variants())
def test_a_variant_of_a_name_is_the_same_person(pair: tuple[str, str]) -> None:
    name, other = pair
    assert names.same(name, other)
    assert names.same(other, name)


#: Names as people have them, none of whose letters has a look-alike among the others.
_own = st.text("abcdefghijklmnopqrstuvwxyz0123456789éüß李四王五张飞жшыфλδ-'.", min_size=1, max_size=12)


def _plain(name: str) -> str:
    return name.replace("ß", "ss")


@given(_own, _own)
def test_two_names_that_really_differ_are_two_people(name: str, other: str) -> None:
    assert names.same(name, other) is (_plain(name) == _plain(other))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Alice", "alice"),
        ("alice", "ａｌｉｃｅ"),
        ("alice", "ali\u200bce"),
        ("alice", "аliсe"),  # two Cyrillic letters
        ("Ρeter", "peter"),  # a Greek one
        ("𝓪𝓵𝓲𝓬𝓮", "alice"),
        ("Li Si", "LiSi"),
        ("李 四", "李四"),
        ("Jean‑Luc", "jean-luc"),
        ("O’Neil", "O'Neil"),
        ("José", "JOSE\u0301"),
        ("STRASSE", "straße"),
        ("DİLARA", "dilara"),
        ("ılgaz", "ILGAZ"),
        ("e\u200b\u0301", "é"),
    ],
)
def test_the_same_person(name: str, other: str) -> None:
    assert names.same(name, other)
    assert names.same(other, name)


@pytest.mark.parametrize(
    ("name", "other"), [("alice", "bob"), ("José", "Jose"), ("李四", "李三"), ("Anna", "Ana"), ("user1", "user2")]
)
def test_two_people(name: str, other: str) -> None:
    assert not names.same(name, other)


@pytest.mark.parametrize("nobody", ["", " ", "\u200b", "\u3164\t\ufe0f", "\u2800"])
def test_of_nobody_there_is_nothing_to_be_seen(nobody: str) -> None:
    assert not names.visible_at_all(nobody)
    assert names.visible_at_all(f"{nobody}a")
