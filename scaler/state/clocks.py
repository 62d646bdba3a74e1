"""Times of the journal on a clock that nobody sets.

The journal's times are of the wall clock, since they must outlive the process; cooldowns are counted on
the monotonic clock, since the wall clock may be set while they run. A time is carried over once, when it
is first seen, and stays where it was put.
"""

from collections.abc import Callable, Hashable


class Anchors:
    """Wall-clock times, each carried over to the monotonic clock once.

    Args:
        wall: seconds since the epoch.
        monotonic: seconds, never set back.
    """

    def __init__(self, *, wall: Callable[[], float], monotonic: Callable[[], float]) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._known: dict[Hashable, tuple[float, float]] = {}

    def monotonic(self, name: Hashable, wall: float | None) -> float | None:
        """Carry a time over.

        Args:
            name: what it is the time of; one time is kept for each.
            wall: seconds since the epoch; None for never. One that is yet to come, since the clock was
                set back, counts as now: a cooldown is kept whole rather than for hours.

        Returns:
            Seconds on the monotonic clock; None for never.
        """
        if wall is None:
            self._known.pop(name, None)
            return None
        known = self._known.get(name)
        if known is None or known[0] != wall:
            age = max(0.0, self._wall() - wall)
            known = self._known[name] = (wall, self._monotonic() - age)
        return known[1]

    def wall_now(self) -> float:
        """Seconds since the epoch."""
        return self._wall()

    def wall(self, monotonic: float | None) -> float | None:
        """Show a monotonic time on the wall clock as it stands now."""
        return None if monotonic is None else self._wall() + monotonic - self._monotonic()
