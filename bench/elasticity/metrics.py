"""How well supply follows demand: the metrics of the SPEC research group. Pure.

Source: N. Herbst, R. Krebs, G. Oikonomou, G. Kousiouris, A. Evangelinou, A. Iosup, S. Kounev, "Ready for
Rain? A View from SPEC Research on the Future of Cloud Metrics", technical report SPEC-RG-2016-01, 2016
(arXiv:1604.03470); reviewed as N. Herbst et al., "Quantifying Cloud Performance and Dependability:
Taxonomy, Metric Design, and Emerging Challenges", ACM TOMPECS 3(4), 2018. Accuracy is taken in the form that
is normalised by the demand at each moment.

Demand d(t) and supply s(t) are replicas, given as step series: one value a second. T is their length.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, kw_only=True)
class Elasticity:
    """How one supply followed a demand; all in percent, 0 is best.

    Attributes:
        theta_u: under-provisioning accuracy, θU = 100/T · Σ max(d(t) - s(t), 0) / d(t): the replicas that
            lacked, as a share of those demanded, on average.
        theta_o: over-provisioning accuracy, θO = 100/T · Σ max(s(t) - d(t), 0) / d(t); may exceed 100.
        tau_u: under-provisioning timeshare, τU = 100/T · Σ max(sgn(d(t) - s(t)), 0): the share of the time
            in which replicas lacked, however many.
        tau_o: over-provisioning timeshare, τO = 100/T · Σ max(sgn(s(t) - d(t)), 0).
        upsilon: instability, 100/(T - 1) · Σ min(|sgn(Δs(t)) - sgn(Δd(t))|, 1): the share of the
            seconds in which the two do not move in the same direction. A supply that follows late counts
            twice for each step: when it lags, and when it catches up.
    """

    theta_u: float
    theta_o: float
    tau_u: float
    tau_o: float
    upsilon: float


def elasticity(demand: Sequence[int], supply: Sequence[int]) -> Elasticity:
    """How a supply followed a demand.

    Args:
        demand: replicas needed in each second, at least 1.
        supply: replicas ready in each second.

    Raises:
        ValueError: they are not equally long, too short, or a demand is below 1.
    """
    if len(demand) != len(supply) or len(demand) < 2:  # noqa: PLR2004 - a change needs two seconds
        raise ValueError(
            f"demand has {len(demand)} seconds and supply {len(supply)}: must be equal, 2 at least"
        )
    if min(demand) < 1:
        raise ValueError(f"a demand of {min(demand)}: must be at least 1, for shares of it are taken")
    pairs = list(zip(demand, supply, strict=True))
    moves = [_sign(s2 - s1) != _sign(d2 - d1) for (d1, s1), (d2, s2) in pairwise(pairs)]
    return Elasticity(
        theta_u=_percent([max(d - s, 0) / d for d, s in pairs]),
        theta_o=_percent([max(s - d, 0) / d for d, s in pairs]),
        tau_u=_percent([d > s for d, s in pairs]),
        tau_o=_percent([s > d for d, s in pairs]),
        upsilon=_percent(moves),
    )


def speedup(one: Elasticity, *, over: Elasticity) -> float | None:
    """Elastic speedup of a supply over another one that followed the same demand.

    ε = (θU,n/θU · θO,n/θO · τU,n/τU · τO,n/τO)^(1/4), n being the baseline; above 1 is better than it.
    Where a baseline is never short of replicas, or never has too many, its ratio would be 0 whoever is held
    against it, and where the other one is 0 it would be infinite: such ratios are left out, and the root is
    that of the number of ratios left.

    Args:
        one: to be judged.
        over: the baseline n.

    Returns:
        ε, or None if no ratio is left.
    """
    names = ("theta_u", "theta_o", "tau_u", "tau_o")
    values = [(float(getattr(over, name)), float(getattr(one, name))) for name in names]
    ratios = [base / own for base, own in values if base > 0 and own > 0]
    return math.prod(ratios) ** (1 / len(ratios)) if ratios else None


def by_second(samples: Sequence[tuple[float, int]], *, begin: float, seconds: int) -> list[int]:
    """A step series from samples: in the middle of each second, what was seen last.

    Args:
        samples: time in seconds and value, by rising time; the first is not after ``begin``.
        begin: time of the series' first second.
        seconds: its length.

    Raises:
        ValueError: there is no sample as early as that.
    """
    times = [at for at, _ in samples]
    last = [bisect_right(times, begin + second + 0.5) - 1 for second in range(seconds)]
    if last[0] < 0:
        raise ValueError(f"no sample before second {begin:g}")
    return [samples[index][1] for index in last]


def changes(series: Sequence[int]) -> list[tuple[int, int]]:
    """A step series as its first value and its changes: (second, value)."""
    return [(at, value) for at, value in enumerate(series) if at == 0 or value != series[at - 1]]


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _percent(shares: Sequence[float]) -> float:
    return 100 * sum(shares) / len(shares)
