"""The load: a wave with spikes, the same for the same seed."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.elasticity.trace import Shape, arrivals, demanded, ranges, trace
from bench.members.elasticity import SHAPES

LONG, SHORT = SHAPES
SEEDS = st.integers(min_value=0, max_value=10_000)


def test_the_long_trace_takes_ten_minutes_or_more() -> None:
    assert LONG.seconds >= 600


@given(seed=SEEDS)
def test_a_trace_has_one_level_a_second_and_fits_into_four_replicas(seed: int) -> None:
    for shape in SHAPES:
        levels = trace(shape, seed=seed)
        assert len(levels) == shape.seconds
        assert 0 < min(levels) < max(levels) <= 4


@given(seed=SEEDS)
def test_a_trace_begins_low_so_that_all_begin_alike(seed: int) -> None:
    assert max(trace(LONG, seed=seed)[:30]) < 1


@given(seed=SEEDS)
def test_the_long_trace_needs_from_one_to_three_replicas_at_least(seed: int) -> None:
    assert {1, 2, 3} <= set(demanded(trace(LONG, seed=seed), most=4))


def test_the_same_seed_gives_the_same_trace_and_another_one_another() -> None:
    assert trace(LONG, seed=1) == trace(LONG, seed=1) != trace(LONG, seed=2)


@given(seed=SEEDS)
def test_a_spike_is_sudden_and_lasts_as_long_as_told(seed: int) -> None:
    shape = Shape(seconds=300, waves=1, spikes=1, spike=20)
    flat = trace(Shape(seconds=300, waves=1, spikes=1, spike=0), seed=seed)
    spiked = trace(shape, seed=seed)
    assert sum(a > b for a, b in zip(spiked, flat, strict=True)) == 20


@pytest.mark.parametrize(("level", "replicas"), [(0.0, 1), (0.9, 1), (1.0, 1), (1.01, 2), (4.0, 4), (9.9, 4)])
def test_demand_is_rounded_up_and_bounded(level: float, replicas: int) -> None:
    assert demanded([level], most=4) == [replicas]


@given(seed=SEEDS)
def test_requests_arrive_in_order_and_as_many_as_the_rates_say(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - as the benchmark draws
    found = arrivals([10.0] * 100 + [0.0] * 50 + [30.0] * 100, chance=chance)
    assert found == sorted(found)
    assert not [at for at in found if 100 < at < 150]
    early, late = (sum(low <= at < low + 100 for at in found) for low in (0, 150))
    # Six standard deviations.
    assert abs(early - 1000) < 6 * 1000**0.5
    assert abs(late - 3000) < 6 * 3000**0.5


@given(seconds=st.sets(st.integers(min_value=0, max_value=60)))
def test_ranges_hold_exactly_the_seconds(seconds: set[int]) -> None:
    found = ranges(sorted(seconds))
    assert {s for begin, end in found for s in range(begin, end)} == seconds
    assert all(end < begin for (_, end), (begin, _) in pairwise(found))
