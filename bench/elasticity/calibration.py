"""What one replica can serve at the SLO: a short ramp of load."""

import asyncio
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.elasticity.load import Door, Tally, play
from bench.elasticity.trace import arrivals
from bench.errors import BenchError
from bench.stats import percentile

SLO: Final = 0.5
"""Seconds: 95 % of the requests are answered within."""
ROUGHLY: Final = "The SLO held at no rate of the calibration; the lowest one was taken for the capacity."
_IN_A_ROW: Final = 2
_WARM_UP: Final = 2


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """Rates in requests a second, rising, each held for so many seconds."""

    rates: tuple[float, ...]
    held: int


@dataclass(frozen=True, kw_only=True)
class Held:
    """What one rate of the ramp came to.

    Attributes:
        rate: requests a second.
        p95: seconds; infinite where a request was lost or none came.
    """

    rate: float
    p95: float


def calibrate(door: Door, ramp: Ramp, *, seed: int) -> list[Held]:
    """Load one replica with a rate after the other, until it is broken; return what came of each.

    Args:
        door: of a service with one replica, that nobody scales.
        ramp: the rates.
        seed: of the arrivals.
    """
    chance = random.Random(seed)  # noqa: S311 - a load that can be repeated, not a secret
    # Whatever is imported, opened or filled at the first requests is no part of the capacity.
    _held(door, ramp.rates[0], seconds=_WARM_UP, chance=chance)
    found: list[Held] = []
    while len(found) < len(ramp.rates) and not _broken(found):
        found.append(_held(door, ramp.rates[len(found)], seconds=ramp.held, chance=chance))
    return found


def _held(door: Door, rate: float, *, seconds: int, chance: random.Random) -> Held:
    tally = Tally()
    moments = arrivals([rate] * seconds, chance=chance)
    # To its last answer, so that no rate begins with what the one before has left.
    asyncio.run(play(door, moments, begin=time.monotonic(), tally=tally, stop=threading.Event()))
    took = [one for second in tally.took.values() for one in second]
    return Held(rate=rate, p95=percentile(took, 95) if took and not tally.lost else float("inf"))


def _broken(held: Sequence[Held]) -> bool:
    """One slow answer breaks no replica: two rates in a row do."""
    return len(held) >= _IN_A_ROW and all(one.p95 > SLO for one in held[-_IN_A_ROW:])


def capacity(held: Sequence[Held], *, roughly: bool = False) -> tuple[float, tuple[str, ...]]:
    """The highest rate at which the SLO held, and what has to be told of it. Pure.

    Args:
        held: what came of each rate, by rising rate.
        roughly: take the lowest rate where it held at none.

    Raises:
        BenchError: it held at none, and the capacity is not to be taken roughly.
    """
    good = [one.rate for one in held if one.p95 <= SLO]
    if good:
        return max(good), ()
    if roughly:
        return held[0].rate, (ROUGHLY,)
    seen = ", ".join(f"{one.rate:g}/s: {one.p95:.2f} s" for one in held)
    raise BenchError(
        f"one replica answers within {SLO:g} s at no rate of the calibration ({seen}). "
        "Way out: leave the machine alone meanwhile, and run it again"
    )
