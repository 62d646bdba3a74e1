"""What is behind a decision: why, in one sentence, and the rule in Prometheus that it goes back to."""

from collections.abc import Mapping, Sequence
from typing import Final

from scaler.loop.views import ServiceView
from scaler.model.reasons import DecisionReason, Direction, EventKind
from scaler.model.records import Event
from scaler.model.services import ServiceKey
from scaler.policy.scaling import Decision
from scaler.prometheus.load import MEASURED, Load, Use
from scaler.state.sentences import decided

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

_DOES: Final[Mapping[Direction, str]] = {Direction.UP: "adds", Direction.DOWN: "removes"}
_COMPARED: Final[Mapping[str, str]] = {
    ">": "above {}", ">=": "at {} or more", "<": "below {}", "<=": "at {} or less",
}  # fmt: skip


def sentence(view: ServiceView) -> str:
    """Say what is decided for a service and why.

    Returns:
        A sentence without its full stop, which "in 4 s" can follow when the decision has an ``until``;
        empty while nothing has been decided.
    """
    if view.decided is None:
        return ""
    decision = view.decided.decision
    return decided(decision, alerts=_alerts(view, decision), wanted=view.hold.wanted, until=True)


def _alerts(view: ServiceView, decision: Decision) -> str:
    direction = _ASKED.get(decision.reason)
    names = [
        s.alert.name
        for s in view.signals
        if s.direction is direction and s.resource in decision.resources and s.alert.name
    ]
    # The same alert may fire for several resources, and may be gone a moment after the decision.
    told = " and ".join(dict.fromkeys(names))
    return f"{told} {'fires' if len(set(names)) == 1 else 'fire'}" if told else ""


def busy(load: Load) -> str:
    """Say how busy a service is, and where its alerts ask for a step: one clause for each resource."""
    if load.error:
        return f"How busy it is, is not known: {load.error}"
    return "; ".join(map(_used, load.uses))


def _used(use: Use) -> str:
    name = label(use.resource)
    if not use.thresholds and use.value is None and use.resource not in MEASURED:
        return f"{name} is its alerts' to say"
    told = f"{name} {figure(use.value, ratio=use.ratio)}"
    against = ", ".join(bounds(use))
    return f"{told} ({against})" if against else told


def label(resource: str) -> str:
    """What a resource is called in a sentence."""
    return "CPU" if resource == "cpu" else resource


def figure(value: float | None, *, ratio: bool) -> str:
    """Write a value: of a share the whole per cent."""
    if value is None:
        return "not measured"
    return f"{value * 100:.0f} %" if ratio else f"{value:.4g}"


def bounds(use: Use) -> list[str]:
    """Say where its alerts ask for a step: ``adds above 70``; of a share in per cent."""
    scale = 100 if use.ratio else 1
    compared = ((t, f"{(t.value or 0.0) * scale:.4g}") for t in use.thresholds)
    return [f"{_DOES[t.direction]} {_COMPARED[t.operator].format(limit)}" for t, limit in compared]


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
