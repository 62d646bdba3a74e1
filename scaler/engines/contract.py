"""What the loop needs of an engine, and the values in which it answers."""

from collections.abc import Iterator
from typing import Protocol

from scaler.model.hooks import HookKind
from scaler.model.services import (
    Change,
    Fate,
    Kept,
    Observation,
    ServiceKey,
)


class Target(Protocol):
    """An engine that holds replicas. Every method raises TargetError when the engine does not comply."""

    def ping(self) -> None:
        """Return when the engine answers; raise when it has not within a few seconds."""

    def observe(self) -> Observation:
        """List what there is."""

    def prepare(self, *, model: str) -> None:
        """Learn ahead what a replica like the one with id ``model`` takes, so that a step is quick."""

    def changes(self) -> Iterator[Change]:
        """Yield what changes; ends, or raises, when the link breaks.

        Changes are lost while nobody listens: observe anew after each (re)connect.
        """


class Containers(Target, Protocol):
    """An engine on which replicas are made and taken away one by one: Docker with Compose."""

    def create(self, *, model: str, number: int) -> str:
        """Make a replica like the container with id ``model``; return its id. It does not run yet.

        Raises:
            TargetError: with the reason ``model_gone`` when somebody has removed the model meanwhile.
        """

    def find(self, *, service: ServiceKey, number: int) -> str | None:
        """Return the id of the replica with that number, in whichever state, or None."""

    def start(self, replica: str) -> None:
        """Start a replica."""

    def check_hooks(self, replica: str, *, kind: HookKind) -> None:
        """See that the service's hooks of one kind are known; gone is as good.

        Raises:
            TargetError: with the reason ``cannot_clone`` when there are some and nobody can tell which.
        """

    def run_hooks(self, replica: str, *, kind: HookKind, timeout: float) -> None:
        """Run the service's hooks of one kind in a replica, within ``timeout`` seconds; gone is as good.

        Raises:
            TargetError: with the reason ``hook_failed`` when one failed or took too long.
        """

    def fate(self, replica: str) -> Fate | None:
        """Tell what became of a replica; None when it is gone."""

    def last_words(self, replica: str) -> tuple[str, ...]:
        """Return the last lines of a replica's log, few and short, made fit to be shown; none if it is gone.

        Raises:
            TargetError: it cannot be read, as where the logging driver only sends it away.
        """

    def stop(self, replica: str) -> None:
        """Ask a replica to stop and wait for it, up to the service's own grace; gone is as good."""

    def remove(self, replica: str) -> None:
        """Remove a stopped replica with its anonymous volumes; gone is as good."""

    def discard(self, replica: str) -> None:
        """Remove a replica that gets no traffic, running or not; gone is as good."""


class Counts(Target, Protocol):
    """An engine that keeps a count of replicas by itself: Docker Swarm."""

    def set_count(self, kept: Kept, count: int) -> None:
        """Change how many replicas a service is to have, if nobody has changed the service meanwhile.

        Args:
            kept: as the decision saw it.
            count: what to change it to.

        Raises:
            TargetError: with the reason ``overtaken`` when the service is not as it was any more.
        """

    def trouble(self, kept: Kept) -> str:
        """Tell how the last replica of a service that failed ended; empty when none has lately."""
