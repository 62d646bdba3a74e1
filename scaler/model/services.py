"""Services and replicas, as an engine shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from scaler.model.labels import Limits

LIVE: Final = frozenset({"running", "restarting", "paused"})
"""Engine states of a container that serves or is about to."""


GONE: Final = frozenset({"exited", "dead"})
"""Engine states of a container that will not come back by itself."""


STOPPING: Final = "stopping"
"""The action of a change that tells of a container that was asked to stop, before it ends."""


class Health(StrEnum):
    """What Docker's health check says of a container."""

    NONE = "none"
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One container of a service; on Swarm one task.

    Attributes:
        id: the engine's, 64 hex digits.
        name: without the leading slash.
        number: Compose's container number, or Swarm's slot.
        status: the engine's word (``created``, ``running``, ``paused``, ``restarting``, ``exited`` …).
        health: of Docker's health check.
        addresses: network name to IP address, for the networks it has one on.
        ports: TCP ports that the image or the service exposes, ascending.
        version: config hash and image together; two that differ are two versions.
        created_at: when the engine made it, seconds since the epoch.
        labels: all of its labels.
        leaving: the engine takes it away, or has begun to.
        trouble: what the engine says keeps it from running; empty when nothing does.
        container: its container's name where that is another than ``name``, as on Swarm; else empty.
    """

    id: str
    name: str
    number: int
    status: str
    health: Health = Health.NONE
    addresses: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    version: str = ""
    created_at: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    leaving: bool = False
    trouble: str = ""
    container: str = ""

    @property
    def live(self) -> bool:
        """Whether it counts as a replica."""
        return self.status in LIVE


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A service whose count of replicas the engine keeps by itself, as Swarm does.

    Attributes:
        id: the engine's, of the service.
        count: how many replicas it is to have; it may have fewer at the moment.
        version: of the service's definition; a change names the one that it was decided on.
        changed_at: when the definition was last changed, by whomever, seconds since the epoch.
        updating: its replicas are being replaced by ones of another definition.
        labels: of the service.
    """

    id: str
    count: int
    version: int
    changed_at: float
    updating: bool
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service that asks to be scaled, whether its labels can be read or not.

    Attributes:
        key: project and name.
        replicas: its containers, by ascending number, dead ones included.
        files: the Compose files it comes from, as Compose recorded them.
        kept: what the engine keeps of it; None where it keeps nothing, and each container counts.
        refusal: why it cannot be scaled although it asks to be; empty when it can.
        healthy: seconds that its health check may take for a new replica; 0 if it has none.
        grace: seconds that a replica has to end, once it is asked to.
        notes: what a person should know of it that keeps nothing from being done, a sentence each.
    """

    key: ServiceKey
    replicas: tuple[Replica, ...]
    files: str = ""
    kept: Kept | None = None
    refusal: str = ""
    healthy: float = 0.0
    grace: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def newest(self) -> Replica:
        """One of the newest definition: a replica that was recreated last carries it."""
        return ([r for r in self.replicas if r.live] or list(self.replicas))[-1]

    @property
    def labels(self) -> Mapping[str, str]:
        """Those of the newest definition."""
        return self.newest.labels if self.kept is None else self.kept.labels


@dataclass(frozen=True, kw_only=True)
class Instance:
    """A container of alertscale's own that the loop has to know: nginx.

    Attributes:
        id: the engine's.
        networks: names of the networks it is on.
        running: whether it runs.
    """

    id: str
    networks: frozenset[str]
    running: bool


@dataclass(frozen=True, kw_only=True)
class Observation:
    """The engine at one moment.

    Attributes:
        services: those that ask to be scaled and are ours to scale.
        others: every other Compose service on the engine.
        balancer: our nginx; None when there is none.
        routes: what each replica's own labels say of the traffic, by its id, with no bounds; the loop reads
            them, since it knows what those that cannot be read said before.
    """

    services: tuple[Service, ...]
    others: frozenset[ServiceKey] = frozenset()
    balancer: Instance | None = None
    routes: Mapping[str, Limits] = field(default_factory=dict)

    def route(self, replica: Replica) -> Limits:
        """What a replica's own labels say of the traffic."""
        return self.routes.get(replica.id, Limits())


@dataclass(frozen=True, kw_only=True)
class Change:
    """Something happened that :meth:`Target.observe` would show.

    Attributes:
        action: the engine's word (``start``, ``die``, ``connect`` …), or ``STOPPING``.
        container: the id of the container it happened to; empty when it was something else.
    """

    action: str
    container: str


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of a container that did not do what it should.

    Attributes:
        exit_code: of its end; None while it runs.
        out_of_memory: the kernel ended it for reaching its memory limit.
        restarts: how often the engine has started it again.
        memory_limit: bytes; 0 for none.
    """

    exit_code: int | None
    out_of_memory: bool
    restarts: int
    memory_limit: int


ServiceKey = tuple[str, str]
"""(Compose project or Swarm stack, service)."""
