"""How a step is taken where the engine keeps the count of replicas itself: change it, and see it come true.

Which replica leaves, where a new one runs, and that a dead one is replaced, is the engine's own doing. A step
names the version of the service that it was decided on, so one that was decided on what is no more changes
nothing.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from scaler.engines.contract import Counts
from scaler.model.errors import AlertscaleError, StepError, TargetError
from scaler.model.labels import Limits
from scaler.model.reasons import Direction, ErrorReason, Outcome, Phase
from scaler.model.records import End, Order, Step
from scaler.model.services import Kept, Service
from scaler.model.view import View
from scaler.steps.contract import StepContext, Unwanted, stopped
from scaler.steps.log import Phases, failure

log = structlog.get_logger()

PLACED_WITHIN: Final = 5.0
"""Seconds for which a replica may find no node before the step is given up: another may be leaving one."""

ENDS_WITHIN: Final = 60.0
"""Seconds, beside ``alertscale.drain``, that a step down waits for its replicas to end; the engine ends them
in any case."""

SHOWN_WITHIN: Final = 10.0
"""Seconds within which a list shows what has been changed, unless the engine does not answer."""

_ASK_ENGINE_EVERY: Final = 1.0


class CountStepper:
    """Takes steps by changing a count, each in the thread of its caller.

    Args:
        target: the engine.
        context: what steps work with.
        placed_within: see ``PLACED_WITHIN``.
        shown_within: see ``SHOWN_WITHIN``.
    """

    def __init__(
        self,
        *,
        target: Counts,
        context: StepContext,
        placed_within: float = PLACED_WITHIN,
        shown_within: float = SHOWN_WITHIN,
    ) -> None:
        self._target = target
        self._log, self._world, self._metrics = context.log, context.world, context.metrics
        self._wake, self._wait, self._stopping = context.wake, context.wait, context.stopping
        self._placed_within = placed_within
        self._shown_within = shown_within

    def take(self, order: Order, unwanted: Unwanted) -> None:  # noqa: ARG002 - what is asked for comes at once
        """See :class:`scaler.steps.contract.Steps`."""
        kept = order.kept
        if kept is None:
            raise StepError("a step without a count to change", reason=ErrorReason.INTERNAL)
        step = self._log.begin(order, phase=_asking(order.direction))
        phases = self._log.phases(step)
        self._guarded(step, phases, order.limits, kept.count, partial(self._change, phases, order, kept))

    def resume(self, step: Step, limits: Limits, unwanted: Unwanted) -> None:  # noqa: ARG002 - as above
        """See :class:`scaler.steps.contract.Steps`: what was asked for comes true without us."""
        phases = self._log.phases(step)
        self._guarded(step, phases, limits, step.number - 1, lambda: None)

    def clear_away(self, replica: str) -> None:
        """See :class:`scaler.steps.contract.Steps`: the engine does that itself."""

    def _change(self, phases: Phases, order: Order, kept: Kept) -> None:
        phases.enter(_asking(order.direction))
        self._target.set_count(kept, order.count)
        self._wake()
        # What is seen until then is the service as it was.
        if not self._wait(
            lambda view: _version(view.service(order.service)) != kept.version, self._shown_within
        ):
            raise TargetError(
                f"the count was changed to {order.count}, but no list has shown that"
                f" within {self._shown_within:g} s",
                reason=ErrorReason.ENGINE_UNAVAILABLE,
            )

    def _guarded(
        self, step: Step, phases: Phases, limits: Limits, before: int, change: Callable[[], None]
    ) -> None:
        try:
            self._retried(step, change)
            self._see(step, phases, limits)
        except Exception as raised:  # noqa: BLE001 - a fault of our own ends the step, too
            self._not_done(step, phases, before, failure(step, raised))
            return
        phases.end()
        self._end(phases, Outcome.DONE)

    def _not_done(self, step: Step, phases: Phases, before: int, error: AlertscaleError) -> None:
        if error.reason is ErrorReason.STOPPING:
            log.info("step left for the next start", **step.words, phase=phases.phase)
            return
        phases.end()
        if error.reason is ErrorReason.OVERTAKEN:
            self._end(phases, Outcome.UNDONE, error.told)
            return
        self._metrics.errors.labels(error.reason).inc()
        if error.reason is ErrorReason.JOURNAL:
            log.error("step left until the journal can be written", **step.words, error=str(error))
            return
        if step.direction is Direction.UP:
            self._take_back(step, before)
        self._end(phases, Outcome.FAILED, error.told)

    def _retried(self, step: Step, change: Callable[[], None]) -> None:
        """Change the count; when no answer came, what has become of it is seen once the engine answers."""
        try:
            change()
        except TargetError as error:
            if error.reason is not ErrorReason.ENGINE_UNAVAILABLE:
                raise
            self._metrics.errors.labels(error.reason).inc()
            log.warning("step waits for the engine", **step.words, error=str(error))
            self._await_news()

    def _await_news(self) -> None:
        """Wait until the services were listed anew: what is known may be from before the change."""
        known = self._world.view.observation
        while True:
            self._await_engine()
            self._wake()
            if self._wait(lambda view: view.observation is not known, self._shown_within):
                return

    def _await_engine(self) -> None:
        while not self._stopping.wait(_ASK_ENGINE_EVERY):
            try:
                self._target.ping()
                self._target.observe()
            except AlertscaleError:
                continue
            return
        raise stopped()

    def _see(self, step: Step, phases: Phases, limits: Limits) -> None:
        """Wait until the count that was asked for has come true."""
        up = step.direction is Direction.UP
        phases.enter(Phase.READY if up else Phase.DRAIN)
        if up:
            self._see_up(step, limits)
        else:
            self._see_down(step, limits)

    def _see_down(self, step: Step, limits: Limits) -> None:
        self._wait(lambda view: _is_gone(view, step), limits.requests.drain + ENDS_WITHIN)
        if _asked(self._world.view.service(step.service)) >= step.number:
            raise _changed()

    def _see_up(self, step: Step, limits: Limits) -> None:
        unplaced = _Lasting(self._placed_within)

        def settled(view: View) -> bool:
            service = view.service(step.service)
            stuck = unplaced.see(holds=bool(_unplaced(service)), now=time.monotonic())
            return stuck or _asked(service) < step.number or _ready(view, service) >= step.number

        self._wait(settled, limits.probe.timeout)
        view = self._world.view
        service = view.service(step.service)
        if service is None or _asked(service) < step.number:
            raise _changed()
        if _ready(view, service) >= step.number:
            return
        nowhere = _unplaced(service)
        if nowhere:
            raise StepError(f"no node can take it: {nowhere}", reason=ErrorReason.CANNOT_PLACE)
        ended = self._target.trouble(service.kept) if service.kept is not None else ""
        within = f"{_ready(view, service)} of {step.number} ready within {limits.probe.timeout:g} s"
        raise StepError(f"{within}{': ' if ended else ''}{ended}", reason=ErrorReason.NOT_READY)

    def _take_back(self, step: Step, before: int) -> None:
        """Ask for no more than before, unless somebody has changed the count meanwhile."""
        service = self._world.view.service(step.service)
        if service is None or service.kept is None or service.kept.count != step.number:
            return
        kept = service.kept
        try:
            self._target.set_count(kept, before)
            self._wake()
            # Until then the count that failed is what is seen, and would count as reached.
            self._wait(lambda view: _version(view.service(step.service)) != kept.version, self._shown_within)
        except AlertscaleError as error:
            self._metrics.errors.labels(error.reason).inc()
            log.warning(
                "a count that cannot be reached could not be taken back", **step.words, error=str(error)
            )

    def _end(self, phases: Phases, outcome: Outcome, detail: str = "") -> None:
        self._log.recorder.step_ended(
            phases.step, End(outcome=outcome, detail=detail, seconds=phases.seconds)
        )
        self._wake()


class _Lasting:
    """Tells when a condition has held for some seconds without a break."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def see(self, *, holds: bool, now: float) -> bool:
        if not holds:
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        return now - self._since >= self._seconds


def _version(service: Service | None) -> int | None:
    return service.kept.version if service is not None and service.kept is not None else None


def _asking(direction: Direction) -> Phase:
    return Phase.CREATE if direction is Direction.UP else Phase.REMOVE


def _asked(service: Service | None) -> int:
    return service.kept.count if service is not None and service.kept is not None else 0


def _ready(view: View, service: Service | None) -> int:
    replicas = service.replicas if service is not None else ()
    return sum(r.id in view.serving and not view.leaves(r) for r in replicas)


def _unplaced(service: Service | None) -> str:
    """Why a replica has no node; empty when each has one."""
    replicas = service.replicas if service is not None else ()
    return next((r.trouble for r in replicas if r.trouble and not r.leaving), "")


def _is_gone(view: View, step: Step) -> bool:
    """Whether there are no more replicas than are asked for, or as many are asked for as before."""
    service = view.service(step.service)
    if service is None or _asked(service) >= step.number:
        return True
    # The engine marks those that leave a moment after the count was changed. An update may double a number.
    staying = {r.number for r in service.replicas if r.live and not view.leaves(r)}
    return len(staying) <= _asked(service) and not any(r.leaving for r in service.replicas)


def _changed() -> StepError:
    return StepError(
        "the count was changed by somebody else, or had not been reached", reason=ErrorReason.OVERTAKEN
    )
