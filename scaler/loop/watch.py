"""Listening to the engine, and what the loop observes: the list of its containers, the replicas' answers."""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from scaler.engines.contract import Target
from scaler.loop.outside_changes import Outside
from scaler.loop.rhythm import Rhythm
from scaler.model.errors import AlertscaleError, JournalError, LabelError, TargetError
from scaler.model.labels import Limits, read_limits, read_traffic, readable_traffic
from scaler.model.reasons import EventKind, ReplicaState
from scaler.model.services import STOPPING, Change, Observation, ServiceKey
from scaler.model.view import UNPREPARED, Readiness, View
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.traffic.readiness import Check, Prober, plan_check

RELIST_EVERY: Final = 30.0
"""Seconds after which the engine is asked anew even when it told of no change: events can be lost."""

PING_EVERY: Final = 4.0
"""Seconds after which the engine is asked for a sign of life: one that hangs tells of nothing."""

LOOK_AGAIN: Final = 0.5
"""Seconds after a change after which the engine is asked once more."""

_LISTEN_AGAIN: Final = 1.0


@dataclass(kw_only=True, eq=False)
class Watch:
    """Observes: follows the engine's events in threads of its own, lists and asks in the loop's.

    Args:
        target: the engine.
        world: where what is seen is kept.
        prober: asks replicas whether they are ready.
        outside: what others do to the replicas.
        recorder: told of what is seen.
        rhythm: of the loop.
        networks: those that we are on; None when we reach all of them.
    """

    target: Target
    world: World
    prober: Prober
    outside: Outside
    recorder: Recorder
    rhythm: Rhythm
    networks: frozenset[str] | None
    listed: bool = field(default=False, init=False)
    """Whether the engine has been listed: only then is a service that is unknown none of its."""
    engine_up: bool = field(default=False, init=False)
    """Whether the engine answered last."""
    _dirty: threading.Event = field(default_factory=threading.Event, init=False)
    _relist_at: float = field(default=-math.inf, init=False)
    _anew: set[str] = field(default_factory=set, init=False)
    """Ids of containers that were started, or ended, since they were ready last. Each operation of a set is a
    whole for other threads."""
    _listed_anew: frozenset[str] = field(default_factory=frozenset, init=False)
    """Those of them of which that is older than the list."""
    _said: Mapping[ServiceKey, Mapping[str, str]] = field(default_factory=dict, init=False)
    """Of each service's labels about the traffic, what they said last that could be read."""

    def __post_init__(self) -> None:
        """Nothing is listed yet."""
        self._dirty.set()

    def start(self) -> None:
        """Follow the engine, from now on until the scaler ends."""
        threading.Thread(target=self._listen, name="events", daemon=True).start()
        threading.Thread(target=self._feel_pulse, name="pulse", daemon=True).start()

    def list_soon(self) -> None:
        """The engine's list is out of date: the next pass asks for it."""
        self._dirty.set()

    def list_if_due(self, now: float) -> bool:
        """List the engine's containers where something has changed; tell whether that was done.

        Raises:
            TargetError: the engine did not answer.
        """
        if not self._dirty.is_set() and now < self._relist_at:
            return False
        # An engine may tell of a change a moment before its list shows it: so look once more soon.
        self._relist_at = now + (LOOK_AGAIN if self._dirty.is_set() else RELIST_EVERY)
        self._dirty.clear()
        anew = frozenset(self._anew)
        try:
            observation = self._with_routes(self.target.observe())
        except Exception as error:
            self._dirty.set()
            if isinstance(error, TargetError):
                self._set_engine(up=False, why=str(error))
            raise
        self._set_engine(up=True)
        self._listed_anew = anew
        self._anew &= {r.id for s in observation.services for r in s.replicas}
        limits, faults = _read_labels(observation)
        self.recorder.faults(faults)
        self.recorder.notes({s.key: s.notes for s in observation.services})
        self._recall()
        gone = self.world.view.gone_by(observation, now=now)
        self.world.update(observation=observation, limits=limits, faults=faults, gone=gone)
        self.listed = True
        try:
            self.outside.note(observation, now=now)
        except JournalError as error:
            self.recorder.survived("counts", error)
        return True

    def _with_routes(self, observation: Observation) -> Observation:
        """How each replica gets requests: that a label of a service cannot be read costs it none."""
        routes: dict[str, Limits] = {}
        said: dict[ServiceKey, Mapping[str, str]] = {}
        for service in observation.services:
            known = dict(self._said.get(service.key, {}))
            for replica in service.replicas:
                known |= readable_traffic(replica.labels)
            said[service.key] = known
            routes |= {r.id: read_traffic(r.labels, instead=known) for r in service.replicas}
        self._said = said
        return replace(observation, routes=routes)

    def _recall(self) -> None:
        """Before the first list: what was there when the scaler before this one ended may be gone since."""
        if not self.listed:
            try:
                self.world.update(gone=self.outside.missed())
            except JournalError as error:
                self.recorder.survived("services", error)

    def ask_replicas(self, now: float) -> View:
        """Take in what replicas answered, ask whoever is due, and return what is known now."""
        view = self.world.view
        checks: dict[str, Check] = {}
        unprepared: dict[str, Readiness] = {}
        for service in view.observation.services:
            running = [r for r in service.replicas if r.status == "running"]
            unprepared |= {r.id: UNPREPARED for r in running if r.id in view.preparing}
            asked = (r for r in running if r.id not in view.preparing)
            checks |= {r.id: plan_check(r, view.observation.route(r), networks=self.networks) for r in asked}
        readiness = {**self.prober.update(checks, now=now), **unprepared}
        self._anew -= {i for i, known in readiness.items() if known.ready and i in self._listed_anew}
        readiness = {i: replace(known, anew=i in self._anew) for i, known in readiness.items()}
        self.recorder.readiness(view, readiness)
        return self.world.update(readiness=readiness)

    def next_due(self, now: float) -> float:
        """When to list or ask next, seconds, monotonic."""
        asked = self.prober.next_due()
        return min(now if self._dirty.is_set() else self._relist_at, math.inf if asked is None else asked)

    def _listen(self) -> None:
        while not self.rhythm.stopping.is_set():
            try:
                # What happened while nobody listened is told by no event.
                self._dirty.set()
                for change in self.target.changes():
                    self._take_in(change)
            except AlertscaleError as error:
                self.recorder.survived("event stream", error)
            self.rhythm.stopping.wait(_LISTEN_AGAIN)

    def _take_in(self, change: Change) -> None:
        if change.action == "oom":
            self.recorder.out_of_memory(self.world.view, change.container)
        if change.action in {"start", "die"}:
            self._anew.add(change.container)
            self.prober.forget(change.container)
        if change.action == STOPPING:
            self._asked_to_stop(change.container)
        elif change.action == "start":
            self.outside.started(change.container)
        self._dirty.set()
        self.rhythm.pass_soon()

    def _asked_to_stop(self, replica: str) -> None:
        view = self.world.view
        for service in view.observation.services:
            for found in service.replicas:
                if found.id == replica and found.live and not view.leaves(found):
                    text = f"{found.name} was asked to stop, not by alertscale; it gets no new requests"
                    self.recorder.tell(EventKind.REPLICA, ReplicaState.DRAINING, text, service=service.key)
        self.outside.asked_to_stop(replica, now=self.rhythm.now())

    def _feel_pulse(self) -> None:
        """Notice an engine that hangs, while the loop and its steps wait for an answer or need none."""
        while not self.rhythm.stopping.wait(PING_EVERY):
            try:
                self.target.ping()
            except AlertscaleError as error:
                self._set_engine(up=False, why=str(error))
                # The list that succeeds tells that it is back.
                self._dirty.set()
                self.rhythm.pass_soon()

    def _set_engine(self, *, up: bool, why: str = "") -> None:
        # Before the first list it has not fallen silent: it has not been there yet.
        self.recorder.engine(up=up, why=why, tell=self.listed and up != self.engine_up)
        self.engine_up = up


def _read_labels(
    observation: Observation,
) -> tuple[Mapping[ServiceKey, Limits], Mapping[ServiceKey, tuple[str, ...]]]:
    limits: dict[ServiceKey, Limits] = {}
    faults: dict[ServiceKey, tuple[str, ...]] = {}
    for service in observation.services:
        if service.refusal:
            faults[service.key] = (f"service {service.key[1]}: {service.refusal}",)
            continue
        try:
            limits[service.key] = read_limits(service.labels, healthy=service.healthy)
        except LabelError as error:
            where = service.files or "its Compose file"
            faults[service.key] = tuple(f"{where}: service {service.key[1]}: {f}" for f in error.faults)
    return limits, faults
