"""Who gets the traffic: from what the loop knows of replicas to what nginx is told."""

import math
from collections.abc import Mapping

from scaler.model.errors import AlertscaleError, BalancerError
from scaler.model.reasons import ErrorReason, EventKind, ReloadOutcome
from scaler.model.services import ServiceKey
from scaler.model.view import View
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.traffic.contract import Balancer, Kind, LeftOut, Upstream
from scaler.traffic.plan import Plan, is_unasked, plan

_RETRY: float = 2.0
_RETRY_STARTING: float = 0.1
_RETRY_LEFT_OUT: float = 5.0
_PATIENCE: float = 3.0
"""Seconds for which a scaler that has just started waits for the first answer of each replica."""

_BECAME = {
    "copy": "nginx goes on with it as it was accepted last",
    "503": "its visitors are answered 503",
    "out": "it is left out",
}
_HOST_GONE = (
    "; a host that may be away belongs into a variable, which nginx looks up when it is asked for:"
    " resolver 127.0.0.11; set $there http://HOST:PORT; proxy_pass $there;"
)


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
        self._again_at: float = math.inf
        self._asked_by: float | None = None
        self._told: frozenset[tuple[ErrorReason, ServiceKey, str]] = frozenset()
        self._known = False
        """Whether what nginx has is known: the scaler before this one may have put in anybody."""
        self.error = ""
        """Why nginx does not have what it should; empty when it does."""

    def next_due(self) -> float:
        """When to try again, seconds, monotonic; infinite when there is nothing to try."""
        return self._again_at if self._retry_at is None else self._retry_at

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
        waiting, again = self._retry_at is not None, now >= self._again_at
        if (waiting and now < self.next_due()) or self._waits_for_answers(view, now):
            return
        ready = frozenset(r.id for s in view.observation.services for r in s.replicas if view.is_ready(r))
        wanted = plan(
            view, own_project=self._own_project, carried=self._balancer.carried, first=not self._known
        )
        if not (waiting or again or relisted) and ready | wanted.last == view.serving:
            return
        outcome = self._hand_over(view, wanted.upstreams, now)
        if outcome is ReloadOutcome.STARTING:
            # Whoever nginx does not carry follows readiness all the same.
            self._world.update(serving=(view.serving & wanted.behind) | (ready - wanted.behind))
            return
        self._world.update(serving=ready | wanted.last)
        self._take_in(wanted, now, again=again)
        if outcome is not None:
            self._metrics.reloads.labels(outcome).inc()
            served = {u.name: [f"{a}:{p}" for a, p in u.servers] for u in wanted.upstreams}
            self._recorder.tell(EventKind.RELOAD, outcome, f"nginx: {outcome}", detail={"upstreams": served})

    def _waits_for_answers(self, view: View, now: float) -> bool:
        """A scaler that has just started leaves nginx as it is until it knows who is ready."""
        if self._known or not is_unasked(view):
            return False
        self._asked_by = now + _PATIENCE if self._asked_by is None else self._asked_by
        return now < self._asked_by

    def _hand_over(self, view: View, upstreams: tuple[Upstream, ...], now: float) -> ReloadOutcome | None:
        """Give nginx its upstreams; a failure, which is told, is like a start that is not over."""
        instance = view.observation.balancer
        self._known = self._known or instance is None or not instance.running
        try:
            outcome = self._balancer.sync(
                upstreams, instance=instance.id if instance and instance.running else None
            )
        except AlertscaleError as error:
            self._failed(error, now)
            return ReloadOutcome.STARTING
        starting = outcome is ReloadOutcome.STARTING
        if starting:
            self.error = ""
        self._known = self._known or not starting
        self._retry_at = now + _RETRY_STARTING if starting else None
        return outcome

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

    def _take_in(self, wanted: Plan, now: float, *, again: bool) -> None:
        """What nginx has not as it was asked for is told once, shown as long as it lasts, and tried again."""
        left_out = self._balancer.left_out
        owners = {name: key for key, name in wanted.names.items()}
        refused = {
            owners[x.name]: (sentence(x),) for x in left_out if x.kind is Kind.UPSTREAM and x.name in owners
        }
        unserved = {**wanted.faults, **refused}
        if unserved != self._world.view.unserved:
            self._world.update(unserved=unserved)
        missed = [sentence(x) for x in left_out if x.kind is not Kind.PLACEHOLDER]
        if again and missed:
            self._metrics.reloads.labels(ReloadOutcome.TEST_FAILED).inc()
        self.error = "; ".join(missed)
        if not left_out:
            self._again_at = math.inf
        elif again or math.isinf(self._again_at):
            self._again_at = now + _RETRY_LEFT_OUT
        others = {("", ""): tuple(sentence(x) for x in left_out if x.kind is not Kind.UPSTREAM)}
        self._tell({ErrorReason.LABELS: wanted.faults, ErrorReason.CONFIG_TEST_FAILED: refused | others})

    def _tell(self, faults: Mapping[ErrorReason, Mapping[ServiceKey, tuple[str, ...]]]) -> None:
        told = {(reason, key, s) for reason, by in faults.items() for key, found in by.items() for s in found}
        for reason, key, text in sorted(told - self._told):
            self._recorder.tell(EventKind.FAULT, reason, text, service=key)
        self._told = frozenset(told)


def sentence(left_out: LeftOut) -> str:
    """Say what nginx does not have as it was asked for, and the way out."""
    if left_out.kind is Kind.UPSTREAM:
        return f"nginx does without the upstream {left_out.name}: {left_out.why}"
    if left_out.kind is Kind.PLACEHOLDER:
        return f"no service is called {left_out.name}; who asks for it is answered 503: {left_out.why}"
    way_out = _HOST_GONE if left_out.why.startswith("host not found") else ""
    return f"nginx refuses the site {left_out.name}; {_BECAME[left_out.became]}: {left_out.why}{way_out}"
