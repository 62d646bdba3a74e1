"""All that is known at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from scaler.model.labels import Limits
from scaler.model.reasons import ReplicaState
from scaler.model.services import GONE, Observation, Replica, Service, ServiceKey


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """The last that is known of one replica.

    Attributes:
        ready: whether it may get traffic.
        detail: why not; empty when ready.
        anew: it was started, or ended, since it was ready last: that it served says nothing of it.
    """

    ready: bool
    detail: str = ""
    anew: bool = field(default=False, compare=False)


NOT_ASKED: Final = Readiness(ready=False, detail="not asked yet")
UNPREPARED: Final = Readiness(ready=False, detail="its post_start is not over")

GONE_FOR: Final = 900.0
"""Seconds for which a service is shown that was there and has no container any more."""


@dataclass(frozen=True, kw_only=True)
class Gone:
    """A service that was there and has no container any more.

    Attributes:
        limits: what its labels said; None if they could not be read.
        until: when it is forgotten, seconds, monotonic.
    """

    limits: Limits | None
    until: float


@dataclass(frozen=True, kw_only=True)
class View:
    """The world at one moment.

    Attributes:
        observation: the engine's containers.
        limits: of every service whose labels can be read.
        faults: of every service whose labels cannot, one sentence each.
        gone: services that were there lately and are not any more.
        unserved: why the balancer does not have a service as it should, one sentence each.
        readiness: of every live replica, by id.
        draining: ids of replicas that we take away.
        preparing: ids of replicas that we have started and not prepared yet.
        stopping: ids of replicas that somebody else has asked to stop.
        serving: ids of replicas that get traffic: nginx has them, or they are ready where no nginx is.
        let_go: ids of draining replicas that a whole pass has kept from nginx. One that is merely not serving
            may be on its way in: a pass that does not know yet that it is to leave may be at work.
    """

    observation: Observation = field(default_factory=lambda: Observation(services=()))
    limits: Mapping[ServiceKey, Limits] = field(default_factory=dict)
    faults: Mapping[ServiceKey, tuple[str, ...]] = field(default_factory=dict)
    gone: Mapping[ServiceKey, Gone] = field(default_factory=dict)
    unserved: Mapping[ServiceKey, tuple[str, ...]] = field(default_factory=dict)
    readiness: Mapping[str, Readiness] = field(default_factory=dict)
    draining: frozenset[str] = frozenset()
    preparing: frozenset[str] = frozenset()
    stopping: frozenset[str] = frozenset()
    serving: frozenset[str] = frozenset()
    let_go: frozenset[str] = frozenset()

    def service(self, key: ServiceKey) -> Service | None:
        """Return a service that asks to be scaled, by its key."""
        return next((s for s in self.observation.services if s.key == key), None)

    def gone_by(self, observation: Observation, *, now: float) -> Mapping[ServiceKey, Gone]:
        """Which services are gone when this is what the engine shows next.

        Args:
            observation: what it shows. A service without the label that it had is there.
            now: seconds, monotonic.
        """
        there = {s.key for s in observation.services} | observation.others
        gone = dict(self.gone)
        for service in self.observation.services:
            gone[service.key] = Gone(limits=self.limits.get(service.key), until=now + GONE_FOR)
        return {key: one for key, one in gone.items() if key not in there and now < one.until}

    def replica(self, replica: str) -> Replica | None:
        """Return a replica of any service, by its id."""
        return next((r for s in self.observation.services for r in s.replicas if r.id == replica), None)

    def is_able(self, replica: Replica) -> bool:
        """Whether a replica could serve, on its way out or not."""
        known, prepared = self.readiness.get(replica.id, NOT_ASKED), replica.id not in self.preparing
        return replica.status == "running" and known.ready and prepared

    def is_ready(self, replica: Replica) -> bool:
        """Whether a replica may get traffic."""
        return self.is_able(replica) and not self.leaves(replica)

    def gets_requests(self, replica: Replica) -> bool:
        """Whether requests may be sent to a replica, and it can take them."""
        return replica.status == "running" and replica.id in self.serving

    def is_asked(self, key: ServiceKey) -> bool:
        """Whether each running replica of a service has answered or not, rather than not been asked yet."""
        service = self.service(key)
        running = [r for r in service.replicas if r.status == "running"] if service else []
        return all(self.readiness.get(r.id, NOT_ASKED) != NOT_ASKED for r in running)

    def leaves(self, replica: Replica) -> bool:
        """Whether a replica is on its way out, whoever sent it there."""
        return replica.leaving or replica.id in self.draining or replica.id in self.stopping

    def counted(self, service: Service) -> tuple[Replica, ...]:
        """The replicas that the policy counts: those that live and are not leaving."""
        return tuple(r for r in service.replicas if r.live and not self.leaves(r))

    def has_let_go(self, replica: str) -> bool:
        """Whether a draining replica gets no more requests, and will get none."""
        return replica in self.let_go and replica not in self.serving

    def state(self, replica: Replica) -> ReplicaState:
        """Where a replica stands."""
        if replica.id in self.draining:
            return ReplicaState.DRAINING
        if replica.status in GONE:
            return ReplicaState.FAILED
        if self.leaves(replica):
            return ReplicaState.DRAINING
        return ReplicaState.READY if self.is_ready(replica) else ReplicaState.STARTING
