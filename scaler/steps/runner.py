"""Runs steps, each in a thread of its own, and knows which services have one under way."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from scaler.model.errors import AlertscaleError
from scaler.model.labels import Limits
from scaler.model.reasons import DecisionReason, Direction, ErrorReason, EventKind, Outcome, Phase
from scaler.model.records import End, Order, Step
from scaler.model.services import Replica, Service, ServiceKey
from scaler.model.view import View
from scaler.policy import replica_choice
from scaler.policy.scaling import Decision
from scaler.state.recorder import Recorder
from scaler.state.world import World
from scaler.steps.contract import Steps, Unwanted
from scaler.steps.log import own_fault

log = structlog.get_logger()

AGAIN_AFTER: Final = 30.0
"""Seconds after which a step that was taken up again, and left open again, is taken up once more."""


@dataclass(kw_only=True, eq=False)
class Runner:
    """Starts steps; used by the loop alone, but for the ends of its threads.

    Args:
        steps: takes a step.
        world: where leaving replicas are marked.
        recorder: told when a step's thread fails.
        learn: the target's :meth:`~scaler.engines.contract.Target.prepare`.
        done: called when a step has ended.
        unwanted: asked of a step while it waits.
        unfinished: reads the journal's steps that were begun and have no end.
    """

    steps: Steps
    world: World
    recorder: Recorder
    learn: Callable[..., None]
    done: Callable[[], object]
    unwanted: Unwanted
    unfinished: Callable[[], tuple[Step, ...]]
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _prepared: dict[ServiceKey, str] = field(default_factory=dict, init=False)
    _threads: dict[ServiceKey, set[threading.Thread]] = field(default_factory=dict, init=False)
    _resumed: dict[int, float] = field(default_factory=dict, init=False)

    def stepping(self, key: ServiceKey) -> bool:
        """Whether a step of that service is under way."""
        with self._lock:
            return bool(self._threads.get(key))

    @property
    def busy(self) -> bool:
        """Whether a step of any service is under way; for any thread."""
        with self._lock:
            return any(self._threads.values())

    def act(
        self,
        service: Service,
        counted: tuple[Replica, ...],
        decision: Decision,
        limits: Limits,
        *,
        retiring: tuple[Replica, ...] = (),
    ) -> None:
        """Start the steps that lead from the counted replicas to the decision's target.

        Args:
            service: whose.
            counted: those that the decision counted.
            decision: the step.
            limits: of the service.
            retiring: those that a retirement takes; otherwise ``policy/replica_choice.py`` chooses.
        """
        for order in _orders(service, counted, decision, limits, retiring, view=self.world.view):
            self._spawn(order, partial(self.steps.take, order, self.unwanted))

    def clear_away(self, replica: Replica) -> None:
        """Remove a dead replica; gone is as good.

        Raises:
            TargetError: the engine did not comply.
        """
        self.steps.clear_away(replica.id)

    def prepare(self, view: View) -> None:
        """Have the target learn what a copy takes, once for each version of a service, aside."""
        for service in view.observation.services:
            if service.key not in view.limits or not any(r.status == "running" for r in service.replicas):
                continue
            model = replica_choice.model(service.replicas)
            if self._prepared.get(service.key) != model.version:
                self._prepared[service.key] = model.version
                threading.Thread(
                    target=self._learn, args=(model,), name=f"prepare {service.key[1]}", daemon=True
                ).start()

    def _learn(self, model: Replica) -> None:
        try:
            self.learn(model=model.id)
        except AlertscaleError as error:  # create learns it itself then
            self.recorder.survived("prepare", error)

    def claim(self) -> None:
        """Keep replicas of an earlier run that leave, or are not prepared, out of nginx from the first."""
        for step in self.unfinished():
            if step.direction is Direction.DOWN and step.replica:
                self.world.mark_draining(step.replica)
            elif _may_be_unprepared(step):
                self.world.mark_preparing(step.replica or "")

    def resume(self, *, now: float, at_once: bool = False) -> None:
        """Finish steps that were left unfinished, by an earlier run or by this one.

        Those of a service with a step under way are left to it.

        Args:
            now: seconds, monotonic.
            at_once: what was taken up lately, too.
        """
        with self._lock:
            # Before the journal is read: a step that ends in between must not be taken for one left over.
            busy = {key for key, threads in self._threads.items() if threads}
        for step in self.unfinished():
            waits = not at_once and now - self._resumed.get(step.id, -math.inf) < AGAIN_AFTER
            if step.service in busy or waits or not self._is_ours(step):
                continue
            log.info("step is resumed", service=step.service[1], phase=str(step.phase))
            self._resumed[step.id] = now
            limits = self.world.view.limits.get(step.service, Limits())
            self._spawn(step, partial(self.steps.resume, step, limits, self.unwanted))

    def _is_ours(self, step: Step) -> bool:
        """Whether we can go on with a step; of one that only a later version can, nothing is touched."""
        later = "a later version of alertscale began it and left it"
        if not isinstance(step.direction, Direction):
            end = End(outcome=Outcome.UNDONE, detail=f"{later}; its replica stays as it is")
            self.recorder.step_ended(step, end)
            return False
        if not isinstance(step.phase, Phase):
            what = f"The step {step.direction} of replica {step.number} is done over"
            text = f"{what}: {later} in the phase {step.phase}"
            self.recorder.tell(EventKind.FAULT, ErrorReason.JOURNAL, text, service=step.service)
        return True

    def _spawn(self, what: Order | Step, work: Callable[[], None]) -> None:
        key = what.service
        thread = threading.Thread(target=self._run, args=(what, work), name=f"step {key[1]}", daemon=True)
        with self._lock:
            self._threads.setdefault(key, set()).add(thread)
        thread.start()

    def _run(self, what: Order | Step, work: Callable[[], None]) -> None:
        over = True
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a step's own fault must not pass unseen
            over = self._survive(what, error)
        finally:
            with self._lock:
                self._threads[what.service].discard(threading.current_thread())
        # What a fault of our own keeps without an end is not to be begun anew at once, and again.
        if over:
            self.done()

    def _survive(self, what: Order | Step, error: Exception) -> bool:
        """Go on after what a step has raised; tell whether it is over."""
        self.recorder.survived("step", error)
        # Others than ours have a reason of their own.
        reason = error.reason if isinstance(error, AlertscaleError) else ErrorReason.INTERNAL
        if reason is ErrorReason.ENGINE_UNAVAILABLE and isinstance(what, Step):
            self._resumed.pop(what.id, None)  # nothing of it was tried
        return self._end(what, error) if reason is ErrorReason.INTERNAL else True

    def _end(self, what: Order | Step, fault: Exception) -> bool:
        """End, as failed, what a fault of our own has left open; tell whether that is written down."""
        failed, named = own_fault(fault), (what.service, what.direction, what.number)
        end = End(outcome=Outcome.FAILED, detail=failed.told)
        try:
            left = [s for s in self.unfinished() if (s.service, s.direction, s.number) == named]
            for step in left:
                self.world.unmark_draining(step.replica or "")
                if _may_be_unprepared(step):
                    # Ended, it would be one like any other from the next start on, and get requests.
                    self.recorder.step_left(step)
                else:
                    self.recorder.step_ended(step, end)
        except Exception as error:  # noqa: BLE001 - as above
            self.recorder.survived("end of a step", error)
            return False
        return bool(left)


def _may_be_unprepared(step: Step) -> bool:
    return step.phase is Phase.START and bool(step.replica)


def _orders(
    service: Service,
    counted: tuple[Replica, ...],
    decision: Decision,
    limits: Limits,
    retiring: tuple[Replica, ...],
    *,
    view: View,
) -> list[Order]:
    """One for each replica; one for all where the engine keeps a count."""
    difference = decision.target - decision.replicas
    order = partial(
        Order,
        service=service.key,
        direction=Direction.UP if difference > 0 else Direction.DOWN,
        why=decision.reason,
        limits=limits,
    )
    if service.kept is not None:
        number = max(decision.replicas, decision.target)
        return [order(number=number, replica="", kept=service.kept, count=decision.target)]
    if difference > 0:
        ready = frozenset(r.id for r in counted if view.is_ready(r))
        model = replica_choice.model(counted, ready)
        return [order(number=n, replica=model.id) for n in replica_choice.new_numbers(service, difference)]
    candidates = retiring if decision.reason is DecisionReason.RETIRE else counted
    leaving = replica_choice.leaving(candidates, -difference, view=view)
    return [order(number=r.number, replica=r.id) for r in leaving]
