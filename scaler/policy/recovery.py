"""What becomes of a step in the middle? Where Compose makes replicas one by one.

While it waits, whether it would still be taken is asked again and again (:func:`unwanted`), after a kill as
before. Of one that a killed scaler left the journal tells (``state/journal.py``), ``steps/runner.py`` takes
it up at the next start, and ``steps/compose.py`` goes on with it. On Swarm what was asked for comes true
without us (``steps/swarm.py``).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from scaler.model.labels import Limits
from scaler.model.reasons import DecisionReason, Direction, Outcome
from scaler.model.records import Step
from scaler.policy.scaling import Demand, State, decide

_NOT_BY_ALERT: Final = frozenset(
    {DecisionReason.MANUAL, DecisionReason.ABOVE_MAX, DecisionReason.BELOW_MIN, DecisionReason.RETIRE}
)
_EITHER_WAY: Final = {
    DecisionReason.PAUSED: "steps are paused",
    DecisionReason.DEPLOYING: "a new version is being deployed",
    DecisionReason.MANUAL: "a person has asked for another count",
}
_WORDS: Final[Mapping[Direction, Mapping[DecisionReason, str]]] = {
    Direction.UP: _EITHER_WAY
    | {
        DecisionReason.AT_MAX: "alertscale.max ({limits.maximum}) is reached without it",
        DecisionReason.ABOVE_MAX: "alertscale.max ({limits.maximum}) is passed without it",
    },
    Direction.DOWN: _EITHER_WAY
    | {
        DecisionReason.AT_MIN: "fewer than alertscale.min ({limits.minimum}) would be left",
        DecisionReason.BELOW_MIN: "fewer than alertscale.min ({limits.minimum}) would be left",
        DecisionReason.LAST_READY: "no other replica is ready",
        DecisionReason.BACKOFF: "another replica has just died or been asked to stop",
        DecisionReason.ALERT_UP: "an alert asks for more",
        DecisionReason.RESTORE: "an alert asks for more",
        DecisionReason.AT_MAX: "an alert asks for more",
    },
}
_OVER: Final = "what it was for is so without it"


def outcome(step: Step, *, found: str | None) -> Outcome | None:
    """How a step that was left has ended.

    Args:
        step: as the journal knows it.
        found: the engine's id of the replica with the step's number; None when there is none.

    Returns:
        ``done`` for a removal whose replica is gone, ``undone`` for an addition whose replica was never made
        or is somebody else's; None when the replica is there, and the step goes on with it.
    """
    if found is not None and step.replica in {None, found}:
        return None
    return Outcome.DONE if step.direction is Direction.DOWN else Outcome.UNDONE


def unwanted(step: Step, *, state: State, demand: Demand, limits: Limits, now: float) -> str:
    """Why a step under way would not be taken now; empty if it would.

    The alert that led to it counts as firing still, since the step itself may end that, and no cooldown is
    counted; an ``up`` alert takes back a step down.

    Args:
        step: as the journal knows it.
        state: of its service, as if it were not begun: its replica counts if it leaves, and not if it comes.
        demand: the alerts that fire.
        limits: what its labels say.
        now: seconds, on the clock of ``state``.
    """
    up = step.direction is Direction.UP
    by_alert = step.why not in _NOT_BY_ALERT
    if by_alert and up:
        demand = replace(demand, up=frozenset(limits.resources))
    elif by_alert:
        demand = replace(demand, down=frozenset(limits.resources), watched=True)
    before = replace(
        state,
        stepping=False,
        writable=True,
        crew=replace(state.crew, retiring=int(step.why == DecisionReason.RETIRE)),
        waits=replace(state.waits, last_change=None, retry_at=None),
    )
    decision = decide(state=before, demand=demand, limits=limits, now=now)
    if decision.direction is step.direction:
        # An order for the count of before asks for no step, so nothing is decided by it.
        wanted = state.hold.wanted
        stays = wanted is not None and limits.clamp(wanted) == state.replicas
        return _EITHER_WAY[DecisionReason.MANUAL] if by_alert and stays else ""
    return _WORDS[Direction(step.direction)].get(decision.reason, _OVER).format(limits=limits)
