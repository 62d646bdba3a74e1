"""The capacity of one replica, read off a ramp."""

from __future__ import annotations

import pytest

from bench.elasticity.calibration import ROUGHLY, Held, capacity
from bench.errors import BenchError


def held(*p95: float) -> list[Held]:
    return [Held(rate=4.0 + n, p95=one) for n, one in enumerate(p95)]


def test_the_capacity_is_the_highest_rate_within_the_slo() -> None:
    assert capacity(held(0.1, 0.2, 0.5, 0.9, 2.0)) == (6, ())


def test_one_slow_answer_on_the_way_does_not_count() -> None:
    assert capacity(held(0.1, 0.9, 0.3, 0.9, 2.0)) == (6, ())


def test_a_replica_that_is_too_slow_at_every_rate_is_told_with_what_was_seen() -> None:
    with pytest.raises(BenchError, match=r"4/s: 0\.60 s, 5/s: inf s.*leave the machine alone"):
        capacity(held(0.6, float("inf")))


def test_the_short_form_takes_the_lowest_rate_then_and_knows_it() -> None:
    assert capacity(held(0.6, float("inf")), roughly=True) == (4, (ROUGHLY,))
    assert capacity(held(0.6, 0.4), roughly=True) == (5, ())
