"""The alerts that fire now, kept for several threads, and what their source says of them."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from scaler.model.services import ServiceKey
from scaler.policy.scaling import Demand
from scaler.policy.signals import Alert, AtSource, KnownServices, Moment, Signal, SignalBook, Verdict, judge

log = structlog.get_logger()

_FRESH: Final = 1.0
"""Seconds for which the source is not asked again of the same alerts, after an answer."""

SILENT: Final = 5.0
"""The same after none, of whatever alerts: the loop has waited for it."""


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A question to the source.

    Attributes:
        changes: how often what fires had changed; an answer from before says nothing of what is new.
        names: of the alerts that it was about.
        of: these alerts, and since when each fires.
        at: when it was over, seconds, monotonic.
        answer: None if there was none.
    """

    changes: int
    names: frozenset[str]
    of: frozenset[Moment]
    at: float
    answer: AtSource | None


class Alerts:
    """What fires, held while it is heard of; safe for several threads. Times are seconds, monotonic.

    Args:
        ttl: seconds after which an alert not heard of is forgotten.
        source: asked before a step on an alert what it says of alerts of these names; None if it does not
            live.
        monotonic: tells how long that took.

    Attributes:
        ttl: as given.
    """

    def __init__(
        self,
        *,
        ttl: float,
        source: Callable[[frozenset[str]], AtSource | None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._book = SignalBook(ttl=ttl)
        self.ttl = ttl
        self._source = source
        self._monotonic = monotonic
        self._changes = 0
        self._asked: _Asked | None = None

    def take_in(
        self, alerts: Iterable[Alert], *, known: KnownServices, now: float
    ) -> list[tuple[Verdict, bool]]:
        """Judge alerts and take note of them; return of each whether that changed what fires."""
        verdicts = [judge(alert, known=known) for alert in alerts]
        with self._lock:
            noted = [(verdict, self._book.note(verdict, now=now)) for verdict in verdicts]
            self._changes += sum(changed for _, changed in noted)
        return noted

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

    def confirmed(self, service: ServiceKey, *, now: float) -> Demand:
        """What the signals of one service ask for that their source does not deny; asks it.

        For the loop alone. Without an answer the signals stand, and nobody watches.
        """
        source = self._ask(now)
        with self._lock:
            demand = self._book.demand(service, now=now, source=source)
        return demand if source else replace(demand, watched=False)

    def as_asked_last(self, service: ServiceKey, *, now: float) -> Demand:
        """What the signals of one service ask for that their source did not deny when it was asked last.

        For steps, which must not wait for it.
        """
        with self._lock:
            asked = self._asked
            if asked is None:
                return self._book.demand(service, now=now)
            return self._book.demand(service, now=now, source=asked.answer, asked_of=asked.of)

    def is_silent(self, *, now: float) -> bool:
        """Whether the source has just not answered, and is not asked; for the loop alone."""
        asked = self._asked
        return asked is not None and asked.answer is None and now - asked.at < SILENT

    def _ask(self, now: float) -> AtSource | None:
        with self._lock:
            changes, names, of = self._changes, self._book.names, self._book.moments
        asked = self._asked
        if self.is_silent(now=now):
            return None
        same = asked is not None and (asked.changes, asked.names) == (changes, names)
        if asked is not None and same and now - asked.at < _FRESH:
            return asked.answer
        begun = self._monotonic()
        answer = self._source(names)
        now += self._monotonic() - begun
        with self._lock:
            self._asked = _Asked(changes=changes, names=names, of=of, at=now, answer=answer)
        return answer

    def watchdog_age(self, *, now: float) -> float:
        """Seconds since the Watchdog was last heard of; infinite if never."""
        with self._lock:
            return self._book.watchdog.age(now=now)
