"""When the loop makes a pass, and when a pass decides; safe for several threads."""

import math
import threading
import time
from collections.abc import Callable
from typing import Final

PASS_EVERY: Final = 5.0
"""Seconds after which there is a pass, however long the tick: the passes are the loop's sign of life."""

_SHORTEST: Final = 0.05


class Rhythm:
    """The loop's own clock and its bell.

    Args:
        tick: seconds between two decisions.
        stopping: set when the scaler ends.
        wake: set by whoever wants a pass at once.
        monotonic: seconds, never set back.
    """

    def __init__(
        self,
        *,
        tick: float,
        stopping: threading.Event,
        wake: threading.Event,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tick = tick
        self._wake = wake
        self._decided = -math.inf
        self._passed = monotonic()
        self.now = monotonic
        self.stopping = stopping

    def pass_soon(self) -> None:
        """Ask for a pass at once."""
        self._wake.set()

    def decide_soon(self) -> None:
        """Ask for a pass at once that decides, however long ago the last decision was."""
        self._decided = -math.inf
        self._wake.set()

    def decides(self, now: float) -> bool:
        """Whether the pass of this moment decides; if so, the next decision is due a tick later."""
        due = now - self._decided >= self.tick
        if due:
            self._decided = now
        return due

    def begin(self) -> float:
        """A pass begins: what is asked for from here on is for the next one. Return the time."""
        self._wake.clear()
        return self.now()

    def end(self, begun: float, *, well: bool) -> float:
        """A pass has ended; one that failed is no sign of life. Return the seconds that it took."""
        now = self.now()
        self._passed = now if well else self._passed
        return now - begun

    def passed_ago(self) -> float:
        """Seconds since the last pass that ended well; before the first, since the start."""
        return self.now() - self._passed

    def until_next(self, now: float, due: float) -> float:
        """Seconds until the next pass is due.

        Args:
            now: when this pass began.
            due: when something else than a decision is.
        """
        return max(_SHORTEST, min(now + PASS_EVERY, self._decided + self.tick, due) - self.now())

    def wait(self, seconds: float) -> None:
        """Wait so long, or until somebody asks for a pass."""
        self._wake.wait(seconds)
