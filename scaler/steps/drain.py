"""How long a leaving replica is drained: until its requests are answered, at most ``alertscale.drain``.

nginx has let go of it before, so none is added. The label bounds the wait, since a client may never read its
answer to the end; nginx cuts such a connection a minute after a reload (``worker_shutdown_timeout``).
"""

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from scaler.steps.contract import stopped

_LOOK_EVERY: Final = 0.2


class Draining(Protocol):
    """The requests that were under way at the first look."""

    def over(self) -> bool:
        """Look whether all of them have been answered.

        Raises:
            TargetError: the engine did not answer.
        """


class Drains(Protocol):
    """What a step down needs of the balancer."""

    def draining(self, instance: str | None) -> Draining:
        """Watch the requests that may be under way to replicas that have left.

        Args:
            instance: the running balancer's id; None when none runs.
        """


def drain(
    requests: Draining, *, longest: float, stopping: threading.Event, ask: Callable[[], object]
) -> None:
    """Wait until requests are over, for at most so many seconds.

    Args:
        requests: those under way.
        longest: seconds.
        stopping: set when the scaler ends.
        ask: called meanwhile, a few times a second; raises if the wait is to end.

    Raises:
        StepError: the scaler is stopping.
        TargetError: the engine did not answer.
    """
    deadline = time.monotonic() + longest
    while not requests.over() and time.monotonic() < deadline:
        ask()
        if stopping.wait(_LOOK_EVERY):
            raise stopped()
