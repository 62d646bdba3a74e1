"""The open model: requests arrive when they arrive, however long the service takes for those before.

A user who waits for an answer before asking again asks less of a slow service, so that a load of such users
(the closed model) shrinks just when it matters. Visitors of a public site do not know of one another.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

_STEP: Final = 0.02
LATE_SECONDS: Final = 1.0
FULL: Final = "dropped: LOCUST_MAX_IN_FLIGHT requests were under way"
LATE: Final = "dropped: Locust itself was more than 1 s late; it needs more CPU time"


class Arrivals:
    """Moments at which requests arrive, for a rate that changes.

    Args:
        rate: Requests per second at a second of the run.
        draw: The distance of one arrival from the next in units of the mean one: an exponential
            distribution of mean 1 for visitors who do not know of one another, always 1 for even ones.
    """

    def __init__(self, *, rate: Callable[[float], float], draw: Callable[[], float]) -> None:
        self._rate = rate
        self._draw = draw
        self._at = 0.0
        self._to_next = draw()

    def until(self, seconds: float) -> Iterator[float]:
        """Yield the arrivals up to a second of the run that were not yielded before."""
        while self._at < seconds:
            width = min(_STEP, seconds - self._at)
            rate = self._rate(self._at + width / 2)
            if rate * width < self._to_next:
                self._to_next -= rate * width
                self._at += width
            else:
                self._at += self._to_next / rate
                self._to_next = self._draw()
                yield self._at


@dataclass(kw_only=True, eq=False)
class OpenLoop:
    """Sends a request at each arrival, beside those under way; bounds these, and counts what it drops.

    Args:
        arrivals: When requests arrive.
        send: Make one request; returns when it is answered or has failed.
        spawn: Run a function beside us.
        drop: Count an arrival that was not sent as failed, with the reason.
        most: Requests that may be under way at once.
    """

    arrivals: Arrivals
    send: Callable[[], None]
    spawn: Callable[[Callable[[], None]], object]
    drop: Callable[[str], None]
    most: int

    def __post_init__(self) -> None:
        """Nothing is under way yet."""
        self._room = threading.Semaphore(self.most)

    def advance(self, seconds: float) -> None:
        """Send what has arrived up to a second of the run; never waits for an answer."""
        for arrival in self.arrivals.until(seconds):
            if seconds - arrival > LATE_SECONDS:
                self.drop(LATE)
            elif self._room.acquire(blocking=False):
                self.spawn(self._one)
            else:
                self.drop(FULL)

    def _one(self) -> None:
        try:
            self.send()
        finally:
            self._room.release()
