"""The Kubernetes HPA's algorithm, by the examples and defaults of its documentation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.baselines.hpa import Hpa, recommended

USAGES = st.lists(st.floats(min_value=0, max_value=1.2), min_size=1, max_size=10)


def used(*shares: float) -> dict[str, float]:
    return {str(number): share for number, share in enumerate(shares)}


@pytest.mark.parametrize(
    ("shares", "wanted"),
    [
        ([1.0], 2),
        ([1.0, 1.0], 3),
        ([0.2], 1),
        ([0.3, 0.3], 1),
        ([0.36, 0.36], 2),
        ([0.7, 0.7, 0.7], 3),
        ([0.76], 1),
        ([0.78], 2),
        ([0.64, 0.64, 0.64], 3),
    ],
)
def test_as_many_as_hold_the_target_unless_it_is_within_a_tenth(shares: list[float], wanted: int) -> None:
    assert recommended(used(*shares), unready=0, target=0.7) == wanted


def test_replicas_on_their_way_are_not_asked_for_twice() -> None:
    assert recommended(used(1.0, 1.0), unready=0, target=0.5) == 4
    assert recommended(used(1.0, 1.0), unready=2, target=0.5) == 4


def test_where_replicas_on_their_way_are_too_few_more_are_asked_for() -> None:
    assert recommended(used(1.0, 1.0), unready=1, target=0.4) == 5


def test_without_any_usage_nothing_changes() -> None:
    assert recommended({}, unready=3, target=0.7) == 3


@given(shares=USAGES, more=st.floats(min_value=0, max_value=1))
def test_more_usage_never_asks_for_fewer(shares: list[float], more: float) -> None:
    less = recommended(used(*shares), unready=0, target=0.7)
    assert recommended(used(*(share + more for share in shares)), unready=0, target=0.7) >= less


def test_up_goes_at_once() -> None:
    hpa = Hpa(most=4, target=0.7)
    assert hpa.sync(0, usage=used(0.2), unready=0) == 1
    assert hpa.sync(15, usage=used(1.0), unready=0) == 2


def test_down_waits_until_nothing_more_was_recommended_for_five_minutes() -> None:
    hpa = Hpa(most=4, target=0.7)
    assert hpa.sync(0, usage=used(1.0, 1.0, 1.0), unready=0) == 4
    for at in range(15, 300, 15):
        assert hpa.sync(at, usage=used(0.1, 0.1, 0.1, 0.1), unready=0) == 4
    assert hpa.sync(300, usage=used(0.1, 0.1, 0.1, 0.1), unready=0) == 1


def test_what_it_finds_at_its_start_counts_as_recommended() -> None:
    assert Hpa(most=4, target=0.7).sync(0, usage=used(0.1, 0.1, 0.1), unready=0) == 3


def test_up_goes_by_four_or_by_double_in_fifteen_seconds_whichever_is_more() -> None:
    hpa = Hpa(most=100, target=0.1)
    assert hpa.sync(0, usage=used(1.0), unready=0) == 5
    assert hpa.sync(5, usage=used(*[1.0] * 5), unready=0) == 5
    assert hpa.sync(15, usage=used(*[1.0] * 5), unready=0) == 10
    assert hpa.sync(30, usage=used(*[1.0] * 10), unready=0) == 20


@given(
    steps=st.lists(st.tuples(USAGES, st.integers(min_value=0, max_value=3)), min_size=1, max_size=40),
    most=st.integers(min_value=1, max_value=8),
)
def test_the_bounds_always_hold(steps: list[tuple[list[float], int]], most: int) -> None:
    hpa = Hpa(most=most, target=0.7)
    for number, (shares, unready) in enumerate(steps):
        assert 1 <= hpa.sync(15 * number, usage=used(*shares), unready=unready) <= most
