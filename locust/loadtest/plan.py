"""What a run asks for at each moment: so many users, or so many requests per second."""

from collections.abc import Callable
from dataclasses import dataclass

from loadtest.profiles import PROFILES
from loadtest.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run.

    Attributes:
        seconds: How long it lasts.
        load: Users (closed model) or requests per second (open model) at a second of the run.
        arrivals: Whether requests arrive at a rate, however slow the service is (open model).
        breaks_off: Whether the run ends as soon as a limit is broken.
    """

    seconds: float
    load: Callable[[float], float]
    arrivals: bool
    breaks_off: bool

    def users(self, seconds: float) -> int | None:
        """Locust's users at a second of the run: at least one; none when the run is over."""
        if seconds >= self.seconds:
            return None
        # One user makes all arrivals.
        return 1 if self.arrivals else max(1, round(self.load(seconds)))


def plan(settings: Settings) -> Plan | None:
    """The run that settings describe; none when the web UI's own users and spawn rate are to count."""
    if trace := settings.trace:
        return Plan(seconds=trace.seconds, load=trace.rate, arrivals=True, breaks_off=False)
    if not settings.profile:
        return None
    profile = PROFILES[settings.profile]
    peak = settings.arrival_rate or settings.users

    def load(seconds: float) -> float:
        return peak * profile.level(seconds / settings.run_seconds)

    return Plan(
        seconds=settings.run_seconds,
        load=load,
        arrivals=settings.arrival_rate > 0,
        breaks_off=profile.breaks_off,
    )
