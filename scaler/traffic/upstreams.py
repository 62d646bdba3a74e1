"""Who gets the traffic: from what the loop knows of replicas to what nginx is told."""

import math

from scaler.model.errors import AlertscaleError, BalancerError
from scaler.model.labels import Limits
from scaler.model.reasons import ErrorReason, EventKind, ReloadOutcome
from scaler.model.services import Service
from scaler.model.view import View
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.traffic.contract import Balancer, Upstream
from scaler.traffic.readiness import address_on, serving_port

_RETRY: float = 2.0
_RETRY_STARTING: float = 0.1


class Traffic:
    """Keeps nginx, and the view's ``serving``, equal to the ready replicas; used by the loop alone.

    Args:
        balancer: nginx.
        world: where ``serving`` is kept.
        recorder: told of each reload and each failure.
        metrics: reloads by outcome.
        own_project: whose services' upstreams carry no project in their names.
    """

    def __init__(
        self, *, balancer: Balancer, world: World, recorder: Recorder, metrics: Metrics, own_project: str
    ) -> None:
        self._balancer = balancer
        self._world = world
        self._recorder = recorder
        self._metrics = metrics
        self._own_project = own_project
        self._retry_at: float | None = None
        self._unnamable: set[str] = set()
        self._known = False
        """Whether what nginx has is known: the scaler before this one may have put in anybody."""
        self.error = ""
        """Why nginx does not have what it should; empty when it does."""

    def next_due(self) -> float:
        """When to try again, seconds, monotonic; infinite when there is nothing to try."""
        return math.inf if self._retry_at is None else self._retry_at

    def sync(self, view: View, now: float, *, relisted: bool) -> None:
        """Put nginx right if anything may have changed.

        Args:
            view: the world.
            now: seconds, monotonic.
            relisted: the engine was listed anew, so nginx itself may be another than before.
        """
        self._put_right(view, now, relisted=relisted)
        if self._known and view.draining != self._world.view.let_go:
            self._world.update(let_go=view.draining)

    def _put_right(self, view: View, now: float, *, relisted: bool) -> None:
        ready = frozenset(r.id for s in view.observation.services for r in s.replicas if view.is_ready(r))
        waiting = self._retry_at is not None
        if waiting and now < self.next_due():
            return
        upstreams, behind = self._upstreams(view)
        if not (waiting or relisted) and self._kept(view, ready, behind, upstreams) == view.serving:
            return
        instance = view.observation.balancer
        self._known = self._known or instance is None or not instance.running
        try:
            outcome = self._balancer.sync(
                upstreams, instance=instance.id if instance and instance.running else None
            )
        except AlertscaleError as error:
            self._failed(error, now)
            outcome = ReloadOutcome.STARTING
        else:
            self.error = ""
            self._known = self._known or outcome is not ReloadOutcome.STARTING
            self._retry_at = now + _RETRY_STARTING if outcome is ReloadOutcome.STARTING else None
        if outcome is ReloadOutcome.STARTING:
            # Whoever nginx does not carry follows readiness all the same.
            self._world.update(serving=(view.serving & behind) | (ready - behind))
            return
        self._world.update(serving=self._kept(view, ready, behind, upstreams))
        if outcome is not None:
            self._metrics.reloads.labels(outcome).inc()
            served = {u.name: [f"{a}:{p}" for a, p in u.servers] for u in upstreams}
            self._recorder.tell(EventKind.RELOAD, outcome, f"nginx: {outcome}", detail={"upstreams": served})

    def _failed(self, error: AlertscaleError, now: float) -> None:
        if isinstance(error, BalancerError):
            tested = error.reason is ErrorReason.CONFIG_TEST_FAILED
            outcome = ReloadOutcome.TEST_FAILED if tested else ReloadOutcome.RELOAD_FAILED
            self._metrics.reloads.labels(outcome).inc()
        if self.error != str(error):
            self._recorder.tell(EventKind.FAULT, error.reason, str(error))
        self.error = str(error)
        self._retry_at = now + _RETRY
        self._recorder.survived("balancer", error)

    def _kept(
        self, view: View, ready: frozenset[str], behind: frozenset[str], upstreams: tuple[Upstream, ...]
    ) -> frozenset[str]:
        """Add the replicas of upstreams that would be empty and are therefore left as they are."""
        written = {u.name for u in upstreams}
        left = {
            r.id
            for s in view.observation.services
            if self._name(s) not in written
            for r in s.replicas
            if r.id in view.serving & behind and r.live
        }
        return ready | left

    def _upstreams(self, view: View) -> tuple[tuple[Upstream, ...], frozenset[str]]:
        """The upstreams of services that nginx can reach, and the ids of all their replicas."""
        balancer = view.observation.balancer
        made, behind = [], set[str]()
        for service in view.observation.services:
            limits = view.limits.get(service.key)
            if limits is None or balancer is None:
                continue
            if any(address_on(r, balancer.networks) for r in service.replicas):
                behind |= {r.id for r in service.replicas}
            upstream = self._upstream(view, service, limits, balancer.networks)
            if upstream is not None:
                made.append(upstream)
        return tuple(made), frozenset(behind)

    def _upstream(
        self, view: View, service: Service, limits: Limits, networks: frozenset[str]
    ) -> Upstream | None:
        servers = [
            (address, port)
            for r in service.replicas
            if view.is_ready(r)
            and (address := address_on(r, networks)) is not None
            and (port := serving_port(r, limits)) is not None
        ]
        if not servers:
            return None
        name, fallback = self._name(service), f"{service.key[1]}:{servers[0][1]}"
        try:
            return Upstream(name=name, servers=tuple(servers), fallback=fallback)
        except ValueError as error:
            if name not in self._unnamable:
                text = f"nginx cannot serve {service.key[1]}: {error}; give the service another name"
                self._recorder.tell(EventKind.FAULT, ErrorReason.LABELS, text, service=service.key)
            self._unnamable.add(name)
            return None

    def _name(self, service: Service) -> str:
        project, name = service.key
        return name if project == self._own_project else f"{project}.{name}"
