"""Spread and trend."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats import growth, percentile, slope, spread

NUMBERS = st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=1, max_size=50)


def test_a_spread_names_the_middle_the_tail_and_the_ends() -> None:
    lie = spread([*range(1, 101)])
    assert (lie.median, lie.p95, lie.low, lie.high, lie.runs) == (50.5, 95, 1, 100, 100)


@given(values=NUMBERS)
def test_a_percentile_is_one_of_the_values_and_that_many_do_not_exceed_it(values: list[float]) -> None:
    found = percentile(values, 95)
    assert found in values
    assert sum(value <= found for value in values) >= 0.95 * len(values)


def test_nothing_measured_has_no_spread() -> None:
    with pytest.raises(ValueError, match="no measurement"):
        spread([])


def test_a_line_has_its_slope() -> None:
    assert slope([(t, 3 * t + 7) for t in range(10)]) == 3


def test_spikes_do_not_move_a_slope() -> None:
    """Threads of a step under way come and go."""
    assert slope([(t, 20 if t % 5 == 0 else 10) for t in range(60)]) == 0


def test_points_at_one_time_have_no_slope() -> None:
    assert slope([(1, 2), (1, 5)]) == 0


def test_growth_leaves_out_the_first_third() -> None:
    """Caches fill and pools open there."""
    warming = [(float(t), min(float(t), 30.0)) for t in range(91)]
    assert growth(warming) == 0


def test_growth_is_what_was_added_over_the_last_two_thirds() -> None:
    assert growth([(float(t), 2.0 * t) for t in range(91)]) == pytest.approx(120)


def test_nothing_seen_has_not_grown() -> None:
    assert growth([]) == 0
    assert growth([(1, 1)]) == 0
