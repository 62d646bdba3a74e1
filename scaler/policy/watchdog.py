"""Is the source of alerts alive? And what if not: nothing is removed.

Its sign of life is Prometheus' always-firing alert.
"""

import math
from typing import Final

WATCHDOG: Final = "Watchdog"
"""The alert that always fires; its absence means that alerts do not reach us."""


class Watchdog:
    """When the Watchdog was last heard of. Times are seconds on one clock of the caller's.

    Not safe for threads; whoever holds it guards it.

    Args:
        ttl: seconds for which having heard of it proves that alerts arrive.
    """

    def __init__(self, *, ttl: float) -> None:
        self._ttl = ttl
        self._heard = -math.inf

    def heard(self, *, now: float) -> None:
        """It fires."""
        self._heard = now

    def age(self, *, now: float) -> float:
        """Seconds since it was last heard of; infinite if never."""
        return now - self._heard

    def lives(self, *, now: float) -> bool:
        """Whether it was heard of lately: only then does silence mean that nothing is wrong."""
        return self.age(now=now) <= self._ttl


def may_remove(*, watched: bool) -> bool:
    """Whether a replica may be removed while alerts arrive, or do not.

    Silence is only good news while the Watchdog proves that we would hear bad news; and a ``down`` alert
    whose source is dead is a memory, not a measurement.
    """
    return watched
