"""All that is known of one service, gathered in one place: what the loop decides on and the page shows."""

import math
import threading
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from scaler.loop.alerts import SILENT, Alerts
from scaler.loop.outside_changes import Outside
from scaler.loop.views import Decided, Inputs, ServiceView, on_the_wall, service_view
from scaler.model.errors import UnavailableError
from scaler.model.labels import Limits
from scaler.model.reasons import Direction, EventKind, Outcome, Phase
from scaler.model.records import Event, EventQuery, Step
from scaler.model.services import Replica, Service, ServiceKey
from scaler.model.view import Gone, View
from scaler.policy import backoff, deploy, recovery, relief, replica_choice
from scaler.policy.relief import Shares, Trial, Unknown
from scaler.policy.scaling import Crew, Decision, Demand, State, Waits, decide
from scaler.state.clocks import Anchors
from scaler.state.journal import Journal
from scaler.state.world import World

ORDER_ENDS_AFTER: Final = 10.0
"""Seconds without any container after which a service is gone, and not just made anew (``down``, ``up``)."""

_FRESH: Final = 5.0
"""Seconds for which Prometheus is not asked again what became of a service's memory."""

_STEPS_LOOKED_AT: Final = 20
"""For the last one that failed; those after it were undone."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A service whose labels can be read, at one moment. Times are seconds, monotonic.

    Attributes:
        service: as the engine lists it.
        limits: what its labels say.
        counted: the replicas that the policy counts.
        retiring: those of them that a deploy asked to take away.
        dead: those that are to be cleared away.
        state: what the policy decides on.
        demand: the alerts that fire for it.
    """

    service: Service
    limits: Limits
    counted: tuple[Replica, ...]
    retiring: tuple[Replica, ...]
    dead: tuple[Replica, ...]
    state: State
    demand: Demand


@dataclass(kw_only=True)
class _Kept:
    """What is remembered of a service from pass to pass, and is nowhere else.

    Attributes:
        decided: the last decision.
        memory: when Prometheus was last asked of its memory, after which change, and what is in vain.
        verdict: what is in vain of which step, as Prometheus last knew it.
        retiring: ids that a deploy asked to take away.
    """

    decided: Decided | None = None
    memory: tuple[float, float | None, Shares | Unknown | None] = (-math.inf, None, None)
    verdict: tuple[Trial, Shares | None] | None = None
    retiring: frozenset[str] = field(default_factory=frozenset)


@dataclass(kw_only=True, eq=False)
class Knowledge:
    """Gathers what is known of services; safe for several threads.

    Args:
        world: what the loop observed.
        journal: steps, and what people asked for.
        alerts: what fires.
        outside: what others did to the replicas.
        anchors: carry the journal's times to the monotonic clock, and back.
        stepping: whether a step of a service is under way.
        shares: asks Prometheus, as :meth:`~scaler.prometheus.client.Prometheus.shares` does.
    """

    world: World
    journal: Journal
    alerts: Alerts
    outside: Outside
    anchors: Anchors
    stepping: Callable[[ServiceKey], bool]
    shares: Callable[..., Shares | None]
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _kept: dict[ServiceKey, _Kept] = field(default_factory=dict, init=False)
    _gone: dict[ServiceKey, float] = field(default_factory=dict, init=False)
    _unanswered_at: float = field(default=-math.inf, init=False)

    @property
    def view(self) -> View:
        """What the loop observed."""
        return self.world.view

    def of(self, service: Service, limits: Limits, *, view: View, now: float) -> Known:
        """What is known of a service whose labels can be read.

        Raises:
            JournalError: the journal cannot be read.
        """
        counted, named = view.counted(service), self.retiring(service.key)
        retiring = tuple(r for r in counted if r.id in named)
        state = self._state(service, counted, retiring, view=view, now=now)
        dead_for = {r.id: self.outside.dead_for(r.id, now=now) for r in service.replicas}
        return Known(
            service=service,
            limits=limits,
            counted=counted,
            retiring=retiring,
            dead=() if state.stepping else tuple(replica_choice.cleared_away(service, dead_for)),
            state=state,
            demand=self.alerts.demand(service.key, now=now),
        )

    def _state(
        self,
        service: Service,
        counted: tuple[Replica, ...],
        retiring: tuple[Replica, ...],
        *,
        view: View,
        now: float,
    ) -> State:
        key = service.key
        # Before the journal is read: of a step that ends in between, its end would not be known.
        stepping = self.stepping(key)
        lost_at = self.outside.lost_at(service, view=view)
        return State(
            replicas=len(counted) if service.kept is None else service.kept.count,
            crew=Crew(
                versions=deploy.versions(service, counted),
                unready=sum(not view.is_ready(r) for r in counted),
                retiring=len(retiring),
                spare=replica_choice.spare(service, counted, going=retiring, view=view),
            ),
            waits=Waits(
                last_change=self.anchors.monotonic(key, self._last_change(service)),
                retry_at=self._retry_at(key, Direction.UP, lost_at=lost_at, left=not stepping),
                retry_down_at=self._retry_at(key, Direction.DOWN, lost_at=lost_at, left=not stepping),
            ),
            hold=self.journal.hold(key),
            stepping=stepping,
            former=self.outside.former(key, now=now),
            writable=not self.journal.error,
        )

    def relieved(self, known: Known, *, now: float) -> Known:
        """Find out whether the last step up for memory has lowered it; asks Prometheus, for the loop alone.

        Args:
            known: of the service.
            now: seconds, monotonic.

        Raises:
            JournalError: the journal cannot be read.
        """
        with self._lock:
            kept = self._of(known.service.key)
        at, after, in_vain = kept.memory
        waits = known.state.waits
        if now - at >= _FRESH or after != waits.last_change:
            in_vain = self._in_vain(known, kept, now=now)
            kept.memory = now, waits.last_change, in_vain
        return replace(known, state=replace(known.state, waits=replace(waits, in_vain=in_vain)))

    def _in_vain(self, known: Known, kept: _Kept, *, now: float) -> Shares | Unknown | None:
        trial = self.journal.trial(known.service.key)
        if trial is None or self.anchors.wall_now() < (settled := trial.done + known.limits.cooldown.up):
            return None
        if all(r.created_at > trial.at for r in known.counted):
            return None
        # That nobody answers now changes nothing of what the step did.
        last = kept.verdict if kept.verdict is not None and kept.verdict[0] == trial else None
        try:
            shares = self._ask(known.service.key, now=now, before=trial.at, since=settled)
        except UnavailableError:
            return last[1] if last else Unknown()
        if shares is None:
            return last[1] if last else None
        verdict = shares if relief.is_in_vain(trial, shares) else None
        kept.verdict = trial, verdict
        return verdict

    def _ask(self, key: ServiceKey, *, now: float, before: float, since: float) -> Shares | None:
        # Each question may be waited for, and there may be one a service.
        if self.alerts.is_silent(now=now) or now - self._unanswered_at < SILENT:
            raise UnavailableError("Prometheus has just not answered")
        try:
            return self.shares(key, before=before, since=since, now=self.anchors.wall_now())
        except UnavailableError:
            self._unanswered_at = now
            raise

    def unwanted(self, step: Step, limits: Limits, *, now: float) -> str:
        """Why a step under way would not be taken now, where that can be mended; else empty.

        Args:
            step: as the journal knows it.
            limits: of its service when it was begun.
            now: seconds, monotonic.

        Raises:
            JournalError: the journal cannot be read.
        """
        view = self.view
        service, own = view.service(step.service), view.replica(step.replica or "")
        if service is None or own is None:
            return ""
        others = tuple(r for r in view.counted(service) if r.id != own.id)
        served = any(view.is_ready(r) for r in others)
        if step.direction is Direction.UP:
            # It serves, or may while nginx is being reloaded with it, or may be the only one to.
            too_late = view.is_able(own) or own.id in view.serving or not served
        else:
            # Once it may have been asked to stop it is better gone, unless it is all that there is.
            too_late = not own.live or own.id in view.stopping or (Phase.STOP in step.phases and served)
        if too_late:
            return ""
        limits = view.limits.get(step.service, limits)
        known = self.of(service, limits, view=view, now=now)
        counted, going = (others, ()) if step.direction is Direction.UP else ((*others, own), (own,))
        crew = replace(
            known.state.crew,
            versions=deploy.versions(service, (*others, own)),
            spare=replica_choice.spare(service, counted, going=going, view=view),
        )
        # What failed, or was undone, is no reason: it may have been begun together with this one.
        lost_at = self.outside.lost_at(service, view=view)
        waits = replace(known.state.waits, retry_down_at=backoff.settled_at(lost_at))
        state = replace(known.state, replicas=len(counted), crew=crew, waits=waits)
        # What the decision did not count, since it has ended at its source, must not take it back.
        demand = self.alerts.as_asked_last(service.key, now=now)
        return recovery.unwanted(step, state=state, demand=demand, limits=limits, now=now)

    def forget_all_but(self, services: Container[ServiceKey]) -> None:
        """Forget what is kept of services that are not shown any more."""
        with self._lock:
            self._kept = {key: kept for key, kept in self._kept.items() if key in services}

    def end_orders(self, services: Iterable[Service], *, now: float) -> Mapping[ServiceKey, int]:
        """Forget the counts asked for of services that are gone; used by the loop alone.

        Args:
            services: those that there are.
            now: seconds, monotonic.

        Returns:
            The counts that are forgotten.

        Raises:
            JournalError: the journal cannot be read or written.
        """
        there, others = {service.key for service in services}, self.outside.take_others()
        wanted = {key: hold.wanted for key, hold in self.journal.holds().items() if hold.wanted is not None}
        self._gone = {key: self._gone.get(key, now) for key in wanted.keys() - there}
        gone = {key for key, since in self._gone.items() if now - since >= ORDER_ENDS_AFTER}
        over = {key: count for key, count in wanted.items() if key in gone | others}
        for key, count in over.items():
            self.journal.clear_wanted(key, count)
        return over

    def shown(self, service: Service, *, view: View) -> ServiceView:
        """What people are shown of a service.

        Raises:
            JournalError: the journal cannot be read.
        """
        with self._lock:
            decided = self._of(service.key).decided
        signals = self.alerts.firing(service.key)
        return service_view(
            view,
            service,
            decided=decided,
            hold=self.journal.hold(service.key),
            signals=tuple(on_the_wall(s, self.anchors.wall) for s in signals),
            failed=self._failed(service.key),
        )

    def decided(self, known: Known, decision: Decision, demand: Demand) -> Decision:
        """Remember a decision; return it with its ``until`` in seconds since the epoch.

        Args:
            known: what it was taken on.
            decision: as the policy took it.
            demand: the alerts that it was taken on.
        """
        state = replace(known.state, waits=known.state.waits.carried(self.anchors.wall))
        inputs = Inputs(state=state, demand=demand, limits=known.limits, signal_ttl=self.alerts.ttl)
        return self._keep(known.service.key, decision, inputs)

    def gone(self, key: ServiceKey, gone: Gone, *, now: float) -> Decision:
        """Decide on a service that is gone; see :meth:`decided`."""
        state = State(replicas=0, gone_until=gone.until)
        return self._keep(key, decide(state=state, demand=Demand(), limits=Limits(), now=now), None)

    def _keep(self, key: ServiceKey, decision: Decision, inputs: Inputs | None) -> Decision:
        decision = replace(decision, until=self.anchors.wall(decision.until))
        with self._lock:
            self._of(key).decided = Decided(decision=decision, at=self.anchors.wall_now(), inputs=inputs)
        return decision

    def retiring(self, key: ServiceKey) -> frozenset[str]:
        """Ids of the replicas that a deploy asked to take away and that have not begun to leave."""
        with self._lock:
            return self._of(key).retiring

    def retire(self, service: Service, replicas: frozenset[str]) -> bool:
        """A deploy asks to take these away, by id; tell whether they may go, since another one is ready."""
        view = self.view
        with self._lock:
            kept = self._of(service.key)
            retiring = kept.retiring | replicas
            if not any(view.is_ready(r) for r in service.replicas if r.id not in retiring):
                return False
            kept.retiring = retiring
        return True

    def retired(self, known: Known) -> None:
        """They begin to leave, or cannot. Ordered once: it is not begun again until somebody asks."""
        with self._lock:
            self._of(known.service.key).retiring -= {r.id for r in known.retiring}

    def _of(self, key: ServiceKey) -> _Kept:
        return self._kept.setdefault(key, _Kept())

    def _last_change(self, service: Service) -> float | None:
        """When the last step was done, seconds since the epoch; where the engine tells, whoever did it."""
        known = self.journal.last_change(service.key)
        if service.kept is None:
            return known
        return max(service.kept.changed_at, known or 0.0)

    def _failed(self, key: ServiceKey) -> Event | None:
        if not self.journal.failures(key, Direction.UP)[0]:
            return None
        asked = EventQuery(service=key, kind=EventKind.STEP, limit=_STEPS_LOOKED_AT)
        steps = self.journal.events(asked)
        return next((e for e in steps if e.reason == Outcome.FAILED), None)

    def _retry_at(
        self, key: ServiceKey, direction: Direction, *, lost_at: float | None, left: bool
    ) -> float | None:
        carry = self.anchors.monotonic
        failures, failed_at = self.journal.failures(key, direction, left=left)
        return backoff.retry_at(
            failures=failures,
            failed_at=carry((key, direction), failed_at),
            undone=self.journal.undone(key, direction),
            undone_at=carry((key, "undone"), self.journal.undone_at(key)),
            lost_at=lost_at,
        )
