"""What is behind a decision: why, in one sentence, and the rule in Prometheus that it goes back to."""

from collections.abc import Mapping, Sequence
from typing import Final

from scaler.loop.views import ServiceView
from scaler.model.reasons import DecisionReason, Direction, EventKind
from scaler.model.records import Event
from scaler.model.services import ServiceKey
from scaler.policy.relief import MEMORY
from scaler.policy.scaling import Decision

_TEXTS: Final[Mapping[DecisionReason, str]] = {
    DecisionReason.PAUSED: "steps are paused",
    DecisionReason.RETIRE: "a deploy takes away the replicas of another version",
    DecisionReason.DEPLOYING: "its replicas are of several versions: a deploy is under way, or broke off",
    DecisionReason.GONE: "every container of it was removed, not by alertscale; it is forgotten",
    DecisionReason.STOPPED: "somebody stopped the service",
    DecisionReason.STEPPING: "a step is under way",
    DecisionReason.BACKOFF: "a replica failed or was stopped lately; the next try is",
    DecisionReason.LAST_READY: "a step down is due, and might take the last replica that is ready",
    DecisionReason.JOURNAL: "the journal cannot be written, so nothing may change",
    DecisionReason.BELOW_MIN: "there are fewer replicas than alertscale.min",
    DecisionReason.ABOVE_MAX: "there are more replicas than alertscale.max",
    DecisionReason.MANUAL: "a person asked for it",
    DecisionReason.ALERT_UP: "{alerts}",
    DecisionReason.RESTORE: "{alerts}, and somebody else had set the count back",
    DecisionReason.AT_MAX: "{alerts}, but alertscale.max is reached",
    DecisionReason.UP_COOLDOWN: "{alerts}; the up cooldown ends",
    DecisionReason.NOT_HELPED: "{alerts}, but adding does not help: {shares}",
    DecisionReason.ALERT_DOWN: "{alerts}",
    DecisionReason.AT_MIN: "{alerts}, but alertscale.min is reached",
    DecisionReason.DOWN_COOLDOWN: "{alerts}; the down cooldown ends",
    DecisionReason.BLIND: "the scaler is blind: alerts do not reach it, so nothing is removed",
    DecisionReason.NOT_ALL_LOW: "not everything is low: {resources} would have to be, too",
    DecisionReason.NOT_NAMED: "{alerts}, but alertscale.resources does not name {resources}",
    DecisionReason.ENDED: "the alert for {resources} fires no longer at its source, which was asked",
    DecisionReason.STEADY: "no alert asks for a step",
}
_ASKED: Final[Mapping[str, Direction]] = {
    DecisionReason.ALERT_UP: Direction.UP,
    DecisionReason.RESTORE: Direction.UP,
    DecisionReason.AT_MAX: Direction.UP,
    DecisionReason.UP_COOLDOWN: Direction.UP,
    DecisionReason.NOT_HELPED: Direction.UP,
    DecisionReason.NOT_NAMED: Direction.UP,
    DecisionReason.ALERT_DOWN: Direction.DOWN,
    DecisionReason.AT_MIN: Direction.DOWN,
    DecisionReason.DOWN_COOLDOWN: Direction.DOWN,
    DecisionReason.NOT_ALL_LOW: Direction.DOWN,
}
"""What the alert had asked for that led to a decision; the others rest on none."""


def sentence(view: ServiceView) -> str:
    """Say what is decided for a service and why.

    Returns:
        A sentence without its full stop, which "in 4 s" can follow when the decision has an ``until``;
        empty while nothing has been decided.
    """
    if view.decided is None:
        return ""
    decision = view.decided.decision
    if decision.direction is None:
        what = f"Holding at {decision.replicas}"
    else:
        what = f"Going {decision.direction} from {decision.replicas} to {decision.target}"
    why = _TEXTS[decision.reason].format(
        alerts=_alerts(view, decision),
        resources=" and ".join(decision.resources) or "every resource",
        shares=f"{MEMORY} was {decision.shares}",
    )
    return f"{what}: {why}"


def _alerts(view: ServiceView, decision: Decision) -> str:
    direction = _ASKED.get(decision.reason)
    names = [
        s.alert.name
        for s in view.signals
        if s.direction is direction and s.resource in decision.resources and s.alert.name
    ]
    # The same alert may fire for several resources, and may be gone a moment after the decision.
    told = " and ".join(dict.fromkeys(names)) or f"the alert for {' and '.join(decision.resources)}"
    return f"{told} {'fires' if len(set(names)) <= 1 else 'fire'}"


def rule_links(events: Sequence[Event]) -> Mapping[int, str]:
    """Find the address of each entry's rule.

    An alert carries its own; a decision and a step have that of the last alert before them that asked the
    same of their service.

    Args:
        events: newest first.

    Returns:
        Addresses by the entries' ids; without those that go back to no alert among ``events``.
    """
    last: dict[tuple[ServiceKey, str], str] = {}
    links = {}
    for event in reversed(events):
        if event.kind is EventKind.ALERT:
            url = str(event.detail.get("url", ""))
            labels = event.detail.get("labels")
            scale = str(labels.get("scale", "")) if isinstance(labels, Mapping) else ""
            last[event.service, scale] = url
        else:
            asked = event.reason if event.kind is EventKind.DECISION else str(event.detail.get("why", ""))
            url = last.get((event.service, _ASKED.get(asked, "none")), "")
        if url:
            links[event.id] = url
    return links
