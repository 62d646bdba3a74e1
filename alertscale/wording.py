"""Numbers, times and foreign text as a person reads them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400


def clean(text: str) -> str:
    """Foreign text with its control characters made visible: none of them reaches the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def duration(seconds: float) -> str:
    """A duration, rounded: ``0.4 s``, ``4 s``, ``1 min 20 s``, ``2 h 5 min``, ``3 d``."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _two(whole // _MINUTE, "min", whole % _MINUTE, "s")
    if whole < _DAY:
        return _two(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "min")
    return _two(whole // _DAY, "d", whole % _DAY // _HOUR, "h")


def _two(first: int, unit: str, second: int, smaller: str) -> str:
    return f"{first} {unit} {second} {smaller}" if second else f"{first} {unit}"


def count(number: int, noun: str) -> str:
    """A number with its noun: ``1 replica``, ``3 replicas``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(words: Iterable[str]) -> str:
    """Words, one at least, as in a sentence: ``a``, ``a and b``, ``a, b and c``."""
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last


@dataclass(frozen=True, kw_only=True)
class Times:
    """Shows times beside one moment.

    Attributes:
        now: seconds since the epoch.
        zone: in which to show the time of day; None for the machine's own.
    """

    now: float
    zone: tzinfo | None = None

    def at(self, seconds: float) -> str:
        """The date and the time of day, with the zone."""
        return self._local(seconds).strftime("%Y-%m-%d %H:%M:%S %Z")

    def time_of_day(self, seconds: float) -> str:
        """The time of day, with the zone."""
        return self._local(seconds).strftime("%H:%M:%S %Z")

    def ago(self, seconds: float) -> str:
        """How long since: ``4 s ago``."""
        return f"{duration(max(0.0, self.now - seconds))} ago"

    def until(self, seconds: float) -> str:
        """How long yet, and the time of day: ``in 4 s (04:16:51 UTC)``; ``now`` when it has passed."""
        left = seconds - self.now
        return f"in {duration(left)} ({self.time_of_day(seconds)})" if left > 0 else "now"

    @property
    def zone_name(self) -> str:
        """The zone in which times are shown: ``UTC``, ``CET``."""
        return self._local(self.now).strftime("%Z")

    def _local(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(seconds, tz=UTC).astimezone(self.zone)
