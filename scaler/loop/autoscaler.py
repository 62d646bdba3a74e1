"""The loop: observe, ask, put nginx right, decide, act, record.

One thread runs the passes; each step of a service runs in a thread of its own, so that a slow replica
of one service never holds up another. What others may call are submit, services, idle, events, scale,
retire, pause and health.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import structlog

from scaler.engines.contract import Target
from scaler.loop.outside_changes import SETTLE, Outside
from scaler.loop.views import Health, Inputs, ServiceView, inputs_of, on_the_wall, service_view
from scaler.model.errors import (
    AlertscaleError,
    JournalError,
    LabelError,
    RequestError,
    TargetError,
    UnavailableError,
)
from scaler.model.labels import Limits, read_limits
from scaler.model.reasons import DecisionReason, ErrorReason, EventKind, Pause, ReplicaState
from scaler.model.records import Event
from scaler.model.services import GONE, STOPPING, Observation, Replica, Service, ServiceKey
from scaler.model.view import View
from scaler.policy.scaling import Decision, State, decide
from scaler.policy.signals import Alert, KnownServices, SignalBook, Verdict, judge
from scaler.state.clocks import Anchors
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.steps.log import Steps
from scaler.steps.runner import Crew
from scaler.traffic.readiness import Check, Prober, plan_check
from scaler.traffic.upstreams import Traffic

log = structlog.get_logger()

RELIST_EVERY: Final = 30.0
"""Seconds after which the engine is asked anew even when it told of no change: events can be lost."""

PING_EVERY: Final = 4.0
"""Seconds after which the engine is asked for a sign of life: one that hangs tells of nothing."""

LOOK_AGAIN: Final = 0.5
"""Seconds after a change after which the engine is asked once more."""

DEAD_FOR: Final = 10.0
"""Seconds after which a replica that exited is removed while others live."""

PASS_EVERY: Final = 5.0
"""Seconds after which there is a pass, however long the tick: the passes are the loop's sign of life."""

BACKOFF_FIRST: Final = 10.0
BACKOFF_LONGEST: Final = 300.0
_SOON: Final = 0.05
_SHORT_ID: Final = 12


class Autoscaler:
    """Replicas that follow the load.

    Args:
        target: the engine.
        traffic: keeps nginx right.
        journal: steps and holds.
        recorder: told of everything.
        metrics: the metrics.
        prober: asks replicas whether they are ready.
        world: shared with ``steps``.
        steps: takes steps.
        wake: set by whoever wants a pass at once.
        own_project: our own Compose project.
        networks: those that we are on; None when we reach all of them.
        signal_ttl: seconds after which an alert not heard of is forgotten.
        tick: seconds between two decisions.
        stopping: set when the scaler ends.
        source_lives: whether alerts come from a source that lives; asked before a step down on an alert.
        clock: seconds since the epoch.
        monotonic: seconds, never set back.
    """

    def __init__(
        self,
        *,
        target: Target,
        traffic: Traffic,
        journal: Journal,
        recorder: Recorder,
        metrics: Metrics,
        prober: Prober,
        world: World,
        steps: Steps,
        wake: threading.Event,
        own_project: str,
        networks: frozenset[str] | None,
        signal_ttl: float,
        tick: float,
        stopping: threading.Event,
        source_lives: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._traffic = traffic
        self._recorder = recorder
        self._journal = journal
        self._metrics = metrics
        self._prober = prober
        self._world = world
        self._wake = wake
        self._own_project = own_project
        self._networks = networks
        self._tick = tick
        self._stopping = stopping
        self._source_lives = source_lives
        self._clock = clock
        self._anchors = Anchors(clock=clock, monotonic=monotonic)
        self._monotonic = monotonic
        self._steps = steps
        self._outside = Outside(world=world, journal=journal, clock=clock, anchors=self._anchors)
        self._crew = Crew(steps=steps, world=world, recorder=recorder, done=self._decide_soon)
        self._lock = threading.Lock()
        self._book = SignalBook(ttl=signal_ttl)
        self._signal_ttl = signal_ttl
        self._decisions: dict[ServiceKey, tuple[Decision, float, Inputs]] = {}
        self._retiring: frozenset[str] = frozenset()
        self._dirty = threading.Event()
        self._dirty.set()
        self._listed = -math.inf
        self._relist_at = -math.inf
        self._decided = -math.inf
        self._passed = monotonic()
        self._engine_up = False
        self._claimed = False

    # What others may call.

    def submit(self, alerts: Iterable[Alert]) -> tuple[Verdict, ...]:
        """Take in a notification; the loop decides on it, so this never waits for the engine.

        Returns:
            What becomes of each alert, in the order given.

        Raises:
            UnavailableError: the scaler has not seen the engine yet and cannot tell a service from none.
        """
        if self._listed == -math.inf:
            raise UnavailableError("the scaler has not listed the engine's services yet; try again")
        known = self._known_services()
        now = self._monotonic()
        verdicts = tuple(judge(alert, known=known) for alert in alerts)
        with self._lock:
            judged = [(verdict, self._book.note(verdict, now=now)) for verdict in verdicts]
        self._recorder.alerts(judged)
        self._decide_soon()
        return verdicts

    def services(self) -> tuple[ServiceView, ...]:
        """Everything that asks to be scaled, as it stands."""
        view = self._world.view
        return tuple(self._service_view(view, service) for service in view.observation.services)

    @property
    def idle(self) -> bool:
        """Whether no step is under way."""
        return not self._crew.busy

    def events(
        self,
        *,
        limit: int,
        before: int | None = None,
        service: ServiceKey | None = None,
        kind: EventKind | None = None,
    ) -> tuple[Event, ...]:
        """The history, newest first; of one service or kind only if asked so."""
        return self._journal.events(limit=limit, before=before, service=service, kind=kind)

    def scale(self, name: str, replicas: int) -> ServiceView:
        """Order a count by hand; the loop goes there step by step.

        Args:
            name: ``service`` or ``project/service``.
            replicas: the count, within the service's bounds.

        Raises:
            RequestError: no such service, unreadable labels, or a count out of bounds.
        """
        key, limits = self._find(name)
        if not limits.minimum <= replicas <= limits.maximum:
            raise RequestError(
                f"replicas: {replicas} is not within alertscale.min {limits.minimum}"
                f" and alertscale.max {limits.maximum} of {key[1]}; change the label to go beyond",
                reason=ErrorReason.OUT_OF_BOUNDS,
            )
        self._journal.set_wanted(key, replicas)
        return self._manual(
            key, f"asked for {replicas} {'replica' if replicas == 1 else 'replicas'}", "scale"
        )

    def retire(self, name: str, replicas: tuple[str, ...]) -> ServiceView:
        """Take away certain replicas, all at once, as a step down takes one: for a deploy.

        Not kept over a restart of the scaler, other than the steps that have begun: whoever deploys asks
        again.

        Args:
            name: ``service`` or ``project/service``.
            replicas: their ids, or the beginnings of these, or their names.

        Raises:
            RequestError: no such service or replica, unreadable labels, or no other replica is ready.
        """
        key, _ = self._find(name)
        view = self._world.view
        service = view.service(key)
        if service is not None and service.kept is not None:
            raise RequestError(
                f"which replicas of {key[1]} leave is chosen by Swarm; change its count instead:"
                " alertscale scale, or docker service scale"
            )
        found = _named(service.replicas if service else (), replicas, key)
        with self._lock:
            retiring = self._retiring | {r.id for r in found}
            others = [r for r in (service.replicas if service else ()) if r.id not in retiring]
            if not any(view.is_ready(r) for r in others):
                raise RequestError(
                    f"no other replica of {key[1]} is ready; wait until one is, or name fewer",
                    reason=ErrorReason.OUT_OF_BOUNDS,
                )
            self._retiring = retiring
        return self._manual(key, f"asked to take away {', '.join(r.name for r in found)}", "retire")

    def pause(self, name: str, pause: Pause) -> ServiceView:
        """Hold steps by hand, or let them go.

        Args:
            name: ``service`` or ``project/service``.
            pause: which steps.

        Raises:
            RequestError: no such service, or unreadable labels.
        """
        key, _ = self._find(name)
        self._journal.set_pause(key, pause)
        return self._manual(key, f"paused: {pause}", "pause")

    def health(self) -> Health:
        """Whether the loop runs, the engine answers and alerts arrive."""
        now = self._monotonic()
        with self._lock:
            watchdog = self._book.watchdog_age(now=now)
        return Health(
            passes_age=now - self._passed,
            engine=self._engine_up,
            watchdog_age=watchdog,
            balancer_error=self._traffic.error,
            journal_error=self._journal.error,
        )

    # The loop.

    def run(self) -> None:
        """Run passes until ``stopping`` is set."""
        threading.Thread(target=self._listen, name="events", daemon=True).start()
        threading.Thread(target=self._feel_pulse, name="pulse", daemon=True).start()
        while not self._stopping.is_set():
            begun = self._monotonic()
            self._wake.clear()
            wait = self._tick
            try:
                wait = self.run_once()
            except AlertscaleError as error:
                self._recorder.survived("pass", error)
            except Exception as error:  # noqa: BLE001 - the loop outlives its own faults: they are logged and counted
                self._recorder.survived("pass", AlertscaleError(repr(error)), traceback=True)
            self._passed = self._monotonic()
            self._metrics.tick.observe(self._passed - begun)
            self._wake.wait(wait)

    def run_once(self) -> float:
        """Make one pass; return the seconds until the next one is due.

        Raises:
            AlertscaleError: the engine or the journal did not answer.
        """
        now = self._monotonic()
        if not self._claimed:
            self._crew.claim(self._journal.unfinished())
            self._claimed = True
        relisted = self._relist_if_due(now)
        # What the journal holds as begun goes on before anything new is decided.
        if self._recorder.heal(now=now) or (relisted and not self._journal.error):
            self._crew.resume(self._journal.unfinished)
        view = self._ask_all(now)
        self._traffic.sync(view, now, relisted=relisted)
        if now - self._decided >= self._tick:
            self._decided = now
            self._decide_all(now)
        return self._until_next(now)

    def _decide_soon(self) -> None:
        self._decided = -math.inf
        self._wake.set()

    def _until_next(self, now: float) -> float:
        due = [now + PASS_EVERY, self._decided + self._tick, self._traffic.next_due(), self._relist_at]
        asked = self._prober.next_due()
        if asked is not None:
            due.append(asked)
        if self._dirty.is_set():
            due.append(now)
        return max(_SOON, min(due) - self._monotonic())

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                self._dirty.set()
                for change in self._target.changes():
                    if change.action == "oom":
                        self._recorder.out_of_memory(self._world.view, change.container)
                    if change.action in {"start", "die"}:
                        self._prober.forget(change.container)
                    if change.action == STOPPING:
                        self._asked_to_stop(change.container)
                    elif change.action == "start":
                        self._outside.started(change.container)
                    self._dirty.set()
                    self._wake.set()
            except AlertscaleError as error:
                self._recorder.survived("event stream", error)
            self._stopping.wait(1.0)

    def _asked_to_stop(self, replica: str) -> None:
        view = self._world.view
        for service in view.observation.services:
            for found in service.replicas:
                if found.id == replica and found.live and not view.leaves(found):
                    text = f"{found.name} was asked to stop, not by alertscale; it gets no new requests"
                    self._recorder.tell(EventKind.REPLICA, ReplicaState.DRAINING, text, service=service.key)
        self._outside.asked_to_stop(replica, now=self._monotonic())

    def _feel_pulse(self) -> None:
        """Notice an engine that hangs, while the loop and its steps wait for an answer or need none."""
        while not self._stopping.wait(PING_EVERY):
            try:
                self._target.ping()
            except AlertscaleError as error:
                self._set_engine(up=False, why=str(error))
                # The list that succeeds tells that it is back.
                self._dirty.set()
                self._wake.set()

    def _relist_if_due(self, now: float) -> bool:
        if not self._dirty.is_set() and now < self._relist_at:
            return False
        # An engine may tell of a change a moment before its list shows it: so look once more soon.
        self._relist_at = now + (LOOK_AGAIN if self._dirty.is_set() else RELIST_EVERY)
        self._dirty.clear()
        try:
            observation = self._target.observe()
        except Exception as error:
            self._dirty.set()
            if isinstance(error, TargetError):
                self._set_engine(up=False, why=str(error))
            raise
        self._set_engine(up=True)
        limits, faults = _read_all(observation)
        self._recorder.faults(faults)
        self._world.update(observation=observation, limits=limits, faults=faults)
        self._listed = now
        try:
            self._outside.note(observation, now=now)
        except JournalError as error:
            self._recorder.survived("counts", error)
        self._crew.prepare([s for s in observation.services if s.key in limits], self._target.prepare)
        return True

    def _ask_all(self, now: float) -> View:
        view = self._world.view
        checks: dict[str, Check] = {}
        for service in view.observation.services:
            limits = view.limits.get(service.key)
            if limits is not None:
                checks |= {
                    r.id: plan_check(r, limits, networks=self._networks)
                    for r in service.replicas
                    if r.status == "running"
                }
        readiness = self._prober.update(checks, now=now)
        self._recorder.readiness(view, readiness)
        return self._world.update(readiness=readiness)

    # Decide and act.

    def _decide_all(self, now: float) -> None:
        with self._lock:
            for signal in self._book.expire(now=now):
                log.warning("an alert was not heard of any more", alert=signal.alert.name)
            self._metrics.signal_age.set(self._book.watchdog_age(now=now))
        view = self._world.view
        self._recorder.gauges(view)
        for service in view.observation.services:
            limits = view.limits.get(service.key)
            if limits is None:
                continue
            try:
                self._decide(view, service, limits, now)
                self._reap(service, now)
            except AlertscaleError as error:  # of one service: the others go on
                self._recorder.survived(f"service {service.key[1]}", error)

    def _decide(self, view: View, service: Service, limits: Limits, now: float) -> None:
        counted, kept = view.counted(service), service.kept
        count = len(counted) if kept is None else kept.count
        hold = self._journal.hold(service.key)
        reached = hold.wanted is not None and limits.clamp(hold.wanted) == count
        if hold.wanted is not None and reached and not self._crew.stepping(service.key):
            self._journal.clear_wanted(service.key, hold.wanted)
            hold = replace(hold, wanted=None)
        retiring = self._leaving(counted)
        state = State(
            replicas=count,
            retiring=len(retiring),
            versions=_versions(service, counted),
            last_change=self._anchors.monotonic(service.key, self._last_change(service)),
            retry_at=self._retry_at(service),
            pause=hold.pause,
            wanted=hold.wanted,
            stepping=self._crew.stepping(service.key),
            former=self._outside.former(service.key, now=now),
            writable=not self._journal.error,
        )
        with self._lock:
            demand = self._book.demand(service.key, now=now)
        decision = decide(state=state, demand=demand, limits=limits, now=now)
        if decision.reason is DecisionReason.ALERT_DOWN and not self._source_lives():
            demand = replace(demand, watched=False)
            decision = decide(state=state, demand=demand, limits=limits, now=now)
        wall = self._anchors.wall
        decision = replace(decision, until=wall(decision.until))
        inputs = inputs_of(state=state, demand=demand, limits=limits, signal_ttl=self._signal_ttl, wall=wall)
        self._decisions[service.key] = (decision, self._clock(), inputs)
        self._recorder.decision(service.key, decision)
        # A step that was cut short by the end of the scaler must not be followed by another.
        if decision.direction is not None and not self._stopping.is_set():
            self._crew.act(service, counted, decision, limits, retiring=retiring)
            if decision.reason is DecisionReason.RETIRE:
                # Ordered once: a step that fails is not begun again until somebody asks for it.
                with self._lock:
                    self._retiring -= {r.id for r in retiring}

    def _last_change(self, service: Service) -> float | None:
        """When the last step was done, seconds since the epoch; where the engine tells, whoever did it."""
        known = self._journal.last_change(service.key)
        if service.kept is None:
            return known
        return max(service.kept.changed_at, known or 0.0)

    def _leaving(self, counted: tuple[Replica, ...]) -> tuple[Replica, ...]:
        with self._lock:
            return tuple(r for r in counted if r.id in self._retiring)

    def _retry_at(self, service: Service) -> float | None:
        """When the next step up may be tried, seconds, monotonic; None for at once."""
        settles = self._outside.settles_at(service)
        waits = [] if settles is None else [settles]
        undone = self._anchors.monotonic((service.key, "undone"), self._journal.undone_at(service.key))
        if undone is not None:
            # What it met is still going on, and the engine's list may be older than it.
            waits.append(undone + SETTLE)
        failed, wall = self._journal.failures(service.key)
        last = self._anchors.monotonic((service.key, "failure"), wall)
        if failed and last is not None:
            waits.append(last + min(BACKOFF_FIRST * 2 ** min(failed - 1, 10), BACKOFF_LONGEST))
        return max(waits, default=None)

    def _reap(self, service: Service, now: float) -> None:
        """Remove replicas that died while others live: Compose counts them, and they serve nobody."""
        if service.kept is not None:
            return  # the engine does that itself
        if self._crew.stepping(service.key) or len({r.version for r in service.replicas}) > 1:
            return
        if not any(r.live for r in service.replicas):
            return
        for replica in service.replicas:
            if replica.status in GONE and self._outside.dead_for(replica.id, now=now) >= DEAD_FOR:
                self._steps.clear_away(replica.id)
                self._dirty.set()
                self._recorder.tell(
                    EventKind.REPLICA,
                    ReplicaState.FAILED,
                    f"{replica.name} had exited and is removed",
                    service=service.key,
                )

    def _set_engine(self, *, up: bool, why: str = "") -> None:
        if up != self._engine_up and self._listed != -math.inf:
            text = "the engine answers again" if up else why
            self._recorder.tell(EventKind.FAULT, ErrorReason.ENGINE_UNAVAILABLE, text)
        self._engine_up = up
        self._metrics.engine_up.set(1 if up else 0)

    def _manual(self, key: ServiceKey, text: str, reason: str) -> ServiceView:
        self._recorder.tell(EventKind.MANUAL, reason, text, service=key)
        self._decide_soon()
        view = self._world.view
        service = view.service(key)
        if service is None:
            raise RequestError(f"{key[1]} is not there any more", reason=ErrorReason.NOT_FOUND)
        return self._service_view(view, service)

    # Read.

    def _known_services(self) -> KnownServices:
        view = self._world.view
        return KnownServices(
            managed=frozenset(view.limits),
            faulty=frozenset(view.faults),
            others=view.observation.others,
            own_project=self._own_project,
        )

    def _find(self, name: str) -> tuple[ServiceKey, Limits]:
        project, _, service = name.rpartition("/")
        view = self._world.view
        matches = [
            s.key for s in view.observation.services if s.key[1] == service and project in {"", s.key[0]}
        ]
        own = [key for key in matches if key[0] == self._own_project]
        if len(matches) > 1 and own:
            matches = own
        if len(matches) != 1:
            what = "several services are" if matches else "no service is"
            known = ", ".join(f"{p}/{s}" for p, s in (x.key for x in view.observation.services)) or "none"
            raise RequestError(f"{what} called {name!r}; known: {known}", reason=ErrorReason.NOT_FOUND)
        if matches[0] not in view.limits:
            raise LabelError(view.faults.get(matches[0], ()))
        return matches[0], view.limits[matches[0]]

    def _service_view(self, view: View, service: Service) -> ServiceView:
        with self._lock:
            signals = self._book.firing(service.key)
        decision, decided_at, inputs = self._decisions.get(service.key, (None, 0.0, None))
        return service_view(
            view,
            service,
            decided=(decision, decided_at),
            hold=self._journal.hold(service.key),
            signals=tuple(on_the_wall(s, self._anchors.wall) for s in signals),
            inputs=inputs,
        )


def _named(known: tuple[Replica, ...], wanted: tuple[str, ...], key: ServiceKey) -> tuple[Replica, ...]:
    """Find replicas by id, by the beginning of an id as ``docker ps`` shows it, or by name."""
    found: dict[str, Replica] = {}
    for name in wanted:
        match = [r for r in known if r.name == name or (len(name) >= _SHORT_ID and r.id.startswith(name))]
        if not match:
            names = ", ".join(r.name for r in known)
            raise RequestError(
                f"no replica of {key[1]} is called {name!r}; known: {names}", reason=ErrorReason.NOT_FOUND
            )
        found |= {r.id: r for r in match}
    return tuple(found.values())


def _versions(service: Service, counted: tuple[Replica, ...]) -> int:
    """How many definitions the replicas carry; two at least while the engine replaces them."""
    carried = len({r.version for r in counted}) or 1
    return max(carried, 2) if service.kept is not None and service.kept.updating else carried


def _read_all(observation: Observation) -> tuple[dict[ServiceKey, Limits], dict[ServiceKey, tuple[str, ...]]]:
    limits: dict[ServiceKey, Limits] = {}
    faults: dict[ServiceKey, tuple[str, ...]] = {}
    for service in observation.services:
        if service.refusal:
            faults[service.key] = (f"service {service.key[1]}: {service.refusal}",)
            continue
        try:
            limits[service.key] = read_limits(service.labels)
        except LabelError as error:
            where = service.files or "its Compose file"
            faults[service.key] = tuple(f"{where}: service {service.key[1]}: {f}" for f in error.faults)
    return limits, faults
