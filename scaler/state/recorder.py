"""The history: what happened, in the journal, the log and the metrics at once."""

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

import structlog

from scaler.model.errors import AlertscaleError
from scaler.model.reasons import (
    AlertResult,
    DecisionReason,
    Direction,
    ErrorReason,
    EventKind,
    Outcome,
    ReplicaState,
)
from scaler.model.records import End, Event, Step
from scaler.model.services import ServiceKey
from scaler.model.view import NOT_ASKED, Readiness, View
from scaler.policy import deploy
from scaler.policy.scaling import Decision
from scaler.policy.signals import Verdict
from scaler.policy.watchdog import WATCHDOG
from scaler.state.journal import Journal
from scaler.state.metrics import Metrics
from scaler.state.sentences import decided, ended, told

log = structlog.get_logger()

_REMEMBERED: Final = 10_000
"""Alerts of which we know what was told last."""

_LONGEST: Final = 500
"""Characters of an alert's name, summary or label that the history keeps."""

_MOST_LABELS: Final = 50

_MOST_LINES: Final = 10
"""Lines of the log for what is told at once; the history has all of it."""

_HEAL_EVERY: Final = 2.0
"""Seconds between two attempts at a journal that cannot be written."""


class Recorder:
    """Tells of what happens, and alone writes the history.

    A journal that cannot be written is logged and counted, and raised only at the end of a step.

    Args:
        journal: the history.
        metrics: counters and gauges.
        wall: seconds since the epoch.
    """

    def __init__(self, *, journal: Journal, metrics: Metrics, wall: Callable[[], float]) -> None:
        self._journal = journal
        self._metrics = metrics
        self._wall = wall
        self._faults: Mapping[ServiceKey, tuple[str, ...]] = {}
        self._notes: Mapping[ServiceKey, tuple[str, ...]] = {}
        self._decisions: dict[ServiceKey, Decision] = {}
        self._told: dict[int, int] = {}
        self._lost = 0
        self._heal_at = -math.inf
        self._lock = threading.Lock()

    def tell(
        self,
        kind: EventKind,
        reason: str,
        text: str,
        *,
        service: ServiceKey = ("", ""),
        detail: Mapping[str, object] | None = None,
    ) -> None:
        """Record one event."""
        event = Event(
            at=self._wall(), kind=kind, reason=reason, text=text, service=service, detail=detail or {}
        )
        self._tell_all((event,))

    def _tell_all(self, events: Sequence[Event]) -> None:
        for event in events[:_MOST_LINES]:
            project, service = event.service
            log.info(
                event.text, kind=str(event.kind), reason=str(event.reason), project=project, service=service
            )
        if len(events) > _MOST_LINES:
            log.info("and more: see the history", kind=str(event.kind), more=len(events) - _MOST_LINES)
        try:
            self._journal.record(*events)
        except AlertscaleError as error:
            self._lost += len(events)
            self.survived("history", error)

    def step_ended(self, step: Step, end: End) -> None:
        """Write down how a step ended, and record it, both or neither.

        Raises:
            JournalError: it cannot be written: the step has not ended, and is taken up again.
        """
        now, outcome, detail = self._wall(), end.outcome, end.detail
        phases = {str(phase): round(took, 3) for phase, took in end.seconds.items()}
        event = Event(
            at=now,
            service=step.service,
            kind=EventKind.STEP,
            reason=outcome,
            text=ended(step, end),
            detail={"why": step.why, "phases": phases, "number": step.number}
            | ({"log": list(end.said)} if end.said else {}),
        )
        # An end that cannot be written is none yet: the step is taken up again, and counted then.
        self._journal.finish(step.id, outcome=outcome, now=now, detail=detail, events=(event,))
        if isinstance(step.direction, Direction):
            self._metrics.scale.labels(*step.service, step.direction, outcome).inc()
        say = log.info if outcome is Outcome.DONE else log.warning
        say("step", **step.words, outcome=outcome, detail=detail, phases=phases)

    def step_left(self, step: Step) -> None:
        """Write down when a step failed that is not undone yet: it has no end, and the next one waits.

        Raises:
            JournalError: it cannot be written.
        """
        self._journal.leave(step.id, now=self._wall())

    def heal(self, *, now: float) -> bool:
        """Look after the journal; try to write to one that failed, and tell whether it can be again just now.

        Args:
            now: seconds, monotonic.
        """
        if not self._journal.error:
            try:
                self._journal.look()
            except AlertscaleError as error:
                self.survived("journal", error)
        healed = bool(self._journal.error) and now >= self._heal_at and self._write_again(now)
        self._metrics.journal_up.set(0 if self._journal.error else 1)
        return healed

    def _write_again(self, now: float) -> bool:
        self._heal_at = now + _HEAL_EVERY
        lost = f"; {self._lost} entries of the history are lost" if self._lost else ""
        event = Event(
            at=self._wall(),
            kind=EventKind.FAULT,
            reason=ErrorReason.JOURNAL,
            text=f"The journal could not be written and can be again{lost}",
        )
        try:
            self._journal.usable_again(event)
        except AlertscaleError as error:
            self._metrics.errors.labels(error.reason).inc()
            return False
        self._lost = 0
        log.info(event.text, kind=str(event.kind), reason=str(event.reason))
        return True

    def survived(self, where: str, error: Exception, *, traceback: bool = False) -> None:
        """Count and log a failure after which we go on; one that is none of ours with its traceback."""
        if not isinstance(error, AlertscaleError):
            error, traceback = AlertscaleError(repr(error)), True
        self._metrics.errors.labels(error.reason).inc()
        log.error("survived", where=where, reason=str(error.reason), error=str(error), exc_info=traceback)

    def decision(self, key: ServiceKey, decision: Decision) -> None:
        """Count a decision; record it when it differs from the one before."""
        self._metrics.decisions.labels(*key, decision.reason).inc()
        if decision.reason is DecisionReason.STEPPING:
            return  # the step's own event tells it
        before = self._decisions.get(key)
        self._decisions[key] = decision
        if before is not None and before.reason is decision.reason and decision.direction is None:
            return
        self.tell(
            EventKind.DECISION,
            decision.reason,
            decided(decision),
            service=key,
            detail={
                "replicas": decision.replicas,
                "target": decision.target,
                "until": decision.until,
                "resources": list(decision.resources),
            },
        )

    def alerts(self, judged: Iterable[tuple[Verdict, bool]]) -> None:
        """Count the alerts of a notification; record at once those that do more than repeat what is known.

        Args:
            judged: what becomes of each, and whether that changed what fires.
        """
        at = self._wall()
        told = []
        for verdict, changed in judged:
            self._metrics.alerts.labels(verdict.result).inc()
            known = not changed if verdict.direction is not None else self._was_told(verdict)
            if verdict.alert.name != WATCHDOG and not known:
                told.append(_alert_event(verdict, at=at))
        if told:
            self._tell_all(told)

    def _was_told(self, verdict: Verdict) -> bool:
        """Whether the history has that already; an alert is sent again for as long as it fires."""
        alert = verdict.alert
        # Hashes, since an alert may be of any size.
        key, state = hash(alert.key), hash((alert.firing, alert.starts_at, verdict.ignored))
        with self._lock:
            told = self._told.pop(key, None) == state
            self._told[key] = state
            if len(self._told) > _REMEMBERED:
                del self._told[next(iter(self._told))]
        return told

    def out_of_memory(self, view: View, replica: str) -> None:
        """Record that the kernel killed a process of a replica; of another container, nothing."""
        for service in view.observation.services:
            for found in service.replicas:
                if found.id == replica:
                    self._metrics.errors.labels(ErrorReason.OUT_OF_MEMORY).inc()
                    text = (
                        f"{found.name} ran out of memory: the kernel killed a process in it at its memory"
                        " limit; raise the limit, or scale out earlier (HighMemory)"
                    )
                    self.tell(EventKind.FAULT, ErrorReason.OUT_OF_MEMORY, text, service=service.key)

    def engine(self, *, up: bool, why: str, tell: bool) -> None:
        """Take in whether the engine answers.

        Args:
            up: it does.
            why: it does not.
            tell: that is news.
        """
        if tell:
            text = "The engine answers again" if up else why
            self.tell(EventKind.FAULT, ErrorReason.ENGINE_UNAVAILABLE, text)
        self._metrics.engine_up.set(1 if up else 0)

    def passed(self, seconds: float) -> None:
        """Take in how long a pass of the loop took."""
        self._metrics.tick.observe(seconds)

    def faults(self, faults: Mapping[ServiceKey, tuple[str, ...]]) -> None:
        """Record labels that cannot be read, once for each change of them."""
        for key, sentences in faults.items():
            if self._faults.get(key) != sentences:
                for sentence in sentences:
                    self.tell(EventKind.FAULT, ErrorReason.LABELS, sentence, service=key)
        self._faults = faults

    def notes(self, notes: Mapping[ServiceKey, tuple[str, ...]]) -> None:
        """Log what a person should know of services, once for each change of it."""
        for key, sentences in notes.items():
            if self._notes.get(key, ()) != sentences:
                for sentence in sentences:
                    log.warning("note", project=key[0], service=key[1], text=sentence)
        self._notes = notes

    def readiness(self, view: View, answers: Mapping[str, Readiness]) -> None:
        """Record replicas that became ready or ceased to be."""
        for service in view.observation.services:
            for replica in service.replicas:
                was = view.readiness.get(replica.id, NOT_ASKED)
                now = answers.get(replica.id, NOT_ASKED)
                if was.ready == now.ready or view.leaves(replica):
                    continue
                why = now.detail if replica.id in answers else f"it is {replica.status}"
                word = "is ready" if now.ready else f"is not ready any more: {why}"
                state = ReplicaState.READY if now.ready else ReplicaState.STARTING
                self.tell(EventKind.REPLICA, state, f"{replica.name} {word}", service=service.key)

    def watchdog(self, age: float) -> None:
        """Take in how many seconds ago the Watchdog was heard of; infinite if never."""
        self._metrics.signal_age.set(age)

    def gauges(self, view: View) -> None:
        """Set the gauges of every service, at 0 of one that is gone, and drop those of the forgotten."""
        services = view.observation.services
        states = {s.key: [view.state(r) for r in s.replicas] for s in services} | {
            key: [] for key in view.gone
        }
        bounds = {**view.limits, **{key: gone.limits for key, gone in view.gone.items()}}
        self._metrics.forget_all_but(frozenset(states))
        self._metrics.set_serving(
            {(*s.key, r.container or r.name): view.gets_requests(r) for s in services for r in s.replicas}
        )
        versions = {s.key: deploy.versions(s, view.counted(s)) for s in services}
        for key in states:
            self._metrics.versions.labels(*key).set(versions.get(key, 0))
        for key, found in states.items():
            for state in ReplicaState:
                self._metrics.replicas.labels(*key, state).set(found.count(state))
            faults = (*view.faults.get(key, ()), *view.unserved.get(key, ()))
            self._metrics.faults.labels(*key).set(len(faults))
            limits = bounds.get(key)
            if limits is None:
                self._metrics.forget_bounds(key)
            else:
                self._metrics.set_bounds(key, minimum=limits.minimum, maximum=limits.maximum)


def _alert_event(verdict: Verdict, *, at: float) -> Event:
    alert = verdict.alert
    return Event(
        at=at,
        kind=EventKind.ALERT,
        reason=verdict.ignored or AlertResult.ACCEPTED,
        text=told(verdict, longest=_LONGEST),
        service=verdict.service
        or (alert.labels.get("project", "")[:_LONGEST], alert.labels.get("service", "")[:_LONGEST]),
        detail={
            "labels": {k[:_LONGEST]: v[:_LONGEST] for k, v in islice(alert.labels.items(), _MOST_LABELS)},
            "state": "firing" if alert.firing else "resolved",
            "url": alert.generator_url[: 4 * _LONGEST],
        },
    )
