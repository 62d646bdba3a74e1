"""How a step is taken: one replica more, one replica fewer, each phase journalled before it begins."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from scaler.engines.contract import Containers
from scaler.model.errors import AlertscaleError, StepError, TargetError
from scaler.model.hooks import HookKind
from scaler.model.labels import Limits
from scaler.model.reasons import Direction, ErrorReason, Outcome, Phase
from scaler.model.records import End, Order, Step
from scaler.model.services import GONE, Fate
from scaler.model.view import NOT_ASKED, View
from scaler.policy import recovery
from scaler.steps.contract import StepContext, Unwanted
from scaler.steps.drain import Drains, drain
from scaler.steps.log import Phases, failure

log = structlog.get_logger()

_RETIRE_TIMEOUT = 30.0
_PRE_STOP_LEAST = 30.0
"""Seconds that a ``pre_stop`` has where ``alertscale.drain`` is shorter: it is there to save something."""
_END_IS_KNOWN_WITHIN = 1.0
_LOOK_EVERY = 0.1
_MIB = 1024 * 1024
_ASK_ENGINE_EVERY = 1.0
_ASK_AGAIN_EVERY = 0.5
_ANSWERS_WITHIN = 3.0
"""Seconds for which a step down waits for the first answer of each replica."""
_ENGINE_SETTLES = 2.0
"""Seconds in which an engine that answers again has done what it was asked before and did not answer."""

_NOBODYS_FAULT = frozenset({ErrorReason.MODEL_GONE, ErrorReason.OVERTAKEN})
"""Others took away what was to be copied, or the decision is another one by now: nothing is wrong."""


class Stepper:
    """Takes steps, each in the thread of its caller.

    Args:
        target: the engine.
        balancer: nginx.
        context: what steps work with.
    """

    def __init__(
        self,
        *,
        target: Containers,
        balancer: Drains,
        context: StepContext,
    ) -> None:
        self._target = target
        self._balancer = balancer
        self._log, self._world, self._metrics = context.log, context.world, context.metrics
        self._wake, self._wait, self._stopping = context.wake, context.wait, context.stopping

    def take(self, order: Order, unwanted: Unwanted) -> None:
        """See :class:`scaler.steps.contract.Steps`."""
        up = order.direction is Direction.UP
        step = self._log.begin(
            order, phase=Phase.CREATE if up else Phase.DRAIN, replica=None if up else order.replica
        )
        self._run(step, order.limits, unwanted, model=order.replica if up else "")

    def resume(self, step: Step, limits: Limits, unwanted: Unwanted) -> None:
        """Finish a step that an earlier process began; undo it when its replica was never made."""
        found = self._target.find(service=step.service, number=step.number)
        outcome = recovery.outcome(step, found=found)
        if outcome is not None:
            self._world.unmark_draining(step.replica or "")
            self._end(step, End(outcome=outcome, detail="its replica is not there any more"))
            return
        self._run(replace(step, replica=found), limits, unwanted, model="")

    def clear_away(self, replica: str) -> None:
        """See :class:`scaler.steps.contract.Steps`."""
        self._target.remove(replica)

    def _run(self, step: Step, limits: Limits, unwanted: Unwanted, *, model: str) -> None:
        phases = self._log.phases(step)
        ask = partial(_ask, phases, limits, unwanted)
        try:
            if step.direction is Direction.UP:
                self._up(phases, limits, model, ask)
            else:
                self._down(phases, limits, ask)
        except Exception as raised:  # noqa: BLE001 - a fault of our own ends the step, too
            error = failure(step, raised)
            if error.reason is ErrorReason.STOPPING:
                log.info("step left for the next start", **step.words, phase=phases.phase)
                return
            if error.reason is ErrorReason.ENGINE_UNAVAILABLE:
                # Whether it has done what it was asked last, or will yet, only the engine can tell.
                self._metrics.errors.labels(error.reason).inc()
                log.warning("step waits for the engine", **step.words, phase=phases.phase, error=str(error))
                if self._await_engine(step):
                    self.resume(phases.step, limits, unwanted)
                return
            self._failed(step, phases, error, limits)
            return
        phases.end()
        self._end(step, End(outcome=Outcome.DONE, seconds=phases.seconds))

    def _await_engine(self, step: Step) -> bool:
        """Wait until the engine answers and has settled; False when the scaler stops before."""
        while not self._stopping.wait(_ASK_ENGINE_EVERY):
            try:
                self._target.find(service=step.service, number=step.number)
            except AlertscaleError as error:
                log.info("step still waits for the engine", **step.words, error=str(error))
            else:
                return not self._stopping.wait(_ENGINE_SETTLES)
        return False

    def _up(self, phases: Phases, limits: Limits, model: str, ask: Callable[[], object]) -> None:
        replica = phases.step.replica
        if replica is None:
            phases.enter(Phase.CREATE)
            replica = self._target.create(model=model, number=phases.step.number)
        if phases.step.phase is Phase.READY:
            self._target.start(replica)
        else:
            phases.enter(Phase.START, replica=replica)
            self._start(replica, limits, ask)
        phases.enter(Phase.READY)
        self._wake()
        self._await_traffic(replica, limits, ask)

    def _start(self, replica: str, limits: Limits, ask: Callable[[], object]) -> None:
        """Start and prepare it; it may get requests only then. Cut short by a kill, both are done again."""
        self._world.mark_preparing(replica)
        self._target.start(replica)
        try:
            self._target.run_hooks(replica, kind=HookKind.POST_START, timeout=limits.probe.timeout, ask=ask)
        except TargetError as error:
            fate = self._target.fate(replica) if error.reason is ErrorReason.HOOK_FAILED else None
            if fate is not None and (fate.restarts or fate.exit_code is not None):
                raise _ended(fate) from error
            raise
        self._world.unmark_preparing(replica)

    def _await_traffic(self, replica: str, limits: Limits, ask: Callable[[], object]) -> None:
        def settled(view: View) -> bool:
            seen = view.replica(replica)
            return replica in view.serving or (seen is not None and seen.status in GONE)

        self._wait_asking(settled, limits.probe.timeout, ask)
        view = self._world.view
        if replica in view.serving:
            return
        seen, readiness = view.replica(replica), view.readiness.get(replica, NOT_ASKED)
        fate = self._target.fate(replica)
        if fate is not None and (fate.restarts or (seen is not None and seen.status in GONE)):
            raise _ended(fate)
        within = f"within {limits.probe.timeout:g} s"
        if readiness.ready:
            raise StepError(f"ready, but not in nginx {within}", reason=ErrorReason.RELOAD_FAILED)
        raise StepError(f"not ready {within}: {readiness.detail}", reason=ErrorReason.NOT_READY)

    def _down(self, phases: Phases, limits: Limits, ask: Callable[[], object]) -> None:
        replica, service = phases.step.replica or "", phases.step.service
        # Not after a whole drain: it would be for nothing, again and again.
        hooked = self._target.check_hooks(replica, kind=HookKind.PRE_STOP)
        phases.enter(Phase.DRAIN)
        self._world.mark_draining(replica)
        self._wake()
        # After a start of the scaler it is not known who serves: that is no reason to take the step back.
        self._wait(lambda view: view.is_asked(service), _ANSWERS_WITHIN)
        if not self._wait_asking(lambda view: view.has_let_go(replica), _RETIRE_TIMEOUT, ask):
            raise StepError("nginx would not let go of it", reason=ErrorReason.RELOAD_FAILED)
        self._drain(limits, ask)
        ask()
        phases.enter(Phase.STOP)
        try:
            self._pre_stop(replica, limits, ask)
            ask()
        except StepError as error:
            more = "; its pre_stop had begun, and is not undone" if hooked else ""
            raise StepError(f"{error}{more}", reason=error.reason) from error
        self._stop(replica)
        phases.enter(Phase.REMOVE)
        self._target.remove(replica)
        self._wake()
        # Only when the loop has seen it gone: before, it would count as a replica, or as one that was lost.
        if self._wait(lambda view: view.replica(replica) is None, _RETIRE_TIMEOUT):
            self._world.unmark_draining(replica)

    def _pre_stop(self, replica: str, limits: Limits, ask: Callable[[], object]) -> None:
        """Run its hooks; one that ends the program is ended by the engine with it: that is no failure.

        A step that is taken back meanwhile does not wait for them: nobody else serves.
        """
        before = self._target.fate(replica)
        try:
            self._target.run_hooks(
                replica, kind=HookKind.PRE_STOP, timeout=max(limits.requests.drain, _PRE_STOP_LEAST), ask=ask
            )
        except TargetError as error:
            if error.reason is not ErrorReason.HOOK_FAILED:
                raise
            # The engine may know of the hook's end a moment before it knows of the program's.
            deadline = time.monotonic() + _END_IS_KNOWN_WITHIN
            while self._runs_as(before, replica):
                if time.monotonic() >= deadline or self._stopping.wait(_LOOK_EVERY):
                    raise

    def _runs_as(self, before: Fate | None, replica: str) -> bool:
        now = self._target.fate(replica)
        if before is None or now is None:
            return False
        return now.exit_code is None and now.restarts == before.restarts

    def _drain(self, limits: Limits, ask: Callable[[], object]) -> None:
        instance = self._world.view.observation.balancer
        requests = self._balancer.draining(instance.id if instance and instance.running else None)
        drain(requests, longest=limits.requests.drain, stopping=self._stopping, ask=ask)

    def _wait_asking(
        self, condition: Callable[[View], bool], timeout: float, ask: Callable[[], object]
    ) -> bool:
        deadline = time.monotonic() + timeout
        while not self._wait(condition, min(_ASK_AGAIN_EVERY, max(0.0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                return False
            ask()
        return True

    def _failed(self, step: Step, phases: Phases, error: AlertscaleError, limits: Limits) -> None:
        phases.end()
        failed = error.reason not in _NOBODYS_FAULT
        if failed:
            self._metrics.errors.labels(error.reason).inc()
        if step.direction is Direction.DOWN:
            self._world.unmark_draining(step.replica or "")
        if error.reason is ErrorReason.JOURNAL:
            # Nothing may be changed that cannot be journalled, and its replica may well serve.
            log.error("step left until the journal can be written", **step.words, error=str(error))
            return
        made = phases.replica if step.direction is Direction.UP else None
        said = self._last_words(made) if failed and made is not None else ()
        if made is not None and not self._take_away(step, made, limits):
            # Not ended: it is resumed later, so that no container is left that nobody knows of.
            self._log.recorder.step_left(step)
            return
        outcome = Outcome.FAILED if failed else Outcome.UNDONE
        self._end(step, End(outcome=outcome, detail=error.told, seconds=phases.seconds, said=said))

    def _last_words(self, replica: str) -> tuple[str, ...]:
        """Its log goes with it; that it cannot be read is no reason to keep a replica that failed."""
        try:
            return self._target.last_words(replica)
        except AlertscaleError as error:
            return (f"(its log cannot be read: {error})",)

    def _take_away(self, step: Step, replica: str, limits: Limits) -> bool:
        """Remove a replica that failed. Without an id nothing was made: that number is somebody else's.

        A fault of our own in that leaves it as one of the engine's does: there, and perhaps not prepared.
        """
        try:
            self._remove(replica, limits)
        except Exception as raised:  # noqa: BLE001 - see above
            error = failure(step, raised)
            self._metrics.errors.labels(error.reason).inc()
            log.warning("a replica that failed could not be removed", **step.words, error=str(error))
            return False
        finally:
            self._world.unmark_draining(replica)
        self._world.unmark_preparing(replica)
        return True

    def _remove(self, replica: str, limits: Limits) -> None:
        may_serve = self._may_serve(replica)
        self._world.mark_draining(replica)
        self._wake()
        if not self._wait(lambda view: view.has_let_go(replica), _RETIRE_TIMEOUT):
            # It may have got in at the last moment: then it serves, and the next try ends well.
            raise StepError("nginx would not let go of it", reason=ErrorReason.RELOAD_FAILED)
        if may_serve or self._may_serve(replica):
            self._drain(limits, ask=lambda: None)
            self._stop(replica)
        self._target.discard(replica)
        self._wake()
        self._wait(lambda view: view.replica(replica) is None, _RETIRE_TIMEOUT)

    def _stop(self, replica: str) -> None:
        """Stop it; where the engine fails at that, the signal that it told of came to nothing."""
        try:
            self._target.stop(replica)
        except TargetError as error:
            if error.reason is not ErrorReason.ENGINE_UNAVAILABLE:  # it may be at it still
                self._world.unmark_stopping(replica)
            raise

    def _may_serve(self, replica: str) -> bool:
        """Whether it may have been sent requests: a worker of nginx may before the reload with it is over."""
        view = self._world.view
        seen = view.replica(replica)
        return replica in view.serving or (seen is not None and view.is_able(seen))

    def _end(self, step: Step, end: End) -> None:
        self._log.recorder.step_ended(step, end)
        self._wake()


def _ask(phases: Phases, limits: Limits, unwanted: Unwanted) -> None:
    why = unwanted(phases.step, limits)
    if why:
        raise StepError(f"it would not be taken any more: {why}", reason=ErrorReason.OVERTAKEN)


def _ended(fate: Fate) -> StepError:
    again = f" (started again {fate.restarts} times)" if fate.restarts else ""
    if fate.out_of_memory:
        limit = f" of {fate.memory_limit / _MIB:g} MiB" if fate.memory_limit else ""
        return StepError(
            f"out of memory before it was ready{again}: the kernel killed it at its memory limit{limit};"
            " raise the limit, or let the service take less at its start",
            reason=ErrorReason.OUT_OF_MEMORY,
        )
    code = "" if fate.exit_code is None else f", with code {fate.exit_code}"
    return StepError(f"it exited before it was ready{again}{code}", reason=ErrorReason.REPLICA_EXITED)
