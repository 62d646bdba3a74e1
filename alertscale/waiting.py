"""Waits until a count that was ordered is reached, and finds out why it is not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from alertscale import history, sentences
from alertscale.errors import CliError, UnavailableError, UnreachableError
from alertscale.model import Event, Service
from alertscale.wording import Times, clean, count

LOOK_EVERY: Final = 0.5
"""Seconds between two looks at the service."""

_LIFTED_BY_A_PERSON: Final = frozenset({"paused", "stopped", "gone"})
"""Reasons of a decision that only a person ends."""


class Outcome(StrEnum):
    """How an order of a count ended."""

    REACHED = "reached"
    ORDERED = "ordered"
    HELD = "held"
    REPLACED = "replaced"
    TIMEOUT = "timeout"


@dataclass(frozen=True, kw_only=True)
class Waited:
    """The end of an order; ``why`` is a sentence."""

    outcome: Outcome
    service: Service
    why: str


class Scaler(history.Source, Protocol):
    """What the scaler can be asked meanwhile."""

    def service(self, name: str) -> Service:
        """Read one service."""

    def now(self) -> float:
        """Its clock, seconds since the epoch."""


class Watcher(Protocol):
    """Shows how far it is."""

    def at(self, service: Service) -> None:
        """The service as it stands."""

    def event(self, event: Event) -> None:
        """An entry of the service's history."""

    def trouble(self, error: CliError) -> None:
        """The scaler cannot be asked just now."""


@dataclass(kw_only=True)
class Wait:
    """One order, from its acceptance to its end.

    Args:
        scaler: asked again and again.
        ordered: the service as the scaler's acceptance showed it.
        target: the count that was ordered.
        last_event: the newest entry of the history before the order.
        watcher: shown what happens.
        monotonic: seconds, never set back.
        sleep: waits so many seconds.
    """

    scaler: Scaler
    ordered: Service
    target: int
    last_event: int
    watcher: Watcher
    monotonic: Callable[[], float]
    sleep: Callable[[float], object]
    _failure: str = field(default="", init=False)
    _held_at: float | None = field(default=None, init=False)

    def until(self, *, timeout: float) -> Waited:
        """Wait until the count is reached, or cannot be, or the time is over.

        Args:
            timeout: seconds.
        """
        service = self.ordered
        end = self.monotonic() + timeout
        while True:
            try:
                service = self.scaler.service(self.ordered.key)
                self._tell(service)
            except (UnreachableError, UnavailableError) as error:
                self._failure = f"{error}; {error.way_out}"
                self.watcher.trouble(error)
            else:
                ended = self._ended(service)
                if ended is not None:
                    return ended
            if self.monotonic() >= end:
                return Waited(outcome=Outcome.TIMEOUT, service=service, why=self._why_not(service))
            self.sleep(LOOK_EVERY)

    def _tell(self, service: Service) -> None:
        self.watcher.at(service)
        mine = history.Filter(service=service.key)
        for event in history.since(self.scaler, self.last_event):
            self.last_event = event.id
            if not mine.takes(event):
                continue
            self.watcher.event(event)
            if event.kind == "step":
                self._failure = "" if event.reason == "done" else event.text

    def _ended(self, service: Service) -> Waited | None:
        if service.wanted is None:
            why = f"{service.key} has {count(self.target, 'replica')}."
            return Waited(outcome=Outcome.REACHED, service=service, why=why)
        if service.wanted != self.target:
            why = f"Somebody asked for {service.wanted} meanwhile, instead of {self.target}."
            return Waited(outcome=Outcome.REPLACED, service=service, why=why)
        decision = service.decision
        if decision is None or decision.reason not in _LIFTED_BY_A_PERSON:
            self._held_at = None
        elif self._held_at is None:
            self._held_at = decision.at  # may be of before the order: the next one counts
        elif decision.at > self._held_at + LOOK_EVERY:
            return Waited(outcome=Outcome.HELD, service=service, why=self._why_not(service))
        return None

    def _why_not(self, service: Service) -> str:
        now = Times(now=self.scaler.now())
        why = [sentences.headline(service, now)]
        if self._failure:
            why.append(f"Last failure: {clean(self._failure)}.")
        why.append(f"The order for {self.target} stands until it is reached or replaced.")
        return " ".join(why)
