"""The request to stop; apart from the server, so that it is heard before the server is imported."""

from collections.abc import Callable


class StopRequest:
    """Whether this process was asked to stop; an instance is a signal handler.

    Attributes:
        requested: True from the first signal on. Further ones change nothing.
        wake: Called at each signal, to end the main loop's wait.
    """

    def __init__(self) -> None:
        self.requested = False
        self.wake: Callable[[], None] = lambda: None

    def __call__(self, _signal: int, _frame: object) -> None:
        """Note the request."""
        self.requested = True
        self.wake()
