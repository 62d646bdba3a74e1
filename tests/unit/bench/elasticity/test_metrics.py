"""The metrics of the SPEC research group, on step series."""

from __future__ import annotations

import random
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.elasticity.metrics import Elasticity, by_second, changes, elasticity, speedup

COUNTS = st.integers(min_value=1, max_value=9)
PAIRS = st.lists(st.tuples(COUNTS, COUNTS), min_size=2, max_size=80)


def split(pairs: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [d for d, _ in pairs], [s for _, s in pairs]


def test_each_metric_is_what_its_formula_gives() -> None:
    found = elasticity([1, 2, 4, 4, 2, 1, 1, 1], [1, 1, 1, 2, 2, 2, 3, 1])
    assert found.theta_u == pytest.approx(100 / 8 * (1 / 2 + 3 / 4 + 2 / 4))
    assert found.theta_o == pytest.approx(100 / 8 * (1 + 2))
    assert found.tau_u == pytest.approx(100 * 3 / 8)
    assert found.tau_o == pytest.approx(100 * 2 / 8)
    # Demand moves + + 0 - - 0 0, supply 0 0 + 0 0 + -.
    assert found.upsilon == pytest.approx(100 * 7 / 7)


@given(demand=st.lists(COUNTS, min_size=2, max_size=80))
def test_a_supply_that_is_the_demand_is_perfect(demand: list[int]) -> None:
    assert astuple(elasticity(demand, demand)) == (0, 0, 0, 0, 0)


@given(pairs=PAIRS)
def test_shares_of_the_time_are_shares(pairs: list[tuple[int, int]]) -> None:
    found = elasticity(*split(pairs))
    assert 0 <= found.tau_u + found.tau_o <= 100 + 1e-9
    assert 0 <= found.upsilon <= 100
    assert 0 <= found.theta_u <= found.tau_u + 1e-9
    assert (found.theta_u == 0) == (found.tau_u == 0)
    assert (found.theta_o == 0) == (found.tau_o == 0)


@given(pairs=PAIRS)
def test_one_replica_more_all_the_time_lacks_no_more_and_has_too_many_no_less(
    pairs: list[tuple[int, int]],
) -> None:
    demand, supply = split(pairs)
    before, after = elasticity(demand, supply), elasticity(demand, [s + 1 for s in supply])
    assert after.theta_u <= before.theta_u
    assert after.tau_u <= before.tau_u
    assert after.theta_o >= before.theta_o
    assert after.tau_o >= before.tau_o
    assert after.upsilon == before.upsilon


@given(pairs=PAIRS, seed=st.integers())
def test_accuracy_and_timeshare_do_not_know_when_but_how_much(
    pairs: list[tuple[int, int]], seed: int
) -> None:
    mixed = random.Random(seed).sample(pairs, len(pairs))  # noqa: S311 - any order
    one, other = elasticity(*split(pairs)), elasticity(*split(mixed))
    assert astuple(one)[:4] == pytest.approx(astuple(other)[:4])


@given(pairs=PAIRS, times=st.integers(min_value=2, max_value=5))
def test_accuracy_is_a_share_of_the_demand_whatever_its_size(
    pairs: list[tuple[int, int]], times: int
) -> None:
    larger = [(times * d, times * s) for d, s in pairs]
    assert astuple(elasticity(*split(larger))) == pytest.approx(astuple(elasticity(*split(pairs))))


@given(pairs=PAIRS)
def test_nothing_is_faster_or_slower_than_itself(pairs: list[tuple[int, int]]) -> None:
    found = elasticity(*split(pairs))
    assert speedup(found, over=found) in (None, pytest.approx(1))


@given(pairs=PAIRS)
def test_a_speedup_turned_round_is_its_inverse(pairs: list[tuple[int, int]]) -> None:
    demand, supply = split(pairs)
    one, other = elasticity(demand, supply), elasticity(demand, [3] * len(demand))
    ours, theirs = speedup(one, over=other), speedup(other, over=one)
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        assert ours * theirs == pytest.approx(1)


def test_a_speedup_is_the_geometric_mean_of_four_ratios() -> None:
    base = Elasticity(theta_u=8, theta_o=4, tau_u=50, tau_o=20, upsilon=1)
    one = Elasticity(theta_u=1, theta_o=2, tau_u=50, tau_o=20, upsilon=9)
    assert speedup(one, over=base) == pytest.approx((8 * 2 * 1 * 1) ** 0.25)


def test_over_a_baseline_that_never_has_too_many_only_what_lacks_is_judged() -> None:
    base = Elasticity(theta_u=40, theta_o=0, tau_u=90, tau_o=0, upsilon=1)
    one = Elasticity(theta_u=10, theta_o=70, tau_u=10, tau_o=60, upsilon=1)
    assert speedup(one, over=base) == pytest.approx(6)


def test_two_that_fail_on_different_sides_cannot_be_compared() -> None:
    low = Elasticity(theta_u=40, theta_o=0, tau_u=90, tau_o=0, upsilon=1)
    high = Elasticity(theta_u=0, theta_o=70, tau_u=0, tau_o=60, upsilon=1)
    assert speedup(high, over=low) is None


@pytest.mark.parametrize(
    ("demand", "supply", "told"),
    [
        ([1, 2], [1], "demand has 2 seconds and supply 1"),
        ([1], [1], "2 at least"),
        ([1, 0], [1, 1], "a demand of 0"),
    ],
)
def test_series_that_cannot_be_held_against_each_other_are_refused(
    demand: list[int], supply: list[int], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        elasticity(demand, supply)


def test_a_second_has_what_was_seen_last_in_its_middle() -> None:
    samples = [(9.0, 1), (11.4, 2), (12.6, 3), (12.7, 4)]
    assert by_second(samples, begin=10.0, seconds=4) == [1, 2, 2, 4]


def test_a_second_before_the_first_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="no sample before second 10"):
        by_second([(10.8, 1)], begin=10.0, seconds=2)


@given(series=st.lists(COUNTS, min_size=1))
def test_changes_hold_the_whole_series(series: list[int]) -> None:
    kept = dict(changes(series))
    values = [kept[max(at for at in kept if at <= second)] for second in range(len(series))]
    assert values == series
