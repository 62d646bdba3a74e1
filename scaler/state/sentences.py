"""What was decided and what happened, in a sentence for a person; without a full stop, as more may follow."""

from collections.abc import Mapping
from typing import Final

from scaler.model.reasons import DecisionReason, Direction, Outcome
from scaler.model.records import End, Step
from scaler.policy.scaling import Decision
from scaler.policy.signals import Verdict

_DECISIONS: Final[dict[DecisionReason, str]] = {
    DecisionReason.PAUSED: "steps are paused",
    DecisionReason.RETIRE: "a deploy takes away the replicas of another version",
    DecisionReason.DEPLOYING: "its replicas are of several versions: a deploy is under way, or broke off",
    DecisionReason.GONE: "every container of it was removed, not by alertscale",
    DecisionReason.STOPPED: "somebody stopped the service",
    DecisionReason.BACKOFF: "a replica failed or was stopped lately, and the next try waits",
    DecisionReason.LAST_READY: "a step down is due, and might take the last replica that is ready",
    DecisionReason.JOURNAL: "the journal cannot be written, so nothing may change",
    DecisionReason.BELOW_MIN: "there are fewer replicas than alertscale.min",
    DecisionReason.ABOVE_MAX: "there are more replicas than alertscale.max",
    DecisionReason.MANUAL: "a person asked for it",
    DecisionReason.ALERT_UP: "{alerts}",
    DecisionReason.RESTORE: "{alerts}, and somebody else had set the count back",
    DecisionReason.AT_MAX: "{alerts}, but alertscale.max is reached",
    DecisionReason.UP_COOLDOWN: "{alerts}, but the up cooldown is not over",
    DecisionReason.NOT_HELPED: "{alerts}, but {helped}",
    DecisionReason.ALERT_DOWN: "{alerts}",
    DecisionReason.AT_MIN: "{alerts}, but alertscale.min is reached",
    DecisionReason.DOWN_COOLDOWN: "{alerts}, but the down cooldown is not over",
    DecisionReason.BLIND: "the scaler is blind: alerts do not reach it, so nothing is removed",
    DecisionReason.NOT_ALL_LOW: "not everything is low: {resources} would have to be, too",
    DecisionReason.NOT_NAMED: "{alerts}, but alertscale.resources does not name {resources}",
    DecisionReason.ENDED: "the alert for {resources} fires no longer at its source, which was asked",
    DecisionReason.STEADY: "no alert asks for a step",
}
_UNTIL: Final[dict[DecisionReason, str]] = {
    DecisionReason.GONE: f"{_DECISIONS[DecisionReason.GONE]}; it is forgotten",
    DecisionReason.BACKOFF: "a replica failed or was stopped lately; the next try is",
    DecisionReason.UP_COOLDOWN: "{alerts}; the up cooldown ends",
    DecisionReason.DOWN_COOLDOWN: "{alerts}; the down cooldown ends",
}
"""Of those that have an ``until``: it is to be read after them."""

_UNKNOWN: Final = "Prometheus does not answer whether the last step for it helped"

_WHY: Final[Mapping[str, str]] = {
    DecisionReason.ALERT_UP: "an alert asked for more",
    DecisionReason.RESTORE: "somebody else had set the count back",
    DecisionReason.ALERT_DOWN: "everything was low",
    DecisionReason.BELOW_MIN: "there were fewer than alertscale.min",
    DecisionReason.ABOVE_MAX: "there were more than alertscale.max",
    DecisionReason.MANUAL: "a person asked for it",
    DecisionReason.RETIRE: "a deploy took its place",
}
"""Why a step was taken; the other reasons take none."""

_ENDS: Final[Mapping[tuple[str, Outcome], str]] = {
    (Direction.UP, Outcome.DONE): "was added",
    (Direction.UP, Outcome.FAILED): "could not be added",
    (Direction.UP, Outcome.UNDONE): "was not added after all",
    (Direction.DOWN, Outcome.DONE): "was removed",
    (Direction.DOWN, Outcome.FAILED): "could not be removed",
    (Direction.DOWN, Outcome.UNDONE): "was not removed after all",
}


def decided(decision: Decision, *, alerts: str = "", wanted: int | None = None, until: bool = False) -> str:
    """Say what is decided and why.

    Args:
        decision: the decision.
        alerts: that the alerts behind it fire; empty to name them by what they are about.
        wanted: the count that a person asked for; None if none did.
        until: the decision's ``until``, where it has one, is put behind: "in 4 s".
    """
    at = f"{decision.replicas} {'replica' if decision.replicas == 1 else 'replicas'}"
    if decision.reason is DecisionReason.STEPPING:
        order = "" if wanted is None else f"; a person asked for {wanted}"
        return f"A step is under way at {at}{order}"
    if decision.direction is None:
        what = f"Holding at {decision.replicas}"
    else:
        what = f"Going {decision.direction} from {decision.replicas} to {decision.target}"
    resources = " and ".join(decision.resources) or "every resource"
    alerts = alerts or f"the alert for {resources} fires"
    why = _DECISIONS | _UNTIL if until else _DECISIONS
    shares = decision.shares
    helped = f"adding does not help: memory was {shares}" if shares else _UNKNOWN
    said = why[decision.reason].format(alerts=alerts, resources=resources, helped=helped)
    return f"{what}: {said}"


def ended(step: Step, end: End) -> str:
    """Say how a step ended and why: why it was taken, or why it was not done."""
    what = _ENDS.get((step.direction, end.outcome))
    if what is None:  # begun by a later version
        return f"The step {step.direction} of replica {step.number} ended {end.outcome}: {end.detail}"
    why = [_WHY.get(step.why, "")] if end.outcome is Outcome.DONE else []
    said = "; ".join(part for part in (*why, end.detail) if part)
    return f"Replica {step.number} {what}" + (f": {said}" if said else "")


def told(verdict: Verdict, *, longest: int) -> str:
    """Say what an alert does, and whether it counts.

    Args:
        verdict: what becomes of it.
        longest: characters of its name and its summary.
    """
    alert = verdict.alert
    name, summary = alert.name[:longest], alert.annotations.get("summary", "")[:longest]
    if alert.firing:
        what = f"{name} fires{': ' if summary else ''}{summary}"
    else:
        # Its summary has the figures with which it fired last.
        what = f"{name} fires no more" + (f"; it had said: {summary}" if summary else "")
    return f"{what}; ignored ({verdict.ignored}): {verdict.detail}" if verdict.ignored else what
