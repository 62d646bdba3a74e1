"""All that the scaler can do to an engine and to nginx, and the values in which they answer.

The rest of the scaler knows these protocols and nothing of what is behind them, so whoever fulfils them may
hold the engine's socket in another process. They speak of replicas and counts: none says what a new replica
is made of. An engine is a :class:`Target`, nginx a :class:`NginxControl`, and what the scalers of a Swarm
share a :class:`LeaseStore`. Every method raises TargetError when the engine does not comply.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from scaler.model.hooks import HookKind
from scaler.model.services import (
    Change,
    Fate,
    Kept,
    Observation,
    ServiceKey,
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the scaler itself runs.

    Attributes:
        project: our Compose project, or our stack.
        networks: names of the networks that we are on; None on the host itself, which reaches all.
        address: of ours on the first of these; empty on the host itself.
        node: the host name, or the id of the container.
        manager: Swarm's id of the node; empty on Compose.
        machine: the engine's name for its machine; empty on the host itself.
        folder: of our Compose project, on that machine; empty on Swarm and on the host itself.
        service: ours, as Compose calls it; empty where there is no folder.
        engine: the engine's own id, which it keeps for good.
    """

    project: str
    networks: frozenset[str] | None
    address: str
    node: str
    manager: str = ""
    machine: str = ""
    folder: str = ""
    service: str = ""
    engine: str = ""


class Target(Protocol):
    """An engine that holds replicas."""

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

    def check_hooks(self, replica: str, *, kind: HookKind) -> bool:
        """See that the service's hooks of one kind are known, and whether it has any; gone is as good.

        Raises:
            TargetError: with the reason ``cannot_clone`` when there are some and nobody can tell which.
        """

    def run_hooks(self, replica: str, *, kind: HookKind, timeout: float, ask: Callable[[], object]) -> None:
        """Run the service's hooks of one kind in a replica, within ``timeout`` seconds; gone is as good.

        Args:
            replica: its id.
            kind: which hooks.
            timeout: seconds, for all of them.
            ask: called meanwhile, a few times a second; what it raises ends the wait. The hook under way goes
                on, and is waited for by the next call with it.

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


GENERATION_PORT: Final = 8083
"""Where nginx tells itself alone which upstreams it serves with: these bring the server that does."""


@dataclass(frozen=True, kw_only=True)
class Processes:
    """nginx's processes, as process ids on the host.

    Attributes:
        master: None while nginx is not up.
        workers: those that take new connections.
        leaving: those of an earlier configuration, which finish their requests.
    """

    master: int | None
    workers: frozenset[int]
    leaving: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What nginx says of itself.

    Attributes:
        generation: that answered; empty when that is none of the scaler's; None when it is not known.
        busy: whether its master may still be at work on a reload.
    """

    generation: str | None
    busy: bool


class LeftOutKind(StrEnum):
    """What nginx may have to do without."""

    UPSTREAM = "upstream"
    """The upstream of a service is left out."""
    SITE = "site"
    """A file of the user's: in its place is what was accepted last, or a server that answers 503."""
    PLACEHOLDER = "placeholder"
    """A site asks for a service that is not there: its requests are answered 503."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Something that nginx refused or that was replaced, so that all others go on.

    Attributes:
        kind: what it is.
        name: of the upstream, or of the site's file.
        became: ``out``; ``copy``, of a site as it was accepted last; or ``503``.
        why: nginx' words, the same each time.
    """

    kind: LeftOutKind
    name: str
    became: str
    why: str


class NginxControl(Protocol):
    """A running nginx: what is asked of it, and what is done to it.

    Which one is told by the id of its container, as an :class:`Observation` names it. The upstreams are files
    in a directory that it shares with the scaler; it takes none of them but by what is asked here.
    """

    def processes(self, instance: str) -> Processes:
        """List its processes; none if it has stopped or is gone."""

    def serving(self, instance: str) -> Serving:
        """Ask it which generation it serves, and whether it is reading another one."""

    def test(self, instance: str) -> tuple[LeftOut, ...]:
        """Check the configuration with ``next`` in the place of ``current``; leave out there what is refused.

        Raises:
            BalancerError: nginx would refuse it all the same; with what it said.
        """

    def reload(self, instance: str) -> None:
        """Ask the master to read its configuration anew.

        Raises:
            BalancerError: it could not be asked.
        """


@dataclass(frozen=True, kw_only=True)
class LeaseRecord:
    """The lease as it is written.

    Attributes:
        holder: who acts; empty when the last one has laid it down.
        address: ``host:port`` at which the holder serves.
        node: the node that the holder is on, or the last one was.
        note: what the next holder has to know, as text; the holder's own.
        wanted: who asks the holder for it; empty when nobody does.
        turn: rises with each writing of a holder.
        version: of the writing, given by whoever keeps it; 0 for one that is not written yet.
    """

    holder: str
    address: str = ""
    node: str = ""
    note: str = ""
    wanted: str = ""
    turn: int = 0
    version: int = 0


class LeaseStore(Protocol):
    """Where the scalers of a Swarm keep which of them acts."""

    def read(self) -> LeaseRecord | None:
        """Read the lease; None when there is none yet."""

    def write(self, record: LeaseRecord) -> LeaseRecord:
        """Write the lease in the place of the one with that version (0: where there is none); return it.

        Raises:
            TargetError: with the reason ``overtaken`` when another has been written meanwhile.
        """

    def leader(self) -> str:
        """Name the node that leads those that keep it; empty when there are no others, or none leads."""
