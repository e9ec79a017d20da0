"""What is accepted is matched in time, by each matcher that it will meet: libxml2, and ``re`` for partner data and behind xmlschema."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.wire.pattern import Dialect, judge
from tests.rig.machine import REPO
from tests.rig.volume import times

ATOMS = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\d", r"\S", "0", "ab", "(a|b)", "[a-c]", ","])
REPEATED = ["*", "+", "?", "{2}", "{1,3}", "{0,9}", "{2,}", "{5,30}"]
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda those: f"({'|'.join(those)})"),
        st.builds(lambda one, times: f"({one}){times}", inner, st.sampled_from(REPEATED)),
    ),
    max_leaves=8,
)
#: A unit again and again, and at the end what may not fit.
TEXTS = st.lists(
    st.builds(
        lambda unit, times, last: unit * times + last,
        st.text("ab0,c", min_size=1, max_size=3),
        st.integers(1, 700),
        st.sampled_from(["", "a", "!", "\n", ",,"]),
    ),
    min_size=1,
    max_size=4,
)
#: Seconds of CPU for at most 2,102 characters, and of waiting before the process is given up.
MOST, PATIENCE = 0.1, 60


class Matcher:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.wire.pattern.matcher"], cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def slowest(self, pattern: str, texts: list[str]) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([pattern, texts]) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], PATIENCE)[0]:
            self.end()
            pytest.fail(f"{pattern!r} runs away on one of {[text[:40] for text in texts]}")
        answered: dict[str, float] = json.loads(self._process.stdout.readline())
        return answered

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def matcher() -> Iterator[Matcher]:
    found = Matcher()
    yield found
    found.end()


@pytest.mark.process
@given(PATTERNS, TEXTS)
@settings(max_examples=times(150), deadline=None)
def test_what_is_accepted_is_matched_in_time(matcher: Matcher, pattern: str, texts: list[str]) -> None:
    assume(judge(pattern, Dialect.XSD).problem is None)
    assume(judge(pattern, Dialect.PYTHON).problem is None)
    for name, seconds in matcher.slowest(pattern, texts).items():
        assert seconds < MOST, f"{name} takes {seconds:.3f} s"


@pytest.mark.process
@pytest.mark.parametrize(
    ("pattern", "text"), [("(a|a)(b|b)" * 9, "ab" * 9 + "!"), ("(a|aa)+", "a" * 24 + "!"), ("a*a*a*", "a" * 400 + "!")]
)
def test_what_is_refused_is_refused_for_a_reason(matcher: Matcher, pattern: str, text: str) -> None:
    """The control: on a text as short as this a matcher takes longer than is allowed for one of thousands of characters, a character."""
    assert judge(pattern, Dialect.XSD).problem
    assert matcher.slowest(pattern, [text])["re"] / len(text) > MOST / 2102
