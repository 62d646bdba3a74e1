"""How far an order is: a moving line on a terminal, a line for each event anywhere."""

from typing import Self

from rich.console import Console
from rich.status import Status

from alertscale import sentences
from alertscale.errors import CliError
from alertscale.model import Event, Service
from alertscale.views import history
from alertscale.views.parts import foreign
from alertscale.wording import Times


class Progress:
    """Shows an order that is under way; keeps to :class:`alertscale.waiting.Watcher`.

    Args:
        console: of the standard error, so that the result alone is on the standard output.
        target: the count that was ordered.
    """

    def __init__(self, console: Console, *, target: int) -> None:
        self._console = console
        self._target = target
        self._status: Status | None = None
        self._troubled = False

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal and not self._console.quiet:
            self._status = self._console.status(f"ordered {self._target}")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the moving line away."""
        if self._status is not None:
            self._status.stop()

    def at(self, service: Service) -> None:
        """Show the service as it stands."""
        self._troubled = False
        if self._status is not None:
            self._status.update(foreign(f"{service.key}: {sentences.summary(service)} of {self._target}"))

    def event(self, event: Event) -> None:
        """Show an entry of its history."""
        self._console.print(history.line(event, Times(now=event.at)), soft_wrap=True)

    def trouble(self, error: CliError) -> None:
        """Show, once, that the scaler cannot be asked."""
        if not self._troubled:
            self._console.print(foreign(f"{error}; trying again", "yellow"), soft_wrap=True)
        self._troubled = True
