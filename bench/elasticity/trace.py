"""The load of the elasticity benchmark: a wave with spikes, and the arrivals that make it up. Pure."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_LOW: Final = 0.5
_CRESTS: Final = (2.1, 2.8)
_SPIKE: Final = 1.3
_HIGHEST: Final = 3.8


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a trace looks like.

    Attributes:
        seconds: its length.
        waves: from low to a crest and back, one after the other.
        spikes: sudden loads on top, spread over the trace.
        spike: seconds that each of them lasts.
    """

    seconds: int
    waves: int
    spikes: int
    spike: int


def trace(shape: Shape, *, seed: int) -> tuple[float, ...]:
    """The load in each second, in units of what one replica can serve.

    It begins and ends low. How high each crest is and when each spike comes is left to chance.

    Args:
        shape: what it looks like.
        seed: the same one gives the same trace.
    """
    chance = random.Random(seed)  # noqa: S311 - a load that can be repeated, not a secret
    crests = [chance.uniform(*_CRESTS) for _ in range(shape.waves)]
    part = shape.seconds / shape.spikes
    # Within its part, so that none comes at the very begin and no two are one.
    spikes = [part * (n + chance.uniform(0.4, 0.9)) for n in range(shape.spikes)]
    return tuple(_level(second, shape, crests, spikes) for second in range(shape.seconds))


def _level(second: int, shape: Shape, crests: Sequence[float], spikes: Sequence[float]) -> float:
    wave, place = divmod(second * shape.waves / shape.seconds, 1)
    level = _LOW + (crests[int(wave)] - _LOW) * (1 - math.cos(2 * math.pi * place)) / 2
    spiking = any(at <= second < at + shape.spike for at in spikes)
    return min(level + _SPIKE * spiking, _HIGHEST)


def demanded(levels: Sequence[float], *, most: int) -> list[int]:
    """Replicas needed in each second: ⌈rate / capacity⌉, from 1 to ``most``.

    Args:
        levels: rate over the capacity of one replica, in each second.
        most: replicas that there can be.
    """
    return [min(max(math.ceil(level), 1), most) for level in levels]


def arrivals(rates: Sequence[float], *, chance: random.Random) -> list[float]:
    """Seconds at which requests arrive: a Poisson process, as of visitors who do not know of one another.

    Args:
        rates: requests a second, in each second.
        chance: where the distances are drawn from.
    """
    found: list[float] = []
    passed, due = 0.0, chance.expovariate(1)
    for second, rate in enumerate(rates):
        while due < passed + rate:
            found.append(second + (due - passed) / rate)
            due += chance.expovariate(1)
        passed += rate
    return found


def ranges(seconds: Sequence[int]) -> list[tuple[int, int]]:
    """Rising seconds as runs without a gap: (first, one after the last)."""
    starts = [s for s in seconds if s - 1 not in set(seconds)]
    ends = [s + 1 for s in seconds if s + 1 not in set(seconds)]
    return list(zip(starts, ends, strict=True))
