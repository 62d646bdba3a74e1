"""What is written of a step, whatever engine it is taken on: its phases, their times, its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from scaler.model.errors import AlertscaleError, StepError
from scaler.model.reasons import ErrorReason, Phase
from scaler.model.records import Order, Step
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, eq=False)
class StepLog:
    """Writes down steps, before they are taken and when they have ended.

    Args:
        journal: where each phase is written first.
        recorder: told of their ends.
        metrics: durations.
        wall: seconds since the epoch.
        monotonic: seconds, never set back.
    """

    journal: Journal
    recorder: Recorder
    metrics: Metrics
    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def begin(self, order: Order, *, phase: Phase, replica: str | None = None) -> Step:
        """Write down that a step begins.

        Raises:
            JournalError: it cannot be written, and so must not be taken.
        """
        return self.journal.begin(
            service=order.service,
            direction=order.direction,
            number=order.number,
            why=order.why,
            phase=phase,
            now=self.wall(),
            replica=replica,
        )

    def phases(self, step: Step) -> Phases:
        """Make what journals and times a step's phases."""
        return Phases(self, step)


class Phases:
    """Journals each phase before it begins, and times it; made by :meth:`StepLog.phases`.

    Attributes:
        phase: the one under way; None before the first.
        step: as the journal has it now.
        seconds: what each phase that is over took.
    """

    def __init__(self, log: StepLog, step: Step) -> None:
        self._log = log
        self.step = step
        self._begun = log.monotonic()
        self.phase: Phase | None = None
        self.seconds: dict[Phase, float] = {}

    @property
    def replica(self) -> str | None:
        """The engine's id of the step's replica; None before that is known."""
        return self.step.replica

    def enter(self, phase: Phase, *, replica: str | None = None) -> None:
        """Write down that a phase begins, before anything of it is done.

        Raises:
            JournalError: it cannot be written, and so must not be done.
        """
        now = self._log.wall()
        # What the engine has made is known, journalled or not: it may have to be taken away.
        self.step = replace(self.step, replica=replica or self.step.replica)
        self._log.journal.enter(self.step.id, phase=phase, now=now, replica=replica)
        self.step = replace(self.step, phase=phase, phases={**self.step.phases, phase: now})
        self.end()
        self.phase = phase

    def end(self) -> None:
        """Take the time of the phase under way."""
        now = self._log.monotonic()
        if self.phase is not None:
            took = now - self._begun
            self.seconds[self.phase] = took
            labels = (*self.step.service, self.step.direction, self.phase)
            self._log.metrics.duration.labels(*labels).observe(took)
        self._begun = now


def failure(step: Step, raised: Exception) -> AlertscaleError:
    """Make a failure of a step of what was raised in it, whatever that is.

    A fault of our own ends the step too: left open, it would be begun anew at once, and again.
    """
    if isinstance(raised, AlertscaleError):
        return raised
    log.error("a fault of the scaler's own in a step", **step.words, exc_info=raised)
    return own_fault(raised)


def own_fault(error: Exception) -> StepError:
    """Make a failure of a step out of a fault of our own."""
    failed = StepError(f"a fault of the scaler's own: {error!r}", reason=ErrorReason.INTERNAL)
    failed.__cause__ = error
    return failed
