"""The course of a load over a run, as pure functions: how far the run is → how much of the peak."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

# Share of the evening's peak at hours of a day: a night, a morning that fills, a dip after noon.
_DAY: Final = (
    (0, 0.20),
    (4, 0.05),
    (7, 0.25),
    (10, 0.80),
    (12, 0.85),
    (15, 0.65),
    (18, 0.85),
    (20, 1.00),
    (22, 0.60),
    (24, 0.20),
)
_STEPS: Final = 4
_SPIKE_BASE: Final = 0.2
_SPIKE: Final = (0.4, 0.6)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A course.

    Attributes:
        level: Share of the peak, 0 to 1, at a share of the run, 0 to 1.
        breaks_off: Whether the run ends as soon as a limit is broken.
    """

    level: Callable[[float], float]
    breaks_off: bool = False


def steady(_progress: float) -> float:
    """The peak all the time."""
    return 1.0


def step(progress: float) -> float:
    """A quarter of the peak more at each quarter of the run."""
    return min(int(progress * _STEPS) + 1, _STEPS) / _STEPS


def spike(progress: float) -> float:
    """A fifth of the peak, but all of it in the middle fifth of the run."""
    return 1.0 if _SPIKE[0] <= progress < _SPIKE[1] else _SPIKE_BASE


def wave(progress: float) -> float:
    """A day: night, morning, a dip after noon, the peak in the evening, night."""
    return interpolated(_DAY, 24 * progress)


def ramp(progress: float) -> float:
    """From nothing to the peak, evenly."""
    return progress


def interpolated(points: tuple[tuple[float, float], ...], at: float) -> float:
    """The value at a place between points, on the straight line from one to the next; ends are kept."""
    if at <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in pairwise(points):
        if at <= right:
            return low + (high - low) * (at - left) / (right - left)
    return points[-1][1]


PROFILES: Final[Mapping[str, Profile]] = {
    "steady": Profile(level=steady),
    "step": Profile(level=step),
    "spike": Profile(level=spike),
    "wave": Profile(level=wave),
    "ramp": Profile(level=ramp, breaks_off=True),
}
TRACE: Final = "trace"
NAMES: Final = (*PROFILES, TRACE)
