"""Spread and trend of samples. Pure."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How repeated measurements lie, in the unit of their figure.

    Attributes:
        median: half of them are below it.
        p95: 95 % of them are at or below it (nearest rank).
        low: the least.
        high: the greatest.
        runs: how many there are.
    """

    median: float
    p95: float
    low: float
    high: float
    runs: int


def spread(values: Sequence[float]) -> Spread:
    """Return how values lie.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("no measurement, so no spread")
    return Spread(
        median=statistics.median(values),
        p95=percentile(values, 95),
        low=min(values),
        high=max(values),
        runs=len(values),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the least value that ``percent`` of the values do not exceed (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no measurement, so no percentile")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the trend of (time, value) points, in values per unit of time.

    The median of the slopes between all pairs of points (Theil 1950, Sen 1968): spikes of up to 29 % of
    the samples, such as the threads of a step under way, do not move it, as they would a least-squares
    line. 0 where no two points differ in time.
    """
    slopes = [(v2 - v1) / (t2 - t1) for (t1, v1), (t2, v2) in combinations(points, 2) if t1 != t2]
    return statistics.median(slopes) if slopes else 0.0


def growth(points: Sequence[tuple[float, float]]) -> float:
    """Return how much values grew over the last two thirds of the time: the trend there times its length.

    The first third is left out: caches fill and pools open there.
    """
    if not points:
        return 0.0
    first, last = points[0][0], points[-1][0]
    settled = [point for point in points if point[0] >= first + (last - first) / 3]
    return slope(settled) * (settled[-1][0] - settled[0][0])
