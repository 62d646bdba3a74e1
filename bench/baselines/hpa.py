"""The Kubernetes HorizontalPodAutoscaler's algorithm for CPU, with the defaults of Kubernetes.

Source: kubernetes.io, "Horizontal Pod Autoscaling", and pkg/controller/podautoscaler of Kubernetes
(replica_calculator.go, horizontal.go). Its delays are left out: it sees the CPU of the last 15 s at the
moment of its sync, where the metrics server of Kubernetes adds up to 15 s.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

SYNC: Final = 15.0
"""Seconds between two syncs (--horizontal-pod-autoscaler-sync-period)."""
WINDOW: Final = 15.0
"""Seconds over which CPU is averaged: the metrics server's resolution."""
TOLERANCE: Final = 0.1
"""--horizontal-pod-autoscaler-tolerance."""
STABILIZATION: Final = 300.0
"""Seconds: behavior.scaleDown.stabilizationWindowSeconds."""
_POLICY_PERIOD: Final = 15.0
_POLICY_PODS: Final = 4
_POLICY_FACTOR: Final = 2


def recommended(usage: Mapping[str, float], *, unready: int, target: float) -> int:
    """Replicas that the load asks for: ⌈n · current / target⌉, unless current is near the target.

    A replica that is not ready yet has no usage; on the way up it counts as idle, so that what is on its way
    is not asked for twice.

    Args:
        usage: CPU over what is requested, by ready replica.
        unready: replicas beside these.
        target: the usage to be held.
    """
    now = len(usage) + unready
    if not usage:
        return now
    ratio = sum(usage.values()) / len(usage) / target
    if unready and ratio > 1:
        with_idle = sum(usage.values()) / now / target
        # The controller holds where the idle ones turn up into down.
        return now if with_idle < 1 or _near(with_idle) else _ceil(now * with_idle)
    return now if _near(ratio) else _ceil(len(usage) * ratio)


def _near(ratio: float) -> bool:
    return abs(ratio - 1) <= TOLERANCE


def _ceil(value: float) -> int:
    """As it is meant: 3 times a third is 1, not the next float above it."""
    return math.ceil(round(value, 9))


@dataclass(kw_only=True)
class Hpa:
    """One autoscaler.

    Attributes:
        most: replicas that there can be; the fewest is 1.
        target: CPU over what is requested, to be held.
    """

    most: int
    target: float
    _recommendations: list[tuple[float, int]] = field(default_factory=list)
    _added: list[tuple[float, int]] = field(default_factory=list)

    def sync(self, at: float, *, usage: Mapping[str, float], unready: int) -> int:
        """Return how many replicas are to be.

        Args:
            at: seconds, rising from call to call.
            usage: CPU over what is requested, by ready replica.
            unready: replicas beside these.
        """
        now = len(usage) + unready
        wanted = recommended(usage, unready=unready, target=self.target)
        steady = self._stabilized(at, wanted, now)
        limited = min(max(min(steady, self._limit(at, now)), 1), self.most)
        if limited > now:
            self._added.append((at, limited - now))
        return limited

    def _stabilized(self, at: float, wanted: int, now: int) -> int:
        """The greatest recommendation of the last five minutes, before anything is removed."""
        if not self._recommendations:
            self._recommendations.append((at, now))
        self._recommendations = [(t, n) for t, n in self._recommendations if t > at - STABILIZATION]
        self._recommendations.append((at, wanted))
        return wanted if wanted >= now else min(now, max(n for _, n in self._recommendations))

    def _limit(self, at: float, now: int) -> int:
        """The larger of +100 % and +4 replicas in 15 s."""
        self._added = [(t, n) for t, n in self._added if t > at - _POLICY_PERIOD]
        begun = now - sum(n for _, n in self._added)
        return max(begun * _POLICY_FACTOR, begun + _POLICY_PODS)
