"""Whether a step up for memory has lowered it: for what more replicas share, and for what they do not."""

import math
import random
from collections.abc import Callable
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.policy.relief import Shares, Trial, is_in_vain


def trial(replicas: int, target: int) -> Trial:
    return Trial(at=0, done=10, replicas=replicas, target=target)


def shares(before: float, lowest: float, now: float | None = None) -> Shares:
    return Shares(before=before, lowest=lowest, now=lowest if now is None else now)


@pytest.mark.parametrize(
    ("replicas", "target", "found", "in_vain"),
    [
        # An idle program in a limit that is too tight: each new one holds as much.
        (1, 2, shares(0.82, 0.82), True),
        (4, 5, shares(0.82, 0.82), True),
        # Some noise is no relief, among however many.
        (1, 2, shares(0.82, 0.78), True),
        (4, 5, shares(0.82, 0.81), True),
        (4, 5, shares(0.82, 0.80), True),
        (7, 8, shares(0.82, 0.80), True),
        # What they share, all of it or a part.
        (1, 2, shares(0.82, 0.41), False),
        (1, 2, shares(0.95, 0.85), False),
        (4, 5, shares(0.82, 0.77), False),
        (20, 21, shares(0.82, 0.80), False),
        (2, 4, shares(0.82, 0.70), False),
        # It had fallen, and is back since there is more to do.
        (1, 2, shares(0.82, 0.45, now=0.83), False),
        # It has grown since, slowly, and so much that it may be load.
        (1, 2, shares(0.82, 0.82, now=0.86), True),
        (1, 2, shares(0.82, 0.82, now=0.91), False),
        # Above 91 % a tenth more is more than there can be: half of what was left.
        (1, 2, shares(0.92, 0.92, now=0.95), True),
        (1, 2, shares(0.92, 0.92, now=0.97), False),
        (1, 2, shares(0.96, 0.96, now=1.0), False),
        # At the limit nothing tells growth from noise.
        (1, 2, shares(0.98, 0.98, now=1.0), True),
    ],
)
def test_what_is_not_lowered_is_in_vain(replicas: int, target: int, found: Shares, in_vain: bool) -> None:
    assert is_in_vain(trial(replicas, target), found) is in_vain


counts = st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(n + 1, n + 20)))
ratios = st.floats(0.05, 1.2)


@given(counts, ratios, st.floats(0, 0.99), st.floats(0, 1))
def test_what_is_shared_evenly_in_part_has_helped_when_it_takes_off_a_quarter_of_that_or_five_points(
    count: tuple[int, int], before: float, rest: float, more: float
) -> None:
    """What a program holds at rest stays; the other part is spread over the replicas that there are then."""
    replicas, target = count
    shared = before * (1 - rest)
    after = before - shared + shared * replicas / target
    found = shares(before, after, now=min(after * (1 + more / 20), before + 0.029))
    if rest <= 0.74 or before - after >= 0.051:
        assert not is_in_vain(trial(replicas, target), found)
    if rest >= 0.76 and before - after <= 0.049:
        assert is_in_vain(trial(replicas, target), found)


@given(counts, ratios)
def test_what_is_all_shared_is_never_in_vain(count: tuple[int, int], before: float) -> None:
    replicas, target = count
    assert not is_in_vain(trial(replicas, target), shares(before, before * replicas / target))


@given(counts, st.floats(0.05, 0.969))
def test_what_grows_to_its_limit_is_tried_again(count: tuple[int, int], before: float) -> None:
    assert not is_in_vain(trial(*count), shares(before, before, now=1.0))


@given(counts, ratios, ratios, ratios)
def test_the_lower_it_fell_the_less_in_vain_it_was(
    count: tuple[int, int], before: float, low: float, lower: float
) -> None:
    low, lower = max(low, lower), min(low, lower)
    if is_in_vain(trial(*count), shares(before, lower, now=low)):
        assert is_in_vain(trial(*count), shares(before, low, now=low))


def climbs_to(rest: float, load: float, *, most: int) -> int:
    """How many replicas there are in the end, each of which holds ``rest`` and its part of ``load``."""
    replicas, last = 1, None
    for _ in range(2 * most):
        mean = rest + load / replicas
        in_vain = last is not None and is_in_vain(last[0], Shares(before=last[1], lowest=mean, now=mean))
        if mean <= 0.80 or in_vain or replicas == most:
            break
        last = (trial(replicas, replicas + 1), mean)
        replicas += 1
    return replicas


@given(st.floats(0.81, 1), st.integers(3, 50))
def test_what_is_held_at_rest_costs_one_replica_and_not_all_that_there_may_be(rest: float, most: int) -> None:
    assert climbs_to(rest, 0, most=most) == 2


def measured(samples: list[float], over: int) -> list[float]:
    """Means over so many samples each, one after the other."""
    return [fmean(samples[i : i + over]) for i in range(0, len(samples) - over + 1, over)]


def steps_for(samples: Callable[[], list[float]], *, at: int) -> int:
    """Steps taken within three half hours, whatever moment each is asked for at; two samples a second."""
    last, steps = None, 0
    while steps < 3:
        found = samples()
        means, low = measured(found, 20), min(measured(found, 120))
        if last is not None and all(
            is_in_vain(last[0], Shares(before=last[1], lowest=low, now=now)) for now in means
        ):
            break
        last, steps = (trial(at + steps, at + steps + 1), max(means)), steps + 1
    return steps


@given(st.floats(0.78, 0.97), st.integers(1, 8), st.integers(0, 2**32))
def test_noise_of_three_points_costs_one_replica_more_and_not_all(rest: float, at: int, seed: int) -> None:
    noise = random.Random(seed)  # noqa: S311
    assert steps_for(lambda: [rest + noise.uniform(-0.03, 0.03) for _ in range(3600)], at=at) == 1


@given(st.floats(0.78, 0.9), st.integers(1, 4), st.floats(5, 60))
def test_a_swing_of_two_points_each_way_costs_no_more(rest: float, at: int, period: float) -> None:
    swing = [rest + 0.02 * math.sin(math.pi * n / period) for n in range(3600)]
    assert steps_for(lambda: swing, at=at) == 1


@given(st.floats(0.1, 0.6), st.floats(0.3, 5))
def test_a_load_that_replicas_share_gets_as_many_as_it_needs(rest: float, load: float) -> None:
    needed = climbs_to(rest, load, most=50)
    assert rest + load / needed <= 0.80
    assert needed == 1 or rest + load / (needed - 1) > 0.80
