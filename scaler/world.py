"""What the loop knows at this moment, shared with the steps that wait for it to change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from scaler.alerts import ServiceKey
from scaler.labels import Limits
from scaler.readiness import NOT_ASKED, Readiness
from scaler.reasons import ReplicaState
from scaler.targets.base import GONE, Observation, Replica, Service


@dataclass(frozen=True, kw_only=True)
class View:
    """The world at one moment.

    Attributes:
        observation: the engine's containers.
        limits: of every service whose labels can be read.
        faults: of every service whose labels cannot, one sentence each.
        readiness: of every live replica, by id.
        draining: ids of replicas that we take away.
        stopping: ids of replicas that somebody else has asked to stop.
        serving: ids of replicas that get traffic: nginx has them, or they are ready where no nginx is.
        let_go: ids of draining replicas that a whole pass has kept from nginx. One that is merely not serving
            may be on its way in: a pass that does not know yet that it is to leave may be at work.
    """

    observation: Observation = field(default_factory=lambda: Observation(services=()))
    limits: Mapping[ServiceKey, Limits] = field(default_factory=dict)
    faults: Mapping[ServiceKey, tuple[str, ...]] = field(default_factory=dict)
    readiness: Mapping[str, Readiness] = field(default_factory=dict)
    draining: frozenset[str] = frozenset()
    stopping: frozenset[str] = frozenset()
    serving: frozenset[str] = frozenset()
    let_go: frozenset[str] = frozenset()

    def service(self, key: ServiceKey) -> Service | None:
        """Return a service that asks to be scaled, by its key."""
        return next((s for s in self.observation.services if s.key == key), None)

    def replica(self, replica: str) -> Replica | None:
        """Return a replica of any service, by its id."""
        return next((r for s in self.observation.services for r in s.replicas if r.id == replica), None)

    def is_ready(self, replica: Replica) -> bool:
        """Whether a replica may get traffic."""
        known = self.readiness.get(replica.id, NOT_ASKED)
        return replica.status == "running" and known.ready and not self.leaves(replica)

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


class World:
    """The current view, replaced as a whole; safe for several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._view = View()

    @property
    def view(self) -> View:
        """The current view."""
        with self._changed:
            return self._view

    def update(self, **changes: object) -> View:
        """Replace some fields of the view and wake whoever waits; return the new view."""
        with self._changed:
            self._view = replace(self._view, **changes)  # type: ignore[arg-type]
            self._changed.notify_all()
            return self._view

    def mark_draining(self, replica: str) -> None:
        """Take a replica out of the traffic, from the next pass of the loop on."""
        with self._changed:
            self._view = replace(self._view, draining=self._view.draining | {replica})
            self._changed.notify_all()

    def unmark_draining(self, replica: str) -> None:
        """Let a replica back into the traffic, or forget one that is gone."""
        with self._changed:
            view = self._view
            self._view = replace(view, draining=view.draining - {replica}, let_go=view.let_go - {replica})
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[View], bool], *, timeout: float) -> bool:
        """Wait until a condition on the view holds; tell whether it does."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self._view), timeout)
