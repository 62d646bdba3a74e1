"""The alerts that fire now, kept for several threads, and whether their source lives."""

import threading
from collections.abc import Callable, Iterable

import structlog

from scaler.model.services import ServiceKey
from scaler.policy.scaling import Demand
from scaler.policy.signals import Alert, KnownServices, Signal, SignalBook, Verdict, judge

log = structlog.get_logger()


class Alerts:
    """What fires, held while it is heard of; safe for several threads. Times are seconds, monotonic.

    Args:
        ttl: seconds after which an alert not heard of is forgotten.
        source_lives: whether alerts come from a source that lives; asked before a step down on an alert.

    Attributes:
        ttl: as given.
        source_lives: as given.
    """

    def __init__(self, *, ttl: float, source_lives: Callable[[], bool]) -> None:
        self._lock = threading.Lock()
        self._book = SignalBook(ttl=ttl)
        self.ttl = ttl
        self.source_lives = source_lives

    def take_in(
        self, alerts: Iterable[Alert], *, known: KnownServices, now: float
    ) -> list[tuple[Verdict, bool]]:
        """Judge alerts and take note of them; return of each whether that changed what fires."""
        verdicts = [judge(alert, known=known) for alert in alerts]
        with self._lock:
            return [(verdict, self._book.note(verdict, now=now)) for verdict in verdicts]

    def expire(self, *, now: float) -> None:
        """Forget what has not been heard of for longer than the time to live."""
        with self._lock:
            gone = self._book.expire(now=now)
        for signal in gone:
            log.warning("an alert was not heard of any more", alert=signal.alert.name)

    def firing(self, service: ServiceKey) -> tuple[Signal, ...]:
        """The signals of one service, oldest first."""
        with self._lock:
            return self._book.firing(service)

    def demand(self, service: ServiceKey, *, now: float) -> Demand:
        """What the signals of one service ask for."""
        with self._lock:
            return self._book.demand(service, now=now)

    def watchdog_age(self, *, now: float) -> float:
        """Seconds since the Watchdog was last heard of; infinite if never."""
        with self._lock:
            return self._book.watchdog.age(now=now)
