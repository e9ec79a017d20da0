"""What grows by how much, and where that leads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.operate.forecast import HORIZON, Growing, first_over

TODAY = 20_000
CAME = st.dictionaries(st.integers(TODAY - 400, TODAY), st.integers(0, 10**6), max_size=30)


def test_growth_is_measured_over_the_days_there_were() -> None:
    shelf = Growing({TODAY: 70, TODAY - 6: 70, TODAY - 7: 1_000})
    assert shelf.growth(TODAY, 7, first=TODAY - 100) == 20
    assert shelf.growth(TODAY, 7, first=TODAY) == 70, "an installation of today has had one day"
    assert shelf.growth(TODAY, 30, first=TODAY - 7) == 1_140 / 8


@given(CAME, st.integers(0, 1_000), st.floats(0, 1e6))
def test_without_a_rule_it_only_grows(came: dict[int, int], ahead: int, a_day: float) -> None:
    assert Growing(came).after(TODAY, ahead, a_day) == sum(came.values()) + a_day * ahead


@given(CAME, st.integers(1, 1_000), st.floats(0, 1e6))
def test_with_a_rule_it_comes_to_what_the_rule_holds(came: dict[int, int], days: int, a_day: float) -> None:
    assert Growing(came, days, open=7).after(TODAY, 5_000, a_day) == 7 + a_day * days


def test_on_the_way_there_what_is_young_is_still_there() -> None:
    shelf = Growing({TODAY: 10, TODAY - 50: 100, TODAY - 500: 1_000}, days=90, open=1_000)
    assert shelf.after(TODAY, 30, a_day=1) == 1_000 + 110 + 30
    assert shelf.after(TODAY, 60, a_day=1) == 1_000 + 10 + 60


def test_what_so_far_stayed_open_is_taken_to_stay() -> None:
    shelf = Growing({TODAY: 100}, days=10, stays=0.5)
    assert shelf.after(TODAY, 20, a_day=10) == 100 + 50 + 50


@pytest.mark.parametrize(("room", "day"), [(0, 1), (9, 1), (10, 2), (10 * HORIZON, None)])
def test_the_day_on_which_there_is_no_room(room: float, day: int | None) -> None:
    assert first_over(room, lambda ahead: 10 * ahead) == day
