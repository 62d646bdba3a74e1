"""What all that takes steps can do, and what it works with, whatever the engine."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from scaler.model.errors import StepError
from scaler.model.labels import Limits
from scaler.model.reasons import ErrorReason
from scaler.model.records import Order, Step
from scaler.model.view import View
from scaler.state.metrics import Metrics
from scaler.state.world import World
from scaler.steps.log import StepLog

_LOOK_EVERY: Final = 1.0

Unwanted = Callable[[Step, Limits], str]
"""Asked of a step while it waits: why it would not be taken now, for a person; empty if it would."""


class Steps(Protocol):
    """Takes steps, each in the thread of its caller."""

    def take(self, order: Order, unwanted: Unwanted) -> None:
        """Take a step from its beginning to its end, done, failed, undone or left for the next start."""

    def resume(self, step: Step, limits: Limits, unwanted: Unwanted) -> None:
        """Finish a step that an earlier process began, or undo it."""

    def clear_away(self, replica: str) -> None:
        """Remove a replica that is dead; gone is as good.

        Raises:
            TargetError: the engine did not comply.
        """


@dataclass(frozen=True, kw_only=True)
class StepContext:
    """What a step works with.

    Attributes:
        log: where each phase is written first.
        world: tells what has become of what was done.
        metrics: failures, by reason.
        wake: asks the loop for a pass at once.
        stopping: set when the scaler ends; a step under way is left for the next start.
    """

    log: StepLog
    world: World
    metrics: Metrics
    wake: Callable[[], object]
    stopping: threading.Event

    def wait(self, condition: Callable[[View], bool], timeout: float) -> bool:
        """Wait until a condition on the view holds; tell whether it does.

        Raises:
            StepError: the scaler is stopping.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            # Asked now and then without a change of the view, too: some conditions are of time.
            held = self.world.wait_for(
                lambda view: self.stopping.is_set() or condition(view),
                timeout=max(0.0, min(left, _LOOK_EVERY)),
            )
            if self.stopping.is_set():
                raise stopped()
            if held or left <= 0:
                return held


def stopped() -> StepError:
    """Make what ends a step for now when the scaler does."""
    return StepError("the scaler is stopping", reason=ErrorReason.STOPPING)
