"""``decide`` beside an account of its rules that shares no code with it, and the promise of ``ask_again``. Many more: ``make judge``."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.cases import Given
from tests.core.histories import check_as_the_rules_say, check_many, check_stays_until_it_says, question
from tests.rig.volume import times

questions = st.composite(lambda draw: question(lambda pool: draw(st.sampled_from(pool))))


@settings(max_examples=times(150))
@given(questions())
def test_every_answer_is_what_the_rules_say_one_instant_at_a_time(given_: Given) -> None:
    check_as_the_rules_say(given_)


@settings(max_examples=times(150))
@given(questions(), st.floats(0, 1))
def test_no_answer_changes_before_it_says_to_ask_again(given_: Given, share: float) -> None:
    check_stays_until_it_says(given_, share)


@pytest.mark.long
def test_a_thousand_by_a_seed() -> None:
    """Made faster than hypothesis makes them, and not made smaller where one fails."""
    check_many(times(3_000), random.getrandbits(32))
