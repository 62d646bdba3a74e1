"""Did adding help? A step up for memory that did not lower it is not repeated.

More replicas share the CPU that requests need. What a process holds at rest, and what it never gives back,
they do not share: with it alone the mean stays where it is, however many there are.
"""

from dataclasses import dataclass
from typing import Final

MEMORY: Final = "memory"
"""The resource of which this is asked."""

LEAST: Final = 0.05
"""What a step has to take off the mean to have helped: noise takes off less."""

PART: Final = 0.25
"""Or which part of what sharing evenly would take off, where that is less: among many it is little."""

GROWTH: Final = 0.1
"""By which part of what it was before the step the mean has to grow for another try: that may be load."""

NEARER: Final = 0.5
"""Or by which part of what was left to the limit then, where that is less: beyond it nothing grows."""

NOISE: Final = 0.03
"""But by more than this, which a mean may differ by from one time to the next."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A step up that memory led to, and that is done. Times are seconds since the epoch.

    Attributes:
        at: when it was decided.
        done: when it was done.
        replicas: how many there were before it.
        target: how many after it.
    """

    at: float
    done: float
    replicas: int
    target: int


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Memory used over allowed, the mean over the replicas that get requests, 0 to 1.

    Attributes:
        before: right before a step.
        lowest: the lowest since that step has settled, of means over some time.
        now: of now.

    All are means over some time, so that noise is not taken for a change.
    """

    before: float
    lowest: float
    now: float

    def __str__(self) -> str:
        """As a clause for a person."""
        return f"{100 * self.before:.0f} % before the last step, {100 * self.now:.0f} % now"


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """Whoever could say what a step left did not answer, and never has of that step."""


def is_in_vain(trial: Trial, shares: Shares) -> bool:
    """Whether a step has not lowered the memory, so that another one is not worth its replicas.

    Args:
        trial: the step.
        shares: what it found, and what came of it.
    """
    evenly = shares.before * (1 - trial.replicas / trial.target)
    fell = shares.before - shares.lowest >= min(LEAST, PART * evenly)
    grew = shares.now - shares.before >= _growth(shares.before)
    return not fell and not grew


def _growth(before: float) -> float:
    return max(NOISE, min(GROWTH * before, NEARER * (1 - before)))
